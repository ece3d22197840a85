#!/usr/bin/env python3
"""config_file.py SERVICE [KEY=TOML …]: a configuration file of a service, in which every key that it reads is a comment with what
it means and its default, and the named ones are set. Made from what the program says of itself, so it has what that has."""

import sys

from programs import SERVICES, keys_of


def file_of(service, settings):
    lines = [f"# Configuration of Boxoffice's {service}. A key that is a comment has the default that it shows; the environment",
             f"# (/etc/boxoffice/{service}.env, for secrets) is over this file. What is effective:",
             f"#   boxoffice serve {service} --config /etc/boxoffice/{service}.toml config print"]  # fmt: skip
    left = dict(settings)
    table = ""
    for key in keys_of(service):
        *tables, name = key.name.split(".")
        if tables and tables[0] != table:
            table = tables[0]
            lines += ["", f"[{table}]"]
        lines += ["", f"# {key.meaning}"]
        value = left.pop(key.name, None)
        lines.append(f"{name} = {value}" if value is not None else f"#{name} = {key.default}")
    if left:
        raise SystemExit(f"config_file.py: {service} reads no {', '.join(left)}")
    return "\n".join(lines) + "\n"


def main():
    service, *settings = sys.argv[1:] or [""]
    if service not in SERVICES or not all("=" in setting for setting in settings):
        raise SystemExit(__doc__)
    sys.stdout.write(file_of(service, [setting.split("=", 1) for setting in settings]))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
