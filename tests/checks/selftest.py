"""Feeds each rule a small bad tree and sees that it reports, and a good one and sees that it does not."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run  # noqa: E402
from rules import built, length, rooms  # noqa: E402
from tree import Tree, strip_literals  # noqa: E402


class RuleCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def put(self, path, text=""):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def violations(self, rule, build=None):
        return [str(violation) for violation in run.load(rule).check(Tree(self.root, build))]

    def assert_reports(self, rule, *parts):
        found = self.violations(rule)
        self.assertTrue(any(all(part in text for part in parts) for text in found), f"{parts} not in {found}")

    def assert_clean(self, rule):
        self.assertEqual(self.violations(rule), [])


class LayeringTest(RuleCase):
    def test_a_mechanism_that_includes_a_service(self):
        self.put("src/platform/sql/sqlite.h", '#pragma once\n#include "services/seat/store.h"\n')
        self.assert_reports("layering", "src/platform/sql/sqlite.h:2", "platform/sql includes services/seat")

    def test_a_mechanism_that_includes_a_higher_one(self):
        self.put("src/platform/sql/sqlite.h", '#include "platform/bus/bus.h"\n')
        self.assert_reports("layering", "platform/sql includes platform/bus")

    def test_a_mechanism_may_include_a_listed_lower_one(self):
        self.put("src/platform/outbox/publisher.h", '#include "platform/bus/bus.h"\n#include "base/id.h"\n')
        self.assert_clean("layering")

    def test_a_service_that_includes_another(self):
        self.put("src/services/seat/rpc_server.cc", '#include "services/wallet/ledger.h"\n')
        self.assert_reports("layering", "services/seat includes services/wallet")

    def test_the_gateway_that_includes_a_service(self):
        self.put("src/gateway/routes.cc", '#include "services/seat/seat_book.h"\n')
        self.assert_reports("layering", "gateway includes services/seat")

    def test_base_that_includes_a_library(self):
        self.put("src/base/id.h", "#include <boost/uuid.hpp>\n#include <fmt/format.h>\n")
        self.assert_reports("layering", "src/base/id.h:1", "base includes <boost/uuid.hpp>")
        self.assertEqual(len(self.violations("layering")), 1)

    def test_a_driver_outside_its_mechanism(self):
        self.put("src/services/seat/store_sqlite.cc", "#include <sqlite3.h>\n")
        self.assert_reports("layering", "<sqlite3.h> is included in services/seat")

    def test_a_core_that_sees_proto_grpc_edge_and_platform(self):
        for header in ('"boxoffice/seat/v1/seat.pb.h"', "<grpcpp/grpcpp.h>", '"services/seat/store_sqlite.h"',
                       '"platform/sql/sqlite.h"', "<boost/asio.hpp>", "<thread>"):  # fmt: skip
            self.put("src/services/seat/seat_book.h", f"#include {header}\n")
            self.assert_reports("layering", "the core of services/seat includes")

    def test_a_core_may_see_base_itself_and_the_standard_library(self):
        self.put("src/services/seat/seat_book.cc", '#include "services/seat/store.h"\n#include <vector>\n'
                                                   '#include "base/money.h"\n')  # fmt: skip
        self.assert_clean("layering")

    def test_a_core_with_a_clock(self):
        self.put("src/services/seat/seat_book.cc", "// steady_clock::now in a comment\nauto t = Steady::steady_clock::now();\n")
        self.assert_reports("layering", "seat_book.cc:2", "steady_clock::now")
        self.assertEqual(len(self.violations("layering")), 1)

    def test_the_saga_may_use_coroutines(self):
        self.put("src/services/reservation/saga/confirm.cc", "#include <boost/asio/awaitable.hpp>\n")
        self.assert_clean("layering")

    def test_a_room_that_links_what_it_may_not(self):
        self.put("src/services/seat/CMakeLists.txt", "boxoffice_service(seat)\n")
        self.put("src/platform/bus/CMakeLists.txt", "boxoffice_room(bus DEPS boxoffice_seat TEST_DEPS boxoffice_testing)\n")
        self.assert_reports("layering", "platform/bus links boxoffice_seat")

    def test_a_room_that_is_not_in_the_table(self):
        self.put("src/platform/cache/cache.h")
        self.assert_reports("layering", "platform/cache is not in the layering table")


class FactoriesTest(RuleCase):
    def test_a_module_that_names_a_scheme(self):
        self.put("src/services/seat/module.cc", 'if (url.starts_with("postgresql:")) {}\n')
        self.assert_reports("factories", "src/services/seat/module.cc:1", "postgresql")

    def test_code_that_asks_which_form_it_is(self):
        self.put("src/gateway/routes.cc", "if (config.embedded) return;\nif (IsScaled()) return;\n")
        self.assert_reports("factories", "src/gateway/routes.cc:1", "embedded")
        self.assert_reports("factories", "src/gateway/routes.cc:2", "IsScaled")

    def test_the_factories_servers_and_tests_may(self):
        for path in ("src/services/seat/store_factory.cc", "src/platform/bus/bus_factory.cc",
                     "src/platform/servers/private_redis.cc", "src/services/seat/module_test.cc"):  # fmt: skip
            self.put(path, 'Open("sqlite:x"); Open("redis+cluster://x");\n')
        self.assert_clean("factories")

    def test_words_in_comments_and_other_urls(self):
        self.put("src/gateway/edge.h", '#pragma once\n// embedded: "sqlite:x"\nauto u = "http://x"; auto k = "kafka";\n')
        self.assert_clean("factories")


class BuiltTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("CMakeLists.txt", "add_subdirectory(src)\n")
        self.put("src/CMakeLists.txt", "foreach(room base)\n  add_subdirectory(${room})\nendforeach()\n")
        self.put("src/base/CMakeLists.txt", "boxoffice_room(base)\n")
        self.put("src/base/id.cc")
        self.put("src/base/base_test.cc")

    def test_a_tree_where_all_is_built(self):
        self.assert_clean("built")

    def test_a_file_in_a_folder_that_builds_nothing(self):
        self.put("src/base/extra/lost.cc")
        self.assert_reports("built", "src/base/extra/lost.cc", "no CMakeLists.txt builds it")

    def test_a_folder_that_its_parent_does_not_add(self):
        self.put("src/gateway/CMakeLists.txt", "boxoffice_room(gateway)\n")
        self.assert_reports("built", "src/gateway/CMakeLists.txt", "does not add this folder")

    def test_a_test_that_nobody_runs(self):
        self.put("src/base/CMakeLists.txt", "add_executable(base_test id.cc base_test.cc)\n")
        self.assert_reports("built", "src/base/base_test.cc", "not registered as a test")

    def test_a_file_that_the_build_folder_does_not_compile(self):
        entry = {"directory": str(self.root / "build"), "file": str(self.root / "src/base/base_test.cc")}
        self.put("build/compile_commands.json", json.dumps([entry]))
        found = [str(violation) for violation in built.check(Tree(self.root, self.root / "build"))]
        self.assertEqual(len(found), 1)
        self.assertIn("src/base/id.cc: is not in compile_commands.json", found[0])

    def test_a_file_that_the_build_folder_compiles_in_a_batch(self):
        self.put("build/base_0.cc", '#include "base/id.cc"\n#include "base/base_test.cc"\n')
        self.put("build/compile_commands.json", json.dumps([{"directory": str(self.root), "file": "build/base_0.cc"}]))
        self.assertEqual(built.check(Tree(self.root, self.root / "build")), [])


class RoomsTest(RuleCase):
    def setUp(self):
        super().setUp()
        for room in rooms.ROOMS + ["seat_book.cc"]:
            self.put("src/services/seat/" + room.replace("*", "seat"), "int main() {}\n")

    def test_a_service_with_all_rooms(self):
        self.assert_clean("rooms")

    def test_each_room_is_missed(self):
        for room in rooms.ROOMS:
            path = self.root / "src/services/seat" / room.replace("*", "seat")
            path.unlink()
            self.assert_reports("rooms", f"has no {room}")
            path.write_text("")

    def test_a_service_without_a_core(self):
        (self.root / "src/services/seat/seat_book.cc").unlink()
        self.assert_reports("rooms", "has no core")

    def test_a_long_main(self):
        self.put("src/services/seat/main.cc", "\n" * 21)
        self.assert_reports("rooms", "main.cc:21", "longer than 20")


    def test_a_migration_of_no_dialect(self):
        self.put("src/services/seat/schema/0002_more.sql")
        self.put("src/platform/bus/schema/postgresql/0001_log.sql")
        self.put("src/services/seat/schema/postgres/0001_seat.sql.txt")
        self.put("src/services/seat/schema/postgres/more.sql")
        self.put("src/services/seat/schema/postgres/old/0001_seat.sql")
        found = self.violations("rooms")
        self.assertEqual(len([text for text in found if "is not embedded" in text]), 5, found)

    def test_a_migration_that_does_not_say_whom_it_serves(self):
        for text in ("", "-- serves_from: 0\n", "-- serves_from: 11\n", "-- serves_from: nine\n", "SELECT 1; -- serves_from: 9\n",
                     "-- serves_from: 9\n-- serves_from: 8\n"):  # fmt: skip
            self.put("src/services/seat/schema/postgres/0010_more.sql", text)
            self.assert_reports("rooms", "0010_more.sql", "does not say which programs it serves")

    def test_a_migration_that_says_whom_it_serves_or_has_none_before_it_or_is_of_sqlite(self):
        self.put("src/services/seat/schema/postgres/0010_more.sql", "-- Why.\n-- serves_from: 9\nALTER TABLE show ADD COLUMN a BIGINT;\n")
        self.put("src/services/seat/schema/postgres/0011_less.sql", "-- serves_from: 11\nALTER TABLE show DROP COLUMN a;\n")
        self.put("src/services/seat/schema/sqlite/0010_more.sql", "ALTER TABLE show ADD COLUMN a INTEGER;\n")
        self.put("src/services/other/schema/postgres/0001_other.sql", "CREATE TABLE other(a BIGINT);\n")
        self.assertEqual([text for text in self.violations("rooms") if "does not say" in text], [])

    def test_the_build_reads_whom_a_migration_serves(self):
        self.put("0001_t.sql", "CREATE TABLE t(a BIGINT);\n")
        self.put("0002_t.sql", "-- serves_from: 1\nALTER TABLE t ADD COLUMN b BIGINT;\n")
        self.put("0012_t.sql", "-- Why; [and how].\n-- serves_from: 10\nALTER TABLE t DROP COLUMN b;\n")
        files = ";".join(str(self.root / name) for name in ("0012_t.sql", "0001_t.sql", "0002_t.sql"))
        subprocess.run(["cmake", "-DNAME=t_postgres", f"-DFILES={files}", f"-DOUT={self.root}/t.cc", "-P",
                        HERE.parents[1] / "cmake/EmbedSchema.cmake"], check=True)  # fmt: skip
        rows = re.findall(r'\{(\d+), "\d+_t".*?\)SQL__", (\d+)\}', (self.root / "t.cc").read_text(), re.DOTALL)
        self.assertEqual(rows, [("1", "0"), ("2", "1"), ("12", "10")])

    def test_a_migration_of_each_dialect(self):
        self.put("src/services/seat/schema/postgres/0001_seat.sql")
        self.put("src/platform/bus/schema/sqlite/0002_more.sql")
        self.assert_clean("rooms")


class CoverageTest(RuleCase):
    def put_doc(self, tests):
        rows = [f"| {number} | case | {tests if number == 7 else ''} |" for number in range(1, 28)]
        self.put("docs/failure-coverage.md", "\n".join(rows))

    def test_a_test_that_is_gone(self):
        self.put_doc("`SeatBookTest.AHoldIsAllOrNothing`, `Gone.WithIt`")
        self.put("src/services/seat/seat_book_test.cc", "TEST_F(SeatBookTest, AHoldIsAllOrNothing) {}\n")
        self.assert_reports("coverage", "docs/failure-coverage.md:7", "no test Gone.WithIt")
        self.assertEqual(len(self.violations("coverage")), 1)

    def test_a_test_of_the_threat_model_that_is_gone(self):
        self.put("docs/security.md", "| threat | defence | `Gone.WithIt` |\n")
        self.assert_reports("coverage", "docs/security.md:1", "no test Gone.WithIt")

    def test_a_row_that_is_gone(self):
        self.put("docs/failure-coverage.md", "| 1 | case | none |\n")
        self.assert_reports("coverage", "has no row 2, 3,")

    def test_tests_that_are_there(self):
        self.put_doc("`Kinds.Ends`")
        self.put("tests/saga/saga_faults_test.cc", "TEST_P(Kinds,\n       Ends) {\n")
        self.assert_clean("coverage")


class CodeMapTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("src/base/id.h")
        self.put("src/platform/sql/sqlite.h")
        self.put("ARCHITECTURE.md", "# A\n`src/nothing/`\n## Code map\n`src/base` `src/platform/sql/` `Decide`\n## Next\n`a/b`\n")

    def test_a_map_that_agrees(self):
        self.assert_clean("code_map")

    def test_a_folder_that_is_not_in_the_map(self):
        self.put("src/platform/bus/bus.h")
        self.assert_reports("code_map", "src/platform/bus: is not in the code map")

    def test_an_entry_that_is_not_there(self):
        (self.root / "src/base/id.h").unlink()
        (self.root / "src/base").rmdir()
        self.assert_reports("code_map", "ARCHITECTURE.md:4", "`src/base`, which does not exist")

    def test_no_map(self):
        (self.root / "ARCHITECTURE.md").unlink()
        self.assert_reports("code_map", "does not exist")


class BannedTest(RuleCase):
    def test_each_call(self):
        for call in ("std::this_thread::sleep_for(1s);", "usleep(1);", "int x = rand();", "srand(1);", "std::system(c);",
                     'popen("x", "r");', "std::chrono::system_clock::now();", 'std::cout << "x";', 'printf("x");',
                     "assert(x);", "#include <cassert>", "std::stoi(s);", 'getenv("X");', "worker.detach();",
                     "std::mt19937 engine;"):  # fmt: skip
            self.put("src/gateway/edge.cc", f"void F() {{\n{call}\n}}\n")
            self.assert_reports("banned", "src/gateway/edge.cc:2", "is banned", "instead: ")

    def test_what_only_looks_like_a_banned_call(self):
        self.put("src/gateway/edge.cc", "static_assert(true);\n// sleep_for, assert(x)\nauto s = \"printf(\";\n"
                                        "snprintf(b, n, f);\nco_spawn(e, f, asio::detached);\nuser.system(1);\n")  # fmt: skip
        self.assert_clean("banned")

    def test_catch_all(self):
        self.put("src/gateway/edge.cc", "void F() {\n  try {\n  } catch (...) {\n  }\n}\n")
        self.assert_reports("banned", "src/gateway/edge.cc:3", "without a comment")
        self.put("src/gateway/edge.cc", "void F() {\n  try {\n  } catch (...) {  // a callback may throw anything\n  }\n}\n")
        self.assert_clean("banned")

    def test_a_log_field_that_every_line_has(self):
        for field in ("time", "level", "event", "trace_id"):
            self.put("src/gateway/edge.cc", f'obs::Log(obs::Level::kError, "lost",\n         {{{{"group", g}},\n          {{"{field}", x}}}});\n')
            self.assert_reports("banned", "src/gateway/edge.cc:3", f"`{field}`")
        self.put("src/gateway/edge.cc", 'obs::Log(obs::Level::kError, "lost", {{"event_id", x}});\nconst Labels labels{{"event", e}};\n')
        self.assert_clean("banned")

    def test_headers(self):
        self.put("src/gateway/edge.h", "#include <string>\nusing namespace std;\n")
        self.assert_reports("banned", "edge.h:1", "#pragma once")
        self.assert_reports("banned", "edge.h:2", "using namespace")

    def test_open_work_without_an_issue(self):
        self.put("src/gateway/edge.cc", "// TODO: later\n// TODO(#12): later\n")
        self.assert_reports("banned", "edge.cc:1", "`TODO` is banned")
        self.assertEqual(len(self.violations("banned")), 1)

    def test_processes_ended_by_name(self):
        self.put("tools/stop", "#!/bin/sh\npkill boxoffice\n")
        self.assert_reports("banned", "tools/stop:2", "`pkill` is banned")

    def test_a_check_of_sqlite_by_many_values(self):
        self.put("src/services/seat/schema/sqlite/0009_x.sql", "CREATE TABLE t(\n  s INTEGER CHECK (s IN (1, 2, 3))\n);\n")
        self.assert_reports("banned", "0009_x.sql:2", "BETWEEN")
        self.put("src/services/seat/schema/postgres/0009_x.sql", "CREATE TABLE t(s INTEGER CHECK (s IN (1, 2, 3)));\n")
        self.put("src/services/seat/schema/sqlite/0009_x.sql",
                 "CREATE TABLE t(a INTEGER CHECK (a IN (1, 2)), b INTEGER CHECK (b BETWEEN 1 AND 4));\n"
                 "CREATE INDEX i ON t(a) WHERE b IN (1, 2, 3);\n")  # fmt: skip
        self.assert_clean("banned")

    def test_names_that_say_nothing(self):
        for path in ("src/utils/a.h", "src/base/seat_manager.h", "src/base/common.h", "src/base/foo_impl.cc"):
            self.put(path, "#pragma once\n")
            self.assert_reports("banned", "says nothing")
            (self.root / path).unlink()


class LengthTest(RuleCase):
    LONG_FUNCTION = "int F() {\n" + "  x();\n" * 69 + "}\n"  # 71 lines

    def test_a_long_file(self):
        self.put("src/base/id.cc", "\n" * 601)
        self.assert_reports("length", "the file has 601 lines, the limit is 600")

    def test_a_long_function(self):
        self.put("src/base/id.cc", "namespace boxoffice {\n\n" + self.LONG_FUNCTION + "}\n")
        self.assert_reports("length", "src/base/id.cc:3", "F has 71 lines, the limit is 70")

    def test_a_listed_length_may_stay_but_not_grow(self):
        self.put("src/base/id.cc", self.LONG_FUNCTION)
        self.put(length.LONG, "src/base/id.cc:F 71\n")
        self.assert_clean("length")
        self.put("src/base/id.cc", self.LONG_FUNCTION.replace("{\n", "{\n\n"))
        self.assert_reports("length", "F has 72 lines, the limit is 71")

    def test_a_listed_length_follows_what_shrinks(self):
        self.put("src/base/id.cc", self.LONG_FUNCTION)
        self.put(length.LONG, "src/base/id.cc:F 80\n")
        self.assert_reports("length", "has shrunk to 71 lines")
        self.put("src/base/id.cc", "int F() {}\n")
        self.assert_reports("length", "long.txt:1", "no longer too long")

    def test_how_functions_are_found(self):
        code = """
namespace a {
#define M(x) \\
  do {
struct S {
  S() : a_{1}, b_{2} {
    x();
  }
  std::vector<int> v{1,
                     2};
  int G() const noexcept { return 1; }
  enum E { kA };
};
const Table kTable{"a",
                   {{1}, {2}}};
template <typename T>
  requires(true)
auto H(T t) -> std::map<int, T> {
  if (t) {
  }
  return {{1, t}};
}
TEST(Suite, Name) {
}
}  // namespace a
"""
        found = {function.name: function.lines for function in length.cpp_functions(strip_literals(code))}
        self.assertEqual(found["S"], 3)
        self.assertEqual(found["G"], 1)
        self.assertEqual(found["Suite.Name"], 2)
        self.assertEqual(len(found), 4)


class EdgesTest(RuleCase):
    def setUp(self):
        super().setUp()
        self.put("src/services/reservation/module.cc", "auto s = boxoffice::seat::v1::SeatService::NewStub(channel);\n")
        self.put("src/services/ranking/module.cc", "x();\nbus.Subscribe(\"ranking\", {\"reservation\"}, f);\n")
        self.put("src/services/seat/module.cc", "event.topic = \"seat\";\nauto own = seat::v1::SeatService::NewStub(c);\n")
        self.put("proto/boxoffice/bus/v1/events.proto", "// Topic seat, key: show id.\n// Topic reservation, key: id.\n")
        self.put("tests/checks/edges.golden")
        run.load("edges").update(Tree(self.root))

    def test_what_is_derived(self):
        golden = (self.root / "tests/checks/edges.golden").read_text().splitlines()
        self.assertEqual(golden[2:], ["services/ranking consumes reservation", "services/reservation calls SeatService",
                                      "services/seat produces seat"])  # fmt: skip
        self.assert_clean("edges")

    def test_a_new_edge_and_one_that_is_gone(self):
        self.put("src/services/seat/module.cc", "auto s = boxoffice::wallet::v1::WalletService::NewStub(channel);\n")
        self.assert_reports("edges", "new edge: services/seat calls WalletService")
        self.assert_reports("edges", "edge is gone: services/seat produces seat")


class OpenapiTest(RuleCase):
    FILE = "openapi/boxoffice.yaml"

    def test_a_file_whose_references_resolve(self):
        self.put(self.FILE, "openapi: 3.1.0\na: {$ref: '#/b/c'}\nb: {c: 1}\n")
        self.assert_clean("openapi")

    def test_a_reference_that_leads_nowhere(self):
        self.put(self.FILE, "openapi: 3.1.0\na:\n  $ref: '#/b/d'\nb: {c: 1}\n")
        self.assert_reports("openapi", "boxoffice.yaml:3", "#/b/d leads nowhere")

    def test_a_file_that_is_not_yaml(self):
        self.put(self.FILE, "openapi: 3.1.0\n a: [\n")
        self.assert_reports("openapi", "is not YAML")


class ToolsTest(RuleCase):
    def test_a_file_that_is_not_formatted(self):
        self.put(".clang-format", "BasedOnStyle: Google\n")
        self.put("src/base/id.cc", "int  x ;\n")
        self.assert_reports("format", "src/base/id.cc:1", "is not formatted")
        self.put("src/base/id.cc", "int x;\n")
        self.assert_clean("format")

    def test_a_script_that_shellcheck_refuses(self):
        self.put("tools/a", "#!/usr/bin/env bash\necho $1\n")
        self.assert_reports("shell", "tools/a:2", "SC2086")
        self.put("tools/a", '#!/usr/bin/env bash\necho "$1"\n')
        self.assert_clean("shell")


class ContractsTest(RuleCase):
    HEAD = 'syntax = "proto3";\npackage a.v1;\n'
    RELEASED = HEAD + "message M { string name = 1; repeated int64 ids = 2; }\nenum E { ZERO = 0; ONE = 1; }\n"

    def setUp(self):
        super().setUp()
        self.put("tests/checks/.keep")
        self.put("proto/a/v1/a.proto", self.RELEASED)
        self.update()

    def update(self):
        run.load("contracts").update(Tree(self.root))

    def test_what_was_released_and_is_gone_or_other(self):
        for was, now, line in (
            ("string name = 1", "string title = 1", "M.name = 1 string"),
            ("string name = 1", "string name = 3", "M.name = 1 string"),
            ("string name = 1", "bytes name = 1", "M.name = 1 string"),
            ("string name = 1", "oneof o { string name = 1; }", "M.name = 1 string"),
            ("repeated int64", "int64", "M.ids = 2 repeated int64"),
            ("ONE = 1", "ONE = 2", "E.ONE = 1"),
        ):
            self.put("proto/a/v1/a.proto", self.RELEASED.replace(was, now).replace("; };", "; }"))
            self.assert_reports("contracts", "was released and no longer holds", line)
            self.update()  # does not make it right
            self.assert_reports("contracts", "was released and no longer holds", line)

    def test_a_new_field_message_and_value(self):
        grown = self.RELEASED.replace("ids = 2;", "ids = 2; optional bool late = 3;").replace("ONE = 1;", "ONE = 1; TWO = 2;")
        self.put("proto/a/v1/a.proto", grown + "message N { M m = 1; }\n")
        self.assert_clean("contracts")

    def test_a_required_field_and_a_proto_that_is_none(self):
        self.put("proto/b.proto", 'syntax = "proto2";\nmessage R { required int32 x = 1; }\n')
        self.assert_reports("contracts", "a required field", "R.x")
        self.put("proto/b.proto", "message {\n")
        self.assert_reports("contracts", "is not read by protoc", "b.proto")


class DriverTest(RuleCase):
    def drive(self, *arguments):
        command = [sys.executable, str(HERE / "run.py"), "--root", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def test_exit_status_and_closing_line(self):
        self.put("src/base/id.cc", "int x = rand();\n")
        bad = self.drive("banned", "rooms")
        self.assertEqual((bad.returncode, bad.stdout.splitlines()[-1]), (1, "violated: banned"))
        self.put("src/base/id.cc", "int x;\n")
        self.assertEqual(self.drive("banned").returncode, 0)
        self.assertEqual(self.drive("no_such_rule").returncode, 2)

    def test_every_rule_has_a_test_here(self):
        text = "".join(path.read_text() for path in HERE.glob("selftest*.py"))
        for rule in run.RULES:
            self.assertIn(f'"{rule}", "', text)


class StripTest(unittest.TestCase):
    def test_literals_and_comments_are_blanked_and_lines_kept(self):
        code = 'a("//x"); // y\n/* {\n */ b(\'"\', 1\'000\'000, R"(})"); c'
        stripped = strip_literals(code)
        self.assertEqual(stripped.count("\n"), code.count("\n"))
        self.assertEqual(len(stripped), len(code))
        for gone in ("x", "y", "{", "}"):
            self.assertNotIn(gone, stripped)
        self.assertIn("1'000'000", stripped)
        self.assertTrue(stripped.endswith("; c"))


class MetricsTest(RuleCase):
    SOURCE = """
void Make(obs::Registry& metrics) {
  // metrics.GetCounter("boxoffice_commented_total", "Not one")
  metrics.GetCounter("boxoffice_sold_total",
                     "Seats "
                     "sold", {{"show", id}, {"kind", kind}});
  metrics.GetHistogram("boxoffice_wait_seconds", "How long", obs::SecondsBounds(), {{"executor", name_}});
  metrics.AddCallback("boxoffice_open", "Open now", {}, [] { return 1.0; });
}
"""

    def setUp(self):
        super().setUp()
        self.put("src/services/seat/service.cc", self.SOURCE)
        self.update()

    def update(self):
        run.load("metrics").update(Tree(self.root))

    def put_alert(self, expr, runbook="docs/runbooks/SoldOut.md"):
        rule = {"alert": "SoldOut", "expr": expr, "labels": {"severity": "page"}, "annotations": {"runbook": runbook}}
        self.put("deploy/observability/alerts.yml", json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))

    def test_the_reference_tells_name_kind_labels_and_help(self):
        text = (self.root / "docs/reference/metrics.md").read_text()
        self.assertIn("| `boxoffice_sold_total` | counter | `show`, `kind` | Seats sold | `services/seat` |", text)
        self.assertIn("| `boxoffice_wait_seconds` | histogram | `executor` | How long | `services/seat` |", text)
        self.assertIn("| `boxoffice_open` | gauge |  | Open now | `services/seat` |", text)
        self.assertNotIn("commented", text)
        self.assert_clean("metrics")

    def test_a_metric_that_is_not_in_the_reference(self):
        self.put("src/services/seat/more.cc", 'metrics.GetGauge("boxoffice_more", "More");\n')
        self.assert_reports("metrics", "docs/reference/metrics.md", "is not what the source has")

    def test_names_that_prometheus_would_not_give(self):
        self.put("src/services/seat/more.cc", 'm.GetCounter("boxoffice_sales", "S"); m.GetGauge("boxoffice_wait_ms", "W");\n'
                                              'm.GetGauge("boxoffice_total", ""); \n')  # fmt: skip
        self.update()
        self.assert_reports("metrics", "boxoffice_sales", "does not end in _total")
        self.assert_reports("metrics", "boxoffice_wait_ms", "not in base units")
        self.assert_reports("metrics", "boxoffice_total is a gauge")
        self.assert_reports("metrics", "boxoffice_total has no help")

    def test_an_alert_that_asks_for_what_nobody_exports(self):
        self.put("docs/runbooks/SoldOut.md", "# SoldOut\n")
        self.put_alert('rate(boxoffice_sold_total{show="1"}[5m]) > 0 and boxoffice_wait_seconds_count > 0')
        self.assert_clean("metrics")
        self.put_alert("boxoffice_unheard_of > 0")
        self.assert_reports("metrics", "SoldOut: there is no metric boxoffice_unheard_of")
        self.put_alert("boxoffice_open_count > 0")
        self.assert_reports("metrics", "SoldOut: there is no metric boxoffice_open_count")
        self.put_alert('boxoffice_sold_total{city="x"} > 0')
        self.assert_reports("metrics", "boxoffice_sold_total has no label city")

    def test_alerts_and_runbooks_go_together(self):
        self.put_alert("boxoffice_open > 0", runbook="docs/runbooks/Other.md")
        self.put("docs/runbooks/Old.md", "# Old\n")
        self.put("docs/runbooks/README.md", "# Runbooks\n")
        self.assert_reports("metrics", "SoldOut has no runbook")
        self.assert_reports("metrics", "SoldOut does not name its runbook")
        self.assert_reports("metrics", "docs/runbooks/Old.md", "there is no alert Old")

    def test_a_dashboard_that_asks_for_what_nobody_exports(self):
        panel = {"title": "Sold", "targets": [{"expr": "sum(rate(boxoffice_sold_total[1m]))"}, {"expr": "boxoffice_gone"}]}
        self.put("deploy/observability/dashboards/sale.json", json.dumps({"panels": [{"title": "row", "panels": [panel]}]}))
        self.assert_reports("metrics", "dashboards/sale.json", "Sold: there is no metric boxoffice_gone")
        self.assertEqual(len(self.violations("metrics")), 1)


if __name__ == "__main__":
    unittest.main()
