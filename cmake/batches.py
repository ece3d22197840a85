"""Files that are compiled as one: what they include is parsed and instantiated once, which is most of a build from nothing.

batches.py SIZE ROOT OUT FILE … writes OUT_0.cc, OUT_1.cc …, each of which includes up to SIZE of the FILEs, and prints
what to compile, as a CMake list. Two files are kept apart where a name that one keeps to itself (in a namespace without a
name, by `static`, `using` or #define) occurs in the other or in a header of ours that the other includes, so that nobody
has to look for names that are free in a whole folder, and no call finds another function than it does alone.
"""

import re
import sys
from functools import cache
from pathlib import Path

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
WORD = re.compile(r"(?<![\w:.>])[A-Za-z_]\w*")  # not behind :: or as a member, where it can mean nothing else
# At the start of a line, as clang-format leaves whatever is in a namespace.
ALIAS = re.compile(r"(?:using|using enum|namespace) (?:(\w+) = .*|[\w:]*\b(\w+));")
TYPE = re.compile(r"(?:template <.*> )?(?:struct|class|enum|enum class|using|concept) (\w+)")
OTHER = re.compile(r"[A-Za-z_][^;={(]*?\b(\w+)\s*(?:[({=;\[]|$)")
TEST = re.compile(r"(?:TYPED_)?TEST(?:_F|_P|_SUITE)?\(|INSTANTIATE_|TYPED_TEST")
DEFINE = re.compile(r"#define (\w+)")


def main(size, root, out, files):
    batches = []
    for file in map(Path, files):
        fitting = (batch for batch in batches if len(batch) < size and not any(clash(root, file, each) for each in batch))
        batch = next(fitting, None)
        if batch is None:
            batches.append(batch := [])
        batch.append(file)
    print(";".join(written(root, f"{out}_{number}.cc", batch) for number, batch in enumerate(batches)), end="")


def written(root, path, batch):
    """By its place from the folder that the compiler is given, so that nothing depends on where the tree is."""
    if len(batch) == 1:
        return batch[0].as_posix()
    text = "".join(f'#include "{name_of(root, file)}"\n' for file in batch)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path.as_posix()


def name_of(root, file):
    for folder in (root / "src", root / "tests"):
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return file.relative_to(root).as_posix()


def clash(root, one, other):
    return any(
        kept(theirs).get(name) != definition and name in words(theirs) if definition else name in met(root, theirs)
        for mine, theirs in ((one, other), (other, one))
        for name, definition in kept(mine).items()
    )


@cache
def kept(file):
    """The names that a file keeps to itself, with what they mean where that may stand twice."""
    names, nameless = {}, False
    for line in file.read_text().splitlines():
        if line.startswith("namespace {"):
            nameless = True
        elif line == "}  // namespace":
            nameless = False
        elif match := DEFINE.match(line):
            names[match[1]] = None
        elif line.startswith("using namespace "):
            continue
        elif match := ALIAS.match(line):
            names[match[1] or match[2]] = line
        elif (nameless or line.startswith(("static ", "constexpr ", "const "))) and not TEST.match(line):
            if match := TYPE.match(line) or OTHER.match(line):
                names[match[1]] = None
    return names


@cache
def met(root, file):
    """The names that a file uses, and those that the headers declare that it includes."""
    found, seen, open_files = set(words(file)), {file}, [file]
    while open_files:
        for name in included(open_files.pop()):
            header = next((path for path in (root / "src" / name, root / "tests" / name, root / name) if is_file(path)), None)
            if header and header not in seen:
                seen.add(header)
                open_files.append(header)
                found |= declared(header)
    return frozenset(found)


is_file = cache(Path.is_file)


@cache
def included(file):
    return INCLUDE.findall(file.read_text())


@cache
def words(file):
    return frozenset(WORD.findall(re.sub(r"//.*", "", file.read_text())))


@cache
def declared(header):
    lines = header.read_text().splitlines()
    return frozenset(match[1] for line in lines if (match := TYPE.match(line) or OTHER.match(line)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
