"""./dev test-deploy: builds the images, runs deploy/compose for real, sells a seat through it, breaks it, audits it, and
removes everything. The last line is "N passed, N failed".

    live.py [--binaries DIR] [--keep]

Without --binaries, the executables are compiled in the image, as a user's build does (the compiler's cache is kept in
~/.cache/boxoffice/deploy). With it, those of DIR are put into the images: for work on everything else.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from containers import Failed, with_containers  # noqa: E402  (needs the path above)
from ports import free_port  # noqa: E402
from sale import Refused, Sale, await_that, fetch  # noqa: E402

SERVICES = ["queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"]
IMAGES = [*SERVICES, "boxoffice"]
JOBS = ["certs", "passwords", "databases", "boxoffice"]
# Those who have PostgreSQL.
IN_POSTGRES = ["seat", "reservation", "wallet", "payment", "relay"]
PREFIX = "localhost/boxoffice"
STORES = {"POSTGRES_IMAGE": "postgres", "REDIS_IMAGE": "redis", "KAFKA_IMAGE": "kafka"}
ADMIN_PORT, SERVICE_PORT = 9100, 9000
BUILD_SECONDS = 3600
READY_SECONDS = 300


class Deployment:
    def __init__(self, containers):
        self.containers = containers
        self.project = f"boxoffice-test-{os.getpid()}"
        self.folder = containers.home / "compose"
        shutil.copytree(ROOT / "deploy/compose", self.folder)
        self.images = {}
        self.url = f"http://127.0.0.1:{free_port()}"
        self.superuser_password = secrets.token_hex(12)

    def write_environment(self):
        """What a user does: .env.example with secrets of one's own."""
        mine = {
            "POSTGRES_PASSWORD": self.superuser_password,
            "BOXOFFICE_TOKEN_KEYS": f"q1={secrets.token_hex(24)}",
            "BOXOFFICE_PUBLISH": self.url.removeprefix("http://"),
            "BOXOFFICE_IMAGES": PREFIX,
            **self.images,
        }
        lines = []
        for line in (ROOT / "deploy/compose/.env.example").read_text().splitlines():
            name = line.split("=", 1)[0]
            lines.append(f"{name}={mine.pop(name)}" if name in mine else line)
        assert not mine, f".env.example lacks {', '.join(mine)}"
        (self.folder / ".env").write_text("\n".join(lines) + "\n")

    def compose(self, *arguments, **options):
        return self.containers.run("podman-compose", "-p", self.project, "-f", self.folder / "compose.yaml", *arguments,
                                   **options)  # fmt: skip

    def boxoffice(self, *arguments, stdin=None):
        """What a command says, given as docs/howto/one-machine.md tells an operator to."""
        said = self.compose("run", "--rm", "--no-deps", "-T", "boxoffice", *arguments, stdin=stdin, seconds=180,
                            PYTHONUNBUFFERED="1").splitlines()  # fmt: skip
        # Podman-compose tells on stdout what it does, and how that ended instead of ending so itself.
        began = max(number for number, line in enumerate(said) if line.startswith("podman run "))
        if said[-1] != "exit code: 0":
            raise Failed(f"boxoffice {' '.join(arguments)}: " + "\n".join(said[began + 1 :]))
        return "\n".join(said[began + 1 : -1])

    def replicas(self):
        """{name: what podman knows of it} of all that runs, or should."""
        names = self.containers.podman("ps", "-a", "--format", "{{.Names}}").split()
        return {name.removeprefix(self.project + "_"): self.containers.inspect(name) for name in names}

    def address_of(self, replica):
        networks = replica["NetworkSettings"]["Networks"].values()
        return next(network["IPAddress"] for network in networks)


def service_of(name):
    return name.rsplit("_", 1)[0]


class Checks:
    """What ./dev test-deploy checks, each a method that raises when it does not hold."""

    def __init__(self, deployment, options):
        self.deployment = deployment
        self.containers = deployment.containers
        self.options = options
        self.sale = None

    def base_image_is_debian_slim(self):
        print(f"  debian:bookworm-slim: {self.containers.import_debian()}")

    def one_image_per_service_is_built(self):
        log = self.options.logs / "build.log"
        dockerfile = ROOT / "deploy/docker/Dockerfile"
        context = ROOT
        if self.options.binaries:
            dockerfile, context = self.with_finished_binaries(dockerfile)
        for image in IMAGES:
            self.containers.build(dockerfile, f"{PREFIX}/{image}:latest", context, "--target", image,
                                  log=log, seconds=BUILD_SECONDS)  # fmt: skip

    def with_finished_binaries(self, dockerfile):
        """The same Dockerfile, whose stage `build` takes what is already built."""
        context = self.containers.home / "finished"
        context.mkdir()
        web = [folder for folder in [ROOT / "build/web"] if folder.exists()]
        self.containers.run(ROOT / "deploy/docker/runtime.sh", Path(self.options.binaries).resolve(), context / "out", *web,
                            seconds=600)  # fmt: skip
        text = dockerfile.read_text()
        start, end = text.index("FROM debian:bookworm-slim AS tools"), text.index("# What all of them have")
        (context / "Dockerfile").write_text(text[:start] + "FROM scratch AS build\nCOPY out /out\n\n" + text[end:])
        return context / "Dockerfile", context

    def images_hold_one_program_and_no_compiler(self):
        for image in IMAGES:
            name = f"{PREFIX}/{image}:latest"
            about = self.containers.inspect(name)
            assert about["Config"]["User"] == "10001:10001", f"{image} runs as {about['Config']['User']}"
            program = "boxoffice" if image == "boxoffice" else f"boxoffice-{image}"
            look = f"ls /usr/local/bin; for t in gcc g++ cc1plus ld as make cmake; do command -v $t; done; {program} --help >/dev/null"
            found = self.containers.podman("run", "--rm", "--read-only", "--network", "none", "--entrypoint", "sh", name, "-c", look)
            assert found.split() == [program], f"{image} holds {found.split()}"
            print(f"  {image}: {about['Size'] / 1e6:.0f} MB")

    def stores_have_images(self):
        """The public ones, where a registry can be reached, else what stands in for them, made of Debian's packages."""
        example = dict(line.split("=", 1) for line in (ROOT / "deploy/compose/.env.example").read_text().splitlines()
                       if line and not line.startswith("#"))  # fmt: skip
        for variable, store in STORES.items():
            if self.containers.can_pull(example[variable]):
                print(f"  {store}: {example[variable]}")
                continue
            context = self.containers.home / f"stand-in-{store}"
            shutil.copytree(HERE / "stand_ins" / store, context)
            if store == "kafka":
                jars = subprocess.run([ROOT / "tools/dev/kafka.sh"], check=True, capture_output=True, text=True)
                shutil.copytree(Path(jars.stdout.strip()).parent, context / "libs")
            image = f"localhost/boxoffice-stand-in/{store}:latest"
            self.containers.build(context / "Dockerfile", image, context, log=self.options.logs / "build.log", seconds=900)
            self.deployment.images[variable] = image
            print(f"  {store}: {image}, as {example[variable]} can't be pulled")

    def a_first_start_is_cut_off(self):
        """What it leaves: PostgreSQL is there, and only some of the databases are. And a role as an earlier version made it."""
        self.containers.leave_network()
        self.deployment.write_environment()
        script = self.deployment.folder / "databases.sh"
        whole = script.read_text()
        script.write_text(re.sub(r"for service in [\w ]+;", "for service in seat;", whole))
        assert script.read_text() != whole
        self.deployment.compose("up", "-d", "--no-build", "databases", log=self.options.logs / "up.log", seconds=300)
        await_that("the first database is there", 120, lambda: self.has_ended_well("databases"))
        self.psql("postgres", self.deployment.superuser_password, "postgres",
                  f"CREATE ROLE wallet LOGIN PASSWORD '{self.deployment.superuser_password}'")  # fmt: skip
        self.deployment.compose("down", "--timeout", "30", seconds=300)
        script.write_text(whole)

    def psql(self, role, password, database, statement):
        """Over the network, as services do: beside the server nobody is asked for a password."""
        return self.containers.podman("exec", "-e", f"PGPASSWORD={password}", f"{self.deployment.project}_postgres_1",
                                      "psql", "-qAt", "-h", "postgres", "-U", role, "-d", database, "-c", statement)  # fmt: skip

    def has_ended_well(self, job):
        state = self.deployment.replicas()[f"{job}_1"]["State"]
        return (state["Status"], state["ExitCode"]) == ("exited", 0)

    def the_system_comes_up(self):
        self.deployment.compose("up", "-d", "--no-build", log=self.options.logs / "up.log", seconds=600)

        def all_are_ready():
            for name, replica in self.deployment.replicas().items():
                if service_of(name) in SERVICES:
                    at = f"http://{self.deployment.address_of(replica)}:{ADMIN_PORT}/readyz"
                    status, answer = fetch("GET", at)
                    assert status == 200, f"{name}: {answer}"
            return True

        await_that("every replica is ready", READY_SECONDS, all_are_ready)
        await_that("the gateway is ready at the published address", 60,
                   lambda: fetch("GET", self.deployment.url + "/readyz")[0] == 200)  # fmt: skip

    def jobs_ended_well_and_replicas_run(self):
        await_that("the jobs have ended well", 120, lambda: all(map(self.has_ended_well, JOBS)))
        count = {}
        for name, replica in self.deployment.replicas().items():
            assert service_of(name) in JOBS or replica["State"]["Running"], f"{name}: {replica['State']}"
            count[service_of(name)] = count.get(service_of(name), 0) + 1
        for service in set(SERVICES) - {"gateway"}:
            assert count[service] == 2, f"{count[service]} of {service}"
        assert set(SERVICES) <= set(count), count

    def ours_run_without_rights(self):
        for name, replica in self.deployment.replicas().items():
            if service_of(name) not in SERVICES:
                continue
            host, pid = replica["HostConfig"], replica["State"]["Pid"]
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            assert status["Uid"].split() == ["10001"] * 4, f"{name}: Uid {status['Uid']}"
            assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, f"{name}: capabilities {status['CapBnd']}"
            assert status["NoNewPrivs"] == "1", f"{name} may gain privileges"
            assert host["ReadonlyRootfs"], f"{name}: its root can be written to"
            assert host["Memory"] > 0 and host["NanoCpus"] > 0, f"{name}: no limits"

    def certificates_are_required_between_services(self):
        seat = "seat_1"
        address = self.deployment.address_of(self.deployment.replicas()[seat])
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"{address}:{SERVICE_PORT}", "-alpn", "h2"],
            input="PRI * HTTP/2.0\r\n\r\n", capture_output=True, text=True, timeout=30, check=False)  # fmt: skip
        assert "CN = seat.boxoffice" in said.stdout, said.stdout[-2000:]
        name = f"{self.deployment.project}_{seat}"
        await_that("it is refused", 30, lambda: "did not return a certificate" in self.containers.podman_logs(name))
        mine = self.containers.podman("exec", f"{self.deployment.project}_seat_1", "ls", "/run/boxoffice/tls").split()
        assert mine == ["ca.crt", "seat.crt", "seat.key"], f"seat holds {mine}"

    def a_services_password_is_nobody_elses(self):
        passwords = {}
        for service in IN_POSTGRES:
            said = self.containers.podman("exec", f"{self.deployment.project}_{service}_1", "cat", "/run/boxoffice/passwords/pgpass")
            host, port, database, role, passwords[service] = said.strip().split(":")
            assert (host, port, database, role) == ("postgres", "5432", service, service), f"{service} holds those of {role}"
            assert self.psql(role, passwords[service], database, "SELECT current_user") == f"{service}\n"
        assert len({*passwords.values(), self.deployment.superuser_password}) == len(IN_POSTGRES) + 1, "two are the same"
        for role, database in (("wallet", "wallet"), ("postgres", "postgres"), ("seat", "wallet")):
            try:
                self.psql(role, passwords["seat"], database, "SELECT 1")
                raise AssertionError(f"with seat's password one is {role} in {database}")
            except Failed as refusal:
                why = "permission denied for database" if role == "seat" else "password authentication failed"
                assert why in str(refusal), refusal
        for name in self.deployment.replicas():
            if service_of(name) not in ("postgres", "databases"):
                told = self.containers.podman("inspect", f"{self.deployment.project}_{name}")
                assert self.deployment.superuser_password not in told, f"{name} has the superuser's password"

    def a_seat_is_sold(self):
        operator = self.deployment.boxoffice("token", "--user", "olga", "--role", "operator", "--data", "/var/lib/boxoffice").strip()
        buyer = self.deployment.boxoffice("token", "--user", "alice", "--data", "/var/lib/boxoffice").strip()
        at_gateway = ["--url", "http://gateway:8080", "--token", operator, "--json"]
        concert = json.loads(self.deployment.boxoffice("concert", "create", *at_gateway, "--title", "First night",
                                                       "--artist", "The Images", "--venue", "Small hall"))  # fmt: skip
        show = json.loads(self.deployment.boxoffice(
            "show", "create", *at_gateway, "--concert", concert["id"], "--starts-at", "2099-01-01T19:00:00Z",
            "--plan", "/dev/stdin", "--price", "R=100000", stdin=(ROOT / "deploy/compose/plan.json").read_text()))  # fmt: skip
        self.sale = Sale(self.deployment.url, show["id"], buyer)
        self.deployment.boxoffice("wallet", "adjust", *at_gateway, "alice", "--amount", "1000000", "--currency", "KRW", "--reason",
                                  "paid at the door")  # fmt: skip
        await_that("a seat is sold", 60, self.sale.buy)

    def a_killed_replica_is_survived_and_comes_back(self):
        self.kill_and_sell("seat", 1)
        self.kill_and_sell("reservation", 2)

    def a_killed_queue_comes_back(self):
        self.kill_and_sell("queue", 1)

    def kill_and_sell(self, service, number):
        name = f"{self.deployment.project}_{service}_{number}"
        before = self.containers.inspect(name)["State"]["Pid"]
        os.kill(before, signal.SIGKILL)
        await_that(f"a seat is sold without {name}", 90, self.sale.buy)

        def is_back():
            replica = self.containers.inspect(name)
            at = f"http://{self.deployment.address_of(replica)}:{ADMIN_PORT}/readyz"
            return replica["State"]["Pid"] not in (0, before) and fetch("GET", at)[0] == 200

        await_that(f"{name} is back", 90, is_back)

    def the_audit_is_clean(self):
        def clean():
            report = json.loads(self.deployment.boxoffice(
                "audit", "--url", "http://gateway:8080", "--data", "/var/lib/boxoffice", "--json"))  # fmt: skip
            assert report["ok"] and not report["violations"], report
            assert report["checked"]["reservations"] >= self.sale.sold, report
            return True

        await_that("a clean audit", 120, clean)

    def a_backup_of_all_is_taken_while_it_runs(self):
        said = json.loads(self.deployment.boxoffice("backup", "--config", "/etc/boxoffice", "--out", "/tmp/backup", "--json"))
        assert {"seat", "reservation", "wallet", "payment", "relay", "queue", "bus"} <= set(said["moved"]), said
        assert said["moved"]["reservation"]["rows"] > 0, said

    def a_backup_is_restored_into_empty_volumes(self):
        """As docs/howto/back-up-and-restore.md has it."""
        os.chown(self.deployment.folder / "backup", 10001, 10001)
        boxoffice = self.deployment.boxoffice
        boxoffice("backup", "--config", "/etc/boxoffice", "--out", "/backup/FILE")
        boxoffice("restore", "--check", "--in", "/backup/FILE")
        self.deployment.compose("down", "--timeout", "30", seconds=300)
        self.containers.podman("volume", "rm", *(f"{self.deployment.project}_{store}" for store in ("postgres", "redis", "kafka")))
        self.deployment.compose("up", "-d", "databases", "redis", "kafka", seconds=300)

        await_that("the databases are made", 120, lambda: self.has_ended_well("databases"))

        def restored():  # once all three answer
            boxoffice("restore", "--config", "/etc/boxoffice", "--in", "/backup/FILE")
            return True

        await_that("the stores are there and take it", 120, restored)
        self.deployment.compose("up", "-d", seconds=300)
        self.the_audit_is_clean()
        await_that("a seat is sold afterwards", 60, self.sale.buy)

    def a_second_up_changes_nothing(self):
        """The one-shot jobs run again and find their work done."""
        for job in JOBS:
            name = f"{self.deployment.project}_{job}_1"
            self.containers.podman("start", "--attach", name, seconds=120)
            assert self.containers.inspect(name)["State"]["ExitCode"] == 0
        await_that("a seat is sold afterwards", 60, self.sale.buy)

    def services_stop_by_themselves_in_time(self):
        """A drain ends before the grace of compose.yaml does, and says so with 0. Callers first, as compose would."""
        callees = ["queue", "seat", "wallet", "payment", "ranking", "relay"]
        for services in (["gateway"], ["reservation"], callees):
            names = [f"{self.deployment.project}_{service}_1" for service in services]
            self.containers.podman("stop", "--time", "35", *names, seconds=300)
            for name in names:
                code = self.containers.inspect(name)["State"]["ExitCode"]
                assert code == 0, f"{name} ended with {code}: {self.containers.podman_logs(name)[-1000:]}"

    def down_leaves_nothing(self):
        keep_logs(self.deployment, self.options.logs)
        self.deployment.compose("down", "--volumes", "--timeout", "30", log=self.options.logs / "down.log", seconds=300)
        assert self.containers.podman("ps", "-aq").split() == []
        assert self.containers.podman("volume", "ls", "-q").split() == []


# In this order. Where one that is needed (True) has failed, nothing can be said of those after it.
CHECKS = [
    (Checks.base_image_is_debian_slim, True),
    (Checks.one_image_per_service_is_built, True),
    (Checks.images_hold_one_program_and_no_compiler, False),
    (Checks.stores_have_images, True),
    (Checks.a_first_start_is_cut_off, True),
    (Checks.the_system_comes_up, True),
    (Checks.jobs_ended_well_and_replicas_run, False),
    (Checks.ours_run_without_rights, False),
    (Checks.certificates_are_required_between_services, False),
    (Checks.a_services_password_is_nobody_elses, False),
    (Checks.a_seat_is_sold, True),
    (Checks.a_killed_replica_is_survived_and_comes_back, False),
    (Checks.a_killed_queue_comes_back, False),
    (Checks.the_audit_is_clean, False),
    (Checks.a_backup_of_all_is_taken_while_it_runs, False),
    (Checks.a_second_up_changes_nothing, False),
    (Checks.a_backup_is_restored_into_empty_volumes, False),
    (Checks.services_stop_by_themselves_in_time, False),
    (Checks.down_leaves_nothing, False),
]


def run_checks(checks):
    passed = failed = 0
    for check, needed in CHECKS:
        began = time.monotonic()
        words = check.__name__.replace("_", " ")
        try:
            check(checks)
            passed += 1
            print(f"passed: {words} ({time.monotonic() - began:.0f} s)", flush=True)
        except (AssertionError, Failed, Refused, OSError, subprocess.SubprocessError, KeyError, ValueError) as problem:
            failed += 1
            print(f"FAILED: {words}: {type(problem).__name__}: {problem}", flush=True)
            if needed:
                break
    return passed, failed


def keep_logs(deployment, logs):
    for name in deployment.replicas():
        (logs / f"{name}.log").write_text(deployment.containers.podman_logs(f"{deployment.project}_{name}"))


def check_all(containers, options):
    deployment = Deployment(containers)
    passed, failed = run_checks(Checks(deployment, options))
    if failed or options.keep:
        keep_logs(deployment, options.logs)  # of what is still there
        kept = containers.cache / "logs"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(options.logs, kept)
        print(f"logs: {kept}")
    return passed, failed


if __name__ == "__main__":
    flags = argparse.ArgumentParser(prog="./dev test-deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--binaries", help="a folder with finished executables, as build/release/bin")
    flags.add_argument("--keep", action="store_true", help="leave the logs, and say where")
    sys.exit(with_containers(flags, check_all))
