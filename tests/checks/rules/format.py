"""Every C++ file is as clang-format leaves it."""

import re
import shutil
import subprocess

from tree import Violation

TOOL = "clang-format-19"


def check(tree):
    if not tree.cpp:
        return []
    if shutil.which(TOOL) is None:
        return [Violation(TOOL, 0, "is not installed", "./dev deps test")]
    run = subprocess.run([TOOL, "--dry-run", "-Werror", *tree.cpp], cwd=tree.root, capture_output=True, text=True)
    first = {}
    for path, line in re.findall(r"^(\S+?):(\d+):\d+: error: .*clang-format-violations", run.stderr, re.MULTILINE):
        first.setdefault(path, int(line))
    if run.returncode != 0 and not first:
        return [Violation(".clang-format", 0, run.stderr.strip()[:400], "make clang-format accept it")]
    return [Violation(path, line, "is not formatted", "./dev format") for path, line in first.items()]
