"""Layering, by #include: base <- platform <- services, audit, gateway <- boxoffice; and what a service core may see."""

import re
from fnmatch import fnmatch

from tree import Violation

# What a room may include besides itself and base. "proto" stands for the generated headers, "platform" for every
# mechanism, "service" for every service.
ALLOWED = {
    "base": set(),
    # Headers only, but for servers: what else a test links is its own room's choice.
    "testing": {"platform/bus", "platform/module", "platform/obs", "platform/rpc", "platform/servers"},
    "platform/archive": {"platform/bus", "platform/obs", "platform/sql"},
    "platform/auth": {"proto"},
    "platform/batch": {"platform/obs", "platform/resilience"},
    "platform/boost": set(),
    "platform/bus": {"platform/obs", "platform/sql"},
    "platform/config": set(),
    "platform/dns": set(),
    "platform/http": {"platform/obs", "platform/auth", "platform/dns"},
    "platform/module": {"platform/obs", "platform/rpc", "platform/batch", "platform/bus", "platform/config",
                         "platform/http", "platform/otlp", "platform/outbox", "platform/archive", "platform/sql", "platform/auth", "proto"},
    "platform/obs": set(),
    "platform/otlp": {"platform/obs", "platform/config", "platform/http", "proto"},
    "platform/outbox": {"platform/obs", "platform/sql", "platform/bus"},
    "platform/redis": {"platform/obs", "platform/dns"},
    "platform/resilience": {"platform/obs"},
    "platform/rpc": {"platform/obs", "platform/batch", "platform/dns", "platform/resilience", "proto"},
    "platform/servers": set(),
    "platform/sql": {"platform/dns"},
    "service": {"platform", "proto"},
    "audit": {"platform/obs", "platform/rpc", "platform/bus", "platform/module", "proto"},
    "gateway": {"platform", "proto", "audit"},
    # A buyer unpacks the seat map; the tests play against a server of platform/http.
    "rehearsal": {"platform/auth", "platform/http"},
    "boxoffice": {"platform", "proto", "service", "audit", "gateway", "rehearsal"},
}

# Drivers stay behind the mechanism that wraps them.
DRIVERS = [
    ("sqlite3.h", ["platform/sql"], "go through platform/sql"),
    ("libpq-fe.h", ["platform/sql", "testing"], "go through platform/sql"),
    ("hiredis/*", ["platform/redis", "testing"], "go through platform/redis"),
    ("spdlog/*", ["platform/obs"], "log through platform/obs"),
    ("librdkafka/*", ["platform/bus", "testing"], "go through platform/bus"),
    ("boost/beast*", ["platform/http", "platform/boost"], "go through platform/http"),
    ("toml++/*", ["platform/config"], "read configuration through platform/config"),
    # platform/module holds the main program of every service.
    ("CLI/*", ["boxoffice", "platform/config", "platform/module"], "parse command lines in src/boxoffice; take a config struct"),
    ("grpcpp/*", ["platform/rpc", "platform/module", "service", "audit", "gateway", "boxoffice", "testing"], "keep gRPC out of this room"),
]

# The files of a service that are its edge, or of its tests. Every other one is its core.
EDGE = [
    "store_*", "rpc_*", "module.*", "main.cc", "*_client.*", "provider_*", "plan_*", "*_test.cc", "*_bench.cc",
    "testing_*", "*_for_test.h",
]  # fmt: skip
# Headers outside base that a core may include all the same: values and interfaces, without I/O.
PURE = ["platform/batch/executor.h", "platform/batch/health.h", "platform/batch/execute.h", "platform/batch/without_moved.h", "platform/obs/log.h", "platform/obs/metrics.h",
        "platform/obs/span.h", "platform/obs/span_context.h", "platform/obs/warning_pace.h",
        "platform/auth/shuffle.h", "platform/resilience/admission.h", "platform/resilience/retry_budget.h"]
# Headers of the standard library and of others that a core may include: no I/O, no thread, no clock.
CORE_BANNED_SYSTEM = ["thread", "future", "condition_variable", "fstream", "iostream", "sqlite3.h", "libpq-fe.h",
                      "hiredis/*", "librdkafka/*", "google/*", "grpc*", "boost/*", "openssl/*", "spdlog/*"]  # fmt: skip
# The saga is made of coroutines.
SAGA = ("services/reservation/saga/", "services/reservation/service.")
CORE_BANNED_CALLS = [
    (r"\b(system|steady|high_resolution)_clock::now\b", "take `now` as an argument"),
    (r"\bstd::j?thread\b|\bstd::async\b|\bthis_thread\b", "leave threads to module.cc and the mechanisms"),
]


def room_of(path):
    """The room of a path relative to src/, or None: "platform/sql", "services/seat", "base"."""
    parts = path.split("/")
    if len(parts) < 2:
        return None
    return "/".join(parts[:2]) if parts[0] in ("platform", "services") else parts[0]


def kind(room):
    return "service" if room.startswith("services/") else room


def is_core(path):
    """path is relative to src/."""
    return path.startswith("services/") and not any(fnmatch(path.rsplit("/", 1)[1], pattern) for pattern in EDGE)


def is_test(path):
    return path.endswith(("_test.cc", "_bench.cc", "_for_test.h"))


def allowed(room, target, test):
    if target in (room, "base") or (test and target == "testing"):
        return True
    edges = ALLOWED.get(kind(room), set())
    return target in edges or kind(target) in edges or (target.startswith("platform/") and "platform" in edges)


def target_of(include):
    if include.header.endswith(".pb.h"):
        return "proto"
    return room_of(include.header)


def describe(room):
    edges = sorted(ALLOWED.get(kind(room), set()))
    return f"{room} may include base" + (f", {', '.join(edges)}" if edges else " only")


def check(tree):
    violations = []
    for path in tree.match("src/*/*.h", "src/*/*.cc"):
        inside = path.removeprefix("src/")
        room = room_of(inside)
        if kind(room) not in ALLOWED:
            violations.append(Violation(path, 0, f"room {room} is not in the layering table",
                                        "add what it may include to ALLOWED in tests/checks/rules/layering.py"))
            continue
        for include in tree.includes(path):
            violations += check_include(path, inside, room, include)
        if is_core(inside):
            violations += check_core_calls(tree, path)
    violations += check_cmake(tree)
    return violations


def check_include(path, inside, room, include):
    if not include.quoted:
        for pattern, rooms, instead in DRIVERS:
            if fnmatch(include.header, pattern) and room not in rooms and kind(room) not in rooms:
                yield Violation(path, include.line, f"<{include.header}> is included in {room}", instead)
        if room == "base" and "/" in include.header and not is_test(inside) and not include.header.startswith("fmt/"):
            yield Violation(path, include.line, f"base includes <{include.header}>",
                            "base is the standard library and fmt; put this into a mechanism under src/platform")
    target = target_of(include)
    if include.quoted and target is None:
        yield Violation(path, include.line, f'"{include.header}" does not say which room it is of',
                        "include by the path from src/")
    elif include.quoted and not allowed(room, target, is_test(inside)):
        yield Violation(path, include.line, f"{room} includes {target} ({include.header})", describe(room))
    if not is_core(inside):
        return
    core_instead = f"a core includes base, its own core headers and {PURE or 'nothing else'}; move this to an edge file"
    if include.quoted:
        own = target == room and is_core(include.header)
        if not (own or target == "base" or any(fnmatch(include.header, pattern) for pattern in PURE)):
            yield Violation(path, include.line, f'the core of {room} includes "{include.header}"', core_instead)
    elif any(fnmatch(include.header, pattern) for pattern in CORE_BANNED_SYSTEM):
        if not (inside.startswith(SAGA) and include.header.startswith("boost/asio")):
            yield Violation(path, include.line, f"the core of {room} includes <{include.header}>", core_instead)


def check_core_calls(tree, path):
    for number, line in enumerate(tree.code_lines(path), start=1):
        for pattern, instead in CORE_BANNED_CALLS:
            match = re.search(pattern, line)
            if match:
                yield Violation(path, number, f"`{match[0]}` in a service core", instead)


def check_cmake(tree):
    """A room links no room that it may not include."""
    rooms = {}
    for path in tree.match("src/*/CMakeLists.txt"):
        room = room_of(path.removeprefix("src/"))
        for name in re.findall(r"^\s*boxoffice_(?:room|service)\((\w+)", tree.text(path), re.MULTILINE):
            rooms[f"boxoffice_{name}"] = (room, path)
    for room, path in rooms.values():
        for number, line in enumerate(tree.lines(path), start=1):
            for dep in re.findall(r"\bboxoffice_\w+", re.sub(r"TEST_DEPS.*|#.*", "", line)):
                target = "proto" if dep == "boxoffice_proto" else rooms.get(dep, (None,))[0]
                if target and not allowed(room, target, False):
                    yield Violation(path, number, f"{room} links {dep}", describe(room))
