"""A scaled system and a Prometheus that scrapes it, for the tests of this folder."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/deploy"))

from ports import free_port  # noqa: E402  (needs the path above)

FOLDER = ROOT / "deploy/observability"
PROGRAM = os.environ.get("BOXOFFICE_PROGRAM", str(ROOT / "build/release/bin/boxoffice"))
SKIPPED = 77
START_SECONDS = 120


def needs(there, why):
    if there:
        return
    print(why)
    sys.exit(1 if os.environ.get("BOXOFFICE_REQUIRE_ALL") else SKIPPED)


def await_that(what, condition, seconds=60):
    """What `condition` returns once it is true; an exception of its counts as not yet."""
    end, last = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (OSError, AssertionError, KeyError) as problem:
            last = f": {problem}"
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}{last}")


def end_with_the_test():
    """In the child: SIGTERM when the test ends, however it does; `up` does not follow whoever started it by itself."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class System:
    """`boxoffice up --scaled` in a temporary folder."""

    def __init__(self, *flags, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="boxoffice-observability-")
        os.chmod(self.folder.name, 0o755)  # PostgreSQL does not run as root, and must get there
        self.data = Path(self.folder.name) / "data"
        self.output = Path(self.folder.name) / "up.log"
        command = [PROGRAM, "up", "--scaled", "--no-kafka", "--port", "0", "--data", self.data, *flags]
        with self.output.open("w") as output:
            self.child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | (environment or {}),
                                          preexec_fn=end_with_the_test)  # fmt: skip
        try:
            self.url = await_that("the system is ready", self._ready, START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"it ended with {self.child.returncode}: {self.output.read_text()[-2000:]}")
        found = re.search(r"^ready (http\S+)", self.output.read_text(), re.MULTILINE)
        return found and found[1]

    def processes(self):
        done = subprocess.run([PROGRAM, "ps", "--data", self.data], capture_output=True, text=True, timeout=30, check=True)
        return json.loads(done.stdout)["processes"]

    def token(self, user, role="buyer"):
        command = [PROGRAM, "token", "--user", user, "--role", role, "--data", self.data]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    def logs(self):
        """The text of every log, and of what `up` itself said, by the file's name."""
        files = [self.output, *sorted((self.data / "logs").glob("*.log"))]
        return {file.name: file.read_text(errors="replace") for file in files}

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.folder.cleanup()


class Prometheus:
    """Debian's, with deploy/observability/prometheus.yml, at a scrape a second."""

    def __init__(self, system):
        self.folder = tempfile.TemporaryDirectory(prefix="boxoffice-prometheus-")
        home = Path(self.folder.name)
        targets = [
            {"targets": [process["admin"]], "labels": {"process": process["service"], "replica": str(process["replica"])}}
            for process in system.processes()
        ]
        (home / "targets.json").write_text(json.dumps(targets))
        (home / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text())
        config = (FOLDER / "prometheus.yml").read_text()
        (home / "prometheus.yml").write_text(re.sub(r"(scrape|evaluation)_interval: 15s", r"\1_interval: 1s", config))
        self.url = f"http://127.0.0.1:{free_port()}"
        command = ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
                   f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn"]  # fmt: skip
        self.log = home / "log"
        with self.log.open("w") as output:
            self.child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        if self.child.poll() is not None:
            raise RuntimeError(f"prometheus ended: {self.log.read_text()[-2000:]}")
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = json.load(answer)
        return [(one["metric"], float(one["value"][1])) for one in body["data"]["result"]]

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(30)
        self.folder.cleanup()
