#include "platform/sql/postgres.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::sql::pg {
namespace {

using testbed::PostgresServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Migration kFirst{1, "0001_first", "CREATE TABLE t(a BIGINT PRIMARY KEY, b TEXT)"};

class PostgresTest : public DatabaseTest {
 protected:
  void TearDown() override {
    if (!PostgresServer::Installed()) return;
    PostgresServer::Shared().Thaw();
    PostgresServer::Shared().Start();
  }
  // Bounds that let a test wait for them.
  std::unique_ptr<Connection> OpenHasty() {
    return Connection::Open({.url = url_,
                             .statement_timeout = milliseconds(400),
                             .answer_timeout = milliseconds(1000),
                             .backoff = milliseconds(1),
                             .max_backoff = milliseconds(10)})
        .value();
  }
  static int64_t Count(Connection& connection) {
    return connection.Read(One("SELECT count(*) FROM t")).value()[0][0].Int(0);
  }
};

enum class Colour { kRed = 1, kBlue = 2 };

TEST_F(PostgresTest, EveryTypeComesBackAsItWasSent) {
  const auto connection = Open();
  SeededRandom random{1};
  const SagaId saga = SagaId::Make(FromUnixMs(1), random);
  Batch batch;
  batch.Add("SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9", int64_t{-7'000'000'000}, true, "text 'ü",
            Bytes{{"\0b", 2}}, saga, 0.25, std::optional<int64_t>(), std::optional<std::string>("x"),
            Colour::kBlue);
  const auto results = connection->Read(batch).value();
  const Row row = results[0][0];
  EXPECT_EQ(row.Int(0), -7'000'000'000);
  EXPECT_TRUE(row.Bool(1));
  EXPECT_EQ(row.Text(2), "text 'ü");
  EXPECT_EQ(row.Text(3), std::string_view("\0b", 2));
  EXPECT_EQ(row.Id<SagaId>(4), saga);
  EXPECT_EQ(row.Double(5), 0.25);
  EXPECT_TRUE(row.IsNull(6));
  EXPECT_EQ(row.Text(7), "x");
  EXPECT_EQ(row.Int(8), 2);
}

TEST_F(PostgresTest, NoTableIsScannedForKeysHoweverSmallItSeemsUnlessWholeTablesAreAskedFor) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  const auto plan_of = [](Connection& connection) {
    std::string plan;
    const auto results = connection.Read(One(
        "EXPLAIN SELECT b FROM unnest(ARRAY(SELECT generate_series(1, 50)::bigint)) i(a) JOIN t USING (a)"));
    for (const Row row : results.value()[0]) plan.append(row.Text(0)).append("\n");
    return plan;
  };
  EXPECT_THAT(plan_of(*Connection::Open({.url = url_}).value()), HasSubstr("using t_pkey"));
  EXPECT_THAT(plan_of(*Connection::Open({.url = url_, .whole_tables = true}).value()),
              HasSubstr("Seq Scan on t"))
      << "what the planner takes an empty table for is why";
}

TEST_F(PostgresTest, ColumnsBecomeRowsInTheirOrder) {
  struct Thing {
    int64_t number;
    std::string name;
    std::optional<SagaId> saga;
    std::string bytes;
    bool flag;
    double weight;
  };
  SeededRandom random{1};
  const SagaId saga = SagaId::Make(FromUnixMs(1), random);
  const std::vector<Thing> things = {{-1, "a{},\"'\\", saga, std::string("\0\1", 2), true, 1.5},
                                     {2, "", std::nullopt, "", false, -2}};
  const auto connection = Open();
  Batch batch;
  constexpr std::string_view kUnnest = "SELECT * FROM unnest($1, $2, $3, $4, $5, $6)";
  for (const std::vector<Thing>& some : {things, {}}) {
    batch.Add(kUnnest, Column(some, &Thing::number), Column(some, &Thing::name), Column(some, &Thing::saga),
              Column(some, [](const Thing& thing) { return Bytes{thing.bytes}; }), Column(some, &Thing::flag),
              Column(some, &Thing::weight));
  }
  const auto results = connection->Read(batch).value();
  ASSERT_EQ(results.size(), 2);
  ASSERT_EQ(results[0].size(), 2);
  for (size_t i = 0; i < things.size(); ++i) {
    const Row row = results[0][i];
    EXPECT_EQ(row.Int(0), things[i].number);
    EXPECT_EQ(row.Text(1), things[i].name);
    EXPECT_EQ(row.IsNull(2), !things[i].saga.has_value());
    EXPECT_EQ(row.Text(3), things[i].bytes);
    EXPECT_EQ(row.Bool(4), things[i].flag);
    EXPECT_EQ(row.Double(5), things[i].weight);
  }
  EXPECT_EQ(results[0][0].Id<SagaId>(2), saga);
  EXPECT_TRUE(results[1].empty());
}

TEST_F(PostgresTest, AWriteIsAllOrNothing) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  Batch batch;
  batch.Add("INSERT INTO t VALUES ($1, $2)", 1, "x");
  batch.Add("INSERT INTO t VALUES ($1, $2)", 2, "y");
  EXPECT_EQ(connection->Write(batch).value()[1].affected(), 1);
  Batch broken;
  broken.Add("INSERT INTO t VALUES ($1, $2)", 3, "x");
  broken.Add("INSERT INTO t VALUES ($1, $2)", 2, "y");
  const Error error = connection->Write(broken).error();
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_EQ(error.reason, "constraint");
  EXPECT_EQ(Count(*connection), 2);
}

TEST_F(PostgresTest, ATransactionThatIsNotCommittedIsRolledBack) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  {
    Transaction transaction(*connection);
    EXPECT_EQ(transaction.Run(One("INSERT INTO t VALUES (1) RETURNING a")).value()[0][0].Int(0), 1);
  }
  EXPECT_EQ(Count(*connection), 0);
  {
    Transaction transaction(*connection);
    ASSERT_TRUE(transaction.Run(One("INSERT INTO t VALUES (1)")));
    EXPECT_EQ(transaction.Run(One("INSERT INTO t VALUES (1)")).error().reason, "constraint");
  }
  EXPECT_EQ(Count(*connection), 0);
  {
    Transaction transaction(*connection);
    ASSERT_TRUE(transaction.Run(One("INSERT INTO t VALUES (1)")));
    ASSERT_TRUE(transaction.Commit(One("INSERT INTO t VALUES (2)")));
  }
  EXPECT_EQ(Count(*Open()), 2);
}

TEST_F(PostgresTest, ErrorsAreToldApart) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  EXPECT_EQ(connection->Read(One("SELECT nonsense")).error().reason, "sql_error");
  Batch nul;
  nul.Add("SELECT $1", std::string_view("\0", 1));
  EXPECT_EQ(connection->Read(nul).error().code, Code::kInvalidArgument);
  EXPECT_EQ(connection->Execute("SET TRANSACTION READ ONLY; INSERT INTO t VALUES (1)").error().reason,
            "database_unavailable");
  // Longer than statement_timeout. On a machine that is busy the answer may come after answer_timeout: again.
  Error slow;
  EXPECT_TRUE(testbed::Eventually([&] {
    slow = OpenHasty()->Write(One("SELECT pg_sleep(30)")).error();
    return slow.code == Code::kUnavailable;
  })) << slow.detail;
  EXPECT_EQ(Count(*connection), 0);
  EXPECT_EQ(Connection::Open({.url = "postgresql://127.0.0.1:1/none"}).error().reason,
            "database_unavailable");
}

TEST_F(PostgresTest, ADeadlockIsRetryableAndNothingIsDone) {
  url_ += "?options=-cdeadlock_timeout%3D20ms";
  const auto one = Open();
  const auto two = Open();
  ASSERT_TRUE(one->Migrate("test", std::array{kFirst}));
  ASSERT_TRUE(one->Write(One("INSERT INTO t VALUES (1), (2)")));
  Transaction first(*one), second(*two);
  ASSERT_TRUE(first.Run(One("UPDATE t SET b = 'x' WHERE a = 1")));
  ASSERT_TRUE(second.Run(One("UPDATE t SET b = 'x' WHERE a = 2")));
  auto other =
      std::async(std::launch::async, [&] { return first.Run(One("UPDATE t SET b = 'x' WHERE a = 2")); });
  const auto mine = second.Run(One("UPDATE t SET b = 'x' WHERE a = 1"));
  const auto theirs = other.get();
  const Error error = mine ? theirs.error() : mine.error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "transaction_conflict");
}

TEST_F(PostgresTest, ADeadConnectionIsReplacedAndItsStatementsPreparedAgain) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  EXPECT_EQ(Count(*connection), 0);
  PostgresServer::Shared().Kill9();
  PostgresServer::Shared().Start();
  EXPECT_EQ(Count(*connection), 0);  // without an error: a read is done again
}

TEST_F(PostgresTest, WhileTheServerIsGoneCallsFailAtOnceAndComeBackWithIt) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  PostgresServer::Shared().Kill9();
  for (int i = 0; i < 20; ++i) {
    const Error error = connection->Write(One("INSERT INTO t VALUES (1)")).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.reason, "database_unavailable");
  }
  PostgresServer::Shared().Start();
  EXPECT_TRUE(testbed::Eventually([&] { return connection->Read(One("SELECT 1")).has_value(); }));
  EXPECT_TRUE(connection->Write(One("INSERT INTO t VALUES (1)")));
  EXPECT_EQ(Count(*connection), 1);
}

TEST_F(PostgresTest, LostBeforeTheCommitWasSentNothingWasDone) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  {
    Transaction transaction(*connection);
    ASSERT_TRUE(transaction.Run(One("INSERT INTO t VALUES (1)")));
    PostgresServer::Shared().Kill9();
    EXPECT_EQ(transaction.Commit().error().code, Code::kUnavailable);
  }
  PostgresServer::Shared().Start();
  EXPECT_EQ(Count(*Open()), 0);
}

TEST_F(PostgresTest, LostWhileCommittingIsUnknown) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  const Batch asleep_for_long = One("SELECT pg_sleep(15)");
  const Batch asleep = One("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
  for (const bool explicitly : {false, true}) {
    const auto watcher = Open();
    auto killer = std::async(std::launch::async, [&] {
      while (watcher->Read(asleep).value()[0].empty()) std::this_thread::yield();
      PostgresServer::Shared().Kill9();
    });
    Result<void> done;
    if (explicitly) {
      Transaction transaction(*connection);
      ASSERT_TRUE(transaction.Run(One("SELECT 1")));
      done = transaction.Commit(asleep_for_long);
    } else if (auto written = connection->Write(asleep_for_long); !written) {
      done = std::unexpected(written.error());
    }
    killer.get();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kUnknown);
    EXPECT_EQ(done.error().reason, "commit_unknown");
    PostgresServer::Shared().Start();
    while (!connection->Read(One("SELECT 1"))) std::this_thread::yield();
  }
}

TEST_F(PostgresTest, AnErrorOfTheCommitItselfIsUnknownAndLeavesAConnectionThatWorks) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Execute("CREATE TABLE t(a BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)"));
  const auto written = connection->Write(One("INSERT INTO t VALUES (1), (1)"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, "commit_unknown") << written.error().detail;
  EXPECT_THAT(written.error().detail, HasSubstr("[23505]"));
  EXPECT_EQ(Count(*connection), 0);
}

TEST_F(PostgresTest, AFrozenServerHoldsNobodyLongerThanTheBound) {
  const auto connection = OpenHasty();
  const auto other = OpenHasty();
  PostgresServer::Shared().Freeze();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(other->Write(One("SELECT 1")).error().code, Code::kUnknown);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(6)) << "1 s";
  EXPECT_EQ(connection->Read(One("SELECT 1")).error().code, Code::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15)) << "4 s";
  PostgresServer::Shared().Thaw();
  EXPECT_TRUE(testbed::Eventually([&] { return connection->Read(One("SELECT 1")).has_value(); }));
}

TEST_F(PostgresTest, AReadInAnotherTransactionsPlaceIsNotTakenForIt) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Migrate("test", std::array{kFirst}));
  Transaction transaction(*connection);
  ASSERT_TRUE(transaction.Run(One("INSERT INTO t VALUES (1)")));
  PostgresServer::Shared().Kill9();
  PostgresServer::Shared().Start();
  EXPECT_EQ(Count(*connection), 0);  // reconnects
  EXPECT_EQ(transaction.Commit().error().reason, "database_unavailable");
}

// As of a process that is stopped between two statements.
TEST_F(PostgresTest, ATransactionThatIsLeftOpenIsEndedByTheServerAndKeepsNoRow) {
  const auto other = Open();
  ASSERT_TRUE(other->Migrate("test", std::array{kFirst}));
  ASSERT_TRUE(other->Write(One("INSERT INTO t VALUES (1, 'old')")));
  const auto stopped =
      Connection::Open({.url = url_, .application_name = "stopped", .idle_timeout = milliseconds(100)})
          .value();
  const auto process_of_stopped = [&] {
    return fmt::format("/proc/{}",
                       stopped->Read(One("SELECT pg_backend_pid()::bigint")).value()[0][0].Int(0));
  };
  for (const bool commits : {false, true}) {
    const std::string process = process_of_stopped();
    Transaction left(*stopped);
    ASSERT_TRUE(left.Run(One("UPDATE t SET b = 'of the one that stopped' WHERE a = 1")));
    const auto written = other->Write(One("UPDATE t SET b = 'new' WHERE a = 1"));
    ASSERT_TRUE(written) << written.error().detail;
    ASSERT_TRUE(testbed::Eventually([&] { return !std::filesystem::exists(process); }));
    const Error error = commits ? left.Commit().error() : left.Run(One("SELECT 1")).error();
    EXPECT_EQ(error.code, Code::kUnavailable) << error.detail;
    EXPECT_EQ(error.reason, "database_unavailable");
    EXPECT_EQ(other->Read(One("SELECT b FROM t")).value()[0][0].Text(0), "new");
    EXPECT_EQ(Count(*stopped), 1) << "it works again";
  }
}

TEST_F(PostgresTest, TheServerLooksForClientsThatAreGone) {
  const auto text = [](Connection& connection, std::string_view sql) {
    return std::string(connection.Read(One(sql)).value()[0][0].Text(0));
  };
  const auto connection = Connection::Open({.url = url_}).value();
  EXPECT_EQ(text(*connection, "SELECT current_setting('idle_in_transaction_session_timeout')"), "2s")
      << "less than lock_timeout";
  EXPECT_EQ(text(*connection,
                 "SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'), "
                 "current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'))"),
            "5 2 3");
}

TEST_F(PostgresTest, CommitsWaitForTheDiskWhateverTheServersDefaultIs) {
  const std::string url = url_;
  for (const auto& [given, expected] :
       {std::pair("off", "on"), {"local", "on"}, {"remote_write", "on"}, {"remote_apply", "remote_apply"}}) {
    url_ = url + "?options=-csynchronous_commit%3D" + given;
    EXPECT_EQ(Open()->Read(One("SELECT current_setting('synchronous_commit')")).value()[0][0].Text(0),
              expected);
  }
}

TEST_F(PostgresTest, LazyCommitsDoNot) {
  Config config;
  config.url = url_;
  config.lazy_commit = true;
  const auto connection = Connection::Open(config).value();
  EXPECT_EQ(connection->Read(One("SELECT current_setting('synchronous_commit')")).value()[0][0].Text(0),
            "off");
}

const Insert kInsertIntoT("INSERT INTO t SELECT * FROM unnest($1)", "a");
// A row of `n`, by which it shows how often the batch was done, and these of `t`.
Batch Inserting(const std::vector<int64_t>& rows) {
  Batch batch;
  batch.Add("INSERT INTO n SELECT 1");
  batch.Add(kInsertIntoT, Column(rows));
  return batch;
}

// How often each statement that inserts was run on this connection, by whether it is tolerant.
std::map<bool, int64_t> RunsOfInserts(Connection& connection) {
  Batch count;
  count.Add(
      "SELECT statement LIKE '%ON CONFLICT%', sum(generic_plans + custom_plans)::bigint FROM "
      "pg_prepared_statements WHERE statement LIKE 'INSERT INTO t%' GROUP BY 1");
  std::map<bool, int64_t> runs;
  const auto results = connection.Read(count).value();
  for (const Row row : results[0]) runs[row.Bool(0)] = row.Int(1);
  return runs;
}

TEST_F(PostgresTest, AnInsertRunsPlainUntilARowExistsAndThenTheWholeBatchOnceMore) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Execute("CREATE TABLE t(a BIGINT PRIMARY KEY); CREATE TABLE n(b BIGINT)"));
  EXPECT_EQ(connection->Write(Inserting({1, 2})).value()[1].size(), 2U);
  EXPECT_EQ(RunsOfInserts(*connection), (std::map<bool, int64_t>{{false, 1}}));
  const auto written = connection->Write(Inserting({2, 3})).value();
  ASSERT_EQ(written[1].size(), 1U);
  EXPECT_EQ(written[1][0].Int(0), 3);
  EXPECT_EQ(RunsOfInserts(*connection), (std::map<bool, int64_t>{{false, 2}, {true, 1}}));
  // The next are tolerant from the start.
  EXPECT_EQ(connection->Write(Inserting({3, 4})).value()[1].size(), 1U);
  EXPECT_EQ(RunsOfInserts(*connection), (std::map<bool, int64_t>{{false, 2}, {true, 2}}));
  EXPECT_EQ(connection->Read(One("SELECT count(*) FROM n")).value()[0][0].Int(0), 3) << "each batch once";
}

TEST_F(PostgresTest, AnInsertInATransactionToleratesRowsThatExist) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Execute("CREATE TABLE t(a BIGINT PRIMARY KEY); CREATE TABLE n(b BIGINT)"));
  ASSERT_TRUE(connection->Write(Inserting({1})));
  {
    Transaction transaction(*connection);
    const auto first = transaction.Run(Inserting({1, 2})).value();
    ASSERT_EQ(first.size(), 2U);
    ASSERT_EQ(first[1].size(), 1U);
    EXPECT_EQ(first[1][0].Int(0), 2);
    // Nothing that was done is done again, so what follows in a transaction is tolerant.
    EXPECT_EQ(transaction.Run(Inserting({2, 3})).value()[1].size(), 1U);
    ASSERT_TRUE(transaction.Commit(Inserting({3, 4})));
  }
  EXPECT_EQ(connection->Read(One("SELECT count(*) FROM t")).value()[0][0].Int(0), 4);
  EXPECT_EQ(connection->Read(One("SELECT count(*) FROM n")).value()[0][0].Int(0), 4);
  const auto fresh = Open();
  {
    Transaction transaction(*fresh);
    ASSERT_TRUE(transaction.Run(One("SELECT 1")));
    EXPECT_EQ(transaction.Run(Inserting({4, 5})).value()[1].size(), 1U);
  }
  EXPECT_EQ(connection->Read(One("SELECT count(*) FROM t")).value()[0][0].Int(0), 4) << "rolled back";
}

TEST_F(PostgresTest, AnotherConstraintThatAnInsertBreaksIsAnError) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Execute("CREATE TABLE t(a BIGINT PRIMARY KEY CHECK(a > 0))"));
  Batch batch;
  batch.Add(kInsertIntoT, Column(std::vector<int64_t>{0}));
  EXPECT_EQ(connection->Write(batch).error().reason, "constraint");
  Batch taken;  // not by an Insert
  taken.Add("INSERT INTO t VALUES (1), (1)");
  EXPECT_EQ(connection->Write(taken).error().reason, "constraint");
}

}  // namespace
}  // namespace boxoffice::sql::pg
