"""Every service has the same rooms, so that whoever knows one service finds the way in all. Migrations lie where the
build embeds them (cmake/Rooms.cmake), and those of PostgreSQL say whom they serve (docs/adr/0017)."""

import re

from rules.layering import is_core
from tree import Violation

MAIN_LINES = 20
ROOMS = ["README.md", "CMakeLists.txt", "store.h", "store_sqlite.cc", "store_contract_test.cc", "schema/sqlite/0001_*.sql",
         "rpc_server.h", "rpc_server.cc", "module.h", "module.cc", "main.cc"]  # fmt: skip
# (service, room): why it has none.
EXCEPTIONS = {}
SCHEMA = re.compile(r".*/schema/(sqlite|postgres)/\d{4}_[a-z0-9_]+\.sql")
SERVES_FROM = re.compile(r"^-- serves_from: (\d+)$", re.MULTILINE)  # as cmake/EmbedSchema.cmake reads it
# The newest migrations of PostgreSQL that say nothing: who knows no more than these goes by no such line.
UNSAID = {"payment": 5, "relay": 6, "reservation": 5, "seat": 9, "wallet": 4}


def check(tree):
    violations = [Violation(path, 0, "is not embedded in the program",
                            "put a migration into schema/sqlite/ or schema/postgres/, as NNNN_what_it_does.sql")
                  for path in tree.match("src/*/schema/*") if not SCHEMA.fullmatch(path)]  # fmt: skip
    violations += [Violation(path, 0, "does not say which programs it serves",
                             "a line `-- serves_from: N`, the version that the release before knows, or its own number if that "
                             "release must not be started on it: CONTRIBUTING.md, Add a migration")
                   for path in tree.match("src/services/*/schema/postgres/*.sql") if not says_whom_it_serves(tree, path)]  # fmt: skip
    for folder in tree.folders("src/services/*"):
        service = folder.rsplit("/", 1)[1]
        missing = [room for room in ROOMS
                   if (service, room) not in EXCEPTIONS and not tree.match(f"{folder}/{room}")]  # fmt: skip
        if missing:
            violations.append(Violation(folder, 0, f"has no {', '.join(missing)}",
                                        "add what the other services have under these names"))
        if not core_files(tree, folder):
            violations.append(Violation(folder, 0, "has no core", "add service.cc or NOUN.cc: the rules, pure"))
        main = f"{folder}/main.cc"
        if main in tree.files and len(tree.lines(main)) > MAIN_LINES:
            violations.append(Violation(main, len(tree.lines(main)), f"is longer than {MAIN_LINES} lines",
                                        "move the wiring to module.cc"))
    return violations


def says_whom_it_serves(tree, path):
    service, name = path.split("/")[2], path.rsplit("/", 1)[1]
    if not SCHEMA.fullmatch(path) or int(name[:4]) <= max(UNSAID.get(service, 0), 1):
        return True
    said = SERVES_FROM.findall(tree.text(path))
    return len(said) == 1 and 1 <= int(said[0]) <= int(name[:4])


def core_files(tree, folder):
    return [path for path in tree.match(f"{folder}/*.cc") if is_core(path.removeprefix("src/"))]
