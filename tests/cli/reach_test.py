"""Everything that operators can do over REST, from the command line too: each operation of openapi/boxoffice.yaml is asked for by
one of the commands here, against a server that answers as the contract has it and remembers what it was asked; or it is
exempt, and the reason stands beside it."""

import json
import re
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from program import ROOT, run

REASON = ["--reason", "because"]
ID = "01890000-0000-7000-8000-000000000001"
TIME = "2026-11-22T10:00:00Z"

# The words of a command; FILE is a file that holds something.
COMMANDS = {
    "joinWaitlist": ["waitlist", "join", "7", "--count", "2"],
    "getWaitlistEntry": ["waitlist", "show", "7"],
    "leaveWaitlist": ["waitlist", "leave", "7"],
    "listWaitlist": ["waitlist", "mine"],
    "adminListConcerts": ["concert", "list"],
    "adminGetConcert": ["concert", "get", "7"],
    "createConcert": ["concert", "create", "--title", "T", "--artist", "A", "--venue", "V"],
    "adminGetWallet": ["wallet", "get", "ada"],
    "adminListWalletEntries": ["wallet", "entries", "ada"],
    "adminGetWalletStatement": ["wallet", "statement", "ada", "--currency", "KRW"],
    "adjustWallet": ["wallet", "adjust", "ada", "--amount", "5", "--currency", "KRW", *REASON],
    "reverseCharge": ["wallet", "reverse", "ada", ID, *REASON],
    "freezeWallet": ["wallet", "freeze", "ada", *REASON],
    "unfreezeWallet": ["wallet", "unfreeze", "ada", *REASON],
    "closeWallet": ["wallet", "close", "ada", *REASON, "--yes"],
    "exportLedger": ["wallet", "export"],
    "listPayments": ["payment", "list", ID],
    "listUnsettledPayments": ["payment", "unsettled"],
    "settlePaymentOutside": ["payment", "settle-outside", ID, "1", *REASON],
    "reconcileSettlement": ["payment", "reconcile", "FILE", "--provider", "http"],
    "createShow": ["show", "create", "--concert", "7", "--starts-at", TIME, "--grid", "Floor=2x3=A", "--price", "A=5"],
    "adminGetShow": ["show", "get", "7"],
    "updateConcert": ["concert", "set", "7", "--title", "Another title"],
    "updateShow": ["show", "set", "7", "--seat-limit", "4"],
    "adminGetSeats": ["seats", "list", "7"],
    "adminGetSeatMap": ["seats", "map", "7"],
    "publishShow": ["show", "publish", "7"],
    "cancelShow": ["show", "cancel", "7", *REASON, "--yes"],
    "getShowCancellation": ["show", "cancellation", "7"],
    "listShowWaitlist": ["waitlist", "list", "7"],
    "listBlocks": ["seats", "blocks", "7"],
    "blockSeats": ["seats", "block", "7", "--seats", "1-3", *REASON],
    "releaseBlockedSeats": ["seats", "release", "7", "--seats", "1-3", *REASON],
    "listContingents": ["seats", "channels", "7"],
    "keepSeatsForChannel": ["seats", "channel", "7", "--channel", "fans", "--seats", "1-3", *REASON],
    "releaseSeatsOfChannel": ["seats", "open", "7", "--channel", "fans", *REASON],
    "listPriceChanges": ["seats", "prices", "7"],
    "changePrices": ["seats", "price", "7", "--category", "A=7", *REASON],
    "getQueue": ["queue", "get", "7"],
    "configureQueue": ["queue", "set", "7", "--rate", "5"],
    "listQueues": ["queue", "list"],
    "adminGetReservation": ["reservation", "get", ID],
    "adminListReservations": ["reservation", "list", "--user", "ada"],
    "adminCancelReservation": ["reservation", "cancel", ID, *REASON, "--yes"],
    "moveReservation": ["reservation", "move", ID, "--from", "1", "--to", "2", *REASON],
    "listSagas": ["saga", "list"],
    "retrySaga": ["saga", "retry", ID, *REASON],
    "undoSaga": ["saga", "undo", ID, *REASON],
    "parkSaga": ["saga", "park", ID, *REASON],
    "getAdminRanking": ["ranking", "show"],
    "getRankingStatus": ["ranking", "status"],
    "rebuildRanking": ["ranking", "rebuild", "--no-wait"],
    "listRelayTargets": ["relay", "list"],
    "createRelayTarget": ["relay", "add", "https://example.com/hook"],
    "changeRelayTarget": ["relay", "set", "3", "--rate", "5"],
    "deleteRelayTarget": ["relay", "delete", "3", "--yes"],
    "rotateRelaySecret": ["relay", "rotate", "3"],
    "testRelayTarget": ["relay", "test", "3"],
    "listRelayDeliveries": ["relay", "deliveries"],
    "getRelayDelivery": ["relay", "delivery", "9"],
    "replayRelayDeliveries": ["relay", "replay", "--target", "3"],
    "getAudit": ["top"],
    "runAudit": ["audit"],
    "listDeadLetters": ["dead-letter", "list"],
    "replayDeadLetter": ["dead-letter", "replay", "4"],
    "getOutbox": ["outbox"],
    "listBreakers": ["breakers"],
    "getReadiness": ["doctor"],
    "adminGetMetrics": ["top"],
}

BUYERS = "a buyer's own; `boxoffice rehearse` plays buyers, and integrators call REST with the buyer's token"
BROWSERS = "the web application's: a session in a cookie"
READERS = "a document for programs and browsers; any HTTP client gets it"
PUBLIC = "the public side of what operators see more of, by the command of the same noun"
EXEMPT = {
    "joinQueue": BUYERS, "getQueueSession": BUYERS, "leaveQueue": BUYERS, "followQueueSession": BUYERS,
    "createReservation": BUYERS, "listReservations": BUYERS, "getReservation": BUYERS, "confirmReservation": BUYERS,
    "cancelReservation": BUYERS, "quoteCancellation": BUYERS, "getWallet": BUYERS, "chargeWallet": BUYERS,
    "listWalletEntries": BUYERS, "getWalletStatement": BUYERS, "getMyContingents": BUYERS,
    "listConcerts": PUBLIC, "getConcert": PUBLIC, "viewQueue": PUBLIC,
    "getShow": PUBLIC, "getSeats": PUBLIC, "getSeatMap": PUBLIC, "followSeats": PUBLIC, "getRanking": PUBLIC,
    "receivePaymentWebhook": "the payment provider's, signed by it",
    "getSession": BROWSERS, "signOut": BROWSERS, "signInForDevelopment": BROWSERS,
    "beginSignIn": BROWSERS, "finishSignIn": BROWSERS,
    "getMetrics": "for Prometheus; `boxoffice top` reads the same as an operator",
    "getHealth": "for balancers: it says no more than that the process answers, and readyz says that too",
    "getOpenApi": READERS, "getOpenApiJson": READERS, "getDocs": READERS, "getDocsScript": READERS,
}  # fmt: skip

# What a command does by another operation, of which this is a case.
CASES = {"replayRelayDelivery": "replayRelayDeliveries"}

CONTRACT = yaml.safe_load((ROOT / "openapi/boxoffice.yaml").read_text())
METHODS = ("get", "post", "put", "patch", "delete")


def operations():
    """operationId → (method, a pattern of paths, the operation)"""
    return {
        operation["operationId"]: (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), operation)
        for path, item in CONTRACT["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


OPERATIONS = operations()


def resolve(node):
    while "$ref" in node:
        target = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def sample(schema, name="", depth=0):
    """A value that the schema takes: small, and the end of every list."""
    schema = resolve(schema)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return sample(schema[key][0], name, depth)
    merged = dict(schema)
    for part in schema.get("allOf", []):
        part = resolve(part)
        merged = {**part, **merged, "properties": {**part.get("properties", {}), **merged.get("properties", {})}}
    if "const" in merged:
        return merged["const"]
    if "enum" in merged:  # what is over, where it is a state
        return "done" if "done" in merged["enum"] else next(value for value in reversed(merged["enum"]) if value is not None)
    kind = merged.get("type", "object")
    if isinstance(kind, list):
        if "null" in kind:
            return None
        kind = kind[0]
    if kind == "object":
        return {key: sample(value, key, depth + 1) for key, value in merged.get("properties", {}).items()} if depth < 12 else {}
    if kind == "array":
        return [sample(merged["items"], name, depth + 1)] if "items" in merged and depth < 12 else []
    if kind in ("integer", "number"):
        return max(1, merged.get("minimum", 1))
    if kind == "boolean":
        return False
    return {"date-time": "2026-11-22T10:00:00.000Z", "uuid": ID}.get(merged.get("format"), "7")


def answer(operation):
    """(status, content type, body) of its first success."""
    for status, response in operation["responses"].items():
        if not str(status).startswith("2"):
            continue
        for content_type, content in resolve(response).get("content", {}).items():
            if content_type == "application/json":
                return int(status), content_type, json.dumps(sample(content["schema"]))
            return int(status), content_type, "a,b\n" if content_type == "text/csv" else ""
        return int(status), "", ""
    raise AssertionError("no success")


def watchable():
    """The commands that have --watch."""
    sections = run("man").stdout.split('.SS "boxoffice ')
    return {section.partition('"')[0] for section in sections if "\\-\\-watch" in section}


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer_any(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        self.server.methods.add(self.command)
        for name, (method, pattern, operation) in OPERATIONS.items():
            if method == self.command and pattern.match(path):
                self.server.asked.add(name)
                status, content_type, body = answer(operation)
                break
        else:
            self.server.unknown.append(f"{self.command} {path}")
            status, content_type, body = 404, "application/json", '{"code":"not_found","title":"?"}'
        data = body.encode()
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer_any

    def log_message(self, *_):
        pass


class Reach(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = Path(folder.name) / "file"
        cls.file.write_text("operation,key,amount,currency\n")
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"

    def test_each_operation_is_reached_or_exempt(self):
        for name in OPERATIONS:
            with self.subTest(operation=name):
                places = (name in COMMANDS) + (name in EXEMPT) + (CASES.get(name) in COMMANDS)
                self.assertEqual(places, 1, "it needs a command, or a reason to have none; not both")
        self.assertEqual((set(COMMANDS) | set(EXEMPT) | set(CASES)) - set(OPERATIONS), set(), "there are no such operations")

    def test_what_operators_do_is_never_exempt(self):
        for name, (_, pattern, _) in OPERATIONS.items():
            if "/admin/" in pattern.pattern:
                self.assertNotIn(name, EXEMPT)

    def test_the_command_asks_for_the_operation(self):
        watched = watchable()
        for name, words in COMMANDS.items():
            with self.subTest(operation=name, command=words):
                self.server.asked, self.server.unknown, self.server.methods = set(), [], set()
                done = run(*[self.file if word == "FILE" else word for word in words], "--url", self.url, "--token", "t")
                self.assertIn(name, self.server.asked, done.stderr)
                self.assertEqual(self.server.unknown, [], "it asked for what the contract does not have")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertNotIn("terminate called", done.stderr)
                if not watched.isdisjoint({" ".join(words[:1]), " ".join(words[:2])}):
                    self.assertEqual(self.server.methods, {"GET"}, "what can be watched only looks")


if __name__ == "__main__":
    unittest.main()
