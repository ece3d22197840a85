"""Whatever command of ours a Markdown file shows is one that the programs know, with flags that they know; and the reference of the
configuration is what the programs say."""

import re
import subprocess
import sys
import unittest
from functools import cache
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/reference"))

from configuration_page import page  # noqa: E402
from programs import SERVICES, ask  # noqa: E402

# A command up to what ends it in a shell; a program that is named by its path is the same.
COMMAND = re.compile(r"(?<![\w/.:@-])(?:[\w./]*/)?(boxoffice(?:-[a-z]+)?|\./dev)((?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\$\([^)]*\)|[^\s|;&<>()`\"'])+)+)")
FENCE = re.compile(r"^( *)(?:```|~~~)\w*\n(.*?)^\1(?:```|~~~)", re.MULTILINE | re.DOTALL)
# Programs of ours that are none of the product's, and what is no command at all: an image, a file, a package, a unit.
OTHERS = {"boxoffice-bench", "boxoffice-sim", "boxoffice-web", "boxoffice-sdk"}
SHELLS_OWN = {"&&", "\\"}


def shown(text):
    """Each command that a page shows: from blocks of code, from what is indented like one, and from words that are set as code."""
    blocks = [block[2].replace("\\\n", " ") for block in FENCE.finditer(text)]
    rest = FENCE.sub("", text)
    blocks += re.findall(r"(?m)^ {4,}\S.*$", rest)
    blocks += re.findall(r"`([^`\n]+)`", rest)
    for block in blocks:
        for line in block.splitlines():
            line = re.sub(r"(^|\s)#\s.*", r"\1", re.sub(r"^\s*[$#] ", "", line)).replace("-u boxoffice --", "")
            if re.match(r"\s*(helm|kubectl|systemctl|apt)\b", line):  # ours is a name there
                continue
            inner = [command for part in re.findall(r"\$\(([^()]*)\)", line) for command in COMMAND.findall(part)]
            yield from dict.fromkeys([*inner, *COMMAND.findall(line)])


class Node:
    """A command: what it says of itself, and the commands below it."""

    def __init__(self, *words):
        self.words = words
        self.help = ask(*words, "--help")
        listed = self.help.split("\nSubcommands:\n", 1)
        self.below = re.findall(r"(?m)^  ([a-z][\w-]*)(?:\s|$)", listed[1].split("\n\n")[0]) if len(listed) > 1 else []

    @cache  # noqa: B019  (there are few, and they live as long as the process)
    def child(self, name):
        return Node(*self.words, name)

    def has_flag(self, flag):
        return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", self.help) is not None

    def required(self):
        return re.findall(r"(?m)^  (?:-\w,)?(--[a-z-]+) .*\bREQUIRED\b", self.help)


def is_placeholder(word):
    return not re.fullmatch(r"[a-z][a-z-]*", word)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Node()
        cls.dev = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout

    def problem_of(self, program, words):
        """What is wrong with a command, or nothing."""
        if program == "./dev":
            return self.problem_of_dev(words)
        node = self.root
        if program != "boxoffice":
            service = program.removeprefix("boxoffice-")
            if service not in SERVICES:
                return f"there is no program {program}"
            words = ["serve", service, *words]
        taken = 0
        while node.below and taken < len(words) and not words[taken].startswith("-"):
            word = words[taken]
            if word not in node.below:
                # `boxoffice concert|show` and `boxoffice COMMAND` tell of commands rather than giving one.
                return None if is_placeholder(word) else f"boxoffice {' '.join(node.words)} has no command {word}"
            node = node.child(word)
            taken += 1
        rest = words[taken:]
        if node.words == ("serve",) and rest and rest[0] in SERVICES:
            node = node.child(rest[0])
        unknown = [word for word in rest if word.startswith("--") and not node.has_flag(word.split("=")[0])]
        if unknown:
            return f"boxoffice {' '.join(node.words)} has no {', '.join(unknown)}"
        # Who names a command alone does not give it; who gives it what it works on, at three in the morning, types what is shown.
        missing = [flag for flag in node.required() if flag not in [word.split("=")[0] for word in rest]]
        return f"boxoffice {' '.join(node.words)} needs {', '.join(missing)}" if rest and missing and "…" not in rest else None

    def problem_of_dev(self, words):
        if is_placeholder(words[0]) or words[0] == "help":
            return None
        lines = [line for line in self.dev.splitlines() if re.match(rf"  (?:\w[\w-]* \| )*{re.escape(words[0])}\b", line)]
        if not lines:
            return f"./dev has no command {words[0]}"
        if words[0] in ("up", "export", "import", "backup", "restore", "ps"):
            return self.problem_of("boxoffice", words)
        if "[ARG …]" in " ".join(lines):
            return None
        unknown = [word for word in words[1:] if word.startswith("--") and word.split("=")[0] not in self.dev]
        return f"./dev {words[0]} has no {', '.join(unknown)}" if unknown else None

    def problems_in(self, text):
        found = []
        for program, rest in shown(text):
            words = [word.strip("[]\"',.:") for word in rest.split()]
            words = [word for word in words if word and word not in SHELLS_OWN]
            if program in OTHERS or not words:
                continue
            problem = self.problem_of(program, words)
            if problem is not None:
                found.append(f"{program}{rest}: {problem}")
        return found

    def test_every_command_that_is_shown_is_known(self):
        count = 0
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True,
                                text=True, check=False)  # fmt: skip
        pages = listed.stdout.split() or [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")]
        for name in pages:
            path = ROOT / name
            if not path.exists():
                continue
            text = path.read_text(encoding="utf-8")
            count += len(list(shown(text)))
            with self.subTest(page=name):
                self.assertEqual(self.problems_in(text), [])
        self.assertGreater(count, 100, "commands are not found any more")

    def test_what_is_wrong_is_found(self):
        for wrong in ("`boxoffice nonsense`", "```console\n$ boxoffice token --nobody alice\n```", "`boxoffice relay forget 1`",
                      "    build/release/bin/boxoffice queue set 7 --speed 1\n", "`boxoffice-seat --batch-max 3`", "`./dev nonsense`",
                      "`./dev up --scaled --replica 2`", "```\nX=$(boxoffice token --usr alice)\n```", "`./dev package --fast`",
                      "`boxoffice payment reconcile FILE`", "`boxoffice saga retry RESERVATION`", "`boxoffice backup --data .data`",
                      "`./dev restore --into x`"):  # fmt: skip
            self.assertEqual(len(self.problems_in(wrong)), 1, wrong)
        for right in ("`boxoffice token --user alice`", "`boxoffice serve seat --batch-max-commands 3`", "`boxoffice-seat migrate`",
                      "`./dev test -R seat`", "`./dev up --scaled --replicas 2`", "the boxoffice nonsense", "`boxoffice concert|show`",
                      "`./dev restore --in x --scaled`", "`boxoffice payment reconcile`", "`boxoffice saga retry RESERVATION --reason \"…\"`", "`boxoffice saga retry …`"):  # fmt: skip
            self.assertEqual(self.problems_in(right), [], right)


class Package(unittest.TestCase):
    """No repository has our package, so whoever installs one names its file."""

    ARGUMENTS = re.compile(r"\bapt(?:-get)? install\b([^\n`#;&|]*)")
    FILE = re.compile(r"\./(?:[\w.-]+/)*boxoffice_[\w.~+-]+_[a-z0-9]+\.deb")

    @classmethod
    def named(cls, text):
        return [word for arguments in cls.ARGUMENTS.findall(text) for word in arguments.split() if "boxoffice" in word]

    def test_who_installs_it_names_its_file(self):
        count = 0
        for path in sorted((ROOT / "docs").rglob("*.md")):
            named = self.named(path.read_text(encoding="utf-8"))
            count += len(named)
            with self.subTest(page=str(path.relative_to(ROOT))):
                self.assertEqual([word for word in named if not self.FILE.fullmatch(word)], [])
        self.assertGreater(count, 2, "installations are not found any more")

    def test_what_is_wrong_is_found(self):
        for wrong in ("`apt install boxoffice=0.1.0`", "# apt-get install -y boxoffice", "`apt install boxoffice_0.1.0_amd64.deb`"):
            self.assertEqual([bool(self.FILE.fullmatch(word)) for word in self.named(wrong)], [False], wrong)
        right = "`apt install --allow-downgrades ./boxoffice_VERSION_amd64.deb` # boxoffice"
        self.assertEqual([bool(self.FILE.fullmatch(word)) for word in self.named(right)], [True])


class Console(unittest.TestCase):
    """Whatever page of the console a page of the documentation names, as in "Console: *Books*", is one that it has, by that name."""

    NAMED = re.compile(r"[Cc]onsole(?:'s|:)\s+\*([^*]+)\*")

    @classmethod
    def setUpClass(cls):
        operator = ROOT / "web/src/operator"
        words = (operator / "words.ts").read_text(encoding="utf-8")
        keys = re.findall(r"\['/operator[^']*', w\.(\w+)\]", (operator / "console.tsx").read_text(encoding="utf-8"))
        # English comes first.
        cls.pages = {re.search(rf"(?m)^  {key}: '([^']*)'", words)[1] for key in keys}

    def test_every_page_that_is_named_is_there(self):
        count = 0
        for path in sorted((ROOT / "docs").rglob("*.md")):
            named = self.NAMED.findall(path.read_text(encoding="utf-8"))
            count += len(named)
            with self.subTest(page=str(path.relative_to(ROOT))):
                self.assertEqual([name for name in named if name not in self.pages], [])
        self.assertGreater(count, 3, "pages of the console are not found any more")

    def test_what_is_wrong_is_found(self):
        for wrong in ("Console: *Sagas*.", "and the console's\n*Audit* have it"):
            self.assertEqual([name for name in self.NAMED.findall(wrong) if name in self.pages], [], wrong)
            self.assertEqual(len(self.NAMED.findall(wrong)), 1, wrong)


class Configuration(unittest.TestCase):
    def test_the_reference_is_what_the_programs_say(self):
        written = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
        self.assertEqual(written, page(), "./dev docs writes it anew")


if __name__ == "__main__":
    unittest.main(verbosity=2)
