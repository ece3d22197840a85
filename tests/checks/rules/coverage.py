"""docs/failure-coverage.md has all rows of the failure semantics, and every test that it or docs/security.md names exists."""

import re

from tree import Violation

DOC = "docs/failure-coverage.md"
SECURITY = "docs/security.md"
ROWS = range(1, 28)
NAMED = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)


def check(tree):
    tests = {f"{suite}.{name}" for path in tree.match("*_test.cc") for suite, name in TEST.findall(tree.text(path))}
    violations = [violation for page in (DOC, SECURITY) if tree.exists(page) for violation in check_names(tree, page, tests)]
    if not tree.exists(DOC):
        return violations
    rows = {int(row[1]) for line in tree.lines(DOC) if (row := re.match(r"\| (\d+) \|", line))}
    missing = sorted(set(ROWS) - rows)
    if missing:
        violations.append(Violation(DOC, 0, f"has no row {', '.join(map(str, missing))}",
                                    "name the tests of that case, or say why it does not apply"))
    return violations


def check_names(tree, page, tests):
    for number, line in enumerate(tree.lines(page), start=1):
        for name in NAMED.findall(line):
            if name not in tests:
                yield Violation(page, number, f"there is no test {name}",
                                "name the test that holds the rule now, or bring it back")
