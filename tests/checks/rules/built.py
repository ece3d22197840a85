"""Every .cc is built, and every *_test.cc is run."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from tree import Violation

BATCHED = re.compile(r'^#include "(.+\.cc)"', re.MULTILINE)
ROOM = re.compile(r"^\s*boxoffice_(room|service)\(", re.MULTILINE)


def check(tree):
    cmakes = [path for path in tree.files if PurePosixPath(path).name == "CMakeLists.txt"]
    violations = list(check_reached(tree, cmakes))
    built = patterns_of(tree, cmakes)
    compiled = compile_commands(tree)
    for path in tree.cpp:
        if not path.endswith(".cc"):
            continue
        makers = [cmake for pattern, cmake in built if fnmatch(path, pattern)]
        if compiled is not None and path not in compiled:
            violations.append(Violation(path, 0, "is not in compile_commands.json: nothing builds it",
                                        "give its folder a CMakeLists.txt with boxoffice_room, or delete it"))
        elif compiled is None and not makers:
            violations.append(Violation(path, 0, "no CMakeLists.txt builds it",
                                        "give its folder a CMakeLists.txt with boxoffice_room, or delete it"))
        if path.endswith("_test.cc") and not any(registers_tests(tree, cmake) for cmake in makers):
            violations.append(Violation(path, 0, "is not registered as a test",
                                        "use boxoffice_room, or add_test beside its add_executable"))
    return violations


def registers_tests(tree, cmake):
    return bool(ROOM.search(tree.text(cmake))) or "add_test(" in tree.text(cmake)


def check_reached(tree, cmakes):
    """A CMakeLists.txt is of use only if its parent adds its folder, by name or in a list."""
    for path in cmakes:
        folder = PurePosixPath(path).parent
        if folder == PurePosixPath("."):
            continue
        above = next((p for p in folder.parents if tree.exists(p / "CMakeLists.txt")), None)
        name = folder.relative_to(above).as_posix() if above is not None else ""
        text = tree.text((above / "CMakeLists.txt").as_posix()) if above is not None else ""
        if not re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", re.sub(r"#.*", "", text)):
            yield Violation(path, 0, f"{above}/CMakeLists.txt does not add this folder",
                            f"add_subdirectory({name}) there")


def patterns_of(tree, cmakes):
    """(pattern, CMakeLists.txt) of every .cc that is built: a room's glob, or a name or glob written out."""
    found = []
    for path in cmakes:
        folder = PurePosixPath(path).parent
        text = re.sub(r"#.*", "", tree.text(path))
        if ROOM.search(text):
            found += [(cc, path) for cc in tree.cpp if PurePosixPath(cc).parent in (folder, folder / "saga")]
        for word in re.findall(r"[\w./*${}-]+\.cc\b", text):
            word = word.replace("${CMAKE_CURRENT_SOURCE_DIR}/", "")
            if word.startswith("${CMAKE_SOURCE_DIR}/"):
                found.append((word.removeprefix("${CMAKE_SOURCE_DIR}/"), path))
            else:
                found.append(((folder / word).as_posix(), path))
    return found


def compile_commands(tree):
    """What the build folder compiles, relative to the root; None without a build folder."""
    if tree.build is None:
        return None
    entries = json.loads((tree.build / "compile_commands.json").read_text())
    root = tree.root.resolve()
    files = [(Path(entry["directory"]) / entry["file"]).resolve() for entry in entries]
    files += [folder / name for batch in files if batch.is_relative_to(tree.build.resolve()) and batch.is_file()
              for name in BATCHED.findall(batch.read_text()) for folder in (root / "src", root / "tests", root)]  # fmt: skip
    return {file.relative_to(root).as_posix() for file in files if file.is_relative_to(root)}
