#!/usr/bin/env python3
"""Checks the draw of a show's queue with nothing but what is published, and tells the place of a number.

    verify_draw.py QUEUE [NUMBER] [--commitment HEX] [--order]

QUEUE is the answer of GET /v1/shows/{show}/queue: a URL, a file, or - for standard input. NUMBER is the `number` that
GET /v1/queue told while one waited. HEX is the commitment that was noted before the draw. Exit: 0 it holds, 1 it does
not, 2 it can't be told (yet).
"""

import argparse
import hashlib
import hmac
import json
import sys
import urllib.request


def read(source):
    if source == "-":
        return json.load(sys.stdin)
    if source.startswith(("http://", "https://")):
        with urllib.request.urlopen(source, timeout=30) as answer:
            return json.load(answer)
    with open(source, encoding="utf-8") as file:
        return json.load(file)


def commitment_to(seed):
    return hashlib.sha256(seed.encode()).hexdigest()


def order_of(seed, first, entrants):
    """The numbers that were drawn, in the order of their places."""
    key = seed.encode()
    numbers = range(first + 1, first + entrants + 1)
    return sorted(numbers, key=lambda number: hmac.digest(key, str(number).encode(), "sha256"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queue")
    parser.add_argument("number", type=int, nargs="?")
    parser.add_argument("--commitment", help="as noted before the draw")
    parser.add_argument("--order", action="store_true", help="print every number, the first place first")
    options = parser.parse_args()
    try:
        draw = read(options.queue)["draw"]
    except (OSError, ValueError, KeyError) as error:
        print(f"verify_draw: {options.queue}: {error}", file=sys.stderr)
        return 2
    if draw is None or draw["seed"] is None:
        print("verify_draw: nothing has been drawn yet" if draw else "verify_draw: the show has no draw", file=sys.stderr)
        return 2
    if draw["algorithm"] != "hmac-sha256-of-number":
        print(f"verify_draw: the algorithm {draw['algorithm']} is not known here", file=sys.stderr)
        return 2
    committed = (options.commitment or draw["commitment"]).lower()
    if commitment_to(draw["seed"]) != committed or draw["commitment"] != committed:
        print(f"NOT the draw that was committed to: the seed's hash is {commitment_to(draw['seed'])}", file=sys.stderr)
        return 1
    print(f"the seed is the one that was committed to; {draw['entrants']} were drawn")
    order = order_of(draw["seed"], draw["first"], draw["entrants"])
    if options.order:
        print(*order, sep="\n")
    if options.number is not None:
        if options.number in order:
            print(f"number {options.number} has place {draw['first'] + 1 + order.index(options.number)}")
        else:
            print(f"number {options.number} was not drawn: its place is {options.number}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
