"""Metrics: docs/reference/metrics.md lists those that the source has; alerts and dashboards in deploy/observability ask for no
others, by no labels that they do not have; each alert has its runbook, and each runbook its alert."""

import json
import re
from functools import cache

import yaml

from tree import Violation

DOC = "docs/reference/metrics.md"
ALERTS = "deploy/observability/alerts.yml"
DASHBOARDS = "deploy/observability/dashboards/*.json"
RUNBOOKS = "docs/runbooks"
KINDS = {
    "GetCounter": "counter",
    "GetGauge": "gauge",
    "GetHistogram": "histogram",
    "AddCallback": "gauge",
    "AddCounterCallback": "counter",
}
CALL = re.compile(rf"(?:\b|\.|->)({'|'.join(KINDS)})\(")
# Families that are registered from a table: {"name", "help"}.
TABLE = re.compile(r"\bkCounters\b|\bkGauges\b")
ROW = re.compile(r'\{\s*"(boxoffice_\w+)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
NAME = r"(?:boxoffice|process)_[a-z0-9_]+"
# What Prometheus adds to a series that it has scraped, and what the scrape configuration adds.
SCRAPED = {"process", "replica", "instance", "job", "le"}
HEADER = """\
# Metrics

<!-- Written from the source by `./dev check --update-golden`. -->

Every process answers `GET /metrics` at its `admin.listen` in Prometheus' text format; the all-in-one answers on its one port. Times
are in seconds, sizes in bytes; what ends in `_total` only grows, and what ends in `_timestamp_seconds` is a moment since 1970. A
series appears when it is first needed, so one that counts failures may not be there yet. Labels that come and go are bounded: causes
to 64, shows to 100, the newest (of queues, first those that somebody is in).

Queries that use these are in the dashboards and alerts in [deploy/observability](../../deploy/observability/README.md); what to do
about an alert is in its [runbook](../runbooks/README.md).

| metric | kind | labels | what it is | where |
|---|---|---|---|---|
"""


def balanced(text, begin):
    """The text from the opening parenthesis at `begin` to its end, literals and all."""
    depth, i, quoted = 0, begin, False
    while i < len(text):
        c = text[i]
        if quoted:
            if c == "\\":
                i += 1
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth == 0:
                return text[begin + 1 : i]
        i += 1
    return text[begin + 1 :]


def joined(literals):
    return "".join(STRING.findall(literals))


def labels_of(arguments, text):
    """The names of the labels that a call gives: the first string of each pair, there or in a function of the file's that makes
    them (LabelsOf), or in a variable."""
    found = re.findall(r'\{\s*"([a-z_]+)"\s*,', arguments)
    if not found and re.search(r"\bLabelsOf\(|,\s*labels\b", arguments):
        more = re.search(r"LabelsOf\([^;{}]*\)\s*;?\s*$", arguments)
        wide = more is not None and more[0].count(",") > 0
        bodies = re.findall(r"LabelsOf\((?:[^()]|\([^()]*\))*\)\s*\{\s*return\s*(\{.*?\});", text, re.S)
        bodies += re.findall(r"obs::Labels labels\s*(\{.*?\});", text, re.S)
        options = [re.findall(r'\{\s*"([a-z_]+)"\s*,', body) for body in bodies]
        options = [names for names in options if names]
        if options:
            found = max(options, key=len) if wide else min(options, key=len)
    return found


def room(path):
    inside = path.removeprefix("src/")
    parts = inside.split("/")
    return "/".join(parts[:2]) if parts[0] in ("platform", "services") else parts[0]


@cache
def derive_from(tree):
    """{name: (kind, labels, help, rooms)}"""
    families = {}

    def add(name, kind, labels, text, path):
        known = families.setdefault(name, [kind, [], text, set()])
        known[1] += [label for label in labels if label not in known[1]]
        known[2] = known[2] or text
        known[3].add(room(path))

    for path in tree.match("src/*.h", "src/*.cc"):
        if re.search(r"_(test|bench)\.cc$|_for_test\.h$", path) or path.startswith("src/testing/"):
            continue
        text = tree.text(path)
        if not any(kind in text for kind in KINDS):
            continue
        code = tree.code(path)
        for match in CALL.finditer(text):
            if not code[match.start() : match.end()].strip():
                continue  # in a comment
            arguments = balanced(text, match.end() - 1)
            named = re.match(rf'\s*"({NAME})",\s*((?:"(?:[^"\\]|\\.)*"\s*)*)', arguments)
            if named:
                add(named[1], KINDS[match[1]], labels_of(arguments[named.end() :], text), joined(named[2]), path)
        for table, kind in (("kCounters", "counter"), ("kGauges", "gauge")):
            begin = re.search(rf"\b{table}\{{", text)
            if begin:
                for name, literals in ROW.findall(balanced(text, begin.end() - 1)):
                    add(name, kind, labels_of(", labels", text), joined(literals), path)
    return families


def derive(tree):
    return derive_from(tree)


def table(tree):
    rows = []
    for name, (kind, labels, text, rooms) in sorted(derive(tree).items()):
        told = ", ".join(f"`{label}`" for label in labels)
        where = ", ".join(f"`{one}`" for one in sorted(rooms))
        rows.append(f"| `{name}` | {kind} | {told} | {text} | {where} |\n")
    return HEADER + "".join(rows)


def update(tree):
    (tree.root / DOC).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / DOC).write_text(table(tree))


def family_of(name, families):
    """A family by the name of one of its series; None: there is none."""
    if name in families:
        return name
    for ending in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(ending)
        if name.endswith(ending) and base in families and families[base][0] == "histogram":
            return base
    return None


def check_query(query, families, recorded):
    """What is wrong with a PromQL expression, as texts."""
    for match in re.finditer(rf"\b({NAME}|boxoffice:[a-z0-9_:]+)(\{{[^}}]*\}})?", query):
        name, matchers = match[1], match[2] or ""
        if name in recorded:
            continue
        family = family_of(name, families)
        if family is None:
            yield f"there is no metric {name}"
            continue
        for label in re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", re.sub(r'"(?:[^"\\]|\\.)*"', '""', matchers)):
            if label not in families[family][1] and label not in SCRAPED:
                yield f"{name} has no label {label}"


def rules_of(tree):
    document = yaml.safe_load(tree.text(ALERTS)) if tree.exists(ALERTS) else None
    return [rule for group in (document or {}).get("groups", []) for rule in group["rules"]]


def panels(board):
    for panel in board.get("panels", []):
        yield panel
        yield from panels(panel)


def queries_of(board):
    """(panel's title, query) of a dashboard, and those of its variables."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield panel.get("title", "?"), target["expr"]
    for variable in board.get("templating", {}).get("list", []):
        query = variable.get("query", "")
        yield variable["name"], query["query"] if isinstance(query, dict) else query


def check_doc(tree):
    if tree.exists(DOC) and tree.text(DOC) == table(tree):
        return []
    return [Violation(DOC, 0, "is not what the source has", "./dev check --update-golden")]


def check_names(families):
    for name, (kind, _, text, rooms) in sorted(families.items()):
        place = f"src/{sorted(rooms)[0]}"
        if kind == "counter" and not name.endswith("_total"):
            yield Violation(place, 0, f"{name} is a counter whose name does not end in _total", "add it")
        if kind != "counter" and name.endswith("_total"):
            yield Violation(place, 0, f"{name} is a {kind} whose name ends in _total", "take another name")
        if re.search(r"_(ms|millis|milliseconds|us|minutes|kb|mb|percent)(_|$)", name):
            yield Violation(place, 0, f"{name} is not in base units", "measure seconds, bytes or a ratio")
        if not text:
            yield Violation(place, 0, f"{name} has no help", "say what it is where it is first asked for")


def check_alerts(tree, families):
    rules = rules_of(tree)
    recorded = {rule["record"] for rule in rules if "record" in rule}
    alerts = set()
    for rule in rules:
        name = rule.get("alert") or rule["record"]
        for wrong in check_query(rule["expr"], families, recorded):
            yield Violation(ALERTS, 0, f"{name}: {wrong}", f"ask for one of {DOC}")
        if "alert" not in rule:
            continue
        alerts.add(name)
        page = f"{RUNBOOKS}/{name}.md"
        if not tree.exists(page):
            yield Violation(ALERTS, 0, f"{name} has no runbook", f"write {page}")
        if rule.get("annotations", {}).get("runbook") != page:
            yield Violation(ALERTS, 0, f"{name} does not name its runbook", f"runbook: {page}")
        if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
            yield Violation(ALERTS, 0, f"{name} does not say whom it wakes", "severity: page, or ticket")
    for page in tree.match(f"{RUNBOOKS}/*.md"):
        name = page.removeprefix(f"{RUNBOOKS}/").removesuffix(".md")
        if name != "README" and name not in alerts:
            yield Violation(page, 0, f"there is no alert {name}", f"name it as in {ALERTS}")


def check_dashboards(tree, families):
    recorded = {rule["record"] for rule in rules_of(tree) if "record" in rule}
    for path in tree.match(DASHBOARDS):
        for title, query in queries_of(json.loads(tree.text(path))):
            for wrong in check_query(query, families, recorded):
                yield Violation(path, 0, f"{title}: {wrong}", f"ask for one of {DOC}")


def check(tree):
    families = derive(tree)
    if not families:
        return []
    return (
        check_doc(tree)
        + list(check_names(families))
        + list(check_alerts(tree, families))
        + list(check_dashboards(tree, families))
    )
