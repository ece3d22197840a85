"""A command that is ended while it is not known whether it was done says how to repeat it."""

import re
import signal
import subprocess
import threading
import unittest
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from program import PROGRAM

ADJUST = ["wallet", "adjust", "ada", "--amount", "5", "--currency", "KRW", "--reason", "because"]
FREEZE = ["wallet", "freeze", "ada", "--reason", "because"]  # it takes no key
MOVE = ["reservation", "move", "r1", "--from", "1", "--to", "2", "--reason", "because"]
MOVING = b'{"id":"r1","state":"CONFIRMED","seats":[],"returned":null,"failure":null,"saga":{"id":"s","kind":"move","status":"running"}}'
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Silent(BaseHTTPRequestHandler):
    """Takes a request, and never answers, but for a POST where it was given an answer."""

    def do_GET(self):
        self.server.asked.set()
        self.server.over.wait()

    def do_POST(self):
        self.server.key = self.headers["Idempotency-Key"]
        if self.server.answer is None:
            return self.do_GET()
        self.send_response(202)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_):
        pass


@contextmanager
def asking(words, answer=None):
    """A command that waits for an answer, and the key that its POST had."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.answer, server.key, server.asked, server.over = answer, None, threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    process = subprocess.Popen([PROGRAM, *words, "--url", url, "--token", "t"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.asked.wait(60)
        yield process, server.key
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        server.over.set()
        server.shutdown()
        server.server_close()


class Interrupted(unittest.TestCase):
    def setUp(self):
        for number in SIGNALS:  # the program inherits what whatever runs the tests ignores
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))

    def test_it_says_with_which_key_it_is_repeated(self):
        for number in SIGNALS:
            with self.subTest(signal=number.name), asking(ADJUST) as (process, key):
                process.send_signal(number)
                told = process.communicate(timeout=60)[1]
                self.assertEqual(process.returncode, 128 + number)
                self.assertEqual(re.findall("--key (.*)", told), [key])

    def test_a_command_without_a_key_ends_as_it_always_has(self):
        with asking(FREEZE) as (process, _):
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.communicate(timeout=60)[1], "")
            self.assertEqual(process.returncode, -signal.SIGINT)

    def test_what_was_answered_is_not_told_as_unknown(self):
        with asking(MOVE, MOVING) as (process, _):
            process.send_signal(signal.SIGINT)
            self.assertNotIn("--key", process.communicate(timeout=60)[1])
            self.assertEqual(process.returncode, -signal.SIGINT)

    def test_what_is_ignored_stays_ignored(self):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
        with asking(ADJUST) as (process, _):
            status = Path(f"/proc/{process.pid}/status").read_text()
            ignored = int(re.search(r"SigIgn:\s*(\w+)", status).group(1), 16)
            self.assertTrue(ignored >> (signal.SIGHUP - 1) & 1)
            self.assertFalse(ignored >> (signal.SIGTERM - 1) & 1)


if __name__ == "__main__":
    unittest.main()
