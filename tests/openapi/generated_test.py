"""The running system against openapi/boxoffice.yaml, by requests that Schemathesis makes out of it: valid ones and ones that
are wrong in each way that the schema can tell. Each is answered as the contract has it, none by a 5xx, and the books are right
at the end. The seed is fixed, so that a failure can be had again."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("BOXOFFICE_PROGRAM", str(ROOT / "build/release/bin/boxoffice"))
SKIPPED = 77
SEED = "1"
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "negative_data_rejection", "missing_required_header", "unsupported_method"]  # fmt: skip
# These never end.
STREAMS = "/events$"


def find_schemathesis():
    """The folder of its packages, or an exit that says that there are none here."""
    found = subprocess.run([ROOT / "tools/dev/schemathesis.sh"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        print(f"skipped: no Schemathesis\n{found.stderr}", file=sys.stderr)
        sys.exit(SKIPPED)
    return found.stdout.strip()


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.packages = find_schemathesis()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.data = Path(cls.folder.name) / "data"
        # The limits are for users who mean it.
        cls.system = subprocess.Popen(
            [PROGRAM, "up", "--port", "0", "--data", cls.data, "--log-level", "error", "--limit-user-requests", "0",
             "--limit-user-leaves", "0", "--limit-user-reservations", "0", "--limit-user-lists", "0"],
            stdout=subprocess.PIPE, text=True)  # fmt: skip
        cls.addClassCleanup(cls.stop)
        first = cls.system.stdout.readline().split()
        assert first[:1] == ["ready"], first
        cls.url = first[1]
        cls.tokens = {"buyer": cls.token("mina", "buyer"), "operator": cls.token("olga", "operator")}
        cls.known = cls.prepare()

    @classmethod
    def stop(cls):
        cls.system.terminate()
        cls.system.wait(timeout=60)
        cls.system.stdout.close()

    @classmethod
    def token(cls, user, role):
        command = [PROGRAM, "token", "--user", user, "--role", role, "--data", cls.data]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    @classmethod
    def call(cls, role, method, path, body=None, **headers):
        request = urllib.request.Request(cls.url + path, method=method, data=body and json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {cls.tokens[role]}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    @classmethod
    def hold(cls, show, key):
        """A seat, by way of the queue: the reservation's id, and the token of the queue."""
        session = cls.call("buyer", "POST", f"/v1/shows/{show}/queue")
        end = time.monotonic() + 60
        while session["state"] != "ACTIVE" and time.monotonic() < end:
            time.sleep(0.2)
            session = cls.call("buyer", "GET", "/v1/queue", X_Queue_Token=session["token"])
        held = cls.call("buyer", "POST", "/v1/reservations", {"show_id": show, "best_available": {"count": 1}},
                        Idempotency_Key=key, X_Queue_Token=session["token"])  # fmt: skip
        return held["id"], session["token"]

    @classmethod
    def prepare(cls):
        """A buyer in the queue with money, and a reservation that is paid and one that is not; what the paths can name."""
        concerts = cls.call("operator", "GET", "/v1/admin/concerts")["items"]
        show = max((show for concert in concerts for show in concert["shows"]), key=lambda show: show["capacity"])
        cls.call("buyer", "POST", "/v1/wallet/charges", {"amount": 9_000_000, "currency": show["currency"]},
                 Idempotency_Key="charge")  # fmt: skip
        paid, _ = cls.hold(show["id"], "paid")
        cls.call("buyer", "POST", f"/v1/reservations/{paid}/confirm", {}, Idempotency_Key="confirm")
        held, queue_token = cls.hold(show["id"], "held")
        target = cls.call("operator", "POST", "/v1/admin/relay/targets", {"url": "https://platform.example/"},
                          Idempotency_Key="target")  # fmt: skip
        return {"path.show": show["id"], "path.concert": show["concert_id"], "path.reservation": held, "path.user": "mina",
                "path.target": target["id"], "path.provider": "http", "header.X-Queue-Token": queue_token}  # fmt: skip

    def generate(self, role, only, parameters, examples):
        """All the requests, and what Schemathesis says of the answers."""
        with tempfile.TemporaryDirectory() as folder:
            config = "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in parameters.items())
            (Path(folder) / "schemathesis.toml").write_text(f"[parameters]\n{config}" if config else "")
            done = subprocess.run(
                ["/usr/bin/python3", "-m", "schemathesis.cli", "run", self.url + "/openapi.yaml",
                 "-H", f"Authorization: Bearer {self.tokens[role]}", "--checks", ",".join(CHECKS),
                 "--include-path-regex", only, "--exclude-path-regex", STREAMS, "--phases", "coverage,fuzzing",
                 "--max-examples", str(examples), "--seed", SEED, "--generation-deterministic",
                 "--continue-on-failure", "--request-timeout", "30", "--suppress-health-check", "all",
                 "--warnings", "off", "--no-color"],
                cwd=folder, env={**os.environ, "PYTHONPATH": self.packages}, capture_output=True, text=True,
                timeout=600, check=False)  # fmt: skip
        print(done.stdout[-600:])
        self.assertEqual(done.returncode, 0, done.stdout[-20_000:] + done.stderr[-4_000:])

    def test_an_operators_requests_about_anything(self):
        self.generate("operator", "/v1/", {}, 4)

    def test_an_operators_requests_about_what_there_is(self):
        self.generate("operator", "/v1/admin/", self.known, 4)

    def test_a_buyers_requests_about_what_there_is(self):
        self.generate("buyer", "/v1/(?!admin)", self.known, 12)

    @classmethod
    def tearDownClass(cls):
        audit = subprocess.run([PROGRAM, "audit", "--data", cls.data, "--url", cls.url], capture_output=True, text=True,
                               check=False)  # fmt: skip
        assert audit.returncode == 0, audit.stdout + audit.stderr


if __name__ == "__main__":
    unittest.main(verbosity=2)
