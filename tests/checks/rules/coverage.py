"""docs/failure-coverage.md has all rows of the failure semantics, and every test that it names exists."""

import re

from tree import Violation

DOC = "docs/failure-coverage.md"
ROWS = range(1, 28)
NAMED = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)


def check(tree):
    if not tree.exists(DOC):
        return []
    tests = {f"{suite}.{name}" for path in tree.match("*_test.cc") for suite, name in TEST.findall(tree.text(path))}
    violations, rows = [], set()
    for number, line in enumerate(tree.lines(DOC), start=1):
        if row := re.match(r"\| (\d+) \|", line):
            rows.add(int(row[1]))
        for name in NAMED.findall(line):
            if name not in tests:
                violations.append(Violation(DOC, number, f"there is no test {name}",
                                            "name the test that holds the rule now, or bring it back"))
    missing = sorted(set(ROWS) - rows)
    if missing:
        violations.append(Violation(DOC, 0, f"has no row {', '.join(map(str, missing))}",
                                    "name the tests of that case, or say why it does not apply"))
    return violations
