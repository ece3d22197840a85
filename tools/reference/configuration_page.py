#!/usr/bin/env python3
"""configuration_page.py: docs/reference/configuration.md on stdout, made from what the program says of each service's keys."""

import sys

from programs import SERVICES, keys_of

HEAD = """\
# Configuration

<!-- Written from what `boxoffice serve SERVICE --help` says by `./dev docs`. -->

A key is `[table] name` in the service's TOML file (`--config`), a variable of the environment over that, and a flag over both:
`batch.max_commands` is `max_commands` below `[batch]`, `BOXOFFICE_BATCH_MAX_COMMANDS`, and `--batch-max-commands`. Lists have commas in
between in the environment, and are repeated flags. What a process makes of it all, secrets masked: `boxoffice serve SERVICE config print`.

`boxoffice up` takes as flags and from the environment what its `--help` lists; in one process, wallet, payment and reservation take their
keys from the environment, and the audit its interval and its memory. The [package](../howto/install-the-package.md) has files in `/etc/boxoffice` with all of
these as comments.
"""


def table(keys):
    lines = ["| key | default | what |", "|---|---|---|"]
    for key in keys:
        said = key.meaning.replace("|", "\\|")
        lines.append(f"| `{key.name}` | `{key.default}` | {said} |")
    return "\n".join(lines) + "\n"


def page():
    of = {service: keys_of(service) for service in SERVICES}
    common = [key for key in of[SERVICES[0]] if all(key in keys for keys in of.values())]
    parts = [HEAD, "## Every service\n", table(common)]
    for service, keys in of.items():
        parts += [f"## {service}\n", table([key for key in keys if key not in common])]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.stdout.write(page())
