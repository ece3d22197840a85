"""ARCHITECTURE.md's code map names every folder, and every path that it names exists."""

import re

from tree import Violation

MAP = "ARCHITECTURE.md"
FOLDERS = ["src/base", "src/platform/*", "src/services/*", "src/gateway", "src/audit", "src/boxoffice", "src/testing",
           "proto", "openapi", "tests/*", "bench", "tools", "docs", "web", "deploy"]  # fmt: skip


def check(tree):
    if not tree.exists(MAP):
        return [Violation(MAP, 0, "does not exist", "write it, with a section \"## Code map\"")]
    named, violations = {}, []
    inside = False
    for number, line in enumerate(tree.lines(MAP), start=1):
        if line.startswith("## "):
            inside = line.strip() == "## Code map"
        elif inside:
            for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", line):
                # A word with neither slash nor dot is a path only if it is there: `Decide` is none.
                if "/" in path or "." in path or tree.exists(path):
                    named.setdefault(path.rstrip("/"), number)
    for path, number in named.items():
        if not tree.exists(path):
            violations.append(Violation(MAP, number, f"the code map names `{path}`, which does not exist",
                                        "correct or remove the entry"))
    for folder in tree.folders(*FOLDERS):
        if folder not in named:
            violations.append(Violation(folder, 0, f"is not in the code map of {MAP}",
                                        f"add a line for `{folder}` to its section \"## Code map\""))
    return violations
