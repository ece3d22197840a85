"""docs/reference: the pages that are written from the contracts say what those say now. ./dev check --update-golden writes them."""

import re

from tree import Violation

CONTRACT = "openapi/boxoffice.yaml"
REFUSALS = "src/gateway/refusals.cc"
EVENTS = "proto/boxoffice/bus/v1/events.proto"
METHODS = ["get", "post", "put", "patch", "delete"]
ROW = re.compile(r'\{"(?P<reason>\w+)",\s*(?P<status>\d+),\s*"(?P<code>\w+)",\s*"(?P<title>(?:[^"\\]|\\.)*)"\}')
WRITTEN = "<!-- Written from {} by `./dev check --update-golden`. -->\n"


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def linked(reference):
    name = reference.rsplit("/", 1)[1]
    return f"[{name}](#{name.lower()})"


def type_of(schema):
    """A schema in a few words, with links to those that have a name."""
    if schema is True or not schema:
        return "anything"
    if "$ref" in schema:
        return linked(schema["$ref"])
    for word, joint in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
        if word in schema:
            return joint.join(type_of(one) for one in schema[word])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    words = " or ".join(kind) if isinstance(kind, list) else kind
    if "array" in words:
        words = words.replace("array", f"list of {type_of(schema.get('items', {}))}")
    if schema.get("properties") and "object" in words:
        words += " (" + ", ".join(f"`{name}`" for name in schema["properties"]) + ")"
    if "format" in schema:
        words += f" ({schema['format']})"
    least, most = schema.get("minimum", schema.get("minLength", schema.get("minItems"))), \
        schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    if least is not None or most is not None:
        words += f", {'' if least is None else least}–{'' if most is None else most}"
    if "pattern" in schema:
        words += f", `{schema['pattern']}`"
    if "default" in schema:
        words += f"; default `{schema['default']}`"
    return words


def resolve(document, node):
    while "$ref" in node:
        found = document
        for part in node["$ref"][2:].split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def body_of(content):
    return ", ".join(f"{type_of(media.get('schema', {}))}" + ("" if kind == "application/json" else f" as `{kind}`")
                     for kind, media in content.items())  # fmt: skip


def operation_lines(document, method, path, shared, operation):
    lines = [f"### {operation['operationId']}", "", f"**`{method.upper()} {path}`** — {cell(operation.get('summary', ''))}", ""]
    if operation.get("description"):
        lines += [operation["description"].strip(), ""]
    security = operation.get("security", document.get("security"))
    lines += ["For everybody." if security == [] else "Needs a JWT" +
              (" of role operator." if "admin" in operation.get("tags", []) else "."), ""]  # fmt: skip
    parameters = [resolve(document, one) for one in shared + operation.get("parameters", [])]
    if parameters:
        lines += ["| parameter | in | what |", "|---|---|---|"]
        for one in parameters:
            needed = "" if one.get("required") else "optional; "
            said = "; ".join(part for part in (type_of(one.get("schema", {})), cell(one.get("description", ""))) if part)
            lines.append(f"| `{one['name']}` | {one['in']} | {needed}{cell(said)} |")
        lines.append("")
    if "requestBody" in operation:
        body = resolve(document, operation["requestBody"])
        lines += [f"Body{'' if body.get('required') else ' (optional)'}: {body_of(body.get('content', {}))}", ""]
    lines += ["| answer | what |", "|---|---|"]
    for status, one in sorted(operation["responses"].items()):
        answer = resolve(document, one)
        content = body_of(answer.get("content", {}))
        lines.append(f"| {status} | {cell(answer.get('description', ''))}{': ' + cell(content) if content else ''} |")
    return [*lines, ""]


def schema_lines(name, schema):
    lines = [f"### {name}", ""]
    if schema.get("description"):
        lines += [schema["description"].strip(), ""]
    if "properties" not in schema:
        return [*lines, type_of({key: value for key, value in schema.items() if key != "description"}), ""]
    lines += ["| field | type | what |", "|---|---|---|"]
    for field, one in schema["properties"].items():
        absent = "" if field in schema.get("required", []) else "may be absent; "
        what = (one or {}).get("description", "") if isinstance(one, dict) else ""
        lines.append(f"| `{field}` | {cell(type_of(one))} | {(absent + cell(what)).removesuffix('; ')} |")
    return [*lines, ""]


def api_page(tree):
    import yaml  # python3-yaml is there wherever the rule openapi is

    document = yaml.safe_load(tree.text(CONTRACT))
    lines = ["# REST interface", "", WRITTEN.format(f"`{CONTRACT}`"), f"Version {document['info']['version']}. A running system "
             "serves the contract at `/openapi.yaml`, and a page to try it at `/docs`. In TypeScript: [the SDK](../../web/sdk/README.md).", "",
             document["info"]["description"].strip(), ""]  # fmt: skip
    by_tag = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                by_tag[item[method]["tags"][0]].append((method, path, item.get("parameters", []), item[method]))
    for tag in document["tags"]:
        lines += [f"## Operations: {tag['name']}", "", f"{tag['description']}.", "", "| | | |", "|---|---|---|"]
        for method, path, _, operation in by_tag[tag["name"]]:
            name = operation["operationId"]
            lines.append(f"| `{method.upper()}` | [`{path}`](#{name.lower()}) | {cell(operation.get('summary', ''))} |")
        lines.append("")
        for method, path, shared, operation in by_tag[tag["name"]]:
            lines += operation_lines(document, method, path, shared, operation)
    lines += ["## Schemas", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += schema_lines(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def errors_page(tree):
    rows = {}
    for match in ROW.finditer(tree.text(REFUSALS)):
        rows.setdefault((match["code"], int(match["status"])), match["title"].replace('\\"', '"'))
    lines = ["# Error codes", "", WRITTEN.format(f"`{REFUSALS}`"),
             "Every refusal is `application/problem+json` (RFC 9457) with a `code` that stays as it is; `title` and `detail` are for people and may",
             "change. Where a field of the request is meant, `field` names it. Which operation answers with which is in [the interface](api.md); what a",
             "client should do:", "",
             "| status | what to do |", "|---|---|",
             "| 400, 404, 413, 415, 422 | correct the request; the same one is refused again |",
             "| 401 | get a JWT, or a queue token, and repeat under the same `Idempotency-Key` |",
             "| 402 | top up, or take another way to pay; seats that stay held are in `reservation` |",
             "| 403 | it is not this user's, or nobody may here (`self_service_off`) |",
             "| 409 | look at the state: it has changed. `idempotency_key_running`: ask again in a second |",
             "| 429, 503 | wait for `Retry-After`, and repeat under the same `Idempotency-Key` |",
             "| 500 | a fault of ours: repeat under the same key, and give support the `request_id` |", "",
             "What is not in this table is HTTP's own: `method_not_allowed` (405), `request_timeout` (408), `content_encoding_unsupported` (415: bodies are taken uncompressed), `header_too_large` (431); or a reason of",
             "operation, such as `overloaded` or `database_unavailable`, with 503, or `internal_error`, with 500: the outcome is then not known, and the same",
             "key finds it out. While an upgrade is under way, a code of the other release may come: its status says what to do.", "",
             "| code | status | what it says |", "|---|---|---|"]  # fmt: skip
    lines += [f"| `{code}` | {status} | {cell(title)} |" for (code, status), title in sorted(rows.items())]
    return "\n".join(lines) + "\n"


# Numbers that webhooks leave out where there are none, as only some types have them. Other numbers, and the currency, are always there.
OF_SOME_TYPES = ("given_back", "fee", "left_seat_nos")


def in_webhooks(name, kind, repeated):
    """A field as src/services/relay/bus_client.cc writes it; bus_client_test.cc holds the page to what is sent."""
    if name == "at_ms":
        return "—"
    form = {"bytes": "UUID", "string": "text", "bool": "true"}.get(kind, "list of numbers" if repeated else "number")
    if name.endswith("_ms"):
        form = "RFC 3339"
    always = name == "currency" or form in ("number", "list of numbers") and name not in OF_SOME_TYPES
    return f"`{name.removesuffix('_ms')}`: {form}{'' if always else ', may be absent'}"


def events_page(tree):
    text = tree.text(EVENTS)
    lines = ["# Events", "", WRITTEN.format(f"`{EVENTS}`"),
             "CloudEvents 1.0. On Kafka in binary mode: the headers `ce_id`, `ce_type`, `ce_source`, `ce_specversion`, `ce_time`, `content-type`",
             "(`application/protobuf`) and, of an event that is traced, `traceparent`; the key as below, and a protobuf body. As webhooks",
             "in JSON, signed ([send events to a platform](../howto/webhooks.md)). Events of one key are in order; an",
             "event may come twice, with the same id. Fields are only ever added.", "",
             "In webhooks `data` has the fields as the column *in webhooks* says, and leaves out what may be absent where it is empty, 0 or false; the event's time",
             "is `timestamp`, beside `data`. The id of a show is a number here, and a text in [the interface](api.md). A thin webhook, which is the default, has",
             "those whose names end in `_id`, and `version`, alone.", ""]  # fmt: skip
    message = re.compile(r"((?:^//[^\n]*\n)+)message (\w+) \{(.*?)\}", re.MULTILINE | re.DOTALL)
    field = re.compile(r"(repeated )?(\w+) (\w+) = (\d+);[ \t]*(?://[ \t]*([^\n]*(?:\n[ \t]+//[^\n]*)*))?")
    for comment, name, body in message.findall(text):
        said = " ".join(line.removeprefix("//").strip() for line in comment.splitlines())
        topic = re.match(r"Topic (\w+), key: ([^.]+)\. (.*)", said)
        if topic is None:
            continue
        types = re.sub(r"\b([a-z]+\.[a-z_]+)\b", r"`\1`", topic[3])
        lines += [f"## {name}", "", f"Topic `{topic[1]}`, key: {topic[2]}. {types}", "", "| field | type | in webhooks | what |", "|---|---|---|---|"]
        for repeated, kind, field_name, _, note in field.findall(body):
            lines.append(f"| `{field_name}` | {'list of ' if repeated else ''}{kind} | {in_webhooks(field_name, kind, repeated)} "
                         f"| {cell(note.replace('//', ' '))} |")  # fmt: skip
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


PAGES = {"docs/reference/api.md": (CONTRACT, api_page), "docs/reference/errors.md": (REFUSALS, errors_page),
         "docs/reference/events.md": (EVENTS, events_page)}  # fmt: skip


def check(tree):
    violations = []
    for path, (source, write) in PAGES.items():
        if not tree.exists(source):
            continue
        if not tree.exists(path):
            violations.append(Violation(path, 0, "does not exist", "./dev check --update-golden"))
        elif tree.text(path) != write(tree):
            violations.append(Violation(path, 0, f"does not say what {source} says", "./dev check --update-golden, and read the difference"))
    return violations


def update(tree):
    for path, (source, write) in PAGES.items():
        if tree.exists(source):
            (tree.root / path).parent.mkdir(parents=True, exist_ok=True)
            (tree.root / path).write_text(write(tree))
