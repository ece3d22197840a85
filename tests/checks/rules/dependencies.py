"""docs/dependencies.md names what the product is made of, and nothing else: the libraries of tools/dev/packages.txt that no other
list says are for tests, and what web/package.json and web/sdk/package.json have for the app. What
package-lock.json pins is what these ask for."""

import json
import re

from tree import Violation

DOC = "docs/dependencies.md"
PACKAGES = "tools/dev/packages.txt"
WEB = ("web/package.json", "web/sdk/package.json")
LOCK = "web/package-lock.json"
LIBRARY = re.compile(r"^lib.*-dev$|-dev$")


def names_of(text):
    """The packages of a list, one a line."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def sections(text):
    """{heading: what stands below}"""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(section):
    """What the first column of its table names."""
    return {name for line in section.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def differences(listed, wanted, where):
    for name in sorted(wanted - listed):
        yield Violation(DOC, 0, f"does not name {name}, which {where} has", "add it, with what it is for and its licence")
    for name in sorted(listed - wanted):
        yield Violation(DOC, 0, f"names {name}, which {where} does not have", "remove it")


def check(tree):
    if not tree.exists(PACKAGES):
        return []
    told = sections(tree.text(DOC)) if tree.exists(DOC) else {}
    violations = []
    to_build = set(re.findall(r"`([^`]+)`", told.get("To build and to test", "")))
    packages = set(names_of(tree.text(PACKAGES)))
    linked = {name for name in packages if LIBRARY.search(name)} - to_build
    violations += differences(rows(told.get("Linked into the executables", "")), linked, PACKAGES)
    for name in sorted(packages - linked - to_build):
        violations.append(Violation(DOC, 0, f"does not name {name}, which {PACKAGES} has", "add it to what builds and tests"))
    wanted = {}
    for path in WEB:
        wanted |= json.loads(tree.text(path)).get("dependencies", {}) if tree.exists(path) else {}
    own = {name for name in wanted if name.startswith("boxoffice")}
    violations += differences(rows(told.get("In the web app", "")), set(wanted) - own, " or ".join(WEB))
    locked = json.loads(tree.text(LOCK))["packages"] if tree.exists(LOCK) else {}
    for name, version in sorted(wanted.items()):
        entry = locked.get(f"node_modules/{name}", {})
        if name not in own and (entry.get("version") != version or not entry.get("integrity")):
            violations.append(Violation(LOCK, 0, f"does not pin {name} {version} with a checksum", "npm install"))
    return violations
