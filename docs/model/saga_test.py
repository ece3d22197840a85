"""Spin looks at every interleaving of saga.pml: that it is right, that it ends, and that it is not so without each of the rules
that make it right. `saga_test.py --full` takes minutes and gigabytes: with more faults, crashes and stolen leases."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "saga.pml"
SKIPPED = 77
# Property, bounds. `ends` is of runs in which whoever can go on does so, sooner or later.
CI = [("right", {"FAULTS": 1, "CRASHES": 1}), ("final", {"FAULTS": 1, "CRASHES": 0}), ("ends", {"FAULTS": 1, "CRASHES": 0})]
FULL = [("right", {"FAULTS": 2, "CRASHES": 2}), ("final", {"FAULTS": 2, "CRASHES": 1}), ("ends", {"FAULTS": 1, "CRASHES": 1})]
# Each takes a rule out of the model.
MUTANTS = ["NO_TOMBSTONE", "NO_EPOCH", "NO_OWNER_CHECK", "UNDO_WHAT_THIS_RUN_DID", "SPARE_THE_REFUSED_STEP"]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def verify(what, bounds, *options):
    """How many violations there are, and states. `options` are the compiler's."""
    safety = what == "right"  # each state alone is right or not, so no cycle has to be looked for
    with tempfile.TemporaryDirectory() as folder:
        definitions = [f"-D{name}={value}" for name, value in bounds.items()]
        run(["spin", *definitions, "-a", str(MODEL)], folder)
        run(["cc", *options, "-DSAFETY" if safety else "-DNFAIR=3", "-o", "pan", "pan.c"], folder)
        cycles = [] if safety else ["-a", "-f"] if what == "ends" else ["-a"]
        out = run(["./pan", *cycles, "-N", what, "-m5000000"], folder)
    if "error: max search depth" in out or "out of memory" in out:
        sys.exit(f"{what} {bounds}: not all of it was looked at\n{out}")
    return int(re.search(r"errors: (\d+)", out)[1]), re.search(r"(\d+) states, stored", out)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the larger bounds")
    full = parser.parse_args().full
    if shutil.which("spin") is None:
        print("skipped: there is no spin", file=sys.stderr)
        sys.exit(SKIPPED)
    failed = 0
    # Takes longer and less memory, which so many states need.
    compression = ["-DCOLLAPSE"] if full else []
    for what, bounds in FULL if full else CI:
        errors, states = verify(what, bounds, "-O2", *compression)
        print(f"{what} {bounds}: {states} states, {'ok' if errors == 0 else 'VIOLATED'}", flush=True)
        failed += errors != 0
    for mutant in MUTANTS:
        # Found at once: compiling it well would take longer.
        errors, _ = verify("right", {mutant: 1, "FAULTS": 1, "CRASHES": 1}, "-O0")
        print(f"without its rule, {mutant}: {'found' if errors else 'NOT FOUND'}", flush=True)
        failed += errors == 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
