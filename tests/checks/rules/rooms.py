"""Every service has the same rooms, so that whoever knows one service finds the way in all. Migrations lie where the
build embeds them (cmake/Rooms.cmake)."""

import re

from rules.layering import is_core
from tree import Violation

MAIN_LINES = 20
ROOMS = ["README.md", "CMakeLists.txt", "store.h", "store_sqlite.cc", "store_contract_test.cc", "schema/sqlite/0001_*.sql",
         "rpc_server.h", "rpc_server.cc", "module.h", "module.cc", "main.cc"]  # fmt: skip
# (service, room): why it has none.
EXCEPTIONS = {}
SCHEMA = re.compile(r".*/schema/(sqlite|postgres)/\d{4}_[a-z0-9_]+\.sql")


def check(tree):
    violations = [Violation(path, 0, "is not embedded in the program",
                            "put a migration into schema/sqlite/ or schema/postgres/, as NNNN_what_it_does.sql")
                  for path in tree.match("src/*/schema/*") if not SCHEMA.fullmatch(path)]  # fmt: skip
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


def core_files(tree, folder):
    return [path for path in tree.match(f"{folder}/*.cc") if is_core(path.removeprefix("src/"))]
