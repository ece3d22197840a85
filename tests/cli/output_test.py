"""What a command prints arrives, or it says that it did not; and an answer of a form that nobody promised ends no command by abort."""

import json
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from program import PROGRAM, run, write_cluster

# Answers of other programs, and of proxies: what is between an operator and a gateway. The last ones begin as a Boxoffice's do.
FOREIGN = ["{}", "[]", "null", '"text"', '{"items": 7}', '{"items": [7]}', '{"items": [{}]}', '{"modules": 7}', "<html>", ""]
HALF = ['{"modules": [7], "items": 7}', '{"modules": [], "items": [7], "ok": "yes"}']


class Odd(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        data = self.server.body.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Output(unittest.TestCase):
    def test_an_answer_that_is_not_written_whole_is_no_success(self):
        with tempfile.TemporaryDirectory() as data, open("/dev/full", "w", encoding="utf-8") as full:
            key = Path(data) / "keys/jwt.key"  # of whoever makes tokens
            key.parent.mkdir()
            key.write_text("0" * 64 + "\n")
            key.chmod(0o600)
            for words in (["token", "--user", "ada", "--data", data], ["man"], ["completion", "bash"], ["--help"], ["--version"]):
                with self.subTest(words=words):
                    done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr, r"\Aboxoffice: .*\n\Z")

    def test_who_reads_no_further_is_no_failure(self):
        with subprocess.Popen([PROGRAM, "man"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.close()
            self.assertEqual(process.stderr.read(), "")

    def ask(self, body, status, *words):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        server.body, server.status = body, status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            return run(*words, "--url", f"http://127.0.0.1:{server.server_address[1]}", "--token", "t")
        finally:
            server.shutdown()
            server.server_close()

    def test_doctor_names_whatever_answers_and_is_no_boxoffice(self):
        with tempfile.TemporaryDirectory() as data:
            for body, status in [*((body, 200) for body in FOREIGN), ("{}", 404), ("<html>", 404), ("{}", 503)]:
                with self.subTest(status=status, body=body):
                    problems = self.problems_of(self.ask(body, status, "doctor", "--json", "--data", data))
                    self.assertLessEqual({"replica", "operations"}, {found["check"] for found in problems})
            for body in HALF:
                with self.subTest(body=body):
                    problems = self.problems_of(self.ask(body, 200, "doctor", "--json", "--data", data))
                    self.assertIn("operations", {found["check"] for found in problems})

    def problems_of(self, done):
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        problems = [found for found in json.loads(done.stdout)["findings"] if found["status"] == "problem"]
        self.assertTrue(all(found["advice"] for found in problems), problems)
        return problems

    def test_doctor_of_an_address_where_nobody_answers(self):
        with tempfile.TemporaryDirectory() as data:
            done = run("doctor", "--json", "--data", data, "--url", "http://127.0.0.1:1", "--token", "t")
        self.assertEqual(done.returncode, 1, done.stderr)
        statuses = {found["check"]: found["status"] for found in json.loads(done.stdout)["findings"]}
        self.assertEqual((statuses["replica"], statuses["operations"]), ("problem", "skipped"), "nothing else is asked of it")

    def test_top_shows_what_it_could_not_ask(self):
        for body in (*FOREIGN, *HALF):
            with self.subTest(body=body):
                done = self.ask(body, 200, "top", "--json", "--count", "1")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                json.loads(done.stdout)

    def test_top_takes_a_token_and_the_folder_that_knows_the_replicas(self):
        with tempfile.TemporaryDirectory() as data:
            write_cluster(data, "127.0.0.1:1", "127.0.0.1:1")
            done = self.ask("{}", 200, "top", "--json", "--count", "1", "--data", data)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(any(problem.startswith("http://127.0.0.1:1/metrics: ") for problem in json.loads(done.stdout)["problems"]), done.stdout)


class Refusals(unittest.TestCase):
    def test_with_json_stdout_is_json_or_nothing_whoever_answers(self):
        for status in (404, 502):
            for body in ("<html>not here</html>", "", '{"code":"not_found","title":"?"}'):
                with self.subTest(status=status, body=body):
                    done = Output.ask(self, body, status, "queue", "get", "7", "--json")
                    self.assertEqual(done.returncode, 1 if status == 404 else 2)
                    self.assertIn(str(status), done.stderr)
                    if done.stdout:
                        self.assertEqual(json.loads(done.stdout)["code"], "not_found")


class Misuse(unittest.TestCase):
    """Who calls a command the wrong way is told which word is wrong, and what is right."""

    def refused(self, *words):
        done = run(*words, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        return done.stderr

    def test_the_word_that_is_no_command_is_named(self):
        self.assertIn("nosuch is not a command here\n", self.refused("nosuch"))
        self.assertIn("--bad is not an option here\n", self.refused("--bad"))
        self.assertIn("nosuch is not a command here\n", self.refused("queue", "nosuch"))
        self.assertIn("prnt is not a command here;", self.refused("serve", "gateway", "config", "prnt"))

    def test_what_a_value_must_be_is_said(self):
        adjust = ("wallet", "adjust", "ada", "--currency", "KRW", "--reason", "r", "--amount")
        self.assertIn("--amount: x is not a whole number\n", self.refused(*adjust, "x"))
        self.assertIn("--rate: abc is not a number\n", self.refused("queue", "set", "7", "--rate", "abc"))
        self.assertIn("--url is http://HOST[:PORT] or https://HOST[:PORT]", self.refused("queue", "get", "7", "--url", "localhost", "--token", "t"))
        with tempfile.TemporaryDirectory() as data:
            self.assertIn("(no_token)", self.refused("token", "--user", "ada", "--data", data))
            self.assertEqual(list(Path(data).iterdir()), [])

    def test_a_number_that_is_out_of_its_range_is_told_with_the_range(self):
        self.assertIn("--count: Value -1 not in range 0 to 1000000", self.refused("top", "--count", "-1", "--token", "t"))
        told = self.refused("rehearse", "--yes", "--show", "3", "--seed", "-1", "--token", "t")
        self.assertRegex(told, r"--seed: Value -1 not in range 0 to \d{19}\b")

    def test_an_address_with_a_password_is_refused_and_the_password_not_printed(self):
        for words in (["doctor"], ["audit"], ["queue", "get", "7"]):
            told = self.refused(*words, "--url", "http://ada:geheim@localhost", "--token", "t")
            self.assertIn('not "http://ada:***@localhost" (url_malformed)', told)

    def test_nan_and_infinity_are_no_numbers(self):
        show = ("show", "create", "--concert", "7", "--starts-at", "2026-11-22T10:00:00Z", "--grid", "A=1x1=A", "--price", "A=1")
        for option in ("--rate", "--burst", "--decay", "--think", "--by-map", "--leave-waiting", "--leave-holding", "--cancel"):
            self.no_numbers(("rehearse", "--yes", "--show", "3"), option, bounded=True)
        self.no_numbers(("top", "--count", "1"), "--interval", bounded=True)
        self.no_numbers(("queue", "list"), "--watch", bounded=True)
        self.no_numbers(("queue", "set", "7"), "--rate")
        self.no_numbers(("relay", "set", "3"), "--rate")
        self.no_numbers(show, "--stage", before=["2"])
        self.no_numbers(show, "--stage", after=["2"])

    def no_numbers(self, command, option, before=(), after=(), bounded=False):
        for text in ("nan", "NaN", "inf", "1e999"):
            with self.subTest(command=command, option=option, text=text):
                told = self.refused(*command, "--url", "http://127.0.0.1:1", "--token", "t", option, *before, text, *after)
                past = bounded and text.lower() != "nan"  # and so said to be out of its range
                self.assertRegex(told, rf"{option}: .*{text} {'not in range' if past else 'is not a number'}")

    def test_what_would_be_done_is_said_before_it_is_confirmed(self):
        told = self.refused("rehearse", "--url", "http://192.0.2.1", "--token", "t", "--show", "3", "--buyers", "10")
        self.assertIn("Having 10 buyers buy real seats of show 3 at http://192.0.2.1 can't be undone: give --yes", told)


class Configured(unittest.TestCase):
    def test_stores_are_migrated_where_the_variables_of_units_say(self):
        with tempfile.TemporaryDirectory() as folder:
            for service in ("queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"):
                (Path(folder) / f"{service}.toml").write_text(f'data = "{folder}/data"\n')
            (Path(folder) / "wallet.env").write_text("BOXOFFICE_STORE_URL=postgresql://wallet@127.0.0.1:1/wallet\n")
            for command in (["migrate"], ["backup", "--out", f"{folder}/backup"], ["export", "--out", f"{folder}/export"]):
                with self.subTest(command=command):
                    done = run(*command, "--config", folder)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn("database_unavailable", done.stderr)
            self.assertFalse((Path(folder) / "data/wallet.db").exists(), "its data is elsewhere")
            self.assertFalse((Path(folder) / "backup").exists())

    def test_no_service_makes_a_store_of_its_own_where_the_system_has_servers(self):
        """Else the folder were of either form, and `up`, `backup` and `export` would take the empty stores for its."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "postgres/data").mkdir(parents=True)
            for command in (["migrate"], ["serve", "wallet", "migrate"], ["serve", "wallet"]):
                with self.subTest(command=command):
                    done = run(*command, "--data", folder)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn("no_data_folder", done.stderr)
                    self.assertIn(f"migrate --config {folder}/config --data {folder}", done.stderr)
                    self.assertEqual([path.name for path in Path(folder).iterdir()], ["postgres"])

    def test_doctor_misses_a_certificate_in_a_folder_that_is_there_and_skips_those_of_others(self):
        with tempfile.TemporaryDirectory() as folder:
            for service in ("queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"):
                (Path(folder) / f"{service}.toml").write_text(f'data = "{folder}/data"\n')
            for service, where in (("seat", folder), ("wallet", f"{folder}/of-wallet")):
                with (Path(folder) / f"{service}.toml").open("a") as file:
                    file.write(f'[tls]\nca_file = "{where}/ca.crt"\ncertificate_file = "{where}/its.crt"\nkey_file = "{where}/its.key"\n')
            done = run("doctor", "--json", "--config", folder, "--url", "http://127.0.0.1:1", "--token", "t")
        certificates = {found["subject"]: found["status"] for found in json.loads(done.stdout)["findings"] if found["check"] == "certificate"}
        self.assertEqual(certificates, {"seat": "problem", "wallet": "skipped"}, done.stdout)


if __name__ == "__main__":
    unittest.main()
