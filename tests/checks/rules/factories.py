"""Embedded and scaled differ in three factories; nobody else names a scheme of a store or a bus, or asks which it is."""

import re
from fnmatch import fnmatch

from tree import Violation

FACTORIES = [
    "src/services/*/store_factory.*",
    "src/platform/module/store_url.*",  # what the store factories share
    "src/platform/module/store_rows.*",
    "src/platform/bus/bus_factory.*",
    "src/platform/module/peer_channels.*",
]
# These start servers of their own, and tell their URLs.
SERVERS = ["src/platform/servers/*", "src/testing/*"]
# A client of such a server is given the URL that a factory has chosen, and reads it.
CLIENTS = ["src/platform/sql/*", "src/platform/redis/*", "src/platform/bus/kafka_*"]
TESTS = ["*_test.cc", "*_bench.cc", "*_for_test.h", "tests/*"]

SCHEME = re.compile(r'"(sqlite|postgres|postgresql|redis|rediss|redis\+\w+|kafka):')
MODE = re.compile(r"\b\w*(embedded|scaled)\w*\b", re.IGNORECASE)
# The command line may be asked for either.
MODE_ALLOWED = ["src/boxoffice/command_up.cc"]


def allowed(path, *lists):
    return any(fnmatch(path, pattern) for patterns in lists for pattern in patterns)


def check(tree):
    violations = []
    for path in tree.match("src/*.h", "src/*.cc"):
        if allowed(path, FACTORIES, SERVERS, CLIENTS, TESTS):
            continue
        for number, (line, code) in enumerate(zip(tree.lines(path), tree.code_lines(path)), start=1):
            # The quote is code, what stands between is not: a comment has neither.
            for match in SCHEME.finditer(line):
                if code[match.start() : match.start() + 1] == '"':
                    violations.append(Violation(path, number, f"names the scheme {match[1]}:",
                                                "let the store, bus or channel factory choose by the URL"))
            match = MODE.search(code)
            if match and not code.lstrip().startswith("#") and not allowed(path, MODE_ALLOWED):
                violations.append(Violation(path, number, f"`{match[0]}` asks which form this is",
                                            "take what differs from a factory: a store, a bus or a channel"))
    return violations
