"""Runs fuzz targets: each over its corpus, then on for some seconds.

fuzz.py [--seconds N] [--only NAME,…] [--keep DIR] [--jobs N] BIN: the targets BIN/NAME_fuzz. New inputs that reach new code are kept in
DIR/NAME, and used again by the next run with the same DIR. A failure prints what was found and the command that repeats
it; the exit code is then 1.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAX_LENGTH = {"http_request": 4096, "seat_plan": 4096, "command_batch": 2048}
DEFAULT_MAX_LENGTH = 1024
TOO_SLOW_S = 10  # for one input, on a machine that does other things as well


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    names = sorted(path.name.removesuffix("_fuzz.cc") for path in HERE.glob("*_fuzz.cc"))
    chosen = [name for name in options.only.split(",") if name] or names
    if unknown := sorted(set(chosen) - set(names)):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(names)}")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        keep = options.keep or Path(scratch)
        results = list(pool.map(lambda name: fuzz(options.bin, name, options.seconds, keep), chosen))
    sys.exit(0 if all(results) else 1)


def fuzz(binaries, name, seconds, keep):
    corpus = HERE / "corpus" / name
    seeds = len(list(corpus.iterdir()))
    if seeds == 0:
        print(f"{name}: its corpus is empty", flush=True)
        return False
    kept = keep / name
    kept.mkdir(parents=True, exist_ok=True)
    command = [binaries / f"{name}_fuzz", kept, corpus, f"-max_total_time={seconds}" if seconds > 0 else "-runs=0", "-print_final_stats=1",
               f"-max_len={MAX_LENGTH.get(name, DEFAULT_MAX_LENGTH)}", f"-timeout={TOO_SLOW_S}",
               f"-artifact_prefix={kept}/", "-rss_limit_mb=2048"]  # fmt: skip
    dictionary = HERE / "dictionary" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    executed = re.findall(r"number_of_executed_units: (\d+)", run.stderr)
    covered = re.findall(r"cov: (\d+)", run.stderr)
    if run.returncode == 0 and executed and int(executed[-1]) > seeds:
        print(f"{name}: {int(executed[-1]):,} inputs from {seeds} seeds, {covered[-1]} places reached, nothing found", flush=True)
        return True
    found = re.findall(r"Test unit written to (\S+)", run.stderr)
    print(f"{name}: FOUND (exit {run.returncode})\n" + "\n".join(run.stderr.splitlines()[-60:]), flush=True)
    for path in found:
        print(f"{name}: the input, as base64 above; with --keep: {binaries}/{name}_fuzz {path}", flush=True)
    return False


main()
