"""What is watched: `top`, `doctor` and `--watch`, on a system that runs and on one that does not."""

import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import termios
import time
import unittest

from program import PROGRAM, System, run


def read_until(fd, enough, limit=60):
    """What a terminal shows until `enough` is true of it."""
    shown = b""
    end = time.monotonic() + limit
    while not enough(shown) and time.monotonic() < end:
        try:
            shown += os.read(fd, 65536)
        except OSError:
            break
    return shown.decode()


class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.system.__enter__()
        cls.addClassCleanup(cls.system.__exit__)

    def test_top_tells_machines_of_every_show(self):
        done = self.system.run("top", "--json", "--count", 2, "--interval", 0.3)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        first, second = map(json.loads, done.stdout.splitlines())
        sold_out = next(show for show in second["shows"] if show["sold"] == show["capacity"])
        self.assertEqual(sold_out["capacity"], 50)
        self.assertIsNone(first["requests_per_s"], "a rate needs two looks")
        self.assertGreater(second["requests_per_s"], 0)
        self.assertEqual(second["errors_per_s"], 0)
        self.assertEqual({row["service"] for row in second["outboxes"]}, {"payment", "reservation", "seat", "wallet"})
        self.assertIn("seat", first["batch_sizes"], "of all that it did; then of what it did since")
        self.assertEqual(second["problems"], [])

    def test_top_tells_of_a_queue_that_nobody_has_set_what_it_is_by_default(self):
        def made(*words):
            return json.loads(self.system.run(*words, "--json").stdout)["id"]

        concert = made("concert", "create", "--title", "T", "--artist", "A", "--venue", "V")
        show = made("show", "create", "--concert", concert, "--starts-at", "2099-12-24T20:00:00Z", "--grid", "A=1x2=A", "--price", "A=5")
        line = next(line for line in json.loads(self.system.run("top", "--json").stdout)["shows"] if line["show_id"] == show)
        queue = json.loads(self.system.run("queue", "get", show, "--json").stdout)
        self.assertEqual((line["queue"], line["active_cap"]), ("OPEN", queue["active_cap"]))
        self.assertGreater(line["active_cap"], 0)

    def test_top_once_where_there_is_no_terminal(self):
        done = self.system.run("top")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"SHOW +TITLE +QUEUE +WAITING")
        self.assertNotIn("\x1b", done.stdout, "a file gets no colours")

    def on_terminal(self, *words, enough, rows=0):
        master, slave = pty.openpty()
        if rows:
            termios.tcsetwinsize(slave, (rows, 120))
        process = subprocess.Popen([PROGRAM, *words, "--url", self.system.url, "--data", self.system.data], stdout=slave, stderr=slave)
        os.close(slave)
        try:
            return read_until(master, enough)
        finally:
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=30), 0, "it was to go on until Ctrl-C")
            os.close(master)

    def test_top_stays_in_place_on_a_terminal(self):
        shown = self.on_terminal("top", "--interval", "0.2", enough=lambda shown: shown.count(b"\x1b[H") >= 3)
        self.assertGreaterEqual(shown.count("\x1b[H"), 3, "it looks again and again")
        self.assertIn("\x1b[1m", shown)
        self.assertNotIn("\x1b[?1049h", shown)

    def test_top_is_no_taller_than_the_terminal(self):
        shown = self.on_terminal("top", "--interval", "0.2", rows=6, enough=lambda shown: shown.count(b"\x1b[H") >= 2)
        frame = shown.split("\x1b[H")[1]
        self.assertLessEqual(frame.count("\n"), 5, "the row with the cursor is the last")
        self.assertIn("SHOW", frame)

    def test_a_list_is_watched(self):
        shown = self.on_terminal("queue", "list", "--watch", "0.2", enough=lambda shown: shown.count(b"WAITING") >= 3)
        self.assertGreaterEqual(shown.count("\x1b[2J"), 3)
        process = subprocess.Popen([PROGRAM, "queue", "list", "--watch", "0.2", "--json", "--url", self.system.url, "--data", self.system.data],
                                   stdout=subprocess.PIPE, text=True)  # fmt: skip
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 0)
        process.stdout.close()
        self.assertTrue(all(line["items"] for line in lines))

    def test_an_interrupt_that_was_ignored_at_the_start_ends_nothing(self):
        in_the_background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]  # as a script starts what it does not wait for
        process = subprocess.Popen([*in_the_background, PROGRAM, "top", "--json", "--count", "0", "--interval", "0.2", "--url", self.system.url,
                                    "--data", self.system.data], stdout=subprocess.PIPE, text=True)  # fmt: skip
        try:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            lines = [process.stdout.readline() for _ in range(5)]
            self.assertNotIn("", lines, "it has ended")
        finally:
            process.kill()
            process.wait(timeout=30)
            process.stdout.close()

    def test_doctor_finds_nothing_wrong_with_a_system_that_runs(self):
        for _ in range(20):  # what has just been sold may still be on its way to a consumer
            done = self.system.run("doctor", "--json")
            report = json.loads(done.stdout)
            problems = [finding for finding in report["findings"] if finding["status"] == "problem"]
            if all(finding["check"] == "disk" for finding in problems):
                break
            time.sleep(1)
        # The disk of a test machine is what it is.
        self.assertEqual([finding for finding in problems if finding["check"] != "disk"], [], done.stdout)
        checks = {finding["check"] for finding in report["findings"]}
        self.assertLessEqual({"configuration", "store", "bus", "consumer", "disk", "keys", "replica", "outbox", "breaker", "sagas", "audit"}, checks)
        self.assertEqual(done.returncode, 1 if problems else 0)

    def test_doctor_says_what_to_do(self):
        key = next((self.system.data / "keys").iterdir())
        mode = key.stat().st_mode
        key.chmod(0o644)
        try:
            done = self.system.run("doctor")
        finally:
            key.chmod(mode)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, rf"problem +keys +{re.escape(str(key))}: others than its owner may read it\n.*→ chmod 600")

    def test_up_tells_of_a_first_sale_only_where_a_buyer_can_top_up(self):
        for flags, told in (([], True), (["--wallet-self-service", "false"], False)):
            with self.subTest(flags=flags), System(*flags) as other:
                other.process.terminate()
                hint = other.process.stdout.read()
                self.assertRegex(hint, r"show \d+ has 50,000 seats")
                self.assertEqual("The first sale:" in hint, told)

    def test_doctor_of_a_system_that_does_not_run(self):
        with System("--no-seed") as other:
            other.stop()
            down = other.run("doctor", "--json")
            findings = json.loads(down.stdout)["findings"]
            replica = next(finding for finding in findings if finding["check"] == "replica")
            self.assertEqual((down.returncode, replica["status"]), (1, "problem"))
            self.assertIn("start the system", replica["advice"])
            (other.data / "wallet.db").unlink()
            (other.data / "ranking.db").unlink()
            stores = {f["subject"]: f for f in json.loads(other.run("doctor", "--json").stdout)["findings"] if f["check"] == "store"}
            self.assertEqual([stores[name]["status"] for name in ("wallet", "ranking", "seat")], ["problem", "problem", "ok"])
            self.assertIn("boxoffice migrate", stores["wallet"]["advice"])
            self.assertFalse((other.data / "wallet.db").exists(), "it only reads")

    def test_doctor_of_a_system_elsewhere_skips_what_only_its_machine_knows(self):
        token = run("token", "--user", "olga", "--role", "operator", "--data", self.system.data).stdout.strip()
        with tempfile.TemporaryDirectory() as elsewhere:
            ask = ["doctor", "--json", "--url", self.system.url, "--token", token]
            done = run(*ask, cwd=elsewhere)
            named = run(*ask, "--data", "data", cwd=elsewhere)
        statuses = {finding["check"]: finding["status"] for finding in json.loads(done.stdout)["findings"]}
        self.assertEqual((statuses["configuration"], statuses["replica"]), ("skipped", "ok"), done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        statuses = {finding["check"]: finding["status"] for finding in json.loads(named.stdout)["findings"]}
        self.assertEqual((statuses["configuration"], named.returncode), ("problem", 1), "a folder that was named has to be there")

    def test_doctor_of_a_wrong_configuration(self):
        config = self.system.data.parent / "config"
        config.mkdir(exist_ok=True)
        for service in ("queue", "seat", "wallet", "payment", "reservation", "ranking", "relay", "gateway"):
            (config / f"{service}.toml").write_text("")
        (config / "seat.toml").write_text("[batch]\nmax_commands = -1\n")
        done = run("doctor", "--config", config, "--url", self.system.url, "--token", "t")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"problem +configuration +all services: .*seat.toml:2.*max_commands")


if __name__ == "__main__":
    unittest.main()
