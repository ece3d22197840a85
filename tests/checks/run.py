"""Runs the style rules of tests/checks/rules/ over the tree.

    run.py [--root DIR] [--build DIR] [--update-golden] [RULE …]

A rule is a module with check(tree) -> list of Violation. Exit status 1: something was violated; 2: bad usage.
"""

import argparse
import importlib
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from tree import Tree  # noqa: E402  (needs the path above)

RULES = sorted(path.stem for path in (HERE / "rules").glob("*.py"))
GOLDEN_RULES = ["contracts", "edges", "metrics", "reference"]


def load(rule):
    return importlib.import_module(f"rules.{rule}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=HERE.parent.parent, help="the tree to check")
    parser.add_argument("--build", help="a build folder, to compare with its compile_commands.json")
    parser.add_argument("--update-golden", action="store_true", help="write the golden files anew")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of {', '.join(RULES)}; default: all")
    options = parser.parse_args()
    unknown = sorted(set(options.rules) - set(RULES))
    if unknown:
        parser.error(f"no rule {', '.join(unknown)}; there are {', '.join(RULES)}")

    tree = Tree(options.root, options.build)
    if options.update_golden:
        for rule in GOLDEN_RULES:
            load(rule).update(tree)
    failed = []
    rules = options.rules or RULES
    for rule in rules:
        violations = load(rule).check(tree)
        for violation in violations:
            print(f"[{rule}] {violation}")
        if violations:
            failed.append(rule)
    print(f"violated: {' '.join(failed)}" if failed else f"all {len(rules)} rules hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
