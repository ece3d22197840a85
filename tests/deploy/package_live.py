"""./dev test-deploy package: installs the Debian package on a Debian 12 that has systemd and nothing else (a container), sells
seats, kills it, upgrades it from the build of the commit before under load, runs its services one by one, removes and purges it.
The last line is "N passed, N failed".

    package_live.py [--binaries DIR] [--previous DIR] [--keep]

--binaries: finished executables, as build/release/bin, instead of building there. --previous: those of the build before, instead of
what tools/dev/previous.sh builds.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

from containers import Failed, with_containers  # noqa: E402
from installed import DATA, SERVICES, Installed, Load, await_that, fetch, is_ready  # noqa: E402
from programs import ROOT  # noqa: E402
from sale import Refused  # noqa: E402

OLD, NEW = "0.1.0~test1", "0.1.0~test2"
NAME = "machine"


class Machine:
    """What the checks share, and how commands run there."""

    def __init__(self, containers, options):
        self.containers = containers
        self.options = options
        self.context = containers.home / "machine"
        self.context.mkdir()
        self.installed = Installed(self.run)
        self.sale = None

    def run(self, *words, user="root"):
        try:
            return self.containers.podman("exec", "--user", user, "--env", "DEBIAN_FRONTEND=noninteractive", NAME, *words, seconds=300)
        except Failed as failure:
            raise RuntimeError(str(failure)) from failure

    def install(self, version):
        self.run("sh", "-c", f"apt-get install -y --no-install-recommends /packages/boxoffice_{version}_*.deb")

    def pid(self, unit="boxoffice.service"):
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", unit))

    def make_package(self, tree, programs, version):
        make = tree / "deploy/debian/make.sh"
        make = make if make.exists() else ROOT / "deploy/debian/make.sh"
        subprocess.run([make, Path(programs).resolve() / "boxoffice", ROOT / "build/web", version, self.context], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "DEB_COMPRESSION": "-Zxz -z0"}, timeout=600)  # fmt: skip


def packages_are_made_of_this_build_and_the_one_before(machine):
    programs, previous, tree = machine.options.binaries, machine.options.previous, ROOT
    if not programs:
        subprocess.run([ROOT / "dev", "build", "release", "boxoffice"], check=True)
        programs = ROOT / "build/release/bin"
    if not previous:
        subprocess.run([ROOT / "tools/dev/previous.sh", "boxoffice"], check=True)
        previous, tree = ROOT / "build/previous/bin", ROOT / "build/previous/tree"
    machine.make_package(tree, previous, OLD)
    machine.make_package(ROOT, programs, NEW)


def a_debian_with_nothing_on_it_runs(machine):
    print(f"  debian:bookworm-slim: {machine.containers.import_debian()}")
    (machine.context / "Dockerfile").write_text((ROOT / "tests/deploy/stand_ins/machine/Dockerfile").read_text())
    machine.containers.build(machine.context / "Dockerfile", "localhost/boxoffice-machine", machine.context,
                             log=machine.options.logs / "build.log", seconds=900)  # fmt: skip
    machine.containers.leave_network()
    # Its units have namespaces of their own, so it may make some; the network is that of this test, which nobody else is in.
    machine.containers.podman("run", "-d", "--name", NAME, "--systemd=always", "--privileged", "--network", "host",
                              "localhost/boxoffice-machine")  # fmt: skip
    await_that("systemd is up", 120, lambda: machine.run("systemctl", "is-system-running").strip() == "running")


def it_installs_and_starts(machine):
    machine.install(OLD)
    assert machine.run("systemctl", "is-enabled", "boxoffice").strip() == "enabled"
    await_that("it is ready", 60, is_ready)
    assert machine.run("stat", "-c", "%U", f"/proc/{machine.pid()}").strip() == "boxoffice"


def its_process_has_no_rights(machine):
    status = machine.run("cat", f"/proc/{machine.pid()}/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0, f"capabilities {found['CapBnd']}"
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2", found
    # Not even root could write where it looks, but for its own folder.
    for folder, allowed in (("/etc", False), ("/usr/bin", False), ("/var/cache", False), ("/home", False), (DATA, True)):
        said = machine.run("sh", "-c", f"nsenter --mount --target {machine.pid()} touch {folder}/mine 2>&1 || true")
        assert said == "" if allowed else "Read-only" in said or "Permission denied" in said, f"{folder}: {said}"
    machine.run("rm", f"{DATA}/mine")


def it_sells_a_seat(machine):
    machine.sale = machine.installed.open_a_show()
    await_that("a seat is sold", 60, machine.sale.buy)


def a_kill_is_survived(machine):
    before = machine.pid()
    machine.run("systemctl", "kill", "--signal=KILL", "boxoffice")
    await_that("a seat is sold by the next process", 60, machine.sale.buy)
    assert machine.pid() != before


def an_upgrade_under_load_loses_nothing(machine):
    before = machine.pid()
    with Load(machine.sale) as load:
        load.await_more(20)
        machine.install(NEW)
        load.await_more(20)
    assert machine.pid() not in (0, before), "the new build does not run"
    assert NEW in machine.run("dpkg-query", "-W", "boxoffice")
    machine.installed.audit(machine.sale)


def a_backup_under_load_is_restored(machine):
    if "\n  backup " not in machine.installed.boxoffice("--help"):
        print("  this build has no command backup")
        return
    with Load(machine.sale) as load:
        load.await_more(10)
        before = machine.sale.sold
        machine.installed.boxoffice("backup", "--data", DATA, "--out", "/tmp/backup")
        load.await_more(10)
    restore(machine, "boxoffice", before)
    restore(machine, "root", before)


def restore(machine, user, sold):
    """As docs/howto/install-the-package.md says it is done, by the system's user or by root. `sold`: before the backup."""
    machine.run("systemctl", "stop", "boxoffice")
    machine.run("mv", DATA, f"{DATA}.before")
    machine.run("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/boxoffice.conf")
    machine.run("/usr/bin/boxoffice", "restore", "--data", DATA, "--in", "/tmp/backup", user=user)
    if user == "root":
        machine.run("chown", "-R", "boxoffice:", DATA)
    machine.run("rm", "-r", f"{DATA}.before")
    machine.run("systemctl", "start", "boxoffice")
    await_that("it is ready", 60, is_ready)
    machine.sale.sold = sold  # what was sold after the backup is lost with the system that sold it
    machine.installed.audit(machine.sale)
    await_that("it sells on", 60, machine.sale.buy)


def it_runs_as_services_on_the_same_data(machine):
    machine.run("systemctl", "disable", "--now", "boxoffice")
    units = [f"boxoffice@{service}.service" for service in SERVICES]
    machine.run("systemctl", "enable", "--now", *units)
    await_that("the gateway is ready", 60, is_ready)
    await_that("it sells on", 60, machine.sale.buy)
    for number, unit in enumerate(units):
        assert machine.run("systemctl", "is-active", unit).strip() == "active", unit
        assert fetch("GET", f"http://127.0.0.1:{9101 + number}/healthz")[0] == 200, unit
    machine.installed.audit(machine.sale)


def an_upgrade_restarts_them(machine):
    before = machine.pid("boxoffice@wallet.service")
    machine.run("sh", "-c", f"apt-get install -y --reinstall /packages/boxoffice_{NEW}_*.deb")
    await_that("another process", 60, lambda: machine.pid("boxoffice@wallet.service") not in (0, before))
    await_that("it sells on", 90, machine.sale.buy)
    machine.installed.audit(machine.sale)


def removing_it_keeps_the_books(machine):
    machine.run("apt-get", "remove", "-y", "boxoffice")
    running = machine.run("sh", "-c", "ls -l /proc/[0-9]*/exe 2>/dev/null | grep bin/boxoffice || true")
    assert running == "", running
    machine.run("test", "-s", f"{DATA}/wallet.db")
    machine.install(NEW)
    machine.run("systemctl", "disable", "--now", *[f"boxoffice@{service}.service" for service in SERVICES])
    machine.run("systemctl", "enable", "--now", "boxoffice")
    await_that("it sells on", 60, machine.sale.buy)
    machine.installed.audit(machine.sale)


def a_purge_leaves_nothing(machine):
    machine.run("apt-get", "purge", "-y", "boxoffice")
    left = machine.run("find", "/etc", "/usr", "/lib", "/var/lib", "-name", "*boxoffice*", "-not", "-path", "/var/lib/dpkg/*",
                       "-not", "-path", "/usr/share/doc/*")  # fmt: skip
    assert left.strip() == "", left


CHECKS = [packages_are_made_of_this_build_and_the_one_before, a_debian_with_nothing_on_it_runs, it_installs_and_starts,
          its_process_has_no_rights, it_sells_a_seat, a_kill_is_survived, an_upgrade_under_load_loses_nothing,
          a_backup_under_load_is_restored, it_runs_as_services_on_the_same_data, an_upgrade_restarts_them,
          removing_it_keeps_the_books, a_purge_leaves_nothing]  # fmt: skip


def run_checks(machine):
    """Each goes on with what the one before has left, so the first failure ends it."""
    passed = 0
    for check in CHECKS:
        began = time.monotonic()
        words = check.__name__.replace("_", " ")
        try:
            check(machine)
        except (AssertionError, Failed, Refused, RuntimeError, OSError, subprocess.SubprocessError, KeyError, ValueError) as problem:
            print(f"FAILED: {words}: {type(problem).__name__}: {problem}", flush=True)
            return passed, 1
        passed += 1
        print(f"passed: {words} ({time.monotonic() - began:.0f} s)", flush=True)
    return passed, 0


def check_all(containers, options):
    passed, failed = run_checks(Machine(containers, options))
    if failed or options.keep:
        print(containers.podman("exec", NAME, "journalctl", "--no-pager", "-u", "boxoffice*", "-n", "100", check=False))
    return passed, failed


if __name__ == "__main__":
    flags = argparse.ArgumentParser(prog="./dev test-deploy package", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    flags.add_argument("--binaries", help="a folder with finished executables, as build/release/bin")
    flags.add_argument("--previous", help="a folder with those of the build before")
    flags.add_argument("--keep", action="store_true", help="print what its units have logged, also after success")
    sys.exit(with_containers(flags, check_all))
