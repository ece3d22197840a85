"""Contracts only grow: what the last release's protos say still holds, so that replicas of two versions, and events that
were written by the one before, understand each other.

contracts.golden has a line for each field, enum value and RPC as released. A line that no longer follows from proto/ is
something renamed, renumbered, retyped or removed. New lines are what a new version may add.
"""

import subprocess
import tempfile
from pathlib import Path

from tree import Violation

GOLDEN = "tests/checks/contracts.golden"
HEADER = """\
# The contracts as last released. New lines are added by ./dev check --update-golden; none is ever taken away or changed.
"""
LABELS = {"LABEL_OPTIONAL": "", "LABEL_REQUIRED": "required ", "LABEL_REPEATED": "repeated "}


def descriptors(tree):
    """A FileDescriptorSet of all protos as nested dicts, each value a list; or a Violation if they can't be read."""
    names = [path.removeprefix("proto/") for path in tree.match("proto/*.proto")]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos"
        try:
            run = subprocess.run(["protoc", "-I", tree.root / "proto", f"--descriptor_set_out={out}", *names],
                                 capture_output=True, text=True, check=False)  # fmt: skip
            if run.returncode != 0:
                return Violation("proto", 0, f"is not read by protoc: {run.stderr.strip()}", "correct it")
            text = subprocess.run(
                ["protoc", "--decode=google.protobuf.FileDescriptorSet", "google/protobuf/descriptor.proto"],
                input=out.read_bytes(), capture_output=True, check=True).stdout.decode()  # fmt: skip
        except FileNotFoundError:
            return Violation("proto", 0, "protoc is not installed", "./dev deps")
    return parse(iter(text.splitlines()))


def parse(lines):
    """Protobuf's text format as protoc prints it: one field or brace a line."""
    node = {}
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith(" {"):
            node.setdefault(line[:-2], []).append(parse(lines))
        elif line:
            key, value = line.split(": ", 1)
            node.setdefault(key, []).append(value.strip('"'))
    return node


def first(node, key, default=""):
    return node.get(key, [default])[0]


def derive(tree):
    """The lines, sorted; or a Violation if the protos can't be read."""
    files = descriptors(tree)
    if isinstance(files, Violation):
        return files
    lines = set()
    for file in files.get("file", []):
        package = first(file, "package")
        for message in file.get("message_type", []):
            lines.update(of_message(package, message))
        for enum in file.get("enum_type", []):
            lines.update(of_enum(package, enum))
        for service in file.get("service", []):
            lines.update(of_service(f"{package}.{first(service, 'name')}", service))
    return sorted(lines)


def of_message(scope, message):
    name = f"{scope}.{first(message, 'name')}"
    for field in message.get("field", []):
        kind = first(field, "type_name").lstrip(".") or first(field, "type").removeprefix("TYPE_").lower()
        # A field that moves into or out of a oneof is read differently by the other version.
        oneof = ""
        if "oneof_index" in field and "proto3_optional" not in field:
            oneof = f" in oneof {first(message['oneof_decl'][int(first(field, 'oneof_index'))], 'name')}"
        yield f"field {name}.{first(field, 'name')} = {first(field, 'number')} {LABELS[first(field, 'label')]}{kind}{oneof}"
    for nested in message.get("nested_type", []):
        yield from of_message(name, nested)
    for enum in message.get("enum_type", []):
        yield from of_enum(name, enum)


def of_enum(scope, enum):
    for value in enum.get("value", []):
        yield f"value {scope}.{first(enum, 'name')}.{first(value, 'name')} = {first(value, 'number')}"


def of_service(name, service):
    for method in service.get("method", []):
        given = "stream " * (first(method, "client_streaming") == "true") + first(method, "input_type").lstrip(".")
        got = "stream " * (first(method, "server_streaming") == "true") + first(method, "output_type").lstrip(".")
        yield f"rpc {name}.{first(method, 'name')} ({given}) returns ({got})"


def released(tree):
    return [line for line in tree.lines(GOLDEN) if line and not line.startswith("#")] if tree.exists(GOLDEN) else []


def update(tree):
    """Adds what is new; what was released stays, so that this can't hide a break."""
    now = derive(tree)
    if not isinstance(now, Violation):
        lines = sorted(set(now) | set(released(tree)))
        (tree.root / GOLDEN).write_text(HEADER + "".join(line + "\n" for line in lines))


def check(tree):
    if not tree.match("proto/*.proto"):
        return []
    if not tree.exists(GOLDEN):
        return [Violation(GOLDEN, 0, "does not exist", "./dev check --update-golden")]
    now = derive(tree)
    if isinstance(now, Violation):
        return [now]
    violations = [
        Violation(GOLDEN, number, f"was released and no longer holds: {line}",
                  "keep it as it was, and add a new field or RPC beside it")
        for number, line in enumerate(tree.lines(GOLDEN), start=1)
        if line and not line.startswith("#") and line not in now
    ]
    return violations + [
        Violation("proto", 0, f"a required field: {line}", "proto3: every field can be absent")
        for line in now if " required " in line
    ]
