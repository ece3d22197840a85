"""What the executables say of their configuration: `--help` has each key's meaning, range and default, `config print` its name."""

import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"]
# "A folder. a text; default '.data' [BOXOFFICE_DATA]", and of some a sentence more
DESCRIBED = re.compile(r"^(?P<help>.*)\. (?P<kind>an? [^.]+|true or false|one of [^.]+|a number .+); default (?P<default>.*) "
                       r"\[(?P<variable>BOXOFFICE_\w+)\](?:\. (?P<note>.+))?$")  # fmt: skip


@dataclass(frozen=True)
class Key:
    name: str  # "batch.max_commands"
    help: str
    kind: str  # "an integer from 1 to 4096"
    default: str  # as TOML has it
    variable: str
    note: str  # what else whoever sets it has to know; may be empty

    @property
    def meaning(self):
        """All that is said of it, as sentences."""
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in (self.help, self.kind, self.note) if part)

    @property
    def flag(self):
        return flag_of(self.name)


def flag_of(name):
    return "--" + re.sub(r"[._]", "-", name)


def program():
    return os.environ.get("BOXOFFICE_PROGRAM", str(ROOT / "build/release/bin/boxoffice"))


def ask(*words):
    """What the program prints; only the variables that it needs to run are set, and it reads no file."""
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run([program(), *words], capture_output=True, text=True, env=environment, cwd="/", timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"boxoffice {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def described_flags(text):
    """{"--batch-max-commands": description} of a --help; long names have their description on the next line."""
    found = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if flag := re.match(r"  (--[a-z0-9-]+) \S.*", line):
            said = line if "[BOXOFFICE_" in line else line + lines[number + 1] if number + 1 < len(lines) else line
            if "[BOXOFFICE_" in said:
                found[flag[1]] = re.sub(r"^  --[a-z0-9-]+ (VALUE|[A-Z]+ \S+ \.\.\.)\s*", "", said).strip()
    return found


def key_of(name, description):
    parts = DESCRIBED.match(description)
    if parts is None:
        raise RuntimeError(f"the help of {name} has another form: {description}")
    return Key(name, parts["help"], parts["kind"], parts["default"], parts["variable"], parts["note"] or "")


def keys_of(service):
    """Every key of a service, in its own order. RuntimeError: one of them is not described."""
    described = described_flags(ask("serve", service, "--help"))
    keys = []
    for name, value in tomllib.loads(ask("serve", service, "config", "print")).items():
        names = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
        keys += [key_of(one, described.pop(flag_of(one))) for one in names]
    if described:
        raise RuntimeError(f"{service}: --help has {', '.join(described)}, and config print does not")
    return keys
