"""Who calls whom, and who says what to whom: the edges between rooms, derived from the source, as a golden file.

An edge that appears here was decided by somebody; the diff of edges.golden is where a reviewer sees it.
"""

import re

from rules.layering import room_of
from tree import Violation

GOLDEN = "tests/checks/edges.golden"
HEADER = """\
# Edges between rooms, derived from the source. To write it anew: ./dev check --update-golden
# ROOM calls SERVICE | ROOM produces TOPIC | ROOM consumes TOPIC
"""
# boxoffice::seat::v1::SeatService::NewStub, or with a namespace alias: the stub of a service.
STUB = re.compile(r"\b(\w+)::(?:v\d+::)?(\w+Service)::(?:NewStub|Stub|StubInterface)\b")
# A topic constant, with the call that names it: what is not consumed is produced.
TOPIC = re.compile(r"\b(?:topics?::)?k(\w+)Topic\b|\btopics?::k(\w+)\b")
CONSUMES = re.compile(r"[Ss]ubscri|[Cc]onsum")


def derive(tree):
    edges = set()
    for path in tree.match("src/*/*.h", "src/*/*.cc"):
        room = room_of(path.removeprefix("src/"))
        if path.endswith(("_test.cc", "_bench.cc")) or room.startswith("platform/"):
            continue
        code = tree.code(path)
        for match in STUB.finditer(code):
            edges.add(f"{room} calls {match[2]}")
        for match in TOPIC.finditer(code):
            # The statement around the topic tells which way it goes.
            start = max(code.rfind(character, 0, match.start()) for character in ";{}") + 1
            verb = "consumes" if CONSUMES.search(code[start : match.start()]) else "produces"
            edges.add(f"{room} {verb} {match[1] or match[2]}")
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
