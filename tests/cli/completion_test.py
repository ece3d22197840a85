"""What `boxoffice completion` prints, read and used by the shells themselves."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, need, run

# What is typed, of which the last word is being completed, and what must be offered and what not.
CASES = [
    ([""], {"up", "queue", "backup", "doctor", "completion"}, {"list", "running"}),
    (["que"], {"queue"}, {"up"}),
    (["queue", ""], {"list", "get", "set", "pause", "--help"}, {"up", "rotate"}),
    (["queue", "list", "--j"], {"--json"}, {"--url"}),
    (["queue", "--help", "l"], {"list"}, {"get"}),
    (["saga", "list", "--status", ""], {"running", "parked"}, {"--json", "list"}),
    (["relay", "deliveries", "--state", "d"], {"delivered", "dead"}, {"pending"}),
    # The value of an option is no command, though it has the name of one.
    (["backup", "--data", "restore", "--o"], {"--out"}, {"--in"}),
    (["completion", ""], {"bash", "zsh", "fish"}, {"queue"}),
]

BASH = r"""
source "$1"; shift
COMP_WORDS=(boxoffice "$@"); COMP_CWORD=$#
_boxoffice
printf '%s\n' "${COMPREPLY[@]}"
"""

# The completion system's own functions want a terminal; these tell what they are given.
ZSH = r"""
compdef() { : }
_files() { print -r -- FILES }
compadd() { shift; print -rl -- "$@" }
_describe() { local list=${@[-1]}; print -rl -- "${(@)${(@P)list}%%:*}" }
source "$1"; shift
words=(boxoffice "$@"); CURRENT=${#words}
_boxoffice
"""


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = {}
        for shell in ("bash", "zsh", "fish"):
            printed = run("completion", shell)
            assert printed.returncode == 0, printed.stderr
            cls.files[shell] = Path(folder.name) / shell
            cls.files[shell].write_text(printed.stdout)

    def ask(self, command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        return {line.split("\t")[0].strip() for line in done.stdout.splitlines()}

    def check(self, offer, cases=CASES):
        for typed, offered, not_offered in cases:
            with self.subTest(typed=typed):
                found = offer(typed)
                # zsh leaves it to the shell to choose those that begin as typed.
                self.assertLessEqual(offered, found)
                self.assertFalse(not_offered & {word for word in found if word.startswith(typed[-1])})

    def test_bash(self):
        self.check(lambda typed: self.ask(["bash", "--norc", "-c", BASH, "bash", self.files["bash"], *typed]))

    def test_zsh(self):
        self.check(lambda typed: self.ask(["zsh", "-f", "-c", ZSH, "zsh", self.files["zsh"], *typed]))

    def test_fish(self):
        def offer(typed):
            line = " ".join(["boxoffice", *typed])
            return self.ask(["fish", "--no-config", "-c", f"source {self.files['fish']}; complete -C '{line}'"])

        # fish offers options only once a dash was typed.
        cases = [(typed, offered - {"--help"}, not_offered) for typed, offered, not_offered in CASES]
        self.check(offer, cases)

    def test_every_command_is_known_to_each(self):
        commands = [line.split()[0] for line in run("--help").stdout.partition("Subcommands:")[2].splitlines() if line[:2] == "  " and line[2:3] != " "]
        self.assertIn("doctor", commands)
        for shell, file in self.files.items():
            for command in commands:
                self.assertIn(command, file.read_text(), shell)

    def test_another_shell_is_refused(self):
        refused = run("completion", "tcsh")
        self.assertEqual(refused.returncode, 2)


if __name__ == "__main__":
    assert PROGRAM.exists(), PROGRAM
    need("bash", "zsh", "fish")
    unittest.main()
