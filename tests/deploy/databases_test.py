"""deploy/compose's jobs passwords and databases, with a PostgreSQL of its own: each role has a password that nobody else has."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from ports import free_port
from programs import PROGRAM, ROOT

FOLDER = ROOT / "deploy/compose"
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
SKIPPED = 77
SUPERUSERS = "of-the-superuser"
SERVICES = ["seat", "reservation", "wallet", "payment", "relay"]


def need_postgres():
    if (PROGRAMS / "postgres").exists():
        return
    print("skipped: there is no PostgreSQL 15", file=sys.stderr)
    sys.exit(1 if os.environ.get("BOXOFFICE_REQUIRE_ALL") else SKIPPED)


def run(*words, environment=None, **more):
    return subprocess.run([str(word) for word in words], env={**os.environ, **(environment or {})}, capture_output=True, text=True,
                          timeout=120, check=False, **more)  # fmt: skip


class Server:
    """Whoever connects needs a password, as over compose's network."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="boxoffice-databases."))
        self.port = free_port()
        (self.folder / "password").write_text(SUPERUSERS + "\n")
        # PostgreSQL refuses to run as root.
        self.user = {}
        if os.geteuid() == 0:
            runner = pwd.getpwnam("postgres")
            self.user = {"user": runner.pw_uid, "group": runner.pw_gid, "extra_groups": []}
            for path in (self.folder, self.folder / "password"):
                os.chown(path, runner.pw_uid, runner.pw_gid)
        self.run("initdb", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", self.folder / "password", "--locale=C", "--no-sync")
        self.run("pg_ctl", "-w", "-l", self.folder / "log", "-o",
                 f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off", "start")  # fmt: skip

    def run(self, program, *words):
        done = run(PROGRAMS / program, "-D", self.folder / "data", *words, cwd=self.folder, **self.user)
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self):
        self.run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def psql(self, role, password, database, statement):
        return run(PROGRAMS / "psql", "-qAt", "-h", "127.0.0.1", "-p", self.port, "-U", role, "-d", database, "-c", statement,
                   environment={"PGPASSWORD": password})  # fmt: skip


class DatabasesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.end)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="boxoffice-passwords."))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in [*SERVICES, "all", "bin"]:
            (self.folder / name).mkdir()
        # What is on a command line everybody sees.
        self.arguments = self.folder / "arguments"
        psql = self.folder / "bin/psql"
        psql.write_text(f'#!/bin/sh\necho "$@" >>{self.arguments}\nexec {PROGRAMS}/psql "$@"\n')
        psql.chmod(0o755)

    def script(self, name):
        text = (FOLDER / name).read_text().replace("/run/boxoffice/passwords/", f"{self.folder}/all/")
        text = text.replace("/passwords/", f"{self.folder}/").replace("postgres:5432:", f"127.0.0.1:{self.server.port}:")
        (self.folder / name).write_text(text)
        return run("bash", self.folder / name, environment={
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "PGHOST": "127.0.0.1", "PGPORT": str(self.server.port),
            "PGUSER": "postgres", "PGPASSWORD": SUPERUSERS})  # fmt: skip

    def make(self):
        for name in ("passwords.sh", "databases.sh"):
            done = self.script(name)
            self.assertEqual(done.returncode, 0, done.stderr)

    def passwords(self):
        return {service: (self.folder / service / "pgpass").read_text().strip().rsplit(":", 1)[1] for service in SERVICES}

    def test_a_password_is_its_services_alone(self):
        self.make()
        passwords = self.passwords()
        self.assertEqual(len({*passwords.values(), SUPERUSERS}), len(SERVICES) + 1)
        for service, password in passwords.items():
            self.assertRegex(password, "^[0-9a-f]{48}$")
            self.assertEqual(self.server.psql(service, password, service, "SELECT current_user").stdout, f"{service}\n")
        for role, database in (("wallet", "wallet"), ("postgres", "postgres")):
            refused = self.server.psql(role, passwords["seat"], database, "SELECT 1")
            self.assertIn(f'password authentication failed for user "{role}"', refused.stderr)
        self.assertIn("permission denied for database", self.server.psql("seat", passwords["seat"], "wallet", "SELECT 1").stderr)

    def test_no_password_is_an_argument(self):
        self.make()
        said = self.arguments.read_text()
        self.assertEqual(len(said.splitlines()), len(SERVICES), "it is asked by this test's psql")
        for password in [*self.passwords().values(), SUPERUSERS]:
            self.assertNotIn(password, said)

    def test_what_is_made_only_its_owner_may_read_and_our_programs_log_in_by_it(self):
        """libpq takes no file that others may read."""
        self.make()
        files = list(self.folder.glob("*/pgpass*"))
        self.assertEqual({file.parent.name for file in files}, {*SERVICES, "all"})
        self.assertEqual({stat.S_IMODE(file.stat().st_mode) for file in files}, {0o600})
        for folder in ("seat", "all"):
            url = f"postgresql://seat@127.0.0.1:{self.server.port}/seat"
            done = run(PROGRAM, "serve", "seat", "migrate", "--store-url", url, "--data", self.folder / "data",
                       environment={"PGPASSFILE": f"{self.folder}/{folder}/pgpass"})  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_repeat_keeps_them(self):
        self.make()
        before = self.passwords()
        self.make()
        self.assertEqual(self.passwords(), before)
        self.assertEqual((self.folder / "all/pgpass").read_text(), "".join((self.folder / name / "pgpass").read_text() for name in SERVICES))

    def test_a_role_of_an_earlier_version_or_a_volume_that_is_gone_gets_a_new_one(self):
        self.make()
        self.server.psql("postgres", SUPERUSERS, "postgres", f"ALTER ROLE relay PASSWORD '{SUPERUSERS}'")
        (self.folder / "wallet/pgpass").unlink()
        before = self.server.psql("relay", SUPERUSERS, "relay", "SELECT 1")
        self.assertEqual(before.returncode, 0, before.stderr)
        self.make()
        for service, password in self.passwords().items():
            self.assertEqual(self.server.psql(service, password, service, "SELECT 1").stdout, "1\n", service)
        self.assertIn("password authentication failed", self.server.psql("relay", SUPERUSERS, "relay", "SELECT 1").stderr)

    def test_roles_wait_for_their_passwords(self):
        """Podman-compose starts the job without waiting for the one before."""
        self.make()
        all_of_them = self.folder / "all/pgpass"
        all_of_them.write_text("".join(all_of_them.read_text().splitlines(keepends=True)[:1]))
        done = self.script("databases.sh")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("there is no password for reservation yet", done.stderr)


if __name__ == "__main__":
    need_postgres()
    unittest.main()
