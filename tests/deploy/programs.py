"""What the executables say of themselves, and the list of edges that is built into them."""

import os
import re
import subprocess
import tempfile
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# The all-in-one; `boxoffice serve seat` is boxoffice-seat.
PROGRAM = os.environ.get("BOXOFFICE_PROGRAM", str(ROOT / "build/release/bin/boxoffice"))
SERVICES = sorted(path.name for path in (ROOT / "src/services").iterdir() if path.is_dir()) + ["gateway"]
# From the end of the grace until the process is ended by force: kStop in src/platform/module/serve.cc.
STOP_MS = 5_000


def configuration(service, toml="", environment=None):
    """The effective configuration of a service with this file and environment. AssertionError: it refuses them."""
    return tomllib.loads(_print_configuration(service, toml, tuple(sorted((environment or {}).items()))))


@cache
def _print_configuration(service, toml, environment):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "service.toml"
        file.write_text(toml)
        done = subprocess.run([PROGRAM, "serve", service, "config", "print", "--config", file], cwd=folder, text=True,
                              env=dict(environment), capture_output=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, f"{service} refuses its configuration: {done.stderr.strip()}"
    return done.stdout


@cache
def keys(service):
    """Every key that it reads: {"data", "peer.seat", …}."""
    found = set()
    for name, value in configuration(service).items():
        found |= {f"{name}.{key}" for key in value} if isinstance(value, dict) else {name}
    return found


def services_with(key):
    return {service for service in SERVICES if key in keys(service)}


@cache
def edges():
    """(calls, on_bus): {caller: {callee, …}} between processes, and who publishes or consumes events."""
    calls, on_bus, producers = {}, set(), set()
    lines = [line for line in (ROOT / "tests/checks/edges.golden").read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        room, verb, what = line.split()
        if verb in ("produces", "consumes"):
            on_bus.add(room.removeprefix("services/"))
        if verb == "produces":
            producers.add(room.removeprefix("services/"))
    for line in lines:
        room, verb, what = line.split()
        if verb != "calls" or room == "boxoffice":  # a program that is run by hand
            continue
        # The auditor is in the gateway's process. Whoever publishes has an OutboxService beside its own.
        caller = {"audit": "gateway"}.get(room, room.removeprefix("services/"))
        callee = re.sub(r"Service$", "", what).lower()
        calls.setdefault(caller, set()).update(producers if callee == "outbox" else {callee})
    return calls, on_bus | {"gateway"}  # the auditor looks at what is under way on the bus
