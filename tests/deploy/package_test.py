"""The Debian package: made twice to the same bytes, clean by lintian and systemd's judge of units, and installed over this
system's files (an overlay, which is gone afterwards, as is everything that is written), where it sells, is upgraded under load,
moves its data, is removed and is purged; where nothing may be mounted, as in most containers, that part is left out. Systemd does not run there: the units' commands are run as the units say, as their user.
With systemd, on a Debian that has nothing else: ./dev test-deploy package."""

import gzip
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import unittest
from functools import cache
from pathlib import Path

sys.dont_write_bytecode = True

from containers import CLONE_NEWNET, CLONE_NEWNS, unshare  # noqa: E402
from installed import DATA, SERVICES, Installed, Load, await_that, fetch, is_ready, unit_value  # noqa: E402
from programs import PROGRAM, ROOT  # noqa: E402

SKIPPED = 77
OLD, NEW = "0.1.0~test1", "0.1.0~test2"
# systemd-analyze's exposure times ten; what is left is that it talks to the network.
MOST_EXPOSED = 20
# 1: the stop took more than its 5 s, as it may on a machine that has other things to do; nothing is lost by that.
STOPPED = ([0], [1])
WORK = tempfile.TemporaryDirectory()


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


def make_package(version, out):
    """The package of this version, in `out`."""
    environment = {**os.environ, "DEB_COMPRESSION": "-Zxz -z0"}
    done = subprocess.run([ROOT / "deploy/debian/make.sh", PROGRAM, ROOT / "build/web", version, out], text=True, timeout=300,
                          env=environment, capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@cache
def package(version):
    """The same for all tests; it costs seconds."""
    return make_package(version, WORK.name)


def contents(of):
    """{path: (mode, owner)} of all files in it."""
    listed = subprocess.run(["dpkg-deb", "-c", of], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split(maxsplit=5)[5].removeprefix("."): tuple(line.split()[:2]) for line in listed}


class Overlay:
    """This system's files, and what is written goes to memory; in a network of its own, as are all who are started from here."""

    def __init__(self):
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.folder = Path(tempfile.mkdtemp(prefix="boxoffice-package."))
        self.root = self.folder / "root"
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.folder], check=True)
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], check=True)
        for name in ("proc", "dev"):
            subprocess.run(["mount", "--rbind", f"/{name}", self.root / name], check=True)
        for name in ("tmp", "run"):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.root / name], check=True)
        # Whoever installs does not start anything here: there is no systemd.
        (self.root / "tmp").chmod(0o1777)

    def command(self, words, user):
        return ["chroot", f"--userspec={user}:{user}", self.root, "/usr/bin/env", "-i", "LANG=C.UTF-8", f"HOME={DATA}",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", *words]  # fmt: skip

    def run(self, *words, user="root"):
        done = subprocess.run(self.command(words, user), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def start(self, words, user):
        return subprocess.Popen(self.command(words, user), stdout=subprocess.DEVNULL)

    def install(self, package):
        shutil.copy(package, self.root / "tmp")
        self.run("dpkg", "--force-unsafe-io", "-i", f"/tmp/{package.name}")

    def remove(self):
        subprocess.run(["umount", "-l", self.folder], check=True)
        self.folder.rmdir()


class Package(unittest.TestCase):
    def test_the_same_input_gives_the_same_bytes(self):
        again = make_package(NEW, Path(WORK.name) / "again")
        self.assertEqual(again.read_bytes(), package(NEW).read_bytes())

    def test_lintian_has_nothing_to_say(self):
        said = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", package(NEW)],
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        self.assertEqual((said.returncode, said.stdout), (0, ""), said.stderr)

    def test_its_program_can_be_placed_anywhere_and_its_table_of_addresses_is_read_only(self):
        told = subprocess.run(["readelf", "--wide", "--file-header", "--dynamic", "--program-headers", PROGRAM], capture_output=True, text=True,
                              check=True).stdout  # fmt: skip
        for said in (r"Type: +DYN ", r"FLAGS_1\) +Flags: .*\bNOW\b.*\bPIE\b", r"\bGNU_RELRO\b"):
            self.assertRegex(told, said)

    def test_what_is_in_it(self):
        there = contents(package(NEW))
        for path in ("/usr/bin/boxoffice", "/lib/systemd/system/boxoffice.service", "/lib/systemd/system/boxoffice@.service",
                     "/usr/lib/sysusers.d/boxoffice.conf", "/usr/lib/tmpfiles.d/boxoffice.conf", "/usr/share/boxoffice/openapi.yaml",
                     "/usr/share/man/man1/boxoffice.1.gz", "/usr/share/boxoffice/web/index.html",
                     "/usr/share/boxoffice/web/waiting.html", *(f"/etc/boxoffice/{service}.toml" for service in SERVICES)):  # fmt: skip
            self.assertIn(path, there)
        if "\n  completion " in subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout:
            for path in ("/usr/share/bash-completion/completions/boxoffice", "/usr/share/zsh/vendor-completions/_boxoffice",
                         "/usr/share/fish/vendor_completions.d/boxoffice.fish"):  # fmt: skip
                self.assertIn(path, there)
        self.assertEqual(there["/etc/boxoffice/boxoffice.env"], ("-rw-------", "root/root"))
        for path, (mode, owner) in there.items():
            self.assertEqual(owner, "root/root", path)
            self.assertNotIn("l", mode[0], f"{path} leads elsewhere")
        built = {str(path.relative_to(ROOT / "build/web")) for path in (ROOT / "build/web").rglob("*") if path.is_file()}
        web = "/usr/share/boxoffice/web/"
        self.assertEqual({path.removeprefix(web) for path in there if path.startswith(web) and not path.endswith("/")}, built)

    def test_it_needs_the_libraries_that_it_is_linked_with(self):
        needs = subprocess.run(["dpkg-deb", "-f", package(NEW), "Depends"], capture_output=True, text=True, check=True).stdout
        for library in ("libgrpc++1.51", "libpq5", "libsqlite3-0", "libssl3", "librdkafka1", "libhiredis0.14", "libjemalloc2"):
            self.assertRegex(needs, rf"\b{re.escape(library)} \(>= ")

    def test_units_are_never_given_up_and_a_migration_is_not_cut_short(self):
        for name in ("boxoffice.service", "boxoffice@.service"):
            text = (ROOT / "deploy/debian" / name).read_text()
            self.assertEqual(unit_value(text, "Restart"), "always", name)
            # By systemd's own measure five starts within ten seconds are the last, which is how long a database restarts.
            self.assertEqual(unit_value(text.split("[Service]")[0], "StartLimitIntervalSec"), "0", name)
        self.assertEqual(unit_value(text, "TimeoutStartSec"), "infinity", "ExecStartPre migrates")

    def test_a_service_is_started_while_its_bus_is_away(self):
        text = (ROOT / "deploy/debian/boxoffice@.service").read_text()
        self.assertTrue(unit_value(text, "ExecStartPre").endswith(" migrate --bus-may-be-away"))

    def is_off_unless_told(self, service, section, key):
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["dpkg-deb", "-x", package(NEW), root], check=True)
            config = tomllib.loads((Path(root) / f"etc/boxoffice/{service}.toml").read_text())
            self.assertIs(config[section][key], False)
            before, _ = (Path(root) / "lib/systemd/system/boxoffice.service").read_text().split("EnvironmentFile=")
            variable = f"BOXOFFICE_{section}_{key}".upper()
            self.assertIn(f"\nEnvironment={variable}=false\n", before)

    def test_nobody_signs_in_for_development_unless_it_is_told_so(self):
        self.is_off_unless_told("gateway", "session", "development")

    def test_only_operators_credit_wallets_unless_it_is_told_so(self):
        self.is_off_unless_told("gateway", "wallet", "self_service")

    def test_nobody_pays_by_the_sandbox_unless_it_is_told_so(self):
        self.is_off_unless_told("payment", "sandbox", "enabled")

    def test_systemd_takes_the_units(self):
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["dpkg-deb", "-x", package(NEW), root], check=True)
            units = Path(root) / "lib/systemd/system"
            for unit in ("boxoffice.service", "boxoffice@seat.service"):
                if "@" in unit:
                    shutil.copy(units / "boxoffice@.service", units / unit)
                # Its program is not installed here, and neither is its manual page.
                text = (units / unit).read_text().replace("/usr/bin/boxoffice", f"{root}/usr/bin/boxoffice")
                (units / unit).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
                said = subprocess.run(["systemd-analyze", "verify", units / unit], capture_output=True, text=True, check=False)
                self.assertEqual((said.returncode, said.stderr), (0, ""), unit)
                judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", units / unit],
                                        capture_output=True, text=True, check=False)  # fmt: skip
                self.assertEqual(judged.returncode, 0, judged.stdout + judged.stderr)


class Installation(unittest.TestCase):
    """In this order: each test goes on with what the one before has left."""

    @classmethod
    def setUpClass(cls):
        try:
            cls.overlay = Overlay()
        except (OSError, subprocess.CalledProcessError) as error:
            raise unittest.SkipTest(f"nothing can be mounted here ({error}); ./dev test-deploy package installs it") from error
        cls.addClassCleanup(cls.overlay.remove)
        cls.machine = Installed(cls.overlay.run)
        cls.running = []
        cls.addClassCleanup(cls.stop)
        cls.sale = None

    @classmethod
    def start(cls, unit="boxoffice.service", instance=""):
        """As systemd would."""
        user = unit_value(cls.machine.unit(unit), "User")
        if instance:
            cls.overlay.run(*cls.machine.command_of(unit, "ExecStartPre", instance), user=user)
        cls.running.append(cls.overlay.start(cls.machine.command_of(unit, instance=instance), user))

    @classmethod
    def stop(cls):
        for process in reversed(cls.running):  # callers first
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=60) for process in cls.running]
        cls.running.clear()
        return codes

    def owner_of(self, path):
        return self.overlay.run("stat", "-c", "%U:%G %a", path).strip()

    def test_1_it_installs_with_a_user_of_its_own(self):
        self.overlay.install(package(OLD))
        self.assertEqual(self.owner_of(DATA), "boxoffice:boxoffice 750")
        shell = self.overlay.run("getent", "passwd", "boxoffice").strip().split(":")[6]
        self.assertEqual(shell, "/usr/sbin/nologin")
        page = gzip.decompress((self.overlay.root / "usr/share/man/man1/boxoffice.1.gz").read_bytes()).decode()
        self.assertIn("boxoffice", page)

    def test_2_it_sells_a_seat_and_shows_the_web_app(self):
        self.start()
        await_that("it is ready", 60, is_ready)
        type(self).sale = self.machine.open_a_show()
        await_that("a seat is sold", 60, self.sale.buy)
        status, page = fetch("GET", "http://127.0.0.1:8080/")
        self.assertEqual(status, 200)
        self.assertIn("<script", page)

    def test_3_an_upgrade_under_load_loses_nothing(self):
        with open(self.overlay.root / "etc/boxoffice/boxoffice.env", "a", encoding="utf-8") as config:
            config.write("# mine\n")
        with Load(self.sale) as load:
            load.await_more(5)
            self.overlay.install(package(NEW))  # the old one still runs, from a file that is no longer there
            load.await_more(5)
            self.assertIn(self.stop(), STOPPED)
            self.start()
            load.await_more(5)
        self.machine.audit(self.sale)
        self.assertIn(NEW, self.overlay.run("dpkg-query", "-W", "boxoffice"))
        self.assertIn("# mine\n", self.overlay.run("cat", "/etc/boxoffice/boxoffice.env"))

    def test_4_its_data_moves_to_a_fresh_system(self):
        self.assertIn(self.stop(), STOPPED)
        self.machine.boxoffice("export", "--data", DATA, "--out", f"{DATA}/saved")
        self.overlay.run("mv", DATA, f"{DATA}.before")
        self.overlay.run("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/boxoffice.conf")
        self.overlay.run("cp", "-a", f"{DATA}.before/keys", DATA)
        self.overlay.run("mv", f"{DATA}.before/saved", "/tmp/saved")
        self.machine.boxoffice("import", "--data", DATA, "--in", "/tmp/saved")
        self.start()
        await_that("it is ready", 60, is_ready)
        self.machine.audit(self.sale)
        await_that("it sells on", 60, self.sale.buy)
        self.assertIn(self.stop(), STOPPED)

    def test_5_its_services_run_by_themselves_as_they_are_configured(self):
        for service in SERVICES:
            self.start("boxoffice@.service", service)
        await_that("the gateway is ready", 60, is_ready)
        await_that("it sells on, on the same data", 60, self.sale.buy)
        self.machine.audit(self.sale)
        for port in range(9101, 9101 + len(SERVICES)):
            self.assertEqual(fetch("GET", f"http://127.0.0.1:{port}/healthz")[0], 200, port)
        for process in self.running:  # the notice and the grace of a drain are for machines with callers
            process.kill()
        self.stop()

    def test_6_removing_it_keeps_the_books_and_a_purge_forgets_them(self):
        self.overlay.run("dpkg", "-r", "boxoffice")
        self.assertFalse((self.overlay.root / "usr/bin/boxoffice").exists())
        self.assertTrue((self.overlay.root / "etc/boxoffice/seat.toml").exists())
        self.assertTrue((self.overlay.root / DATA[1:] / "wallet.db").exists())
        self.overlay.run("dpkg", "-P", "boxoffice")
        for path in ("etc/boxoffice", DATA[1:]):
            self.assertFalse((self.overlay.root / path).exists(), path)


def check_tools():
    missing = [tool for tool in ("dh", "lintian", "systemd-analyze") if shutil.which(tool) is None]
    if missing:
        skip(f"no {', '.join(missing)}")
    if not (ROOT / "build/web/index.html").exists():
        skip("the web app is not built")
    if os.geteuid() != 0:
        skip("installing a package is root's")


if __name__ == "__main__":
    check_tools()
    unittest.main(verbosity=2)
