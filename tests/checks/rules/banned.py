"""Banned calls and names; each ban names its replacement."""

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import NamedTuple

from tree import Violation


class Ban(NamedTuple):
    pattern: str
    instead: str
    where: tuple = ("src/*", "tests/*", "bench/*")
    but_not: tuple = ()


TESTS = ("*_test.cc", "tests/*", "bench/*", "src/testing/*")

CPP = [
    Ban(r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(|\bnanosleep\s*\(",
        "wait on a timer (asio::steady_timer) or a condition; a test moves a ManualClock",
        where=("src/*",), but_not=("src/testing/*",)),
    Ban(r"(?<!\w)s?rand\s*\(\s*\w*\s*\)|\bstd::random_device\b|\bstd::mt19937", "take a Random (base/random.h)",
        but_not=("src/base/random.h",)),
    Ban(r"\bstd::system\s*\(|(?<![\w.>:])(?<!\w )system\s*\(|\bpopen\s*\(", "call a library; a test starts a process directly"),
    Ban(r"\bsystem_clock::now\b", "take a Clock or a Timestamp (base/clock.h)", but_not=("src/base/clock.h", "src/platform/rpc/*", "*_test.cc", "tests/sim/virtual_time.cc",  # a gRPC deadline is a system time
        "src/platform/obs/span.cc")),  # to the nanosecond, and nothing is decided by it
    Ban(r"\bstd::c(out|err)\b|(?<![\w.>])f?printf\s*\(|\bfmt::print\s*\(|\bputs\s*\(", "log through platform/obs",
        where=("src/*",), but_not=("src/boxoffice/*", "src/base/check.h", "*_test.cc", "*_bench.cc", "*/main.cc",
                                   "src/testing/*",
                                   # The main program of every service: it answers --help and says why it can't start.
                                   "src/platform/module/serve.cc")),
    Ban(r"(?<!\w)assert\s*\(|#\s*include\s*<cassert>", "CHECK (base/check.h), which is there in every build"),
    Ban(r"(?<!\w)(std::)?(ato[ifl]l?|sto[ild]l?|stoull?|strto\w+)\s*\(", "std::from_chars, and check its result"),
    Ban(r"(?<!\w)getenv\s*\(", "a config struct, filled in src/boxoffice or module.cc", where=("src/*",),
        but_not=("src/boxoffice/*", "*/module.cc", "*_test.cc", "src/testing/*",
                 "src/platform/module/serve.cc")),  # the main program of every service
    Ban(r"\.detach\s*\(\s*\)", "own the thread (std::jthread) and join it when its owner stops"),
    Ban(r"(?<!\w)(std::)?(localtime|gmtime|ctime|mktime)\w*\s*\(", "ToRfc3339 (base/clock.h)",
        but_not=("src/base/clock.cc",)),
]  # fmt: skip

SQLITE = [
    Ban(r"\bCHECK\s*\(.*\bIN\s*\([^(),]*,[^(),]*,",
        "BETWEEN: of IN with three or more values it builds a table for each row that it checks",
        where=("*/schema/sqlite/*",),
        but_not=("src/services/queue/schema/sqlite/0001_queue.sql", "src/services/queue/schema/sqlite/0002_draw.sql")),
]  # fmt: skip
SCRIPT = [
    Ban(r"\b(pkill|killall)\b", "end the process by the id that was kept when it was started"),
]
ANY_TEXT = [
    Ban(r"\b(TODO|FIXME)\b(?!\(#\d+\))", "TODO(#N) with the number of its issue, or do it now"),
]
NAMES = {"util": "what it does", "utils": "what it does", "common": "what it holds", "helper": "what it does",
         "helpers": "what it does", "manager": "what it decides or owns", "impl": "what sets it apart"}  # fmt: skip
# A field of a log line that is called as one of those that each line has, so that its JSON has a key twice.
LOG_FIELD = re.compile(r'\bLog\([^;]*?\{\s*"(time|level|event|trace_id)"\s*,')
# What others have written, and is here as it is.
OTHERS = ("src/platform/otlp/opentelemetry/*",)
# These name the banned words in order to ban them.
OWN = ("tests/checks/rules/banned.py", "tests/checks/selftest.py")


def check(tree):
    violations = []
    for path in tree.cpp:
        violations += find(path, tree.code_lines(path), CPP)
        violations += check_catch_all(tree, path)
        violations += check_log_fields(tree, path)
        if path.endswith(".h"):
            violations += check_header(tree, path)
    for path in tree.scripts:
        violations += find(path, tree.lines(path), SCRIPT)
    for path in tree.match("*.sql"):
        violations += find(path, tree.lines(path), SQLITE)
    for path in tree.match("*.h", "*.cc", "*.cmake", "*CMakeLists.txt", "*.proto", "*.sql", "*.sh", "*.py", "*.yaml",
                           "*.js", "dev"):
        violations += find(path, tree.lines(path), ANY_TEXT)
    violations += check_names(tree)
    return violations


def find(path, lines, bans):
    if path in OWN or is_of_others(path):
        return
    bans = [ban for ban in bans if applies(ban, path)]
    for number, line in enumerate(lines, start=1):
        for ban in bans:
            match = re.search(ban.pattern, line)
            if match:
                yield Violation(path, number, f"`{match[0].strip()}` is banned", ban.instead)


def is_of_others(path):
    return any(fnmatch(path, pattern) for pattern in OTHERS)


def applies(ban, path):
    in_scope = any(fnmatch(path, pattern) for pattern in ban.where) or ban in SCRIPT + ANY_TEXT
    return in_scope and not any(fnmatch(path, pattern) for pattern in ban.but_not)


def check_catch_all(tree, path):
    """catch (...) swallows what nobody foresaw: whoever writes it says why, on the line, above it or just inside."""
    lines = tree.lines(path)
    for number, code in enumerate(tree.code_lines(path), start=1):
        around = lines[max(number - 2, 0) : number + 1]
        if re.search(r"\bcatch\s*\(\s*\.\.\.\s*\)", code) and not any("//" in line for line in around):
            yield Violation(path, number, "`catch (...)` without a comment", "catch the type, or say why everything")


def check_log_fields(tree, path):
    for match in LOG_FIELD.finditer(tree.text(path)):
        number = tree.text(path).count("\n", 0, match.start(1)) + 1
        yield Violation(path, number, f"a log field is called `{match[1]}`, as one of every line", "name it after what it is of")


def check_header(tree, path):
    if "#pragma once" not in tree.code(path):
        yield Violation(path, 1, "has no `#pragma once`", "add it below the comment that opens the header")
    for number, line in enumerate(tree.code_lines(path), start=1):
        if re.search(r"\busing\s+namespace\b", line):
            yield Violation(path, number, "`using namespace` in a header", "qualify, or name what is used")


def check_names(tree):
    seen = set()
    for path in tree.files:
        for part in (PurePosixPath(path), *PurePosixPath(path).parents):
            if part.as_posix() in seen:
                continue
            seen.add(part.as_posix())
            if is_of_others(part.as_posix()):
                continue
            for word in re.split(r"[_.-]", part.name):
                if word in NAMES:
                    yield Violation(part.as_posix(), 0, f"a name with \"{word}\" says nothing",
                                    f"name it after {NAMES[word]}")
