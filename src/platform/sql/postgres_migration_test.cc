// Schemas that go forward, while replicas of the version before run or are started anew.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/sql/postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "testing/wait.h"

namespace boxoffice::sql::pg {
namespace {

using ::testing::HasSubstr;

constexpr Migration kFirst{1, "0001_first",
                           "CREATE TABLE t(a BIGINT PRIMARY KEY, b TEXT); CREATE TABLE u(a BIGINT)"};
constexpr Migration kSecond{2, "0002_second", "ALTER TABLE t ADD COLUMN c BIGINT"};

class PostgresMigrationTest : public DatabaseTest {};

TEST_F(PostgresMigrationTest, MigrationsAreAppliedOnceAndInOrderAlsoBySeveralAtOnce) {
  std::vector<std::future<Result<void>>> migrators;
  std::atomic<int> ready = 0;
  for (int i = 0; i < 6; ++i) {
    migrators.push_back(std::async(std::launch::async, [&] {
      const auto connection = Open();
      for (++ready; ready < 6;) std::this_thread::yield();
      return connection->Migrate("test", std::array{kFirst, kSecond});
    }));
  }
  for (auto& migrator : migrators) {
    const auto migrated = migrator.get();
    EXPECT_TRUE(migrated) << migrated.error().detail;
  }
  EXPECT_TRUE(Open()->Read(One("SELECT a, b, c FROM t")));
  EXPECT_EQ(Open()->Read(One("SELECT version FROM schema_version")).value()[0][0].Int(0), 2);
}

TEST_F(PostgresMigrationTest, AMigrationThatFailsLeavesNothingBehind) {
  constexpr Migration kBroken{2, "0002_broken", "CREATE TABLE v(a BIGINT); SELECT nonsense"};
  const Error error = Open()->Migrate("test", std::array{kFirst, kBroken}).error();
  EXPECT_THAT(error.detail, HasSubstr("0002_broken"));
  EXPECT_EQ(Open()->Read(One("SELECT version FROM schema_version")).value()[0][0].Int(0), 1);
  EXPECT_FALSE(Open()->Read(One("SELECT a FROM v")));
  EXPECT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond}));
}

TEST_F(PostgresMigrationTest, ADatabaseNewerThanTheProgramOrOfAnotherServiceIsRefused) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond}));
  EXPECT_EQ(Open()->Migrate("test", std::array{kFirst}).error().reason, "schema_newer");
  EXPECT_EQ(Open()->Migrate("other", std::array{kFirst, kSecond}).error().reason, "schema_foreign");
}

// As a pod that is started anew while an upgrade is under way, or was given up halfway.
TEST_F(PostgresMigrationTest, ADatabaseThatServesOlderProgramsIsOpenedByThemAndStaysAsItIs) {
  constexpr Migration kServesFirst{2, "0002_second", "ALTER TABLE t ADD COLUMN c BIGINT", 1};
  constexpr Migration kServesSecond{3, "0003_third", "ALTER TABLE t DROP COLUMN b", 2};
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kServesFirst}));
  EXPECT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  EXPECT_EQ(Open()->Read(One("SELECT version FROM schema_version")).value()[0][0].Int(0), 2);
  EXPECT_EQ(Open()->Migrate("other", std::array{kFirst}).error().reason, "schema_foreign");
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kServesFirst, kServesSecond}));
  EXPECT_TRUE(Open()->Migrate("test", std::array{kFirst, kServesFirst}));
  EXPECT_EQ(Open()->Migrate("test", std::array{kFirst}).error().reason, "schema_newer");
}

TEST_F(PostgresMigrationTest, WhomAMigrationDoesNotServeNoLaterOneServesAgain) {
  constexpr Migration kServesFirst{3, "0003_third", "ALTER TABLE t ADD COLUMN d BIGINT", 1};
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond, kServesFirst}));
  EXPECT_EQ(Open()->Migrate("test", std::array{kFirst}).error().reason, "schema_newer");
  EXPECT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond}));
}

TEST_F(PostgresMigrationTest, ADatabaseThatWasMigratedBeforeMigrationsSaidWhomTheyServeServesItsOwnVersion) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond}));
  ASSERT_TRUE(Open()->Execute("DROP TABLE schema_migration"));
  EXPECT_EQ(Open()->Migrate("test", std::array{kFirst}).error().reason, "schema_newer");
  constexpr Migration kServesSecond{3, "0003_third", "ALTER TABLE t ADD COLUMN d BIGINT", 2};
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond, kServesSecond}));
  EXPECT_TRUE(Open()->Migrate("test", std::array{kFirst, kSecond}));
  EXPECT_EQ(Open()->Migrate("test", std::array{kFirst}).error().reason, "schema_newer");
}

// As of a backup, which keeps what it has read of until its end, or of a report.
TEST_F(PostgresMigrationTest, AMigrationThatWaitsForALongReaderKeepsNobodyWaiting) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  const auto reader = Open();
  std::optional<Transaction> reading(*reader);
  ASSERT_TRUE(reading->Run(One("SELECT count(*) FROM t")));
  auto migrator =
      std::async(std::launch::async, [&] { return Open()->Migrate("test", std::array{kFirst, kSecond}); });
  const auto watcher = Open();
  const Batch waiting =
      One("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = "
          "'t'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  EXPECT_TRUE(testbed::Eventually([&] { return !watcher->Read(waiting).value()[0].empty(); }));
  const auto service = Connection::Open({.url = url_}).value();
  // A server that stands still for a moment may use up the time of one.
  const auto write = [&] { return service->Write(One("INSERT INTO t VALUES (1)")).has_value(); };
  EXPECT_TRUE(write() || write());
  EXPECT_FALSE(watcher->Read(One("SELECT c FROM t"))) << "the reader is there still";
  reading.reset();
  const auto migrated = migrator.get();
  EXPECT_TRUE(migrated) << "it is tried again: " << migrated.error().detail;
  EXPECT_EQ(watcher->Read(One("SELECT c FROM t")).value()[0].size(), 1U);
}

// As by Ctrl-C, though the server is at work.
TEST_F(PostgresMigrationTest, AMigrationWhoseProcessIsGoneIsRolledBack) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  constexpr Migration kLong{2, "0002_long", "SELECT pg_sleep(90)"};
  const pid_t migrator = ::fork();
  if (migrator == 0) {
    (void)Open()->Migrate("test", std::array{kFirst, kLong});
    ::_exit(0);
  }
  const auto watcher = Open();
  const Batch asleep =
      One("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()");
  EXPECT_TRUE(testbed::Eventually([&] { return !watcher->Read(asleep).value()[0].empty(); }));
  ::kill(migrator, SIGKILL);
  ::waitpid(migrator, nullptr, 0);
  EXPECT_TRUE(testbed::Eventually([&] { return watcher->Read(asleep).value()[0].empty(); }));
}

TEST_F(PostgresMigrationTest, AMigrationThatIsGivenUpInADeadlockIsTriedAgain) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  const std::string url = url_;
  url_ = url + "?options=-cdeadlock_timeout%3D60s";
  const auto reader = Open();
  std::optional<Transaction> reading(*reader);
  ASSERT_TRUE(reading->Run(One("SELECT count(*) FROM t")));
  // So it is the migration that notices it, and is given up.
  url_ = url + "?options=-cdeadlock_timeout%3D20ms";
  constexpr Migration kOfBoth{2, "0002_of_both",
                              "ALTER TABLE u ADD COLUMN c BIGINT; SELECT pg_sleep(0.7); "
                              "ALTER TABLE t ADD COLUMN c BIGINT"};
  auto migrator =
      std::async(std::launch::async, [&] { return Open()->Migrate("test", std::array{kFirst, kOfBoth}); });
  const auto watcher = Open();
  const Batch asleep =
      One("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()");
  EXPECT_TRUE(testbed::Eventually([&] { return !watcher->Read(asleep).value()[0].empty(); }));
  const auto read = reading->Run(One("SELECT count(*) FROM u"));
  EXPECT_TRUE(read) << read.error().detail;
  reading.reset();
  const auto migrated = migrator.get();
  EXPECT_TRUE(migrated) << migrated.error().detail;
  EXPECT_TRUE(watcher->Read(One("SELECT t.c, u.c FROM t, u")));
}

// As in a deployment: the schema goes forward under replicas that know the one before, and go on with the
// statements that they have prepared.
TEST_F(PostgresMigrationTest, AMigrationGoesForwardWhileCommandsRun) {
  ASSERT_TRUE(Open()->Migrate("test", std::array{kFirst}));
  std::atomic<int64_t> written = 0;
  std::atomic<bool> stop = false;
  std::vector<std::future<std::string>> replicas;
  for (int64_t replica = 0; replica < 3; ++replica) {
    // What is refused for want of a lock is done again, as an executor does it; anything else is an error.
    replicas.push_back(std::async(std::launch::async, [&, replica]() -> std::string {
      const auto connection = Connection::Open({.url = url_}).value();
      for (int64_t i = 0; !stop; ++i) {
        Batch batch;
        batch.Add("INSERT INTO t(a, b) VALUES ($1, 'x') ON CONFLICT DO NOTHING RETURNING a", i * 3 + replica);
        batch.Add("UPDATE t SET b = 'y' WHERE a = $1 RETURNING a, b", i * 3 + replica);
        Result<std::vector<Rows>> done = connection->Write(batch);
        for (int tries = 0; !done && done.error().code == Code::kUnavailable && tries < 20; ++tries)
          done = connection->Write(batch);
        if (!done) return done.error().reason + ": " + done.error().detail;
        ++written;
      }
      return "";
    }));
  }
  const auto await_more = [&](int64_t more) {
    const int64_t then = written;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (written < then + more && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return written >= then + more;
  };
  EXPECT_TRUE(await_more(100));
  constexpr Migration kForward{
      2, "0002_forward",
      "ALTER TABLE t ADD COLUMN c BIGINT NOT NULL DEFAULT 7; CREATE INDEX t_c ON t(c); "
      "UPDATE t SET c = a WHERE c = 7"};
  const auto migrated =
      Connection::Open({.url = url_}).value()->Migrate("test", std::array{kFirst, kForward});
  EXPECT_TRUE(migrated.has_value()) << migrated.error().detail;
  EXPECT_TRUE(await_more(100)) << "whoever knows the schema before goes on";
  stop = true;
  for (auto& replica : replicas) EXPECT_EQ(replica.get(), "");
  const auto connection = Connection::Open({.url = url_}).value();
  const auto rows =
      connection->Read(One("SELECT count(*), count(*) FILTER (WHERE b = 'y' AND c IS NOT NULL) FROM t"));
  EXPECT_EQ(rows.value()[0][0].Int(0), written) << "nothing is lost";
  EXPECT_EQ(rows.value()[0][0].Int(1), written);
}

}  // namespace
}  // namespace boxoffice::sql::pg
