"""deploy/compose: what it tells the services is what they read, and what they need is there."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from programs import PROGRAM, ROOT, SERVICES, STOP_MS, configuration, edges, services_with

FOLDER = ROOT / "deploy/compose"
VARIABLE = re.compile(r"\$\{(\w+)(?::[-?][^}]*)?\}")
JOBS = {"certs", "passwords", "databases", "boxoffice"}
STORES = {"postgres", "redis", "kafka"}
# Whose keys bind it to the world outside.
OUTSIDE = [("gateway", "jwt"), ("gateway", "sign_in"), ("payment", "acquirer")]


def services_of(script):
    return re.search(r"for service in ([\w ]+);", (FOLDER / script).read_text())[1].split()


def example():
    lines = (FOLDER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class ComposeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = cls.text = (FOLDER / "compose.yaml").read_text()
        cls.unknown = set(VARIABLE.findall(text)) - set(example())
        cls.compose = yaml.safe_load(VARIABLE.sub(lambda match: example().get(match[1], ""), text))
        cls.services = cls.compose["services"]

    def mounts(self, service):
        """{where in the container: what is there}"""
        return {target: source for source, target, *_ in (mount.split(":") for mount in self.services[service]["volumes"])}

    def effective(self, service):
        told = self.services[service]
        self.assertEqual(told["command"], ["--config", f"/etc/boxoffice/{service}.toml"])
        file = FOLDER / self.mounts(service)[f"/etc/boxoffice/{service}.toml"]
        return configuration(service, file.read_text(), self.environment(service))

    def environment(self, service):
        """What is empty in the example is there, and empty."""
        told = self.services[service].get("environment", {})
        return {name: "" if value is None else str(value) for name, value in told.items()}

    def test_every_service_is_there_and_nothing_else(self):
        self.assertEqual(set(self.services), set(SERVICES) | JOBS | STORES)
        self.assertEqual({path.stem for path in (FOLDER / "config").iterdir()}, set(SERVICES))

    def test_every_variable_stands_in_the_example(self):
        self.assertEqual(self.unknown, set())

    def test_no_variable_has_an_empty_default(self):
        """podman-compose of Debian 12 does not know that form, and would pass it on as it stands."""
        self.assertNotIn(":-}", self.text)

    def test_services_listen_where_their_callers_and_the_host_look(self):
        for service in SERVICES:
            config = self.effective(service)
            port = 8080 if service == "gateway" else 9000
            self.assertEqual((config["listen"], config["admin"]["listen"]), ([f"0.0.0.0:{port}"], "0.0.0.0:9100"), service)
            peers = {peer: f"dns:{peer}:9000" for peer in edges()[0].get(service, ())}
            self.assertEqual(config.get("peer", {}), peers, service)
        self.assertEqual(self.services["gateway"]["ports"], [f"{example()['BOXOFFICE_PUBLISH']}:8080"])

    def test_each_store_is_one_that_compose_starts(self):
        databases = services_of("databases.sh")
        for service in services_with("store.url"):
            url = self.effective(service)["store"]["url"]
            if service in databases:
                self.assertEqual(url, f"postgresql://{service}@postgres/{service}")
            else:
                self.assertEqual(url, "redis://redis:6379")
        self.assertLess(set(databases), services_with("store.url"))

    def test_databases_are_made_by_a_job_that_comes_before_the_migration(self):
        """PostgreSQL's image runs its scripts of the first start once, and never completes them."""
        self.assertNotIn("initdb", str(self.services["postgres"]))
        job = self.services["databases"]
        self.assertEqual(job["image"], self.services["postgres"]["image"])
        self.assertEqual(job["depends_on"], {"postgres": {"condition": "service_healthy"},
                                             "passwords": {"condition": "service_completed_successfully"}})  # fmt: skip
        self.assertEqual(self.mounts("databases")[job["entrypoint"][1]], "./databases.sh")
        self.assertEqual(self.environment("databases"), {"PGHOST": "postgres", "PGUSER": "postgres", "PGPASSWORD": example()["POSTGRES_PASSWORD"]})
        self.assertEqual(self.services["boxoffice"]["depends_on"]["databases"], {"condition": "service_completed_successfully"})

    def test_only_the_job_that_makes_databases_has_the_superusers_password(self):
        told = yaml.safe_load(self.text)["services"]
        self.assertEqual({service for service in told if "POSTGRES_PASSWORD" in str(told[service])}, {"postgres", "databases"})

    def test_each_service_has_the_password_of_its_own_role_and_no_other(self):
        databases = services_of("databases.sh")
        self.assertEqual(services_of("passwords.sh"), databases)
        # Whose volumes these are: passwords.sh runs as who made them, and what it makes nobody else may read.
        made = re.search(r"install -d -o 10001 -g 10001 (/tls .*?)\nUSER", (ROOT / "deploy/docker/Dockerfile").read_text(), re.S)[1]
        owned = set(made.replace("\\\n", " ").split())
        volumes = {f"/passwords/{name}": f"password-{name}" for name in [*databases, "all"]}
        script = self.services["passwords"]["entrypoint"][1]
        self.assertEqual(self.mounts("passwords"), volumes | {script: "./passwords.sh"})
        self.assertLessEqual(set(volumes), owned)
        folder = "/run/boxoffice/passwords"
        holds = {service: f"password-{service}" for service in databases} | dict.fromkeys(("databases", "boxoffice"), "password-all")
        for service in set(self.services) - {"passwords"}:
            mounts = [mount for mount in self.services[service]["volumes"] if mount.startswith("password-")]
            self.assertEqual(mounts, [f"{holds[service]}:{folder}:ro"] if service in holds else [], service)
            reads = service in holds and service != "databases"  # which has the superuser's
            self.assertEqual(self.environment(service).get("PGPASSFILE"), f"{folder}/pgpass" if reads else None, service)

    def test_who_publishes_or_consumes_has_the_bus(self):
        for service in SERVICES:
            url = self.effective(service)["bus"]["url"]
            if service in edges()[1]:
                listener = self.services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split("://")[1]
                self.assertEqual(url, f"kafka:{listener}", service)
            else:
                self.assertTrue(url.startswith("sqlite:"), service)

    def test_commands_take_the_folder_of_its_configuration(self):
        with tempfile.TemporaryDirectory() as data:
            done = subprocess.run([PROGRAM, "doctor", "--json", "--config", FOLDER / "config", "--data", data, "--token", "t", "--url", "http://127.0.0.1:1"],
                                  capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        findings = json.loads(done.stdout)["findings"]
        found = {finding["check"]: finding for finding in reversed(findings)}
        self.assertEqual(found["configuration"]["status"], "ok", found["configuration"])
        self.assertIn("kafka:kafka:9092", found["configuration"]["detail"])
        # The container of the commands has nobody's certificate.
        certificates = {finding["subject"]: finding["status"] for finding in findings if finding["check"] == "certificate"}
        self.assertEqual(certificates, dict.fromkeys(SERVICES, "skipped"))

    def test_each_service_shows_its_own_certificate_and_has_no_other(self):
        for service in SERVICES:
            tls = self.effective(service)["tls"]
            folder = "/run/boxoffice/tls"
            self.assertEqual(tls, {"ca_file": f"{folder}/ca.crt", "certificate_file": f"{folder}/{service}.crt",
                                   "key_file": f"{folder}/{service}.key"})  # fmt: skip
            self.assertEqual(self.mounts(service)[folder], f"tls-{service}")
            self.assertEqual(self.mounts("certs")[f"/tls/{service}"], f"tls-{service}")
        self.assertEqual(self.effective("gateway")["audit"]["certificate_file"], "/run/boxoffice/tls/audit.crt")

    def test_certificates_that_may_not_be_on_the_disk_are_made_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            tls, programs = Path(folder) / "tls", Path(folder) / "bin"
            for service in SERVICES:
                (tls / service).mkdir(parents=True)
            programs.mkdir()
            (programs / "boxoffice").symlink_to(Path(PROGRAM).resolve())
            script = Path(folder) / "certs.sh"
            script.write_text((FOLDER / "certs.sh").read_text().replace("/tls/", f"{tls}/").replace("/tmp/certs", f"{folder}/certs"))

            def run():
                return subprocess.run(["sh", script], env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}, cwd=folder,
                                      capture_output=True, text=True, timeout=60, check=False)  # fmt: skip

            def keys():
                return {file: file.read_bytes() for file in tls.glob("*/*.key")}

            sync = programs / "sync"
            sync.write_text("#!/bin/sh\nexit 1\n")
            sync.chmod(0o755)
            self.assertNotEqual(run().returncode, 0, "it was broken off before that")
            self.assertNotIn(tls / "gateway/gateway.key", keys(), "who finds it takes all for finished")
            sync.unlink()
            done = run()
            self.assertEqual(done.returncode, 0, done.stderr)
            made = keys()
            self.assertEqual(set(made), {tls / service / f"{service}.key" for service in SERVICES} | {tls / "gateway/audit.key"})
            for service in SERVICES:
                self.assertTrue((tls / service / f"{service}.crt").exists() and (tls / service / "ca.crt").exists(), service)
            self.assertTrue((tls / "gateway/audit.crt").exists())
            self.assertEqual((run().returncode, keys()), (0, made), "a repeat has no effect")

    def test_who_signs_or_verifies_queue_tokens_has_the_keys(self):
        for service in SERVICES:
            has = "BOXOFFICE_TOKEN_KEYS" in self.services[service].get("environment", {})
            self.assertEqual(has, service in services_with("token.keys"), service)

    def test_an_issuer_sign_in_and_an_acquirer_of_ones_own_are_named_in_the_example(self):
        needed = {("gateway", "BOXOFFICE_JWT_ALGORITHM"), ("gateway", "BOXOFFICE_JWT_AUDIENCE")}
        for service, table in OUTSIDE:
            # What has no default has to be told; a file would have to be mounted as well.
            needed |= {(service, f"BOXOFFICE_{table}_{key}".upper()) for key, default in configuration(service)[table].items()
                       if default in ("", []) and not key.endswith("_file")}  # fmt: skip
        for service, variable in sorted(needed):
            self.assertIn(variable, self.services[service]["environment"], service)
            self.assertIn(variable, example(), service)

    def test_what_is_left_empty_in_the_example_is_not_told(self):
        for service, table in OUTSIDE:
            self.assertEqual(self.effective(service)[table], configuration(service)[table], service)

    def test_ours_have_no_rights_and_limits(self):
        for service in [*SERVICES, *JOBS]:
            told = self.services[service]
            self.assertTrue(told["read_only"], service)
            self.assertEqual((told["cap_drop"], told["security_opt"]), (["ALL"], ["no-new-privileges"]), service)
            self.assertEqual(set(told["deploy"]["resources"]["limits"]), {"cpus", "memory"}, service)
            if service == "databases":  # in PostgreSQL's image
                self.assertEqual(told["user"], "10001:10001")
                continue
            self.assertNotIn("user", told)  # the image's, which is not root
            self.assertIn("/var/lib/boxoffice", [mount.split(":")[0] for mount in told["tmpfs"]], service)

    def test_a_stop_is_given_the_time_that_a_drain_takes(self):
        for service in SERVICES:
            drain = self.effective(service)["drain"]
            seconds = int(self.services[service]["stop_grace_period"].removesuffix("s"))
            self.assertGreaterEqual(seconds * 1000, drain["notice_ms"] + drain["grace_ms"] + STOP_MS, service)

    def test_callers_start_after_and_stop_before_whom_they_call(self):
        for service in SERVICES:
            needs = {"boxoffice": {"condition": "service_completed_successfully"}}
            needs |= {callee: {"condition": "service_started"} for callee in edges()[0].get(service, ())}
            self.assertEqual(self.services[service]["depends_on"], needs, service)

    def test_only_operators_credit_wallets(self):
        self.assertIs(self.effective("gateway")["wallet"]["self_service"], False)

    def test_nobody_pays_by_the_sandbox(self):
        self.assertIs(self.effective("payment")["sandbox"]["enabled"], False)

    def test_replicas_of_payment_share_the_sandbox(self):
        folder = self.effective("payment")["sandbox"]["file"].rsplit("/", 1)[0]
        self.assertIn(self.mounts("payment")[folder], self.compose["volumes"])

    def test_volumes_are_declared_and_files_exist(self):
        used = set()
        for service in self.services:
            for source in self.mounts(service).values():
                if source.startswith("./"):
                    self.assertTrue((FOLDER / source).exists(), f"{service}: {source}")
                else:
                    used.add(source)
        self.assertEqual(used, set(self.compose["volumes"]))

    def test_images_are_those_that_the_dockerfile_makes(self):
        targets = re.findall(r"^FROM base AS (\w+)", (ROOT / "deploy/docker/Dockerfile").read_text(), re.M)
        self.assertEqual(set(targets), set(SERVICES) | {"boxoffice"})
        for service in [*SERVICES, "boxoffice"]:
            told = self.services[service]
            self.assertEqual(told["build"]["target"], service)
            self.assertTrue(told["image"].endswith(f"/{service}:{example()['BOXOFFICE_VERSION']}"), service)


if __name__ == "__main__":
    unittest.main()
