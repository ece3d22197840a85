"""A machine on which the Debian package is installed, seen from outside: what an operator and a buyer do there."""

import json
import shlex
import threading

from sale import Refused, Sale, await_that, fetch

URL = "http://127.0.0.1:8080"  # where boxoffice.service listens unless it is told otherwise
DATA = "/var/lib/boxoffice"
# Between two purchases under load, and so much more for each ten that were made: so one buyer asks for no more than a gateway takes
# of a user (limit.user_reservations: 60 at once, and one a second), also where a seat takes no time.
PAUSE_S = 0.1
SERVICES = ["queue", "seat", "reservation", "wallet", "payment", "ranking", "relay", "gateway"]


def is_ready():
    status, answer = fetch("GET", URL + "/readyz")
    assert status == 200, answer
    return True


def unit_value(text, name):
    """What a unit says of `name`, as text; the last one counts."""
    return [line.split("=", 1)[1] for line in text.splitlines() if line.startswith(name + "=")][-1]


class Installed:
    """`run(*command, user="root")` runs a command there and returns what it prints, or raises RuntimeError."""

    def __init__(self, run):
        self.run = run

    def boxoffice(self, *arguments):
        """A command of an operator, who becomes the system's user for it, as the keys are that user's."""
        return self.run("/usr/bin/boxoffice", *arguments, user="boxoffice")

    def open_a_show(self):
        """A concert of one's own with one show; the Sale sells its seats to alice."""
        operator = self.boxoffice("token", "--user", "olga", "--role", "operator", "--data", DATA).strip()
        there = ["--url", URL, "--token", operator, "--json"]
        concert = json.loads(self.boxoffice("concert", "create", *there, "--title", "First night", "--artist", "The Packages",
                                            "--venue", "Small hall"))  # fmt: skip
        show = json.loads(self.boxoffice(
            "show", "create", *there, "--concert", concert["id"], "--starts-at", "2099-01-01T19:00:00Z", "--grid",
            "Floor=40x50=R", "--seat-limit", "1000", "--price", "R=1000"))  # fmt: skip
        sale = Sale(URL, show["id"], self.boxoffice("token", "--user", "alice", "--data", DATA).strip())
        self.boxoffice("wallet", "adjust", *there, "alice", "--amount", "1000000", "--currency", "KRW", "--reason", "paid at the door")
        return sale

    def audit(self, sale):
        """Until it is clean: what is under way is no violation, but is counted when it has ended."""

        def clean():
            report = json.loads(self.boxoffice("audit", "--url", URL, "--data", DATA, "--json"))
            assert report["ok"] and not report["violations"], report
            assert report["checked"]["reservations"] >= sale.sold, report
            return True

        await_that("a clean audit", 60, clean)

    def unit(self, name):
        return self.run("cat", f"/lib/systemd/system/{name}")

    def command_of(self, unit, name="ExecStart", instance=""):
        """The words of a unit's command, with its variables as /etc/boxoffice has them."""
        line = unit_value(self.unit(unit), name).replace("%i", instance)
        if "$BOXOFFICE_UP_FLAGS" in line:
            line = line.replace("$BOXOFFICE_UP_FLAGS", unit_value(self.run("cat", "/etc/boxoffice/boxoffice.env"), "BOXOFFICE_UP_FLAGS"))
        return shlex.split(line)


class Load:
    """A buyer who buys one seat after the other, in a thread, and asks for the same one again after whatever went wrong."""

    def __init__(self, sale):
        self.sale = sale
        self.troubles = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        bought = 0
        while not self._end.is_set():
            try:
                self.sale.buy()
                bought += 1
                self._end.wait(PAUSE_S * (1 + bought / 10))
            except (OSError, Refused):
                self.troubles += 1
                self._end.wait(0.1)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def await_more(self, seats, seconds=60):
        wanted = self.sale.sold + seats
        await_that(f"{seats} more seats are sold", seconds, lambda: self.sale.sold >= wanted)
