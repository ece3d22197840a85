"""The program under test, and a running system for it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("BOXOFFICE_PROGRAM", ROOT / "build/release/bin/boxoffice"))
SKIPPED = 77


def run(*words, timeout=120, **more):
    """`boxoffice WORDS`, to its end."""
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=timeout, check=False, **more)


def need(*tools):
    """Skips this file where a tool is missing, but where all must be there."""
    missing = [tool for tool in tools if which(tool) is None]
    if not missing:
        return
    print(f"{', '.join(missing)} missing", file=sys.stderr)
    sys.exit(1 if os.environ.get("BOXOFFICE_REQUIRE_ALL") else SKIPPED)


def write_cluster(folder, gateway, replica):
    """What an `up --scaled` that runs on this folder writes; both are HOST:PORT."""
    process = {"service": "seat", "replica": 1, "pid": os.getpid(), "admin": replica, "log": "seat-1.log"}
    state = {"pid": os.getpid(), "url": f"http://{gateway}", "servers": [], "processes": [process]}
    (Path(folder) / "cluster.json").write_text(json.dumps(state))


class System:
    """`boxoffice up` on a folder of its own; use it in a with."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.data = Path(self.folder.name) / "data"
        self.process = subprocess.Popen(
            [PROGRAM, "up", "--port", "0", "--data", self.data, "--log-level", "error", *self.flags],
            stdout=subprocess.PIPE, text=True)  # fmt: skip
        first = self.process.stdout.readline().split()
        assert first[:1] == ["ready"], first
        self.url = first[1]
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        self.process.stdout.close()

    def run(self, *words, **more):
        return run(*words, "--url", self.url, "--data", self.data, **more)
