"""Who calls whom, and who says what to whom: the edges between rooms, derived from the source, as a golden file.

An edge that appears here was decided by somebody; the diff of edges.golden is where a reviewer sees it.
"""

import re

from rules.layering import is_test, room_of
from tree import Violation

GOLDEN = "tests/checks/edges.golden"
HEADER = """\
# Edges between rooms, derived from the source. To write it anew: ./dev check --update-golden
# ROOM calls SERVICE | ROOM produces TOPIC | ROOM consumes TOPIC
"""
# boxoffice::seat::v1::SeatService::NewStub, or with a namespace alias: the stub of a service.
STUB = re.compile(r"\b\w+::(?:v\d+::)?(\w+)Service::(?:NewStub|Stub|StubInterface)\b")
# The topics are listed where their events are defined: "// Topic seat, key: show id."
TOPICS = "proto/boxoffice/bus/v1/*.proto"
CONSUMES = re.compile(r"[Ss]ubscri|[Cc]onsum")
PRODUCES = re.compile(r"topic", re.IGNORECASE)


def derive(tree):
    edges = set()
    topics = {topic for path in tree.match(TOPICS) for topic in re.findall(r"^// Topic (\w+)", tree.text(path), re.M)}
    literal = re.compile(rf'"({"|".join(sorted(topics))})"')
    for path in tree.match("src/*/*.h", "src/*/*.cc"):
        room = room_of(path.removeprefix("src/"))
        if is_test(path) or room.startswith("platform/"):
            continue
        for match in STUB.finditer(tree.code(path)):
            if room != f"services/{match[1].lower()}":
                edges.add(f"{room} calls {match[1]}Service")
        text = tree.text(path)
        for match in literal.finditer(text) if topics else ():
            # The statement up to the topic's name tells which way it goes.
            statement = text[text.rfind(";", 0, match.start()) + 1 : match.start()]
            if CONSUMES.search(statement):
                edges.add(f"{room} consumes {match[1]}")
            elif PRODUCES.search(statement):
                edges.add(f"{room} produces {match[1]}")
    return sorted(edges)


def update(tree):
    (tree.root / GOLDEN).write_text(HEADER + "".join(edge + "\n" for edge in derive(tree)))


def check(tree):
    if not tree.exists(GOLDEN):
        return [Violation(GOLDEN, 0, "does not exist", "./dev check --update-golden")]
    golden = [line for line in tree.lines(GOLDEN) if line and not line.startswith("#")]
    now = derive(tree)
    instead = "if it is meant: ./dev check --update-golden, and say why in the commit"
    return [Violation(GOLDEN, 0, f"new edge: {edge}", instead) for edge in now if edge not in golden] + [
        Violation(GOLDEN, golden.index(edge) + 1, f"edge is gone: {edge}", instead) for edge in golden if edge not in now
    ]
