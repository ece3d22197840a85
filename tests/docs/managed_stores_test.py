"""The table in docs/howto/managed-stores.md of what stops writes while stores are migrated has each migration that builds an index of a table
that an earlier one made, and no other."""

import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]

PAGE = ROOT / "docs/howto/managed-stores.md"
MADE = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
ALTERED = re.compile(r"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(\w+)", re.IGNORECASE)
INDEXED = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\b[^;]*?\bON\s+(?:ONLY\s+)?(\w+)", re.IGNORECASE)
# A key that is given an index which is there builds none.
KEYED = re.compile(ALTERED.pattern + r"\b[^;]*?\b(?:PRIMARY\s+KEY|UNIQUE)\b(?!\s+USING\s+INDEX\b)", re.IGNORECASE)
ROW = re.compile(r"^ *\| (\w+ \d+) \| ([^|]*) \| nobody (reads or )?writes (?:it|them) \|$", re.MULTILINE)


def builds(service, scripts):
    """{"SERVICE N": (tables, whether they can't be read meanwhile, either)}, of its scripts in order."""
    found, made = {}, set()
    for number, script in enumerate(scripts, start=1):
        script = re.sub(r"--[^\n]*", "", script)
        tables = sorted(made & set(INDEXED.findall(script) + KEYED.findall(script)))
        if tables:
            found[f"{service} {number}"] = (tables, not set(tables).isdisjoint(ALTERED.findall(script)))
        made |= set(MADE.findall(script))
    return found


class Migrations(unittest.TestCase):
    def test_the_table_has_each_migration_that_builds_an_index_of_a_table_that_is_there(self):
        expected = {}
        for folder in sorted(ROOT.glob("src/services/*/schema/postgres")):
            expected |= builds(folder.parents[1].name, [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))])
        self.assertGreater(len(expected), 3, "migrations are not found any more")
        rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
        said = {name: (sorted(re.findall(r"`(\w+)`", tables)), reads != "") for name, tables, reads in rows}
        self.assertEqual(said, expected)

    def test_what_is_built_is_found(self):
        first = "CREATE TABLE payment(id BIGINT);\nCREATE INDEX payment_id ON payment(id);"
        for second, found in (
            ("CREATE INDEX x ON payment(id);", (["payment"], False)),
            ("CREATE UNIQUE INDEX x\n  ON payment(id);\nALTER TABLE other ADD COLUMN a BIGINT;", (["payment"], False)),
            ("ALTER TABLE payment ADD COLUMN a BIGINT;\nCREATE INDEX x ON payment(a);", (["payment"], True)),
            ("ALTER TABLE payment ADD PRIMARY KEY (id);", (["payment"], True)),
            ("ALTER TABLE payment ADD COLUMN a BIGINT,\n  ADD CONSTRAINT x UNIQUE (id);", (["payment"], True)),
            ("ALTER TABLE payment ADD CONSTRAINT x UNIQUE USING INDEX payment_id;", None),
            ("ALTER TABLE payment ADD PRIMARY KEY USING INDEX payment_id, ADD UNIQUE (a);", (["payment"], True)),
            ("ALTER TABLE payment ADD COLUMN a BIGINT;\nCREATE TABLE new(id BIGINT PRIMARY KEY);", None),
            ("CREATE TABLE new(id BIGINT);\nCREATE INDEX x ON new(id);\n-- CREATE INDEX y ON payment(id);", None),
        ):
            self.assertEqual(builds("s", [first, second]), {"s 2": found} if found else {}, second)


if __name__ == "__main__":
    unittest.main(verbosity=2)
