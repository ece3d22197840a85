"""The source tree as the rules see it: its files, their text, and C++ without comments and literals."""

import fnmatch
import os
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

# Folders that hold nothing of ours, wherever they stand.
SKIPPED_FOLDERS = {".git", ".cache", ".data", "node_modules", "__pycache__"}


class Violation(NamedTuple):
    path: str
    line: int  # 0: the file or folder as a whole
    what: str
    instead: str

    def __str__(self):
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.what}\n    instead: {self.instead}"


class Include(NamedTuple):
    line: int
    header: str
    quoted: bool  # "header", not <header>


# One alternative for each thing that can contain another's delimiter. Numbers come before characters, because of
# digit separators: 1'000'000.
_TOKENS = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<raw>\b(?:u8|u|U|L)?R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)")
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>\b\d[\w.]*(?:'\w+)*)
      | (?P<character>'(?:[^'\\\n]|\\.)+')""",
    re.VERBOSE | re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip_literals(text):
    """C++ with comments and the insides of literals blanked; every other character keeps its line and column."""

    def replace(match):
        if match["number"]:
            return match[0]
        if match["comment"]:
            return _blank(match[0])
        quote = match[0][-1]
        return quote + _blank(match[0][1:-1]) + quote

    return _TOKENS.sub(replace, text)


class Tree:
    def __init__(self, root, build=None):
        self.root = Path(root)
        self.build = Path(build) if build else None  # a build folder whose compile_commands.json is up to date
        self._texts = {}
        self._codes = {}

    @cached_property
    def files(self):
        """Every file, as a path relative to the root with forward slashes, sorted."""
        found = []
        for folder, folders, names in os.walk(self.root):
            relative = Path(folder).relative_to(self.root)
            skipped = SKIPPED_FOLDERS | ({"build"} if relative == Path(".") else set())
            folders[:] = [name for name in folders if name not in skipped]
            found += [(relative / name).as_posix() for name in names]
        return sorted(found)

    def match(self, *patterns):
        """The files that match one of the patterns; * does not stop at a slash."""
        return [path for path in self.files if any(fnmatch.fnmatch(path, pattern) for pattern in patterns)]

    @cached_property
    def cpp(self):
        return self.match("src/*.h", "src/*.cc", "tests/*.h", "tests/*.cc", "bench/*.h", "bench/*.cc")

    @cached_property
    def scripts(self):
        """Shell and Python, also without an ending."""
        named = set(self.match("*.sh", "*.py"))
        for path in self.files:
            if "." not in Path(path).name and self.text(path).startswith("#!"):
                named.add(path)
        return sorted(named)

    def folders(self, *patterns):
        """The folders that hold files, directly or below, and match one of the patterns; * stops at a slash."""
        found = set()
        for path in self.files:
            for parent in Path(path).parents:
                if any(
                    len(Path(pattern).parts) == len(parent.parts) and fnmatch.fnmatch(parent.as_posix(), pattern)
                    for pattern in patterns
                ):
                    found.add(parent.as_posix())
        return sorted(found)

    def exists(self, path):
        return (self.root / path).exists()

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._texts[path]

    def lines(self, path):
        return self.text(path).splitlines()

    def code(self, path):
        if path not in self._codes:
            self._codes[path] = strip_literals(self.text(path))
        return self._codes[path]

    def code_lines(self, path):
        return self.code(path).splitlines()

    def includes(self, path):
        found = []
        for number, (line, code) in enumerate(zip(self.lines(path), self.code_lines(path)), start=1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if match and code.lstrip().startswith("#"):
                found.append(Include(number, match[2], match[1] == '"'))
        return found
