"""./dev on a machine that is not as it should be: it says what is wrong and what to do, and a relative path is that of who calls. Copies
of it run here, with stand-ins for the programs that it would call."""

import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Programs of any Debian that it calls; all others are stand-ins, or missing.
PLAIN = ["bash", "cat", "comm", "cut", "dirname", "env", "find", "flock", "grep", "head", "ln", "mkdir", "readlink", "rm", "sed", "sha256sum",
         "sort", "tail", "xargs"]  # fmt: skip
NPM = 'case " $* " in *" --silent "*) ;; *) echo "npm ERR! network" >&2 ;; esac; exit 1'


class Dev(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name) / "tree"
        self.bin = Path(folder.name) / "bin"
        self.bin.mkdir()
        self.tree.mkdir()
        shutil.copy(ROOT / "dev", self.tree)
        shutil.copytree(ROOT / "tools/dev", self.tree / "tools/dev")
        for name in PLAIN:
            (self.bin / name).symlink_to(shutil.which(name))
        # All packages are there, and all is built.
        self.stand_in("dpkg-query", 'shift 2; for package; do echo "$package installed"; done')
        self.stand_in("ninja", "exit 0")
        self.stand_in("cmake", 'mkdir -p build/release/bin && : >build/release/build.ninja')
        self.stand_in("node", "echo 18")
        self.stand_in("npm", NPM)
        self.stand_in("id", "echo 1000")
        (self.tree / "web").mkdir()
        (self.tree / "web/package-lock.json").write_text("{}")
        (self.tree / "openapi").mkdir()
        (self.tree / "openapi/boxoffice.yaml").write_text("")

    def stand_in(self, name, script):
        path = self.bin / name
        path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        path.chmod(0o755)

    def dev(self, *words, cwd=None):
        return subprocess.run([self.tree / "dev", *words], cwd=cwd or self.tree, env={"PATH": str(self.bin), "HOME": str(self.tree), "LANG": "C.UTF-8"},
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip

    def test_packages_that_cannot_be_fetched_are_told(self):
        done = self.dev("up")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("npm ERR! network", done.stderr)
        self.assertIn("could not fetch the web app's packages", done.stderr)

    def test_who_is_not_root_and_has_no_sudo_is_told_what_to_install(self):
        self.stand_in("dpkg-query", "exit 1")
        done = self.dev("up")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "run this as root, or install sudo. Missing: apt-get install .*ninja-build")

    def test_what_debian_has_not_given_is_named_with_its_own_words(self):
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("id", "echo 0")
        self.stand_in("apt-get", '[[ $1 == update ]] || { echo "E: Failed to fetch"; exit 100; }')
        done = self.dev("up")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "E: Failed to fetch\ndev: could not install: .*ninja-build")

    def test_a_machine_that_is_no_debian_is_told_so(self):
        (self.bin / "dpkg-query").unlink()
        done = self.dev("up")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("this is not Debian 12", done.stderr)

    def test_a_flag_without_its_value_is_named(self):
        done = self.dev("package", "--version")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--version is followed by a version", done.stderr)

    def test_a_relative_path_is_that_of_who_calls(self):
        program = self.tree / "build/release/bin/boxoffice"
        program.parent.mkdir(parents=True)
        self.stand_in("boxoffice", 'printf "%s\\n" "$@"')
        shutil.copy(self.bin / "boxoffice", program)
        (self.tree / "below").mkdir()
        for given, wanted in ((["--data", "x"], f"{self.tree}/below/x"), (["--data=x"], f"--data={self.tree}/below/x"),
                              (["--data", "/x"], "/x"), (["--data=/x"], "--data=/x")):  # fmt: skip
            self.assertEqual(self.dev("ps", *given, cwd=self.tree / "below").stdout.splitlines()[-1], wanted)

    def test_what_help_lists_is_a_command_and_nothing_else_is(self):
        for words in ([], ["help"], ["-h"], ["--help"]):
            self.assertIn("usage: ./dev COMMAND", self.dev(*words).stdout, words)
        for word in ("nosuch", "move", "need_packages", "--version", "a b"):
            done = self.dev(word)
            self.assertEqual((done.returncode, done.stdout), (2, ""), word)
            self.assertIn(f'dev: no command "{word}"', done.stderr)

    def test_the_end_of_a_run_names_what_failed_in_it_and_where(self):
        log = ["[ RUN      ] Room.Works", "room_test.cc:7: Failure", "Value of: works", "[  FAILED  ] Room.Works (3 ms)", "not ok 2 - the page", "",
               "50% tests passed, 1 tests failed out of 2", "Total Test time (real) = 1.00 sec"]  # fmt: skip
        self.stand_in("ctest", f"printf '%s\\n' {shlex.join(log)}; exit 8")
        for name in ("mktemp", "tee"):
            (self.bin / name).symlink_to(shutil.which(name))
        done = subprocess.run([shutil.which("bash"), "-c", "set -euo pipefail; . tools/dev/test.sh; run_ctest build/release"], cwd=self.tree,
                              env={"PATH": str(self.bin)}, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        self.assertNotEqual(done.returncode, 0)
        _, end = done.stdout.split("Total Test time (real) = 1.00 sec\n")
        self.assertIn("room_test.cc:7: Failure\nValue of: works\n", end)
        self.assertIn("[  FAILED  ] Room.Works (3 ms)\nnot ok 2 - the page\n", end)
        self.assertTrue(end.endswith("\n1 passed, 1 failed, 0 skipped\n"), end)


if __name__ == "__main__":
    unittest.main()
