"""Every shell script passes shellcheck."""

import shutil
import subprocess

from tree import Violation

TOOL = "shellcheck"


def check(tree):
    scripts = [path for path in tree.scripts if path.endswith(".sh") or "bash" in tree.lines(path)[0]]
    if not scripts:
        return []
    if shutil.which(TOOL) is None:
        return [Violation(TOOL, 0, "is not installed", "./dev deps test")]
    run = subprocess.run([TOOL, "-x", "-f", "gcc", *scripts], cwd=tree.root, capture_output=True, text=True)
    violations = []
    for line in run.stdout.splitlines():
        path, number, _, what = line.split(":", 3)
        violations.append(Violation(path, int(number), what.strip(), "see shellcheck's wiki for that code"))
    return violations
