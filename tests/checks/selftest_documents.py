"""As selftest.py, for the rules about documents."""

import json
import sys
import unittest

sys.dont_write_bytecode = True

import run  # noqa: E402
from selftest import RuleCase  # noqa: E402
from tree import Tree  # noqa: E402


class LinksTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("docs/there.md", "# A heading: with `code`\n\n## Twice\n\n## Twice\n")

    def test_links_that_lead_somewhere(self):
        self.put("README.md", "[a](docs/there.md) [b](docs/there.md#a-heading-with-code) [c](docs/there.md#twice-1) [d](docs) [e](#top)\n# Top\n"
                 "[f](https://nowhere.example/x) ![g](docs/there.md)\n```\n[h](gone.md)\n```\n`[i](gone.md)`\n")  # fmt: skip
        self.assert_clean("links")

    def test_a_file_that_is_gone(self):
        self.put("docs/a.md", "\nsee [b](../gone.md)\n")
        self.assert_reports("links", "docs/a.md:2", "../gone.md")

    def test_a_heading_that_is_gone(self):
        self.put("README.md", "[b](docs/there.md#other)")
        self.assert_reports("links", "README.md:1", "#other")


class DependenciesTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("tools/dev/packages.txt", "# What it needs.\ncmake\nlibfmt-dev\nlibgtest-dev\n")
        self.put("web/package.json", json.dumps({"dependencies": {"react": "1.2.3", "boxoffice-sdk": "*"}}))
        self.lock("1.2.3")
        self.put("docs/dependencies.md", "## Linked into the executables\n| `libfmt-dev` | text | MIT |\n"
                 "## In the web app\n| `react` | the app | MIT |\n## To build and to test\n`cmake`, `libgtest-dev`\n")  # fmt: skip

    def lock(self, version, **more):
        entry = {"version": version, "integrity": "sha512-x"} | more
        self.put("web/package-lock.json", json.dumps({"packages": {"node_modules/react": entry}}))

    def test_a_list_that_agrees(self):
        self.assert_clean("dependencies")

    def test_a_library_that_is_not_named(self):
        self.put("tools/dev/packages.txt", "cmake\nlibfmt-dev\nlibgtest-dev\nzlib1g-dev\nninja-build\n")
        self.assert_reports("dependencies", "does not name zlib1g-dev")
        self.assert_reports("dependencies", "does not name ninja-build")

    def test_a_library_that_is_gone(self):
        self.put("tools/dev/packages.txt", "cmake\nlibgtest-dev\n")
        self.assert_reports("dependencies", "names libfmt-dev, which tools/dev/packages.txt does not have")

    def test_packages_of_the_app(self):
        self.put("web/package.json", json.dumps({"dependencies": {"wouter": "3"}}))
        self.assert_reports("dependencies", "does not name wouter")
        self.assert_reports("dependencies", "names react, which web/package.json")

    def test_a_package_that_is_not_pinned(self):
        self.lock("1.2.4")
        self.assert_reports("dependencies", "web/package-lock.json", "does not pin react 1.2.3")
        self.lock("1.2.3", integrity="")
        self.assert_reports("dependencies", "does not pin react")


class ReferenceTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("src/gateway/refusals.cc", '{"a", 409, "gone", "It is gone"},\n{"b", 422,\n "wrong", "It is wrong"},\n')
        run.load("reference").update(Tree(self.root))

    def test_a_page_that_agrees(self):
        self.assert_clean("reference")
        page = (self.root / "docs/reference/errors.md").read_text()
        self.assertIn("| `gone` | 409 | It is gone |", page)
        self.assertIn("| `wrong` | 422 | It is wrong |", page)

    def test_a_code_that_is_new(self):
        self.put("src/gateway/refusals.cc", '{"c", 404, "none", "There is none"},\n')
        self.assert_reports("reference", "docs/reference/errors.md", "src/gateway/refusals.cc")

    def test_a_page_that_was_written_by_hand(self):
        self.put("docs/reference/errors.md", "# Error codes\n")
        self.assert_reports("reference", "--update-golden")

    def test_events_and_operations(self):
        self.put("proto/boxoffice/bus/v1/events.proto", "// Topic seat, key: show id. seat.held.\n"
                 "message SeatEvent {\n  repeated int64 no = 1;  // of the\n                          // show\n"
                 "  bytes saga_id = 2;\n  int64 ends_at_ms = 3;\n  int64 fee = 4;\n  string currency = 5;\n  int64 at_ms = 6;\n}\n")  # fmt: skip
        self.put("openapi/boxoffice.yaml", "openapi: 3.1.0\ninfo: {title: T, version: 1.2.3, description: D}\ntags: [{name: a, description: A}]\n"
                 "paths:\n  /x:\n    get:\n      tags: [a]\n      operationId: getX\n      security: []\n      responses:\n"
                 "        '200': {description: X, content: {application/json: {schema: {$ref: '#/components/schemas/X'}}}}\n"
                 "components: {schemas: {X: {type: object, required: [y], properties: {y: {type: integer, minimum: 1}}}}}\n")  # fmt: skip
        run.load("reference").update(Tree(self.root))
        self.assert_clean("reference")
        events = (self.root / "docs/reference/events.md").read_text()
        self.assertIn("| `no` | list of int64 | `no`: list of numbers | of the show |", events)
        self.assertIn("| `saga_id` | bytes | `saga_id`: UUID, may be absent |", events)
        self.assertIn("| `ends_at_ms` | int64 | `ends_at`: RFC 3339, may be absent |", events)
        self.assertIn("| `fee` | int64 | `fee`: number, may be absent |", events)
        self.assertIn("| `currency` | string | `currency`: text |", events)
        self.assertIn("| `at_ms` | int64 | — |", events)
        api = (self.root / "docs/reference/api.md").read_text()
        self.assertIn("| `GET` | [`/x`](#getx) |", api)
        self.assertIn("For everybody.", api)
        self.assertIn("| 200 | X: [X](#x) |", api)
        self.assertIn("| `y` | integer, 1– |", api)


if __name__ == "__main__":
    unittest.main()
