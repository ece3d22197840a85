"""What `boxoffice man` prints: a page that man and mandoc have nothing to say against, with every command and option."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import need, run


def commands(words=()):
    """All commands, as tuples of words, each with what its --help says."""
    text = run(*words, "--help").stdout
    if words:
        yield words, text
    for name in re.findall(r"^  (\S+)", text.partition("Subcommands:")[2], re.MULTILINE):
        yield from commands((*words, name))


class Man(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.page = Path(folder.name) / "boxoffice.1"
        printed = run("man")
        assert printed.returncode == 0, printed.stderr
        cls.page.write_text(printed.stdout)

    def read(self):
        shown = subprocess.run(["mandoc", "-Tutf8", "-Owidth=200", self.page], capture_output=True, text=True, timeout=60, check=True)
        return re.sub(r".\x08", "", shown.stdout)

    def test_man_has_no_warnings(self):
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", self.page],
                              capture_output=True, timeout=60, check=False, env={"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"})  # fmt: skip
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))

    def test_mandoc_has_no_warnings(self):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", self.page], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_every_command_and_every_option_is_in_it(self):
        text = self.read()
        known = list(commands())
        self.assertGreater(len(known), 60)
        for words, told in known:
            self.assertIn("boxoffice " + " ".join(words), text)
            for option in re.findall(r"^  (?:-\w,)?(--[a-z-]+)", told, re.MULTILINE):
                if option != "--help":
                    self.assertIn(option, text, words)

    def test_exit_codes_are_in_it(self):
        self.assertRegex(self.read(), r"EXIT STATUS\s+0\s+Done\.\s+1\s+It was done, and the answer is no")


if __name__ == "__main__":
    need("man", "mandoc")
    unittest.main()
