"""A buyer, over REST: the README's first sale."""

import json
import time
import urllib.error
import urllib.request
import uuid

SECONDS = 20


class Refused(Exception):
    """An answer that is none of 2xx."""


def fetch(method, url, body=None, headers=None):
    """(status, body as text). Raises OSError where nobody answers."""
    request = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def await_that(what, seconds, condition):
    """Until `condition()` is true; an exception of its counts as not yet."""
    end, last = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, Refused, AssertionError, RuntimeError) as problem:
            last = f": {problem}"
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}{last}")


class Sale:
    """Sells seats of one show to one buyer, one at a time. `sold`: how many were acknowledged as CONFIRMED."""

    def __init__(self, url, show, token):
        self.url = url
        self.show = show
        self.token = token
        self.sold = 0
        self.key = None  # of a purchase whose outcome is not known yet

    def call(self, method, path, body=None, **headers):
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(body).encode() if body is not None else None
        status, answer = fetch(method, self.url + path, data, sent)
        if not 200 <= status < 300:
            if status < 500 and status not in (409, 429):
                self.key = None  # it is refused for good
            raise Refused(f"{method} {path}: {status} {answer}")
        return status, json.loads(answer) if answer else {}

    def top_up(self, amount):
        """Where buyers may, as with `boxoffice up`."""
        self.call("POST", "/v1/wallet/charges", {"amount": amount, "currency": "KRW"}, Idempotency_Key=str(uuid.uuid4()))

    def join(self):
        _, place = self.call("POST", f"/v1/shows/{self.show}/queue", Idempotency_Key=str(uuid.uuid4()))
        end = time.monotonic() + SECONDS
        while place["state"] != "ACTIVE" and time.monotonic() < end:
            time.sleep(0.3)
            _, place = self.call("GET", "/v1/queue", X_Queue_Token=place["token"])
        return place["token"]

    def buy(self):
        """One more seat, CONFIRMED. After a Refused or an OSError, the next call asks for the same one again."""
        self.key = self.key or str(uuid.uuid4())
        body = {"show_id": self.show, "best_available": {"count": 1}, "pay": True}
        token = self.join()
        _, reservation = self.call("POST", "/v1/reservations", body, Idempotency_Key=self.key, X_Queue_Token=token)
        end = time.monotonic() + SECONDS
        while reservation["state"] == "CONFIRMING" and time.monotonic() < end:
            time.sleep(0.5)
            _, reservation = self.call("GET", f"/v1/reservations/{reservation['id']}")
        if reservation["state"] != "CONFIRMING":
            self.key = None
        if reservation["state"] != "CONFIRMED":
            raise Refused(f"the reservation is {reservation}")
        self.sold += 1
        return True
