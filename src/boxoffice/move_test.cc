#include "boxoffice/move.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/id.h"
#include "base/random.h"
#include "boxoffice/places.h"
#include "boxoffice/service_programs.h"
#include "platform/archive/archive.h"
#include "platform/bus/bus_factory.h"
#include "platform/module/store_url.h"
#include "platform/obs/metrics.h"
#include "platform/sql/postgres.h"
#include "platform/sql/sqlite.h"
#include "testing/postgres_server.h"
#include "testing/process.h"
#include "testing/temp_dir.h"

namespace boxoffice {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// Rows for every table of a database, with a value in every column that its constraints take: of a column
// that may be NULL, in every second row.
class Filler {
 public:
  explicit Filler(const std::filesystem::path& file) : database_(sql::Database::Open(file).value()) {}

  // Returns how many rows.
  int64_t Fill(int rows) {
    int64_t filled = 0;
    sql::Statement tables = database_.Prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid");
    while (tables.Step().value()) {
      FillTable(std::string(tables.Text(0)), rows);
      filled += rows;
    }
    return filled;
  }

 private:
  struct Column {
    std::string name;
    std::string type;
    bool nullable = false;
  };

  void FillTable(const std::string& table, int rows) {
    std::vector<Column> columns;
    std::string marks;
    sql::Statement info =
        database_.Prepare("SELECT name, type, \"notnull\" OR pk FROM pragma_table_info(?1)");
    info.Bind(table);
    while (info.Step().value()) {
      columns.push_back({std::string(info.Text(0)), std::string(info.Text(1)), info.Int(2) == 0});
      marks += fmt::format("{}?{}", marks.empty() ? "" : ", ", columns.size());
    }
    sql::Statement insert = database_.Prepare(fmt::format("INSERT INTO {} VALUES ({})", table, marks));
    for (int64_t i = 1; i <= rows; ++i) {
      std::vector<std::string> texts(columns.size());
      for (size_t c = 0; c < columns.size(); ++c)
        Bind(insert, columns[c], static_cast<int>(c) + 1, i, texts[c]);
      const auto done = insert.Run();
      ASSERT_TRUE(done.has_value()) << table << ": " << done.error().detail;
    }
  }

  void Bind(sql::Statement& insert, const Column& column, int at, int64_t i, std::string& text) {
    static const std::set<std::string> kFlags{"undone", "enabled", "deleted"};
    if (column.nullable && i % 2 == 0) {
      insert.BindAt(at, std::nullopt);
    } else if (column.type == "INTEGER") {
      const int64_t value = kFlags.contains(column.name) ? i % 2 : i;
      insert.BindAt(at, column.name == "contra_amount" ? -i : value);
    } else if (column.type == "REAL") {
      insert.BindAt(at, 0.5 * static_cast<double>(i));
    } else if (column.type == "TEXT") {
      text = i % 3 == 0 && column.name == "traceparent" ? "" : fmt::format("{} {} é", column.name, i);
      insert.BindAt(at, text);
    } else {
      text = BytesFor(column.name, i);
      insert.BindBlob(at, text);
    }
  }

  std::string BytesFor(const std::string& column, int64_t i) {
    if (column == "id" || column.ends_with("_id")) return std::string(Uuid::MakeV7(kNow, random_).bytes());
    if (column == "seats") return i % 2 == 0 ? "" : std::string("\1\0\0\0\x50\xc3\0\0", 8);
    return fmt::format("{}{}\xff", i, '\0');
  }

  sql::Database database_;
  SeededRandom random_{9};
};

class MoveTest : public ::testing::Test {
 protected:
  static std::string Describe(const Error& error) {
    return fmt::format("{}: {}", error.reason, error.detail);
  }
  // An embedded system in this folder that has never run, with some rows in every store and events.
  void Make(const std::filesystem::path& folder, int rows = 4) {
    const auto places = Open(folder, true);
    for (const Place& place : places->all()) {
      ASSERT_TRUE(module::Prepare(place.config, place.program));
      if (place.program.rows.version == 0 || place.program.service == "queue") continue;
      Filler(folder / (place.program.service + ".db")).Fill(rows);
    }
    Publish(folder, {"a", "b"});
  }
  void Publish(const std::filesystem::path& folder, const std::vector<std::string>& bodies) {
    const SystemClock clock;
    obs::Registry metrics;
    const auto bus = bus::OpenBus(bus::DefaultBusUrl(folder), clock, metrics).value();
    std::vector<bus::Event> events;
    for (const std::string& body : bodies)
      events.push_back({EventId::Make(kNow, random_), "seat", "1", "seat.held", "", body, kNow});
    ASSERT_TRUE(bus->Publish(events));
  }
  static std::unique_ptr<Places> Open(const std::filesystem::path& folder, bool make) {
    PlacesOptions options;
    options.data = folder;
    options.make = make;
    auto places = Places::Open(options);
    EXPECT_TRUE(places.has_value()) << Describe(places.error());
    return places ? *std::move(places) : nullptr;
  }
  Result<std::vector<Moved>> ExportTo(const std::filesystem::path& file) {
    return Export(*Open(from_, false), file);
  }
  Result<std::vector<Moved>> ImportInto(const std::filesystem::path& folder) {
    return Import(*Open(folder, true), file_);
  }
  // The error's reason, and that nothing was written.
  std::string Refusal(const std::filesystem::path& folder) {
    const auto imported = ImportInto(folder);
    return imported ? "imported" : imported.error().reason;
  }
  int64_t CountRows(const std::filesystem::path& file, const std::string& table) {
    auto database = sql::Database::Open(file).value();
    sql::Statement count = database.Prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(count.Step().value());
    return count.Int(0);
  }
  void Change(const std::filesystem::path& file, const std::string& sql) {
    auto database = sql::Database::Open(file).value();
    ASSERT_TRUE(database.Execute(sql + "; PRAGMA journal_mode=DELETE"));
  }

  testbed::TempDir dir_;
  SeededRandom random_{4};
  const std::filesystem::path from_ = dir_.path() / "from";
  const std::filesystem::path to_ = dir_.path() / "to";
  const std::filesystem::path file_ = dir_.path() / "system.boxoffice";
};

TEST_F(MoveTest, EveryServiceThatOwnsDataIsMoved) {
  std::set<std::string> moved;
  for (const module::ServiceProgram& program : ServicePrograms()) {
    if (program.rows.version > 0) moved.insert(program.service);
  }
  EXPECT_EQ(moved, (std::set<std::string>{"queue", "seat", "reservation", "wallet", "payment", "relay"}))
      << "the ranking is counted anew, the gateway has no store";
}

TEST_F(MoveTest, AnotherFolderHasEverythingAfterwards) {
  Make(from_);
  const auto exported = ExportTo(file_);
  ASSERT_TRUE(exported.has_value()) << Describe(exported.error());
  EXPECT_THAT(*exported, Contains(Field(&Moved::name, "seat")));
  const auto imported = ImportInto(to_);
  ASSERT_TRUE(imported.has_value()) << Describe(imported.error());
  const std::filesystem::path again = dir_.path() / "again";
  ASSERT_TRUE(Export(*Open(to_, false), again));
  const auto first = archive::Reader::Open(file_).value();
  const auto second = archive::Reader::Open(again).value();
  ASSERT_EQ(second->sections().size(), 7U);
  for (const archive::Section& section : first->sections()) {
    EXPECT_EQ(second->Find(section.name)->digest, section.digest) << section.name;
    EXPECT_EQ(section.rows > 0, section.name != "queue") << section.name;
  }
}

TEST_F(MoveTest, AnImportThatIsRepeatedHasNoEffectAndOneThatWasBrokenOffGoesOn) {
  Make(from_);
  ASSERT_TRUE(ExportTo(file_));
  // As an import that died after the first service left it.
  {
    const auto places = Open(to_, true);
    for (const Place& place : places->all()) ASSERT_TRUE(module::Prepare(place.config, place.program));
    const auto reader = archive::Reader::Open(file_).value();
    const auto wallet = FindServiceProgram("wallet");
    ASSERT_TRUE(wallet->rows.load(module::DefaultStoreUrl(to_), [&](archive::Sink& sink) {
      return reader->Read(*reader->Find("wallet"), sink);
    }));
  }
  for (const bool was_there : {false, true}) {
    const auto imported = ImportInto(to_);
    ASSERT_TRUE(imported.has_value()) << Describe(imported.error());
    for (const Moved& moved : *imported) {
      if (moved.name == "bus" || moved.name == "queue") continue;  // nothing can be told of them
      EXPECT_EQ(moved.was_there, was_there || moved.name == "wallet") << moved.name;
    }
    EXPECT_EQ(CountRows(to_ / "bus.db", "log"), 2);
    EXPECT_EQ(CountRows(to_ / "wallet.db", "ledger"), 4);
  }
}

TEST_F(MoveTest, AStoreThatHoldsSomethingElseIsRefusedBeforeAnythingIsWritten) {
  Make(from_);
  ASSERT_TRUE(ExportTo(file_));
  Make(to_, 1);
  EXPECT_EQ(Refusal(to_), "target_not_empty");
  const std::filesystem::path relay_only = dir_.path() / "relay_only";
  {
    const auto places = Open(relay_only, true);
    for (const Place& place : places->all()) ASSERT_TRUE(module::Prepare(place.config, place.program));
    Filler(relay_only / "relay.db").Fill(1);
  }
  EXPECT_EQ(Refusal(relay_only), "target_not_empty");
  EXPECT_EQ(CountRows(relay_only / "seat.db", "seat"), 0);
  EXPECT_EQ(CountRows(relay_only / "bus.db", "log"), 0);
  const std::filesystem::path bus_only = dir_.path() / "bus_only";
  Open(bus_only, true).reset();
  Publish(bus_only, {"of another system"});
  EXPECT_EQ(Refusal(bus_only), "target_not_empty");
  EXPECT_EQ(CountRows(bus_only / "seat.db", "seat"), 0);
}

TEST_F(MoveTest, AnArchiveOfAnotherVersionIsRefused) {
  Make(from_);
  for (const char* change :
       {"UPDATE section SET version = 77 WHERE name = 'seat'", "DELETE FROM section WHERE name = 'wallet'",
        "INSERT INTO section VALUES('tickets', 1, 0, '0-0')"}) {
    std::filesystem::remove(file_);
    ASSERT_TRUE(ExportTo(file_));
    Change(file_, change);
    EXPECT_EQ(Refusal(to_), "archive_version") << change;
  }
}

TEST_F(MoveTest, ABackupIsRefusedByName) {
  Make(from_);
  ASSERT_TRUE(ExportTo(file_));
  ASSERT_TRUE(CheckExport(file_).has_value());
  Change(file_, "INSERT INTO section VALUES('backup', 1, 0, '0-0')");
  const auto done = testbed::RunCommand(
      {testbed::BinDir() / "boxoffice", "import", "--in", file_, "--data", to_}, std::chrono::seconds(60));
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("`boxoffice restore` reads it (not_an_export)"));
  EXPECT_FALSE(std::filesystem::exists(to_)) << "it was looked at first";
  EXPECT_EQ(Refusal(to_), "not_an_export");
}

TEST_F(MoveTest, ADamagedFileIsRefusedBeforeAnythingIsWritten) {
  Make(from_, 200);
  ASSERT_TRUE(ExportTo(file_));
  Change(file_, R"(UPDATE "wallet.ledger" SET amount = amount + 1 WHERE rowid = 7)");
  EXPECT_EQ(Refusal(to_), "archive_damaged");
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 4096);
  EXPECT_EQ(Refusal(to_), "archive_damaged");
  EXPECT_FALSE(std::filesystem::exists(to_ / "wallet.db"));
}

TEST_F(MoveTest, AFolderThatIsInUseOrNotThereIsRefused) {
  PlacesOptions options;
  options.data = from_;
  EXPECT_EQ(Places::Open(options).error().reason, "no_data_folder");
  EXPECT_FALSE(std::filesystem::exists(from_));
  Make(from_);
  const auto running = module::DataFolder::Open(from_, "seat").value();
  const auto refused = Places::Open(options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "data_folder_in_use");
  EXPECT_THAT(refused.error().detail, HasSubstr("stop the system first"));
}

// Else an export would be of stores that it has just made, and an import into some that nobody reads.
TEST_F(MoveTest, AFolderOfAnotherFormAndOneWhereNothingHasRunAreRefusedAndStayAsTheyAre) {
  std::filesystem::create_directories(from_);
  PlacesOptions options;
  options.data = from_;
  const auto nothing_ran = Places::Open(options);
  ASSERT_FALSE(nothing_ran.has_value());
  EXPECT_EQ(nothing_ran.error().reason, "no_data_folder");
  EXPECT_TRUE(std::filesystem::is_empty(from_));

  std::filesystem::create_directories(from_ / "postgres");
  EXPECT_TRUE(CheckFormOfFolder(from_, /*scaled=*/false)) << "its first start failed";
  std::filesystem::create_directories(from_ / "postgres" / "data");
  std::ofstream(from_ / "bus.db");  // with --no-kafka
  for (const bool make : {false, true}) {
    options.make = make;
    const auto scaled = Places::Open(options);
    ASSERT_FALSE(scaled.has_value()) << make;
    EXPECT_EQ(scaled.error().reason, "no_data_folder");
    EXPECT_THAT(scaled.error().detail, HasSubstr("give --scaled"));
  }
  EXPECT_FALSE(Places::OpenRunning(options).has_value()) << "for a backup";
  EXPECT_FALSE(std::filesystem::exists(from_ / "lock"));
  std::ofstream(from_ / "seat.db");
  options.make = false;
  EXPECT_TRUE(Places::Open(options).has_value()) << "both forms have run there";

  std::filesystem::create_directories(to_);
  std::ofstream(to_ / "seat.db");
  for (const bool make : {false, true}) {
    const auto embedded = Places::Open({.data = to_, .own_servers = true, .make = make});
    ASSERT_FALSE(embedded.has_value()) << make;
    EXPECT_EQ(embedded.error().reason, "no_data_folder");
    EXPECT_THAT(embedded.error().detail, HasSubstr("leave --scaled out"));
  }
  EXPECT_FALSE(std::filesystem::exists(to_ / "postgres"));
}

TEST_F(MoveTest, ServicesThatNameDifferentBusesAreRefused) {
  PlacesOptions options;
  options.config = dir_.path() / "config";
  std::filesystem::create_directories(options.config);
  for (const module::ServiceProgram& program : ServicePrograms()) {
    std::ofstream(options.config / (program.service + ".toml"))
        << fmt::format("data = \"{}\"\n[bus]\nurl = \"sqlite:{}\"\n", (dir_.path() / "data").string(),
                       (dir_.path() / (program.service == "relay" ? "other.db" : "bus.db")).string());
  }
  const auto refused = Places::Open(options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "config");
  EXPECT_THAT(refused.error().detail, HasSubstr("relay"));
}

// A service's schemas mirror each other: every table and column of the one holds in the other what it holds
// there.
class MoveToPostgresTest : public MoveTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(MoveToPostgresTest, EveryRowGoesThereAndBackUnchanged) {
  BOXOFFICE_NEED_POSTGRES();
  const module::ServiceProgram program = FindServiceProgram(GetParam()).value();
  const auto digest = [&](const std::string& url) {
    return archive::DigestOf([&](archive::Sink& sink) { return program.rows.dump(url, sink); });
  };
  std::filesystem::create_directories(from_);
  const std::string first = module::DefaultStoreUrl(from_);
  ASSERT_TRUE(program.migrate(first));
  const int64_t filled = Filler(from_ / (program.service + ".db")).Fill(5);
  const std::string postgres = testbed::PostgresServer::Shared().NewDatabase();
  const auto loaded =
      program.rows.load(postgres, [&](archive::Sink& sink) { return program.rows.dump(first, sink); });
  ASSERT_TRUE(loaded.has_value()) << Describe(loaded.error());
  std::filesystem::create_directories(to_);
  const std::string second = module::DefaultStoreUrl(to_);
  const auto back =
      program.rows.load(second, [&](archive::Sink& sink) { return program.rows.dump(postgres, sink); });
  ASSERT_TRUE(back.has_value()) << Describe(back.error());
  const auto before = digest(first);
  EXPECT_EQ(before->rows(), filled);
  EXPECT_EQ(digest(postgres)->ToHex(), before->ToHex());
  EXPECT_EQ(digest(second)->ToHex(), before->ToHex());
}

// What does not travel is listed here: it is of replicas, and new in a new system.
TEST_P(MoveToPostgresTest, NothingStaysBehindButWhatIsOfReplicas) {
  BOXOFFICE_NEED_POSTGRES();
  static const std::set<std::string> kOfReplicas{"schema_version.one",
                                                 "schema_version.service",
                                                 "schema_version.version",
                                                 "schema_migration.version",
                                                 "schema_migration.serves_from",
                                                 "outbox_partition.partition",
                                                 "outbox_partition.owner",
                                                 "outbox_partition.lease_until_ms",
                                                 "outbox_lease.one",
                                                 "outbox_lease.owner",
                                                 "outbox_lease.lease_until_ms",
                                                 "change.xid",
                                                 "change.source",
                                                 "change.concert_id",
                                                 "change.show_id",
                                                 "change.seats",
                                                 "delivery.owner",
                                                 "delivery.lease_until_ms"};
  const module::ServiceProgram program = FindServiceProgram(GetParam()).value();
  const std::string postgres = testbed::PostgresServer::Shared().NewDatabase();
  ASSERT_TRUE(program.migrate(postgres));
  std::filesystem::create_directories(from_);
  ASSERT_TRUE(program.migrate(module::DefaultStoreUrl(from_)));
  auto database = sql::Database::Open(from_ / (program.service + ".db")).value();
  sql::Statement has = database.Prepare("SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2");
  const auto connection = sql::pg::Connection::Open({.url = postgres}).value();
  sql::pg::Batch batch;
  batch.Add(
      "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = "
      "'public'");
  const auto columns = connection->Read(batch).value();
  EXPECT_FALSE(columns[0].empty());
  for (const sql::pg::Row row : columns[0]) {
    const std::string table(row.Text(0));
    const std::string column(row.Text(1));
    has.Bind(table, column);
    ASSERT_TRUE(has.Step().value());
    EXPECT_TRUE(has.Int(0) == 1 || kOfReplicas.contains(table + "." + column)) << table << "." << column;
    has.Reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Services, MoveToPostgresTest,
                         ::testing::Values("seat", "reservation", "wallet", "payment", "relay"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace boxoffice
