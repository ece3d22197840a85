// Rows of a schema with every type of column that a service has, between SQLite and PostgreSQL.
#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/id.h"
#include "base/random.h"
#include "platform/archive/archive.h"
#include "platform/archive/postgres_tables.h"
#include "platform/archive/sqlite_snapshot.h"
#include "platform/archive/sqlite_tables.h"
#include "platform/sql/postgres.h"
#include "platform/sql/sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::archive {
namespace {

namespace pg = sql::pg;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

const std::array kSqlite = {sql::Migration{
    1, "0001",
    "CREATE TABLE house(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, uid BLOB NOT NULL, "
    "secret BLOB NOT NULL, open INTEGER NOT NULL, seats BLOB NOT NULL, note TEXT, at_ms INTEGER) STRICT;"
    "CREATE TABLE room(house_id INTEGER NOT NULL REFERENCES house(id), size REAL NOT NULL, owner BLOB, "
    "PRIMARY KEY(house_id, size)) STRICT, WITHOUT ROWID;"}};
const std::array kPostgres = {sql::Migration{
    1, "0001",
    "CREATE TABLE house(id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, "
    "lease_until_ms BIGINT NOT NULL DEFAULT 0, uid UUID NOT NULL, secret BYTEA NOT NULL, "
    "open BOOLEAN NOT NULL, seats BIGINT[] NOT NULL, note TEXT, at_ms BIGINT);"
    "CREATE TABLE room(house_id BIGINT NOT NULL REFERENCES house(id), size DOUBLE PRECISION NOT NULL, "
    "owner UUID, PRIMARY KEY(house_id, size));"
    "CREATE TABLE journal(of_replicas BIGINT);"}};

const Table kHouse{"house", {"id", "name", "uid", "secret", "open", "seats", "note", "at_ms"}};
const Table kRoom{"room", {"house_id", "size", "owner"}};

class TablesTest : public ::testing::Test {
 protected:
  std::string NewId() { return std::string(Uuid::MakeV7(FromUnixMs(1'800'000'000'000), random_).bytes()); }
  // Enough for several portions, with NULLs, empty texts and bytes that are no text.
  Dump Houses(int count = 2'500) {
    std::vector<Row> houses;
    std::vector<Row> rooms;
    for (int64_t i = 1; i <= count; ++i) {
      const std::string seats = i % 2 == 0 ? std::string("\1\0\0\0\x50\xc3\0\0", 8) : std::string();
      houses.push_back({i * 3, fmt::format("house {}", i), NewId(), std::string("\0\xff'", 3), int64_t{i % 2},
                        seats, i % 3 == 0 ? Value() : Value(std::string()),
                        i % 3 == 0 ? Value() : Value(-i)});
      rooms.push_back({i * 3, 0.1 * static_cast<double>(i), i % 4 == 0 ? Value() : Value(NewId())});
    }
    return [houses, rooms](Sink& sink) -> Result<void> {
      BOXOFFICE_TRY(sink.Begin(kHouse));
      BOXOFFICE_TRY(sink.Add(houses));
      BOXOFFICE_TRY(sink.Begin(kRoom));
      return sink.Add(rooms);
    };
  }
  std::filesystem::path NewFile() { return dir_.path() / fmt::format("{}.db", ++files_); }
  static Dump OfSqlite(const std::filesystem::path& file) {
    return [file](Sink& sink) { return DumpSqlite(file, kSqlite, sink); };
  }
  static PostgresSource NewPostgres() {
    return {testbed::PostgresServer::Shared().NewDatabase(), "house", kPostgres, kSqlite};
  }
  static Dump OfPostgres(const PostgresSource& source) {
    return [source](Sink& sink) { return DumpPostgres(source, sink); };
  }
  static std::string DigestText(const Dump& dump) {
    const auto digest = DigestOf(dump);
    EXPECT_TRUE(digest.has_value()) << digest.error().detail;
    return digest ? digest->ToHex() : "";
  }
  static void ExpectGood(const Result<void>& result) {
    EXPECT_TRUE(result.has_value()) << result.error().reason << ": " << result.error().detail;
  }

  testbed::TempDir dir_;
  SeededRandom random_{5};
  int files_ = 0;
};

TEST_F(TablesTest, RowsAreTheSameInSqlite) {
  const auto file = NewFile();
  const Dump houses = Houses();
  ExpectGood(LoadSqlite(file, kSqlite, houses));
  EXPECT_EQ(DigestText(OfSqlite(file)), DigestText(houses));
}

// As of an archive that is damaged; nobody's bug.
TEST_F(TablesTest, ATableThatIsNotThereIsAnErrorAndEndsNoProgram) {
  const auto file = NewFile();
  ExpectGood(LoadSqlite(file, kSqlite, Houses(1)));
  const sql::Database database = sql::Database::Open(file).value();
  Digest digest;
  const Result<void> dumped = DumpTable(database, Quoted("cellar"), {"cellar", {"id"}}, digest);
  ASSERT_FALSE(dumped.has_value());
  EXPECT_THAT(dumped.error().detail, HasSubstr("cellar"));
}

TEST_F(TablesTest, RowsAreTheSameInPostgresAndBackInSqlite) {
  BOXOFFICE_NEED_POSTGRES();
  const Dump houses = Houses();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, houses));
  EXPECT_EQ(DigestText(OfPostgres(source)), DigestText(houses));
  const auto file = NewFile();
  ExpectGood(LoadSqlite(file, kSqlite, OfPostgres(source)));
  EXPECT_EQ(DigestText(OfSqlite(file)), DigestText(houses));
}

TEST_F(TablesTest, PostgresHasThemAsItsOwnTypes) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(2)));
  const auto connection = pg::Connection::Open({.url = source.url}).value();
  pg::Batch batch;
  batch.Add("SELECT open, seats::text, secret, note IS NULL, lease_until_ms FROM house ORDER BY id");
  const auto results = connection->Read(batch).value();
  const pg::Rows& rows = results[0];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].Bool(0));
  EXPECT_EQ(rows[0].Text(1), "{}");
  EXPECT_FALSE(rows[1].Bool(0));
  EXPECT_EQ(rows[1].Text(1), "{1,50000}");
  EXPECT_EQ(rows[1].Text(2), std::string_view("\0\xff'", 3));
  EXPECT_FALSE(rows[1].Bool(3)) << "an empty text is not NULL";
  EXPECT_EQ(rows[1].Int(4), 0) << "what only PostgreSQL has is as its schema makes it";
}

TEST_F(TablesTest, NumberingGoesOnAfterWhatWasLoaded) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(4)));
  const auto connection = pg::Connection::Open({.url = source.url}).value();
  pg::Batch insert;
  insert.Add(
      "INSERT INTO house(name, uid, secret, open, seats) VALUES ('new', gen_random_uuid(), '', true, '{}') "
      "RETURNING id");
  EXPECT_EQ(connection->Write(insert).value()[0][0].Int(0), 13);
  const auto file = NewFile();
  ExpectGood(LoadSqlite(file, kSqlite, OfPostgres(source)));
  auto database = sql::Database::Open(file).value();
  ASSERT_TRUE(
      database.Execute("INSERT INTO house(name, uid, secret, open, seats) VALUES ('new', x'', x'', 1, x'')"));
  EXPECT_EQ(database.last_insert_rowid(), 14);
}

// Whatever goes wrong at the end, nothing stays.
TEST_F(TablesTest, ATriggerSeesNothingOfWhatIsLoadedAndAllThatComesLater) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(0)));
  auto service = pg::Connection::Open({.url = source.url}).value();
  ASSERT_TRUE(service->Execute(
      "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "
      "CREATE TRIGGER elsewhere BEFORE INSERT ON room FOR EACH ROW EXECUTE FUNCTION elsewhere()"));
  const Dump houses = Houses(10);
  ExpectGood(LoadPostgres(source, houses));
  EXPECT_EQ(DigestText(OfPostgres(source)), DigestText(houses));
  ASSERT_TRUE(service->Execute("INSERT INTO room VALUES (3, 77, NULL)"));
  EXPECT_EQ(DigestText(OfPostgres(source)), DigestText(houses));
}

TEST_F(TablesTest, ALoadThatFailsLeavesNothing) {
  const auto fails = [this](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(Houses()(sink));
    return Fail(Code::kUnavailable, "broken_off");
  };
  const auto file = NewFile();
  EXPECT_EQ(LoadSqlite(file, kSqlite, fails).error().reason, "broken_off");
  EXPECT_EQ(DigestOf(OfSqlite(file))->rows(), 0);
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  EXPECT_EQ(LoadPostgres(source, fails).error().reason, "broken_off");
  EXPECT_EQ(DigestOf(OfPostgres(source))->rows(), 0);
  ExpectGood(LoadPostgres(source, Houses()));
}

TEST_F(TablesTest, ARowThatIsThereAlreadyIsAConflict) {
  const Dump houses = Houses(3);
  const auto file = NewFile();
  ExpectGood(LoadSqlite(file, kSqlite, houses));
  EXPECT_EQ(LoadSqlite(file, kSqlite, houses).error().reason, "constraint");
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, houses));
  EXPECT_EQ(LoadPostgres(source, houses).error().reason, "constraint");
}

TEST_F(TablesTest, WhatTheSchemaDoesNotHaveIsRefused) {
  const auto rows = [](const Table& table, Row row) {
    return [table, row](Sink& sink) -> Result<void> {
      BOXOFFICE_TRY(sink.Begin(table));
      return sink.Add({&row, 1});
    };
  };
  const std::vector<Dump> wrong{
      rows({"barn", {"id"}}, {int64_t{1}}),
      rows({"room", {"house_id", "size"}}, {int64_t{1}, 1.0}),
      rows(kRoom, {int64_t{1}, 1.0}),
      rows(kRoom, {int64_t{1}, std::string("big"), Value()}),
  };
  for (const Dump& dump : wrong)
    EXPECT_EQ(LoadSqlite(NewFile(), kSqlite, dump).error().reason, "archive_schema");
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  for (const Dump& dump : wrong) EXPECT_EQ(LoadPostgres(source, dump).error().reason, "archive_schema");
  const auto no_id = LoadPostgres(source, rows(kRoom, {int64_t{1}, 1.0, std::string("short")}));
  EXPECT_EQ(no_id.error().reason, "archive_schema");
  EXPECT_THAT(no_id.error().detail, HasSubstr("room.owner"));
}

TEST_F(TablesTest, ATextThatPostgresCantStoreIsToldWithItsTableAndRow) {
  BOXOFFICE_NEED_POSTGRES();
  Row house{int64_t{7}, std::string("a\0b", 3), NewId(), std::string(),
            int64_t{1}, std::string(),          Value(), Value()};
  const auto load = [&house](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(sink.Begin(kHouse));
    return sink.Add({&house, 1});
  };
  const PostgresSource source = NewPostgres();
  const auto refused = LoadPostgres(source, load);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "archive_schema");
  EXPECT_THAT(refused.error().detail, HasSubstr("house.name of the row with id 7"));
  house[1] = std::string("ab");
  house[3] = std::string("a\0b", 3);
  ExpectGood(LoadPostgres(source, load));
}

TEST_F(TablesTest, ADatabaseThatAServiceIsConnectedToIsRefused) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(1)));
  auto service = pg::Connection::Open({.url = source.url, .application_name = "boxoffice-house"}).value();
  const auto refused = DigestOf(OfPostgres(source));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "store_in_use");
  EXPECT_THAT(refused.error().detail, HasSubstr("boxoffice-house"));
  service.reset();
  EXPECT_TRUE(DigestOf(OfPostgres(source)).has_value()) << "the server has a moment to notice";
}

TEST_F(TablesTest, AServiceIsKnownWhateverItsUrlCallsIt) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  const std::string named = source.url + (source.url.contains('?') ? "&" : "?") + "application_name=mine";
  const auto service = pg::Connection::Open({.url = named, .application_name = "boxoffice-house"}).value();
  const auto refused = DigestOf(OfPostgres(source));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "store_in_use");
}

// Longer than a service's transaction may be idle (sql::pg::Config::idle_timeout).
constexpr milliseconds kSlow{2'300};

TEST_F(TablesTest, ALoadMayWaitForWhereTheRowsComeFrom) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  const Dump houses = Houses(3);
  ExpectGood(LoadPostgres(source, [&](Sink& sink) {
    testbed::Pause(kSlow);
    return houses(sink);
  }));
  EXPECT_EQ(DigestText(OfPostgres(source)), DigestText(houses));
}

// What a service is asked for takes 5 s at most; what whole tables are read by may go through gigabytes that
// were emptied before it comes to a row.
class SlowReadTest : public TablesTest {
 protected:
  class Kept final : public Sink {
   public:
    Result<void> Begin(const Table&) override { return {}; }
    Result<void> Add(std::span<const Row> rows) override {
      for (const Row& row : rows) text += std::get<std::string>(row[0]);
      return {};
    }
    std::string text;
  };
  // Its one row is 0.4 s away, and says how long a statement may take.
  static PostgresSource NewSource() {
    static const std::array form = {
        sql::Migration{1, "0001", "CREATE TABLE told(patience TEXT NOT NULL) STRICT"}};
    static const std::array view = {
        sql::Migration{1, "0001",
                       "CREATE VIEW told AS SELECT current_setting('statement_timeout') AS patience "
                       "FROM pg_sleep(0.4)"}};
    return {testbed::PostgresServer::Shared().NewDatabase(), "told", view, form};
  }
};

TEST_F(SlowReadTest, AReadThatTakesLongerThanItsTimeoutFails) {
  BOXOFFICE_NEED_POSTGRES();
  PostgresSource source = NewSource();
  Kept kept;
  ExpectGood(DumpPostgres(source, kept));
  source.statement_timeout = milliseconds(200);
  const Result<void> dumped = DumpPostgres(source, kept);
  ASSERT_FALSE(dumped.has_value());
  EXPECT_THAT(dumped.error().detail, HasSubstr("[57014]"));
}

TEST_F(SlowReadTest, WholeTablesMayTakeTenMinutesForAStatement) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewSource();
  Kept exported;
  ExpectGood(DumpPostgres(source, exported));
  EXPECT_EQ(exported.text, "10min");
  const auto snapshot = OpenPostgresSnapshot(source, {}).value();
  ExpectGood(snapshot->Take());
  Kept backed_up;
  ExpectGood(snapshot->Dump(backed_up));
  EXPECT_EQ(backed_up.text, "10min");
}

// A snapshot, and what a service does to the store meanwhile.
struct WorkingStore {
  std::unique_ptr<Snapshot> snapshot;
  // Whether another row of `room` could be written within a moment.
  std::function<bool()> write;
};

class SnapshotTest : public TablesTest {
 protected:
  WorkingStore OnSqlite() {
    const auto file = NewFile();
    ExpectGood(LoadSqlite(file, kSqlite, Houses()));
    auto opened = OpenSqliteSnapshot(file, kSqlite);
    EXPECT_TRUE(opened.has_value());
    auto service = std::make_shared<sql::Database>(sql::Database::Open(file).value());
    EXPECT_TRUE(service->Execute("PRAGMA busy_timeout=50"));
    return {
        std::move(opened).value(), [this, service] {
          return service->Execute(fmt::format("INSERT INTO room VALUES (3, {}, NULL)", ++size_)).has_value();
        }};
  }
  WorkingStore OnPostgres() {
    const PostgresSource source = NewPostgres();
    ExpectGood(LoadPostgres(source, Houses()));
    auto opened = OpenPostgresSnapshot(source, {"house", "room"});
    EXPECT_TRUE(opened.has_value());
    std::shared_ptr<pg::Connection> service =
        pg::Connection::Open(
            {.url = source.url, .application_name = "boxoffice-house", .lock_timeout = milliseconds(50)})
            .value();
    return {std::move(opened).value(), [this, service] {
              pg::Batch insert;
              insert.Add("INSERT INTO room(house_id, size) VALUES (3, $1)", static_cast<double>(++size_));
              return service->Write(insert).has_value();
            }};
  }
  // The course of a backup up to the release, with what comes when it is held and when it is taken. Where a
  // hold is not had or kept in time, as on a busy machine, it begins anew.
  static void HoldAndTake(Snapshot& snapshot, const std::function<void()>& held = {},
                          const std::function<void()>& taken = {}) {
    const auto course = [&]() -> Result<void> {
      BOXOFFICE_TRY(snapshot.Hold());
      if (held) held();
      BOXOFFICE_TRY(snapshot.Take());
      if (taken) taken();
      return snapshot.Release();
    };
    Result<void> done;
    (void)testbed::Eventually([&] {
      done = course();
      return done || done.error().code != Code::kUnavailable;
    });
    ExpectGood(done);
  }
  // The whole course of a backup.
  void ExpectOneMoment(WorkingStore store) {
    int64_t rows = 5'000;
    bool written_held = false;
    bool written_taken = false;
    const auto write = [&] {
      const bool written = store.write();
      rows += written ? 1 : 0;
      return written;
    };
    HoldAndTake(*store.snapshot, [&] { written_held = write(); }, [&] { written_taken = write(); });
    EXPECT_FALSE(written_held) << "it is held";
    EXPECT_FALSE(written_taken) << "the others may not be taken yet";
    EXPECT_TRUE(store.write()) << "the service goes on while the snapshot is read";
    const Dump dump = [&](Sink& sink) { return store.snapshot->Dump(sink); };
    const std::string dumped = DigestText(dump);
    EXPECT_TRUE(store.write());
    EXPECT_EQ(DigestText(dump), dumped) << "and again the same";
    EXPECT_EQ(DigestOf(dump)->rows(), rows) << "what came later is not in it";
  }

  int size_ = 100'000;
};

TEST_F(SnapshotTest, OfSqliteIsOfOneMomentAndHoldsTheServiceNoLonger) { ExpectOneMoment(OnSqlite()); }

TEST_F(SnapshotTest, OfPostgresIsOfOneMomentAndHoldsTheServiceNoLonger) {
  BOXOFFICE_NEED_POSTGRES();
  ExpectOneMoment(OnPostgres());
}

TEST_F(SnapshotTest, AHoldWaitsForWhoWritesAndGivesUpAfterAMoment) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(1)));
  // Which is idle while it is waited for.
  const auto service = pg::Connection::Open({.url = source.url, .idle_timeout = milliseconds(0)}).value();
  std::optional<pg::Transaction> writing(*service);
  pg::Batch insert;
  insert.Add("INSERT INTO room(house_id, size) VALUES (3, 7)");
  ASSERT_TRUE(writing->Run(insert).has_value());
  auto snapshot = OpenPostgresSnapshot(source, {"house", "room"}).value();
  const auto held = snapshot->Hold();
  ASSERT_FALSE(held.has_value());
  EXPECT_EQ(held.error().code, Code::kUnavailable) << "so that it is tried again";
  EXPECT_TRUE(writing->Commit().has_value()) << "nobody is in the way of who writes";
  writing.reset();
  HoldAndTake(*snapshot);
  EXPECT_EQ(DigestOf([&](Sink& sink) { return snapshot->Dump(sink); })->rows(), 3);
}

// Only when its deadlock_timeout has passed does a waiter have an autovacuum cancelled, and one whose own
// time is up at that moment is gone before it does.
TEST_F(SnapshotTest, AHoldIsPatientEnoughForAutovacuumToGiveWay) {
  BOXOFFICE_NEED_POSTGRES();
  const auto connection = pg::Connection::Open({.url = NewPostgres().url}).value();
  pg::Batch look;
  look.Add("SELECT (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint");
  const milliseconds deadlock_timeout(connection->Read(look).value()[0][0].Int(0));
  EXPECT_GE(kHoldPatience, deadlock_timeout + milliseconds(200)) << "in which it ends what it is doing";
}

// Each of them might take just under a time-out of its own.
TEST_F(SnapshotTest, OneTimeoutIsForAllTablesOfAHold) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(1)));
  const auto service = pg::Connection::Open({.url = source.url, .idle_timeout = milliseconds(0)}).value();
  pg::Transaction writing(*service);
  pg::Batch insert;
  insert.Add("INSERT INTO room(house_id, size) VALUES (3, 7)");
  ASSERT_TRUE(writing.Run(insert).has_value());
  const auto held = OpenPostgresSnapshot(source, {"house", "room"}).value()->Hold();
  ASSERT_FALSE(held.has_value());
  EXPECT_THAT(held.error().detail, HasSubstr("[57014]")) << "of the statement, not of a lock";
}

// As of a backup that is stopped, or waits for another server that is frozen.
TEST_F(SnapshotTest, AHoldThatNobodyReleasesEndsBeforeAServiceGivesUp) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource source = NewPostgres();
  ExpectGood(LoadPostgres(source, Houses(1)));
  auto snapshot = OpenPostgresSnapshot(source, {"house", "room"}).value();
  const auto service =
      pg::Connection::Open({.url = source.url, .application_name = "boxoffice-house"}).value();
  pg::Batch insert;
  insert.Add("INSERT INTO room(house_id, size) VALUES (3, 7)");
  Result<void> released;
  // A server that stands still for a moment may end it too late: then once more.
  EXPECT_TRUE(testbed::Eventually([&] {
    if (!snapshot->Hold() || !snapshot->Take()) return false;
    const bool written = service->Write(insert).has_value();
    released = snapshot->Release();
    return written;
  })) << "the service has given up";
  ASSERT_FALSE(released.has_value()) << "somebody could write";
  EXPECT_EQ(released.error().code, Code::kUnavailable);
  EXPECT_EQ(released.error().reason, "hold_lost");
}

TEST_F(SnapshotTest, WhatIsTakenOfPostgresMayWaitForOtherStores) {
  BOXOFFICE_NEED_POSTGRES();
  WorkingStore store = OnPostgres();
  HoldAndTake(*store.snapshot);
  testbed::Pause(kSlow);
  EXPECT_EQ(DigestOf([&](Sink& sink) { return store.snapshot->Dump(sink); })->rows(), 5'000);
}

TEST_F(SnapshotTest, AnotherSchemaThanTheProgramsIsRefusedAndNotMigrated) {
  const std::vector<sql::Migration> newer{kSqlite[0],
                                          {2, "0002", "CREATE TABLE barn(id INTEGER PRIMARY KEY) STRICT"}};
  const auto file = NewFile();
  ExpectGood(LoadSqlite(file, kSqlite, Houses(1)));
  auto older = OpenSqliteSnapshot(file, newer).value();
  EXPECT_EQ(older->Take().error().reason, "schema_older");
  ASSERT_TRUE(sql::Database::Open(file).value().Migrate(newer));
  auto snapshot = OpenSqliteSnapshot(file, kSqlite).value();
  EXPECT_EQ(snapshot->Take().error().reason, "schema_newer");
  EXPECT_EQ(OpenSqliteSnapshot(dir_.path() / "missing.db", kSqlite).error().reason, "no_store");
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "missing.db"));
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource empty = NewPostgres();
  EXPECT_EQ(OpenPostgresSnapshot(empty, {"room"}).error().reason, "no_store");
  ExpectGood(LoadPostgres(empty, Houses(1)));
  const PostgresSource foreign{empty.url, "barn", kPostgres, kSqlite};
  EXPECT_EQ(OpenPostgresSnapshot(foreign, {"room"}).value()->Take().error().reason, "schema_foreign");
}

// It would leave behind what it does not know of.
TEST_F(SnapshotTest, AProgramThatMayServeANewerSchemaNeitherReadsNorWritesAllOfIt) {
  BOXOFFICE_NEED_POSTGRES();
  const PostgresSource older = NewPostgres();
  ExpectGood(LoadPostgres(older, Houses(1)));
  const std::vector<sql::Migration> newer{kPostgres[0],
                                          {2, "0002", "ALTER TABLE room ADD COLUMN floor BIGINT", 1}};
  const auto connection = pg::Connection::Open({.url = older.url}).value();
  ASSERT_TRUE(connection->Migrate("house", newer));
  ASSERT_TRUE(connection->Migrate("house", kPostgres)) << "it may serve it";
  Digest digest;
  EXPECT_EQ(DumpPostgres(older, digest).error().reason, "schema_newer");
  EXPECT_EQ(LoadPostgres(older, Houses(1)).error().reason, "schema_newer");
  EXPECT_EQ(OpenPostgresSnapshot(older, {"room"}).value()->Take().error().reason, "schema_newer");
}

TEST(DigestTest, TellsRowsApartWhateverTheirOrder) {
  const auto digest = [](const std::vector<Row>& rows, const std::string& table = "t") {
    Digest of;
    EXPECT_TRUE(of.Begin({table, {"a", "b"}}));
    EXPECT_TRUE(of.Add(rows));
    return of.ToHex();
  };
  const Row one{int64_t{1}, std::string("x")};
  const Row two{int64_t{2}, Value()};
  EXPECT_EQ(digest({one, two}), digest({two, one}));
  EXPECT_NE(digest({one, two}), digest({one}));
  EXPECT_NE(digest({one, two}), digest({one, one}));
  EXPECT_NE(digest({one}), digest({one}, "u"));
  EXPECT_NE(digest({{Value(), std::string()}}), digest({{std::string(), Value()}}));
  EXPECT_NE(digest({{std::string("ab"), std::string("c")}}), digest({{std::string("a"), std::string("bc")}}));
  EXPECT_NE(digest({{int64_t{1}, 1.0}}), digest({{1.0, int64_t{1}}}));
}

}  // namespace
}  // namespace boxoffice::archive
