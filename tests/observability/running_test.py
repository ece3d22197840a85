"""A scaled system sells, declines, is lied to and watched: its metrics are what the reference says and what alerts and dashboards ask
for, a real Prometheus reads them, and its logs tell whose trace a line is of and no secret."""

import base64
import json
import re
import secrets
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request
import uuid

from system import ROOT, Prometheus, System, await_that, needs

sys.path.insert(0, str(ROOT / "tests/checks"))

from rules import metrics as metrics_rule  # noqa: E402  (need the paths above)
from sale import Refused, Sale, fetch  # noqa: E402
from tree import Tree  # noqa: E402

# What a metric's line in the exposition begins with.
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
HELP = re.compile(r"^# HELP (\S+) (.*)$", re.MULTILINE)
LABELS = re.compile(r'^(\w+?)(?:_bucket|_sum|_count)?\{(.*)\} ', re.MULTILINE)
# Alerts and dashboards ask for these too, but they are there only once something has gone wrong in a way that this test does not
# bring about. What an alert names and is not listed here has to be there.
ONLY_AFTER_A_FAULT = {
    "boxoffice_rpc_command_errors_total", "boxoffice_rpc_server_command_errors_total", "boxoffice_saga_retries_refused_total",
    "boxoffice_breaker_transitions_total", "boxoffice_bus_malformed_total",
}  # fmt: skip
# And these only of processes with mutual TLS, which `up --scaled` does without; tests/e2e/mutual_tls_test.cc reads them.
ONLY_AFTER_A_FAULT |= {"boxoffice_tls_files_refused", "boxoffice_tls_certificate_end_timestamp_seconds"}
# Lines that are about one request or one command.
TRACED = {"request", "request_failed", "saga_step", "saga_postponed", "saga_not_owner", "consume_failed", "dead_letter",
          "payment_webhook_refused"}  # fmt: skip


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


# Of a selection that is empty as long as all is well.
ONLY_OF_FAULTS = re.compile(r'(outcome!="(done|ok)"|status=~"5\.\."|_timestamp_seconds(\{[^}]*\})? > 0)')


def panel_query(query):
    """As Grafana would ask, with all there is to choose from chosen."""
    query = re.sub(r"^label_values\((.*),\s*\w+\)$", r"\1", query)
    query = query.replace("$__rate_interval", "1m").replace("$__range", "5m").replace("$__interval", "15s")
    return re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", query)


class RunningTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.secrets = {
            "acquirer's API key": "key-" + secrets.token_hex(16),
            "webhook secret": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
            "collector's API key": "key-" + secrets.token_hex(16),
        }
        environment = {
            "BOXOFFICE_ACQUIRER_URL": "http://127.0.0.1:9/v1",
            "BOXOFFICE_ACQUIRER_API_KEY": cls.secrets["acquirer's API key"],
            "BOXOFFICE_ACQUIRER_WEBHOOK_SECRETS": cls.secrets["webhook secret"],
            # A machine that stands still for seconds is no fault.
            "BOXOFFICE_CALL_QUERY_TIMEOUT_MS": "20000",
            "BOXOFFICE_CALL_COMMAND_TIMEOUT_MS": "20000",
            "BOXOFFICE_TRACE_ENDPOINT": "http://127.0.0.1:9",  # where nobody is
            "BOXOFFICE_TRACE_HEADERS": "api-key=" + cls.secrets["collector's API key"],
        }
        cls.system = System("--log-level", "debug", "--target-allow-networks", "127.0.0.1", environment=environment)
        cls.addClassCleanup(cls.system.stop)
        cls.prometheus = Prometheus(cls.system)
        cls.addClassCleanup(cls.prometheus.stop)
        cls.families = metrics_rule.derive(Tree(ROOT))
        cls.play()

    @classmethod
    def play(cls):
        """A sale, a payment that is declined, and whatever else carries a secret."""
        system, known = cls.system, cls.secrets
        known["buyer's token"] = system.token("alice")
        known["operator's token"] = system.token("root", "operator")
        cls.trace = secrets.token_hex(16)
        sale = Sale(system.url, "3", known["buyer's token"])
        sale.top_up(10_000_000)
        known["queue token"] = sale.join()
        headers = {"Idempotency_Key": str(uuid.uuid4()), "X_Queue_Token": known["queue token"],
                   "traceparent": f"00-{cls.trace}-00f067aa0ba902b7-01"}  # fmt: skip
        body = {"show_id": "3", "best_available": {"count": 1}, "pay": True}
        _, cls.bought = sale.call("POST", "/v1/reservations", body, **headers)
        assert cls.bought["state"] == "CONFIRMED", cls.bought
        unlucky = Sale(system.url, "3", system.token("carol"))
        unlucky.top_up(10_000_000)
        declined = {"Idempotency_Key": str(uuid.uuid4()), "X_Queue_Token": unlucky.join()}
        try:
            unlucky.call("POST", "/v1/reservations", body | {"payment_method": "sandbox:decline"}, **declined)
            raise AssertionError("a card that is declined buys nothing")
        except Refused as refused:
            assert "payment_declined" in str(refused), refused
        # A login that fails: somebody else's signature under a token of ours.
        known["forged token"] = known["buyer's token"].rsplit(".", 1)[0] + "." + "A" * 86
        status, _ = fetch("GET", system.url + "/v1/wallet", headers={"Authorization": f"Bearer {known['forged token']}"})
        assert status == 401, status
        # Signing in by a cookie.
        request = urllib.request.Request(
            system.url + "/v1/session/development", method="POST", data=json.dumps({"user": "bob", "role": "buyer"}).encode(),
            headers={"Content-Type": "application/json", "Origin": system.url},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as answer:
            cookie = answer.headers.get("Set-Cookie", "")
        known["session cookie"] = cookie.split("=", 1)[1].split(";", 1)[0]
        # A provider's webhook with a signature that is none.
        known["webhook signature"] = "v1," + secrets.token_urlsafe(32)
        signed = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": known["webhook signature"]}
        status, said = fetch("POST", system.url + "/v1/payments/webhooks/http", b'{"type":"payment.captured"}',
                             signed | {"Content-Type": "application/json"})  # fmt: skip
        assert status == 401, f"{status} {said}"
        # A data platform that is not there, whose secret is told once.
        operator = Sale(system.url, "3", known["operator's token"])
        _, target = operator.call("POST", "/v1/admin/relay/targets", {"url": "http://127.0.0.1:9/hook"},
                                  Idempotency_Key=str(uuid.uuid4()))  # fmt: skip
        known["target's secret"] = target["secret"]
        operator.call("POST", f"/v1/admin/relay/targets/{target['id']}/test")
        for name, secret in known.items():
            assert len(secret) >= 20, f"{name} is no secret: {secret}"

    def scrapes(self):
        return {f"{one['service']}-{one['replica']}": get(f"http://{one['admin']}/metrics") for one in self.system.processes()}

    def test_promtool_finds_nothing_to_say_about_any_process(self):
        for process, text in self.scrapes().items():
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), process)

    def test_what_processes_export_is_what_the_reference_says(self):
        exported = {}
        for process, text in self.scrapes().items():
            helps = dict(HELP.findall(text))
            for name, kind in TYPE.findall(text):
                exported.setdefault(name, process)
                with self.subTest(process=process, metric=name):
                    self.assertIn(name, self.families, "it is not in docs/reference/metrics.md")
                    self.assertEqual(self.families[name][0], kind)
                    self.assertEqual(self.families[name][2], helps[name])
            for name, labels in LABELS.findall(text):
                given = set(re.findall(r'(\w+)="', labels)) - {"le"}
                self.assertLessEqual(given, set(self.families.get(name, ["", []])[1]), f"{process}: labels of {name}")
        self.assertGreater(len(exported), 60)

    def test_prometheus_reads_every_family_that_alerts_and_dashboards_use(self):
        count = len(self.system.processes())
        await_that("every process is scraped", lambda: len(self.prometheus.query('up{job="boxoffice"} == 1')) == count)
        tree = Tree(ROOT)
        asked = [rule["expr"] for rule in metrics_rule.rules_of(tree)]
        for path in tree.match(metrics_rule.DASHBOARDS):
            asked += [query for _, query in metrics_rule.queries_of(json.loads(tree.text(path)))]
        names = set(re.findall(rf"\b{metrics_rule.NAME}\b", " ".join(asked)))
        for name in sorted(names):
            if metrics_rule.family_of(name, self.families) in ONLY_AFTER_A_FAULT:
                continue
            with self.subTest(metric=name):
                await_that(f"Prometheus has {name}", lambda name=name: self.prometheus.query(f"count({name})"))

    def test_no_panel_of_a_dashboard_is_empty(self):
        count = len(self.system.processes())
        await_that("every process is scraped", lambda: len(self.prometheus.query('up{job="boxoffice"} == 1')) == count)
        tree = Tree(ROOT)
        for path in tree.match(metrics_rule.DASHBOARDS):
            for title, query in metrics_rule.queries_of(json.loads(tree.text(path))):
                families = {metrics_rule.family_of(name, self.families) for name in re.findall(rf"\b{metrics_rule.NAME}\b", query)}
                if not families:
                    continue  # a choice of data sources
                if families & ONLY_AFTER_A_FAULT or ONLY_OF_FAULTS.search(query):
                    self.prometheus.query(panel_query(query))
                    continue
                with self.subTest(dashboard=path, panel=title, query=query):
                    await_that("it shows something", lambda query=query: self.prometheus.query(panel_query(query)))

    def test_every_alert_can_be_evaluated_and_none_fires_of_a_system_that_is_well(self):
        await_that("the rules are evaluated", lambda: self.prometheus.query("boxoffice:http_requests:rate5m"))
        for rule in metrics_rule.rules_of(Tree(ROOT)):
            self.prometheus.query(rule["expr"])
        self.assertEqual(self.prometheus.query('ALERTS{alertstate="firing",severity="page"}'), [])

    def test_the_metrics_tell_of_the_sale(self):
        def value(expression):
            found = self.prometheus.query(expression)
            return found[0][1] if found else None

        for what, expression, expected in (
            ("the seat is sold", 'max(boxoffice_show_seats{show="3",state="sold"})', 1),
            ("one bought", 'sum(boxoffice_queue_served_total{show="3"})', 1),
            ("one was undone, because its card was declined",
             'sum(boxoffice_saga_compensations_total{step="approve-payment",cause="payment_declined"})', 1),
            ("nothing is left to do", "sum(max by (state, status) (boxoffice_saga_unfinished))", 0),
            ("nobody is parked", 'max(boxoffice_saga_oldest_start_timestamp_seconds{status="parked"})', 0),
            ("one replica of the queue leads", "sum(boxoffice_queue_leader)", 1),
            ("the forged token was refused", 'sum(boxoffice_http_requests_total{route="/v1/wallet",status="401"})', 1),
            ("every module is well", "min(boxoffice_module_healthy)", 1),
        ):  # fmt: skip
            await_that(f"{what}: {expression} is {expected}, not {value(expression)}", lambda e=expression, x=expected: value(e) == x)

    def test_logs_are_json_and_carry_the_trace_of_what_they_are_about(self):
        def lines():
            for name, text in self.system.logs().items():
                if name.startswith(("up", "migrate", "postgres", "redis", "kafka")):
                    continue
                for line in text.splitlines():
                    if line.startswith("{"):
                        yield name, json.loads(line)

        events = set()
        for name, line in lines():
            self.assertLessEqual({"time", "level", "event"}, set(line), f"{name}: {line}")
            events.add(line["event"])
            # What the demo's own buyers have bought came by no request.
            if line["event"] in TRACED and line.get("reservation", self.bought["id"]) == self.bought["id"]:
                self.assertRegex(line.get("trace_id", ""), r"^[0-9a-f]{32}$", f"{name}: {line}")
        self.assertLessEqual({"request", "saga_step"}, events, "at debug level both are told")
        of_the_sale = {name for name, line in lines() if line.get("trace_id") == self.trace}
        self.assertLessEqual({"gateway-1.log", "reservation-1.log"}, of_the_sale, "one trace leads through the services")

    def test_no_secret_is_in_any_log(self):
        # What waits in buffers is written meanwhile.
        await_that("the refused webhook is logged", lambda: "payment_webhook_refused" in self.system.logs()["payment-1.log"])
        for file, text in self.system.logs().items():
            for name, secret in self.secrets.items():
                self.assertNotIn(secret, text, f"the {name} is in {file}")
                # Of a token, neither its signature alone.
                self.assertNotIn(secret.rsplit(".", 1)[-1], text, f"a part of the {name} is in {file}")

    def test_the_level_is_changed_while_it_runs(self):
        gateway = next(one for one in self.system.processes() if one["service"] == "gateway")
        level = f"http://{gateway['admin']}/log-level"

        def logged(marker):
            fetch("GET", f"{self.system.url}/v1/concerts/{marker}")
            return f"/v1/concerts/{marker}" in self.system.logs()["gateway-1.log"]

        self.assertEqual(fetch("PUT", level, b"warning\n"), (200, '{"level":"warning"}'))
        self.assertFalse(logged(901))
        self.assertEqual(fetch("PUT", level, b"debug"), (200, '{"level":"debug"}'))
        await_that("requests are logged again", lambda: logged(902))
        self.assertEqual(fetch("PUT", level, b"loud")[0], 400)


if __name__ == "__main__":
    needs(shutil.which("prometheus") and shutil.which("promtool"), "Debian's package prometheus is not installed")
    unittest.main()
