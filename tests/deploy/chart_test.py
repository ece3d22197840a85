"""deploy/helm/boxoffice, rendered by Helm: its objects are Kubernetes', and tell the services what they read."""

import base64
import copy
import json
import re
import subprocess
import sys
import tempfile
import unittest
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

from programs import ROOT, SERVICES, STOP_MS, configuration, edges, services_with

CHART = ROOT / "deploy/helm/boxoffice"
STORED = sorted(services_with("store.url"))
NAME = "demo-boxoffice"
SKIPPED = 77

# What whoever installs it has to say, and no more.
LEAST = {
    "jwt": {"issuer": "https://login.example", "existingSecret": "login-key"},
    "tokenKeys": {"existingSecret": "queue-token-keys"},
    "services": {service: {"store": {"existingSecret": f"{service}-store"}} for service in STORED},
}
# What else can be said.
SECRETS = ["p4ss", "q1=0123456789abcdef0123", "hs256-secret-of-the-issuer"]
MOST = {
    "image": {"prefix": "registry.example/boxoffice", "tag": "1.2.3", "pullSecrets": [{"name": "registry"}]},
    "drain": {"noticeMs": 2500, "graceMs": 61000},
    "tracing": {"endpoint": "https://collector.example", "sampleRatio": 1, "existingSecret": "collector"},
    "kafka": {"brokers": "kafka-0.kafka:9092,kafka-1.kafka:9092"},
    "tls": {"certManager": {"enabled": True, "issuerRef": {"name": "boxoffice-ca", "kind": "ClusterIssuer"}}},
    "tokenKeys": {"value": SECRETS[1]},
    "jwt": {"algorithm": "HS256", "issuer": "https://login.example", "value": SECRETS[2]},
    "networkPolicy": {
        "gatewayFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "collector": {"to": [], "ports": [8443]},
        "postgres": {"to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [5432, 6432]},
    },
    "ingress": {"enabled": True, "className": "nginx", "host": "tickets.example", "tlsSecret": "tickets-tls",
                "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"}},
    "services": {
        **{service: {"store": {"value": f"postgresql://{service}:{SECRETS[0]}@db/{service}"}} for service in STORED},
        "payment": {"store": {"value": f"postgresql://payment:{SECRETS[0]}@db/payment"},
                    "config": {"acquirer": {"url": "https://acquirer.example/v1"}}},
        "relay": {"store": {"existingSecret": "relay-store", "key": "url"}, "autoscaling": {"enabled": True},
                  "nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}],
                  "affinity": {"nodeAffinity": {}}, "podAnnotations": {"prometheus.io/scrape": "false"},
                  "serviceAccount": {"annotations": {"example.com/role": "relay"}}},
        "seat": {"store": {"value": f"postgresql://seat:{SECRETS[0]}@db/seat"},
                 "config": {"batch": {"max_commands": 128}, "drain": {"grace_ms": 86400}}},
    },
}  # fmt: skip


def find_tools():
    """Helm and the schemas, or an exit that says that there are none here."""
    found = subprocess.run([ROOT / "tools/dev/helm.sh"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        print(f"skipped: no Helm: {found.stderr.strip()[-500:]}")
        sys.exit(SKIPPED)
    return Path(found.stdout.strip())


TOOLS = find_tools()


def helm(command, values):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        names = [CHART] if command == ["lint", "--strict"] else ["demo", CHART]
        return subprocess.run([TOOLS / "helm", *command, *names, "--values", file.name], capture_output=True, text=True,
                              timeout=60, check=False)  # fmt: skip


def render(values):
    done = helm(["template", "--namespace", "tickets"], values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@cache
def validator(kind, version):
    """Of Kubernetes' objects of this kind; what it does not know is an error."""
    version = version.replace(".k8s.io", "").replace("/", "-")
    text = (TOOLS / "schemas" / f"{kind}-{version}.json".lower()).read_text()
    schema = json.loads(text.replace("/api/_definitions.json#", "#"))
    schema.pop("$id", None)
    return Draft7Validator(schema | json.loads((TOOLS / "schemas/_definitions.json").read_text()))


def with_value(values, path, value):
    changed = copy.deepcopy(values)
    *folders, last = path.split(".")
    place = changed
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
    return changed


class Release:
    def __init__(self, values):
        self.documents = render(values)

    def named(self, kind):
        return {document["metadata"]["name"]: document for document in self.documents if document["kind"] == kind}

    def of(self, kind, service):
        return self.named(kind)[f"{NAME}-{service}"]

    def container(self, service):
        return self.of("Deployment", service)["spec"]["template"]["spec"]["containers"][0]

    def variables(self, service):
        """{name: (secret, key)}"""
        return {variable["name"]: tuple(variable["valueFrom"]["secretKeyRef"][part] for part in ("name", "key"))
                for variable in self.container(service).get("env", [])}  # fmt: skip

    def config(self, service):
        """As the service itself reads it, with something in each variable."""
        text = self.of("ConfigMap", service)["data"][f"{service}.toml"]
        values = {"BOXOFFICE_STORE_URL": "postgresql://user@db/name", "BOXOFFICE_TOKEN_KEYS": SECRETS[1],
                  "BOXOFFICE_JWT_KEY": SECRETS[2], "BOXOFFICE_TRACE_HEADERS": "api-key=secret",
                  "BOXOFFICE_SIGN_IN_CLIENT_SECRET": "of-the-client",
                  "BOXOFFICE_SIGN_IN_SESSION_KEY": "a-session-key-of-thirty-two-bytes",
                  "BOXOFFICE_BUS_URL": "kafka:k:9093?security.protocol=SSL"}  # fmt: skip
        return configuration(service, text, {name: values[name] for name in self.variables(service)})

    def calls(self):
        """Who may reach whose service port: ({caller: {callee}} by what leaves, and by what enters)."""
        leaves, enters = {}, {}
        for service in SERVICES:
            spec = self.of("NetworkPolicy", service)["spec"]
            for direction, side, found in (("egress", "to", leaves), ("ingress", "from", enters)):
                for rule in spec[direction]:
                    if {"protocol": "TCP", "port": 9000} not in rule["ports"]:
                        continue
                    for peer in rule[side]:
                        other = peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
                        caller, callee = (service, other) if direction == "egress" else (other, service)
                        found.setdefault(caller, set()).add(callee)
        return leaves, enters


class ChartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.least = Release(LEAST)
        cls.most = Release(MOST)
        cls.plain = Release(with_value(with_value(LEAST, "tls.enabled", False), "networkPolicy.enabled", False))
        cls.all = [cls.least, cls.most, cls.plain]

    def test_helm_finds_nothing_to_complain_of(self):
        for values in (LEAST, MOST):
            done = helm(["lint", "--strict"], values)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_object_is_one_of_kubernetes(self):
        different = {json.dumps(document) for release in self.all for document in release.documents}
        for document in map(json.loads, sorted(different)):
            if document["apiVersion"].startswith("cert-manager.io/"):
                continue
            errors = validator(document["kind"], document["apiVersion"]).iter_errors(document)
            found = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
            self.assertEqual(found, [], f"{document['kind']} {document['metadata']['name']}")

    def test_pods_that_may_not_share_a_node_need_no_zones(self):
        """Kubernetes schedules nothing onto a node that lacks the key of a DoNotSchedule constraint."""
        strict = Release(with_value(LEAST, "topologySpread.whenUnsatisfiable", "DoNotSchedule"))
        for service in SERVICES:
            spread = strict.of("Deployment", service)["spec"]["template"]["spec"]["topologySpreadConstraints"]
            self.assertEqual({constraint["topologyKey"]: constraint["whenUnsatisfiable"] for constraint in spread},
                             {"kubernetes.io/hostname": "DoNotSchedule", "topology.kubernetes.io/zone": "ScheduleAnyway"}, service)  # fmt: skip

    def test_names_are_unique(self):
        for release in self.all:
            names = [(document["kind"], document["metadata"]["name"]) for document in release.documents]
            self.assertEqual(len(names), len(set(names)))

    def test_every_service_has_all_that_a_service_needs(self):
        for service in SERVICES:
            for kind in ("ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"):
                document = self.least.of(kind, service)
                if kind in ("Deployment", "PodDisruptionBudget"):
                    self.assertEqual(document["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"], service)
                if kind == "PodDisruptionBudget":
                    # Kubernetes has it from the version on that the chart asks for.
                    self.assertEqual(document["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow", "a broken pod keeps no node")
            pod = self.least.of("Deployment", service)["spec"]["template"]
            selector = self.least.of("Service", service)["spec"]["selector"]
            self.assertLessEqual(selector.items(), pod["metadata"]["labels"].items(), service)

    def test_services_read_what_they_are_told(self):
        for release in self.all:
            for service in SERVICES:
                config = release.config(service)  # refuses what it does not know
                ports = {port["name"]: port["containerPort"] for port in release.container(service)["ports"]}
                name = "http" if service == "gateway" else "grpc"
                self.assertEqual(config["listen"], [f"0.0.0.0:{ports[name]}"], service)
                self.assertEqual(config["admin"]["listen"], f"0.0.0.0:{ports['admin']}", service)
                port = release.of("Service", service)["spec"]["ports"][0]
                self.assertEqual(port["targetPort"], name)
                peers = {peer: f"dns:{NAME}-{peer}:9000" for peer in edges()[0].get(service, ())}
                self.assertEqual(config.get("peer", {}), peers, service)
                self.assertEqual(config["bus"]["url"].startswith("kafka:"), service in edges()[1], service)

    def test_on_ipv6_pods_listen_at_its_addresses(self):
        """Kubelet's probes and callers come to the pod's address, which may be of IPv6 alone."""
        release = Release(with_value(LEAST, "listenHost", "[::]"))
        for service in SERVICES:
            config = release.config(service)
            ports = {port["name"]: port["containerPort"] for port in release.container(service)["ports"]}
            self.assertEqual(config["listen"], [f"[::]:{ports['http' if service == 'gateway' else 'grpc']}"], service)
            self.assertEqual(config["admin"]["listen"], f"[::]:{ports['admin']}", service)

    def test_numbers_of_values_stay_numbers(self):
        self.assertEqual(self.most.config("seat")["batch"]["max_commands"], 128)
        self.assertEqual(self.most.config("seat")["drain"], {"notice_ms": 2500, "grace_ms": 86400})
        self.assertEqual(self.most.config("gateway")["audit"]["interval_ms"], 300_000)
        self.assertEqual(self.most.config("wallet")["drain"], {"notice_ms": 2500, "grace_ms": 61000})
        often = Release(with_value(LEAST, "services.seat.config", {"trace": {"sample_ratio": 0.25}}))
        self.assertEqual(often.config("seat")["trace"]["sample_ratio"], 0.25)

    def test_callers_find_every_replica(self):
        for service in SERVICES:
            spec = self.least.of("Service", service)["spec"]
            if service != "gateway":
                self.assertEqual((spec["clusterIP"], spec["publishNotReadyAddresses"]), ("None", True), service)

    def test_callers_know_a_new_pod_before_an_old_one_goes(self):
        asked_every = re.search(r"kResolveEvery\{(\d+)\}", (ROOT / "src/platform/rpc/peer.cc").read_text())
        limit = re.search(r"helm upgrade .*--timeout (\d+)m", (ROOT / "docs/howto/kubernetes.md").read_text())
        for service, told in yaml.safe_load((CHART / "values.yaml").read_text())["services"].items():
            # What is ready is what both count by that take pods away: the Deployment's rollout, and the budget of a node's drain.
            seconds = self.least.container(service)["readinessProbe"].get("initialDelaySeconds", 0)
            if service == "gateway":
                self.assertEqual(seconds, 0, "it has a Service's address, which leads to whoever is ready")
                continue
            # CoreDNS, as Kubernetes sets it up, answers from the last 30 s.
            self.assertGreater(seconds, int(asked_every[1]) + 30, service)
            most = told["autoscaling"]["max"] if told["autoscaling"]["enabled"] else told["replicas"]
            self.assertLess(most * (seconds + 5), int(limit[1]) * 60, f"{service} rolls in the time that the guide gives it")

    def test_authorities_of_stores_are_mounted_wherever_stores_are_reached(self):
        def pods(release):
            found = [release.of("Deployment", service) for service in SERVICES] + [release.of("Job", "migration")]
            return {document["metadata"]["name"]: document["spec"]["template"]["spec"] for document in found}

        for name, pod in pods(self.least).items():
            self.assertNotIn("trust", json.dumps(pod), name)
        release = Release(with_value(LEAST, "trust.existingSecret", "authorities"))
        for name, pod in pods(release).items():
            volume = next(volume for volume in pod["volumes"] if volume["name"] == "trust")
            self.assertEqual(volume["secret"]["secretName"], "authorities", name)
            for container in pod["containers"] + pod.get("initContainers", []):
                mount = {"name": "trust", "mountPath": "/run/boxoffice/trust", "readOnly": True}
                self.assertIn(mount, container["volumeMounts"], f"{container['name']} of {name}")
        for document in (release.of("Deployment", "seat"), release.of("Job", "migration")):
            self.assertEqual(list(validator(document["kind"], document["apiVersion"]).iter_errors(document)), [])

    def test_secrets_go_to_those_who_need_them(self):
        for service in SERVICES:
            variables = self.least.variables(service)
            expected = {}
            if service in STORED:
                expected["BOXOFFICE_STORE_URL"] = (f"{service}-store", "store-url")
            if service in services_with("token.keys"):
                expected["BOXOFFICE_TOKEN_KEYS"] = ("queue-token-keys", "token-keys")
            if service in services_with("jwt.key"):
                expected["BOXOFFICE_JWT_KEY"] = ("login-key", "jwt-key")
            self.assertEqual(variables, expected, service)
        self.assertEqual(self.least.named("Secret"), {})

    def test_keys_that_the_issuer_publishes_need_no_secret(self):
        jwt = {"algorithm": "RS256", "issuer": "https://login.example", "jwksUrl": "https://login.example/keys"}
        release = Release({**LEAST, "jwt": jwt})
        self.assertEqual(release.config("gateway")["jwt"]["jwks_url"], jwt["jwksUrl"])
        self.assertEqual(release.config("gateway")["jwt"]["algorithm"], "RS256")
        self.assertNotIn("BOXOFFICE_JWT_KEY", release.variables("gateway"))
        rules = release.of("NetworkPolicy", "gateway")["spec"]["egress"]
        self.assertIn(443, {port["port"] for rule in rules for port in rule["ports"]})

    def test_people_sign_in_where_the_gateway_is_a_client_of_the_issuer(self):
        sign_in = {"clientId": "tickets", "redirectUrl": "https://tickets.example/v1/session/oidc/callback",
                   "existingSecret": "sign-in"}  # fmt: skip
        release = Release({**LEAST, "signIn": sign_in})
        sign_in_keys = release.config("gateway")["sign_in"]
        self.assertEqual(sign_in_keys["client_id"], "tickets")
        self.assertEqual(sign_in_keys["redirect_url"], sign_in["redirectUrl"])
        self.assertEqual(release.variables("gateway")["BOXOFFICE_SIGN_IN_SESSION_KEY"], ("sign-in", "session-key"))
        self.assertEqual(release.variables("gateway")["BOXOFFICE_SIGN_IN_CLIENT_SECRET"], ("sign-in", "client-secret"))
        self.assertNotIn("BOXOFFICE_SIGN_IN_SESSION_KEY", release.variables("seat"))
        # It asks the provider itself, also where the provider's key is configured.
        rules = release.of("NetworkPolicy", "gateway")["spec"]["egress"]
        self.assertIn(443, {port["port"] for rule in rules for port in rule["ports"]})

    def test_a_secret_says_where_a_guarded_bus_is(self):
        release = Release(with_value(LEAST, "kafka.existingSecret", "bus"))
        for service in SERVICES:
            variable = release.variables(service).get("BOXOFFICE_BUS_URL")
            self.assertEqual(variable, ("bus", "bus-url") if service in edges()[1] else None, service)
            self.assertNotIn("kafka:", release.of("ConfigMap", service)["data"][f"{service}.toml"], service)
        pod = release.of("Job", "migration")["spec"]["template"]["spec"]
        for step in pod["initContainers"] + pod["containers"]:
            found = [variable for variable in step["env"] if variable["name"] == "BOXOFFICE_BUS_URL"]
            self.assertEqual([variable["valueFrom"]["secretKeyRef"]["name"] for variable in found],
                             ["bus"] if step["name"] in edges()[1] else [])  # fmt: skip

    def test_who_restores_by_the_guide_goes_on_with_the_topics_that_were_restored(self):
        page = (ROOT / "docs/howto/back-up-and-restore.md").read_text().split("\n## On Kubernetes\n")[1]
        job, guide = page.split("\nTo restore:\n")
        (secret, key, url) = re.search(r"create secret generic (\S+) --from-literal=([^=]+)='(kafka:\S+[?&]prefix=\S+)'", guide).groups()
        # The job restores into them, and so does whoever starts afterwards.
        (variable,) = re.findall(r"`(\{name: BOXOFFICE_BUS_URL, .*\})`", job)
        self.assertEqual(yaml.safe_load(variable)["valueFrom"]["secretKeyRef"], {"name": secret, "key": key})
        self.assertLess(guide.index("apply -f restore.yaml"), guide.index("$ helm upgrade"), "it migrates, and what is restored into is empty")
        self.assertNotIn("kubectl -n tickets scale", guide, "pods of the release before know the old topics")
        installed = re.search(r"```yaml\n(# values-tickets.yaml.*?)```", (ROOT / "docs/howto/kubernetes.md").read_text(), re.DOTALL)[1]
        release = Release(yaml.safe_load(installed) | yaml.safe_load(re.search(r"`(kafka: \{.*?\})`", guide)[1]))
        for service in edges()[1]:
            self.assertEqual(release.variables(service)["BOXOFFICE_BUS_URL"], (secret, key), service)
            text = release.of("ConfigMap", service)["data"][f"{service}.toml"]
            given = {"BOXOFFICE_STORE_URL": "postgresql://user@db/name", "BOXOFFICE_TOKEN_KEYS": SECRETS[1], "BOXOFFICE_BUS_URL": url}
            told = configuration(service, text, {name: given[name] for name in release.variables(service)})
            self.assertEqual(told["bus"]["url"], url, service)

    def test_values_that_are_secret_stand_in_secrets_alone(self):
        secrets = self.most.named("Secret")
        for service in SERVICES:
            for name, key in self.most.variables(service).values():
                if name not in ("relay-store", "collector"):
                    self.assertIn(key, secrets[name]["stringData"])
        others = json.dumps([document for document in self.most.documents if document["kind"] != "Secret"])
        for secret in SECRETS:
            self.assertNotIn(secret, others)
            self.assertNotIn(base64.b64encode(secret.encode()).decode(), others)

    def test_a_secret_that_is_changed_in_values_starts_new_pods_of_those_who_read_it(self):
        def checksums(values):
            return {service: Release(values).of("Deployment", service)["spec"]["template"]["metadata"]["annotations"].get("checksum/secrets")
                    for service in SERVICES}  # fmt: skip

        self.assertEqual(set(checksums(LEAST).values()), {None}, "what is in secrets that exist is not known here")
        before = checksums(MOST)
        for path, value, readers in (
            ("tokenKeys.value", "q2=fedcba9876543210fedc", {"queue", "gateway"}),
            ("jwt.value", "another-secret-of-the-issuer", {"gateway"}),
            ("services.seat.store.value", "postgresql://seat:other@db/seat", {"seat"}),
        ):
            after = checksums(with_value(MOST, path, value))
            self.assertEqual({service for service in SERVICES if after[service] != before[service]}, readers, path)

    def test_what_else_is_secret_comes_by_a_secret_of_variables(self):
        release = Release(with_value(MOST, "services.payment.environment", {"existingSecret": "acquirer"}))
        self.assertEqual(release.container("payment")["envFrom"], [{"secretRef": {"name": "acquirer"}}])
        self.assertNotIn("envFrom", release.container("wallet"))
        pod = release.of("Deployment", "payment")
        self.assertEqual(list(validator("Deployment", pod["apiVersion"]).iter_errors(pod)), [])

    def test_probes_ask_where_the_process_answers(self):
        for service in SERVICES:
            container = self.least.container(service)
            for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
                self.assertEqual(container[probe]["httpGet"], {"path": path, "port": "admin"}, service)

    def test_a_pod_is_given_the_time_that_its_drain_takes(self):
        for release in (self.least, self.most):
            for service in SERVICES:
                drain = release.config(service)["drain"]
                seconds = release.of("Deployment", service)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
                self.assertGreater(seconds * 1000, drain["notice_ms"] + drain["grace_ms"] + STOP_MS, service)

    def test_pods_have_no_rights(self):
        pods = [document["spec"]["template"]["spec"] for release in self.all for document in release.documents
                if document["kind"] in ("Deployment", "Job")]  # fmt: skip
        self.assertEqual(len(pods), 3 * (len(SERVICES) + 1))
        for pod in pods:
            self.assertFalse(pod["automountServiceAccountToken"])
            self.assertFalse(pod["enableServiceLinks"], "BOXOFFICE_… are the services' keys")
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            for container in pod["containers"] + pod.get("initContainers", []):
                context = container["securityContext"]
                self.assertTrue(context["readOnlyRootFilesystem"])
                self.assertFalse(context["allowPrivilegeEscalation"])
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                self.assertIn("memory", container["resources"]["limits"])

    def test_files_that_are_named_are_mounted(self):
        for release in self.all:
            for service in SERVICES:
                config = release.config(service)
                mounts = {mount["mountPath"] for mount in release.container(service)["volumeMounts"]}
                files = [value for table in ("tls", "audit") for key, value in config.get(table, {}).items()
                         if key.endswith("_file") and value]  # fmt: skip
                expected = 0 if release is self.plain else (5 if service == "gateway" else 3)
                self.assertEqual(len(files), expected, service)
                for file in files:
                    self.assertIn(file.rsplit("/", 1)[0], mounts, service)

    def test_certificates_name_their_services(self):
        certificates = self.most.named("Certificate")
        self.assertEqual(set(certificates), {f"{NAME}-{service}" for service in [*SERVICES, "audit"]})
        mounted = set()
        for service in SERVICES:
            volumes = self.most.of("Deployment", service)["spec"]["template"]["spec"]["volumes"]
            mounted |= {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
        self.assertEqual({certificate["spec"]["secretName"] for certificate in certificates.values()}, mounted)
        for service in [*SERVICES, "audit"]:
            spec = certificates[f"{NAME}-{service}"]["spec"]
            self.assertEqual((spec["dnsNames"], spec["uris"]), ([f"{service}.boxoffice"], [f"spiffe://boxoffice/{service}"]))

    def test_policies_allow_the_edges_and_no_other_call(self):
        leaves, enters = self.least.calls()
        self.assertEqual(leaves, edges()[0])
        self.assertEqual(enters, edges()[0])
        deny = self.least.of("NetworkPolicy", "deny")["spec"]
        self.assertEqual(deny["policyTypes"], ["Ingress", "Egress"])
        self.assertNotIn("app.kubernetes.io/component", deny["podSelector"]["matchLabels"])
        self.assertTrue("ingress" not in deny and "egress" not in deny)

    def test_policies_open_the_store_and_the_bus_to_those_who_have_them(self):
        ports = {"postgres": {5432}, "redis": {6379}, "": set()}
        store = {service: "postgres" for service in STORED} | {"queue": "redis", "ranking": "redis"}
        for service in [*SERVICES, "migration"]:
            rules = self.least.of("NetworkPolicy", service)["spec"]["egress"]
            outside = {port["port"] for rule in rules for port in rule["ports"]} - {53, 9000}
            if service == "migration":
                self.assertEqual(outside, {5432, 6379, 9092})
                continue
            expected = ports[store.get(service, "")] | ({9092} if service in edges()[1] else set())
            self.assertEqual(outside, expected | ({80, 443} if service == "relay" else set()), service)

    def test_payment_is_let_out_to_an_acquirer_that_it_is_told_of(self):
        def outside(release):
            rules = release.of("NetworkPolicy", "payment")["spec"]["egress"]
            return {port["port"] for rule in rules for port in rule["ports"]}

        self.assertNotIn(443, outside(self.least))
        self.assertIn(443, outside(self.most))

    def test_all_send_their_spans_to_a_collector_that_is_named_and_are_let_out_to_it(self):
        for service in SERVICES:
            self.assertEqual(self.least.config(service)["trace"]["endpoint"], "", service)
            trace = self.most.config(service)["trace"]
            self.assertEqual((trace["endpoint"], trace["sample_ratio"]), ("https://collector.example", 1), service)
            self.assertEqual(self.most.variables(service)["BOXOFFICE_TRACE_HEADERS"], ("collector", "headers"), service)
            rules = self.most.of("NetworkPolicy", service)["spec"]["egress"]
            self.assertIn(8443, {port["port"] for rule in rules for port in rule["ports"]}, service)

    def test_what_is_alone_is_never_two(self):
        """Its replicas, as a new one comes, are as many as its values say."""
        for service in SERVICES:
            spec = self.least.of("Deployment", service)["spec"]
            scaled = f"{NAME}-{service}" in self.least.named("HorizontalPodAutoscaler")
            self.assertNotEqual("replicas" in spec, scaled, service)
            if spec.get("replicas") == 1:
                self.assertEqual(spec["strategy"], {"type": "Recreate"}, service)
            else:
                self.assertEqual(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0, service)

    def test_the_migration_runs_before_and_for_every_store(self):
        for release in (self.least, self.most):
            job = release.of("Job", "migration")
            self.assertEqual(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade")
            # Beside an ordinary policy it would run under that of the release before, which need not let it out to a new store.
            policy = release.of("NetworkPolicy", "migration")["metadata"]["annotations"]
            self.assertEqual(policy["helm.sh/hook"], "pre-install,pre-upgrade")
            self.assertEqual(policy["helm.sh/hook-delete-policy"], "before-hook-creation,hook-succeeded")
            self.assertLess(int(policy["helm.sh/hook-weight"]), int(job["metadata"]["annotations"]["helm.sh/hook-weight"]))
            for service in SERVICES:
                self.assertNotIn("annotations", release.of("NetworkPolicy", service)["metadata"], "it is there all the time")
            pod = job["spec"]["template"]["spec"]
            self.assertEqual(pod["restartPolicy"], "Never", "the pod, and its log, of a try that failed stays")
            steps = pod["initContainers"] + pod["containers"]
            self.assertEqual([step["name"] for step in steps], STORED)
            hooked = {name: document for name, document in release.named("Secret").items()
                      if "helm.sh/hook" in document["metadata"].get("annotations", {})}  # fmt: skip
            for step in steps:
                self.assertEqual(step["image"], release.container(step["name"])["image"])
                self.assertEqual(step["args"], ["migrate"])
                variables = {variable["name"]: variable for variable in step["env"]}
                reference = variables["BOXOFFICE_STORE_URL"]["valueFrom"]["secretKeyRef"]
                self.assertTrue(reference["name"] == f"{step['name']}-store"
                                or reference["key"] in hooked[reference["name"]]["stringData"])  # fmt: skip
                environment = {name: variable["value"] for name, variable in variables.items() if "value" in variable}
                told = configuration(step["name"], "", environment)
                self.assertEqual("bus" in told and told["bus"]["url"].startswith("kafka:"), step["name"] in edges()[1])
                if step["name"] in edges()[1]:
                    self.assertEqual((told["bus"]["partitions"], told["bus"]["replication_factor"]), (12, 3))

    def test_the_migration_is_not_stopped_before_one_of_a_store_has_had_its_time_and_helm_waits_longer(self):
        source = (ROOT / "src/platform/sql/postgres.cc").read_text()
        minutes = [int(re.search(rf"minutes {name}{{(\d+)}};", source)[1]) for name in ("kMigrationPatience", "kMigrationTimeout")]
        deadline = self.least.of("Job", "migration")["spec"]["activeDeadlineSeconds"]
        self.assertGreater(deadline, 60 * sum(minutes))
        for guide in ("kubernetes", "back-up-and-restore"):
            timeout = re.search(r"helm upgrade .* --timeout (\d+)m", (ROOT / f"docs/howto/{guide}.md").read_text())
            self.assertGreater(60 * int(timeout[1]), deadline, guide)

    def test_only_operators_credit_wallets_unless_it_is_told_so(self):
        for release in self.all:
            self.assertIs(release.config("gateway")["wallet"]["self_service"], False)
        told = Release(with_value(LEAST, "services.gateway.config", {"wallet": {"self_service": True}}))
        self.assertIs(told.config("gateway")["wallet"]["self_service"], True)

    def test_nobody_pays_by_the_sandbox_unless_it_is_told_so(self):
        for release in self.all:
            self.assertIs(release.config("payment")["sandbox"]["enabled"], False)
        told = Release(with_value(LEAST, "services.payment.config", {"sandbox": {"enabled": True}}))
        self.assertIs(told.config("payment")["sandbox"]["enabled"], True)

    def test_what_is_missing_or_wrong_is_named(self):
        for path, value, words in (
            ("jwt.issuer", "", "jwt.issuer"),
            ("jwt.existingSecret", "", "jwt: give jwksUrl"),
            ("jwt.jwksUrl", "https://login.example/keys", "jwt: give jwksUrl or a key"),
            ("jwt.jwksUrl", "login.example", "/jwt/jwksUrl"),
            ("signIn.clientId", "tickets", "signIn.redirectUrl"),
            ("signIn.redirectUrl", "https://tickets.example/", "/signIn/redirectUrl"),
            ("tokenKeys.existingSecret", "", "tokenKeys: give existingSecret"),
            ("services.seat.store.existingSecret", "", "services.seat.store: give existingSecret"),
            ("services.seat.store.value", "mysql://seat", "/services/seat/store/value"),
            ("services.seats", {}, "seats"),
            ("services.seat.config", {"batch": {"max_commands": {"most": 1}}}, "max_commands"),
            ("kafka.brokers", "kafka", "/kafka/brokers"),
            ("kafka.brokers", "kafka-0:9092,kafka-1:9093", "networkPolicy.kafka.ports: nobody may reach kafka-1:9093"),
            ("listenHost", "::", "/listenHost"),
            ("drain.noticeMs", -1, "/drain/noticeMs"),
            ("tracing.endpoint", "collector:4318", "/tracing/endpoint"),
            ("ingress.enabled", True, "ingress.host"),
            ("tls.certManager.enabled", True, "tls.certManager.issuerRef.name"),
            ("tokenKeys.value", "short=1", "/tokenKeys/value"),
        ):
            done = helm(["template"], with_value(LEAST, path, value))
            self.assertNotEqual(done.returncode, 0, path)
            self.assertIn(words, done.stderr, path)
        elsewhere = with_value(LEAST, "kafka.brokers", "kafka:9093")
        for path, value in (("networkPolicy.kafka.ports", [9093]), ("networkPolicy.enabled", False), ("kafka.existingSecret", "bus")):
            Release(with_value(elsewhere, path, value))


if __name__ == "__main__":
    unittest.main()
