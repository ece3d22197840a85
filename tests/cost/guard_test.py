#!/usr/bin/python3
"""What the hot operations cost, against cost.golden: instructions (callgrind counts them, so the machine may be busy), and
allocations. usage: guard_test.py PROGRAM [--update]

A cost that grew by more than the tolerance fails. So does one that fell by so much that growing back would not be noticed:
run with --update, and say in the commit why."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).with_name("cost.golden")
# Instructions differ a little with the libraries' builds and the processor's features; allocations do not.
TOLERANCE = {"instructions": 0.12, "allocations": 0.05}
FALL = 0.12
SLOWER = 30  # percent: what has to be noticed
SKIPPED = 77


def measure(program, slower=0):
    """{operation: {"instructions": …, "allocations": …}}, each once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", program]
        if slower:
            command += ["--slower", str(slower)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {run.returncode}\n{run.stderr[-2000:]}")
        costs, times = {}, 1
        for line in run.stdout.splitlines():
            words = line.split()
            if words[0] == "times":
                times = int(words[1])
            else:
                costs[words[0]] = {"allocations": float(words[1])}
        for dump in Path(folder).iterdir():
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            if name and total:
                costs[name[1]]["instructions"] = int(total[1]) / times
    return costs


def read_golden():
    golden = {}
    for line in GOLDEN.read_text().splitlines():
        if line and not line.startswith("#"):
            name, instructions, allocations = line.split()
            golden[name] = {"instructions": float(instructions), "allocations": float(allocations)}
    return golden


def write_golden(costs):
    lines = ["# What each hot operation costs: instructions and allocations, each once. guard_test.py --update writes this."]
    lines += [f"{name} {cost['instructions']:.0f} {cost['allocations']:g}" for name, cost in sorted(costs.items())]
    GOLDEN.write_text("\n".join(lines) + "\n")


def compare(costs, golden):
    """A line for each cost that is not as it was."""
    for name in sorted(costs.keys() | golden.keys()):
        if name not in golden or name not in costs:
            yield f"{name}: {'is not in' if name in costs else 'is only in'} cost.golden"
            continue
        for kind, tolerance in TOLERANCE.items():
            was, is_now = golden[name][kind], costs[name].get(kind)
            if is_now is None:
                yield f"{name}: its {kind} were not counted"
            elif is_now > was * (1 + tolerance) or is_now < was * (1 - FALL):
                yield f"{name}: {is_now:.0f} {kind}, was {was:.0f} ({(is_now / max(was, 1) - 1) * 100:+.0f} %)"


def unnoticed(costs, golden):
    """Operations whose cost may grow as it did in `costs` without a word."""
    noticed = {line.split(":")[0] for line in compare(costs, golden)}
    return sorted(golden.keys() - noticed)


def blind_spots():
    """Costs, in percent of the golden ones, that pass, and after which SLOWER percent more pass, too: there may be none."""
    golden = {kind: 100 for kind in TOLERANCE}

    def passes(kind, cost):
        return not list(compare({"it": golden | {kind: cost}}, {"it": golden}))

    return [f"{kind} {cost} %" for kind in TOLERANCE for cost in range(1, 200)
            if passes(kind, cost) and passes(kind, cost * (100 + SLOWER) / 100)]  # fmt: skip


def main():
    program = sys.argv[1]
    if blind := blind_spots():
        sys.exit(f"the guard would let a cost grow by {SLOWER} %, from {', '.join(blind)} of what cost.golden says")
    if subprocess.run(["which", "valgrind"], capture_output=True, check=False).returncode != 0:
        print("valgrind is not installed")
        sys.exit(1 if os.environ.get("BOXOFFICE_REQUIRE_ALL") else SKIPPED)
    costs = measure(program)
    if "--update" in sys.argv:
        write_golden(costs)
        return
    golden = read_golden()
    failures = list(compare(costs, golden))
    # The guard itself: 30 % more of everything.
    for name in unnoticed(measure(program, SLOWER), golden):
        failures.append(f"{name}: the guard does not notice that it costs {SLOWER} % more")
    for name, cost in sorted(costs.items()):
        print(f"{name:<28} {cost.get('instructions', 0):>12.0f} instructions {cost['allocations']:>8g} allocations")
    if failures:
        sys.exit("\n".join(failures) + "\nIf that is meant: tests/cost/guard_test.py PROGRAM --update, and say why in the commit.")


if __name__ == "__main__":
    main()
