"""Whom `top` and `doctor` ask: how long an answer is waited for, and who is shown a token or a password."""

import json
import tempfile
import threading
import time
import unittest
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from program import run, write_cluster

CONCERTS = "/v1/admin/concerts?limit=200"
CONCERT = {"title": "One", "shows": [{"id": "7", "capacity": 50, "held": 1, "sold": 3}]}
METRICS = 'boxoffice_batch_size_sum{executor="seat"} 8\nboxoffice_batch_size_count{executor="seat"} 2\n'
READY = '{"modules": [], "version": "0"}'
# A look takes 3 s; a request that is not bound by it takes 30 s, and 60 s for a page.
WAITED_S = 25


class Some(BaseHTTPRequestHandler):
    """Answers what it was given for a path, else an empty list; what is silent never answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Authorization"]))
        if self.path in self.server.silent:
            self.server.over.wait()
            self.close_connection = True
            return
        data = self.server.answers.get(self.path, '{"items": []}').encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def serving(answers=None, silent=()):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Some)
    server.asked, server.answers, server.silent, server.over = [], answers or {}, silent, threading.Event()
    server.address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


class Top(unittest.TestCase):
    def look(self, gateway, *words):
        began = time.monotonic()
        done = run("top", "--json", "--count", "1", "--url", f"http://{gateway.address}", "--token", "t", *words)
        self.assertLess(time.monotonic() - began, WAITED_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        seen = json.loads(done.stdout)
        self.assertEqual([(show["show_id"], show["sold"]) for show in seen["shows"]], [("7", 3)])
        return seen

    def test_a_replica_that_never_answers_holds_up_nothing_else(self):
        page = {CONCERTS: json.dumps({"items": [CONCERT]}), "/metrics": METRICS}
        with serving(page) as well, serving(silent=("/metrics",)) as frozen:
            metrics = [word for at in (frozen, well) for word in ("--metrics", f"http://{at.address}/metrics")]
            seen = self.look(well, *metrics)
        self.assertEqual(seen["batch_sizes"], {"seat": 4}, "of the one that answers")
        self.assertEqual([problem.split(": ")[0] for problem in seen["problems"]], [f"http://{frozen.address}/metrics"])

    def test_a_page_that_never_comes_is_not_waited_for_beyond_the_look(self):
        first = {CONCERTS: json.dumps({"items": [CONCERT], "next_cursor": "c"})}
        with serving(first, silent=(f"{CONCERTS}&cursor=c",)) as gateway:
            seen = self.look(gateway)
        self.assertEqual([problem.split(": ")[0] for problem in seen["problems"]], [f"{CONCERTS}&cursor=c"])


class Doctor(unittest.TestCase):
    def test_the_token_is_shown_to_the_gateway_alone_and_only_where_it_is_needed(self):
        with tempfile.TemporaryDirectory() as data, serving({"/readyz": READY}) as gateway, serving({"/readyz": READY}) as replica:
            write_cluster(data, gateway.address, replica.address)
            done = run("doctor", "--json", "--scaled", "--data", data, "--token", "geheim")
        self.assertEqual(replica.asked, [("/readyz", None)])
        shown = dict(gateway.asked)
        self.assertIsNone(shown.pop("/readyz"), "anybody may ask that")
        self.assertGreaterEqual(len(shown), 4, done.stdout)
        self.assertEqual(set(shown.values()), {"Bearer geheim"})
        self.assertNotIn("geheim", done.stdout + done.stderr)

    def test_the_token_of_a_system_elsewhere_is_not_shown_to_the_one_here(self):
        with tempfile.TemporaryDirectory() as here, serving({"/readyz": READY}) as gateway:
            data = Path(here) / ".data"
            data.mkdir()
            write_cluster(data, gateway.address, gateway.address)
            done = run("doctor", "--json", "--token", "geheim", cwd=here)
        self.assertEqual(gateway.asked, [])
        self.assertIn("gateway at http://127.0.0.1:8080", {found["subject"] for found in json.loads(done.stdout)["findings"]})

    def test_no_password_of_the_configuration_is_printed(self):
        with tempfile.TemporaryDirectory() as folder:
            for service in ("queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"):
                (Path(folder) / f"{service}.toml").write_text(f'data = "{folder}/data"\n')
            bus = "kafka:127.0.0.1:1?sasl.password={}&no.such.setting=1"
            (Path(folder) / "services.env").write_text(f"BOXOFFICE_BUS_URL={bus.format('geheim')}\n")
            for service, scheme in (("wallet", "postgresql"), ("payment", "mysql")):
                (Path(folder) / f"{service}.env").write_text(f"BOXOFFICE_STORE_URL={scheme}://its:geheim@127.0.0.1:1/its\n")
            done = run("doctor", "--json", "--config", folder, "--url", "http://127.0.0.1:1", "--token", "t")
        self.assertNotIn("geheim", done.stdout + done.stderr)
        problems = {(found["check"], found["subject"]) for found in json.loads(done.stdout)["findings"] if found["status"] == "problem"}
        self.assertLessEqual({("bus", bus.format("***")), ("store", "wallet"), ("store", "payment")}, problems, done.stdout)


if __name__ == "__main__":
    unittest.main()
