"""`rehearse` against gateways that answer as a real one does now and then: what it asks of them, and what it says of them."""

import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from program import PROGRAM, run

SHOW = {"id": "3", "state": "ON_SALE", "seat_limit": 4, "free": 50, "held": 0, "sold": 0, "kept_for_channels": 0}
HELD = {"id": "r1", "state": "HELD", "amount": 500, "currency": "KRW", "hold_expires_at": "2026-11-22T10:05:00.000Z"}
WAITING = {"token": "q1", "state": "WAITING", "refresh_interval_s": 1}
# Who comes at once, takes the best available and pays.
PLAIN = ["--show", "3", "--yes", "--connections", "4", "--burst", "0", "--decay", "0", "--think", "0", "--by-map", "0",
         "--leave-waiting", "0", "--leave-holding", "0", "--cancel", "0", "--no-top-up", "--limit", "30"]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        gateway = self.server.gateway
        asked = f"{self.command} {self.path}"
        gateway.asked.append((asked, dict(self.headers)))
        status, body = gateway.answer(asked, self.headers.get("Authorization", ""))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256  # connections that come at once


class Gateway:
    """Sells whatever is asked for; use it in a with. `special` gives other answers, as (status, body), or None."""

    def __init__(self, special):
        self.special = special
        self.asked = []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.gateway = self

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def answer(self, asked, authorization):
        return self.special(asked, authorization) or {
            "GET /v1/shows/3": (200, SHOW),
            "GET /v1/session": (200, {"self_service": True}),
            "POST /v1/shows/3/queue": (200, {"token": "q1", "state": "ACTIVE"}),
            "POST /v1/reservations": (201, HELD),
            "POST /v1/reservations/r1/confirm": (200, HELD | {"state": "CONFIRMED"}),
            "DELETE /v1/queue": (200, WAITING | {"state": "EXPIRED"}),
        }.get(asked, (403, {"code": "forbidden"}))

    def words(self, buyers):
        """Of a rehearsal with so many buyers, whose tokens are b.0.0, b.1.0, …"""
        tokens = Path(self.folder.name) / "tokens"
        tokens.write_text("".join(f"b.{i}.0\n" for i in range(buyers)))
        return ["rehearse", *PLAIN, "--url", f"http://127.0.0.1:{self.server.server_address[1]}", "--tokens", tokens]

    def rehearse(self, *more, buyers=1):
        return run(*self.words(buyers), *more, cwd=self.folder.name)


class Rehearse(unittest.TestCase):
    def test_buyers_of_a_show_without_a_queue_go_on_without_a_token(self):
        def special(asked, _):
            return (409, {"code": "queue_off"}) if asked == "POST /v1/shows/3/queue" else None

        with Gateway(special) as gateway:
            done = gateway.rehearse("--json", buyers=2)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["confirmed"], report["errors"]), (0, 2, {}), done.stdout)
        self.assertEqual(report["refusals"], {"join queue_off": 2})
        tokens = [headers.get("X-Queue-Token") for asked, headers in gateway.asked if asked.startswith("POST /v1/reservations")]
        self.assertEqual(tokens, [None] * 4)

    def test_a_show_that_is_kept_for_channels_is_not_sold_out(self):
        def special(asked, _):
            if asked == "GET /v1/shows/3":
                return 200, SHOW | {"free": 0, "kept_for_channels": 50}
            return (409, {"code": "not_enough_seats"}) if asked == "POST /v1/reservations" else None

        with Gateway(special) as gateway:
            done = gateway.rehearse(buyers=3)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"3 of 3 buyers came")
        self.assertRegex(done.stdout, r"sold out +not;.*; 50 seats are kept for channels\n")

    def test_a_show_that_others_have_bought_is_said_to_be_so(self):
        def special(asked, _):
            if asked == "GET /v1/shows/3":
                return 200, SHOW | {"free": 0}
            return (409, {"code": "not_enough_seats"}) if asked == "POST /v1/reservations" else None

        with Gateway(special) as gateway:
            done = gateway.rehearse()
        self.assertRegex(done.stdout, r"sold out +after .*, though these buyers bought nothing: all seats are sold or blocked;")

    def test_a_show_that_is_cancelled_meanwhile_is_no_success_and_gives_no_advice(self):
        bought = threading.Event()

        def special(asked, authorization):
            if asked.endswith("/confirm"):
                bought.set()
            if asked == "GET /v1/shows/3" and bought.is_set():
                return 200, SHOW | {"state": "CANCELLED"}
            waits = "b.1.0" in authorization
            return (200, WAITING) if waits and asked in ("POST /v1/shows/3/queue", "GET /v1/queue") else None

        with Gateway(special) as gateway:
            done = gateway.rehearse("--json", buyers=2)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["confirmed"], report["unfinished"]), (1, 1, 1), done.stdout)
        self.assertIsNotNone(report["cancelled_s"])
        self.assertEqual(report["advice"]["text"], "no advice: the show was cancelled meanwhile")

    def test_what_ctrl_c_cuts_off_is_no_fault_of_the_system(self):
        asked_to_join = threading.Event()
        over = threading.Event()

        def special(asked, _):
            if asked == "POST /v1/admin/audit":
                return 200, {"ok": True}
            if asked == "POST /v1/shows/3/queue":
                asked_to_join.set()
                over.wait(60)

        with Gateway(special) as gateway:
            with subprocess.Popen([PROGRAM, *map(str, gateway.words(1)), "--json", "--token", "t"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, cwd=gateway.folder.name) as process:  # fmt: skip
                self.assertTrue(asked_to_join.wait(60))
                process.send_signal(signal.SIGINT)
                report = json.loads(process.stdout.read())
            over.set()
        self.assertEqual((report["unfinished"], report["errors"], report["steps"]), (1, {}, {}))
        self.assertEqual(report["audit"], {"ok": True}, "it ends the play, not what comes after")

    def test_ctrl_c_leaves_out_the_audit_and_the_report_says_so(self):
        audits = threading.Event()
        over = threading.Event()

        def special(asked, _):
            if asked == "POST /v1/admin/audit":
                audits.set()
                over.wait(120)

        with Gateway(special) as gateway:
            with subprocess.Popen([PROGRAM, *map(str, gateway.words(1)), "--json", "--token", "t"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, cwd=gateway.folder.name) as process:  # fmt: skip
                self.assertTrue(audits.wait(60))
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
            over.set()
        report = json.loads(out)
        self.assertEqual((report["confirmed"], report["audit"]), (1, {"ok": None, "failure": "interrupted"}))
        self.assertIn("auditing; Ctrl-C leaves it out", err)

    def test_as_many_files_are_opened_as_may_be_and_too_few_are_told_before_anything_is_made(self):
        def allow(soft, hard):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        for limits, code in (((64, 4096), 0), ((64, 128), 2)):
            with self.subTest(limits=limits), Gateway(lambda *_: None) as gateway:
                words = [word if word != "4" else "100" for word in gateway.words(1)]  # connections
                done = run(*words, cwd=gateway.folder.name, preexec_fn=allow(*limits))
                self.assertEqual(done.returncode, code, done.stderr)
                if code == 2:
                    self.assertIn("(file_limit_low)", done.stderr)
                    self.assertEqual(gateway.asked, [])

    def test_every_gateway_is_asked_whether_it_is_ready_before_anything_is_made(self):
        def sick(asked, _):
            return (503, {"status": "unavailable"}) if asked == "GET /readyz" else None

        with Gateway(lambda *_: None) as first, Gateway(sick) as second:
            words = first.words(1)
            words = [words[0], *words[3:], "--token", "t"]  # no --show: one is made
            for url in (f"http://127.0.0.1:{second.server.server_address[1]}", "http://127.0.0.1:1"):
                with self.subTest(url=url):
                    first.asked.clear()
                    done = run(*words, "--url", url, cwd=first.folder.name)
                    self.assertEqual(done.returncode, 2, done.stdout)
                    self.assertIn(url, done.stderr)
                    self.assertEqual([asked for asked, _ in first.asked], ["GET /readyz"])

    def test_a_queue_that_may_not_be_watched_was_not_watched(self):
        with Gateway(lambda *_: None) as gateway:
            done = gateway.rehearse("--token", "t")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"admission +not watched: 403 forbidden\n")
        self.assertNotIn("cap 0", done.stdout)

    def test_a_queue_that_was_watched_for_a_moment_tells_its_cap(self):
        def special(asked, _):
            queue = {"state": "PAUSED", "waiting": 0, "active": 2, "admitted": 2, "active_cap": 7, "rate_per_s": 5}
            return (200, queue) if asked == "GET /v1/admin/shows/3/queue" else None

        with Gateway(special) as gateway:
            done = gateway.rehearse("--token", "t")
        self.assertRegex(done.stdout, r"active +2 at most, cap 7;")
        self.assertRegex(done.stdout, r"admission +not judged: ")

    def test_a_folder_that_nobody_named_makes_no_operator_of_a_system_elsewhere(self):
        with Gateway(lambda *_: None) as gateway:
            key = Path(gateway.folder.name) / ".data/keys/jwt.key"
            key.parent.mkdir(parents=True)
            key.write_text("0" * 64 + "\n")
            os.chmod(key, 0o600)
            for named, admin in (([], False), (["--data", ".data"], True)):
                with self.subTest(named=named):
                    gateway.asked.clear()
                    done = gateway.rehearse(*named)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(any("/v1/admin/" in asked for asked, _ in gateway.asked), admin)


if __name__ == "__main__":
    unittest.main()
