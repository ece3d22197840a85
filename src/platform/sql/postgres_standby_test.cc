// A server that is to have a synchronous standby, which never comes, and a commit that stops waiting for it,
// as by pg_cancel_backend: it is done here, and lost with this server.
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/sql/postgres_for_test.h"
#include "testing/wait.h"

namespace boxoffice::sql::pg {
namespace {

using testbed::PostgresServer;

class PostgresStandbyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    server_.emplace(PostgresServer::Options{.fsync = false, .more = ""});
    url_ = server_->NewDatabase();
    hand_ = Connection::Open(PatientConfig(url_)).value();
    ASSERT_TRUE(hand_->Execute("CREATE TABLE t(a BIGINT)"));
  }
  static Batch One(std::string_view sql) {
    Batch batch;
    batch.Add(sql);
    return batch;
  }
  // Bounds that let a test wait for them.
  static std::unique_ptr<Connection> OpenHasty(const std::string& url) {
    return Connection::Open({.url = url,
                             .statement_timeout = milliseconds(1'000),
                             .answer_timeout = milliseconds(2'000),
                             .backoff = milliseconds(1),
                             .max_backoff = milliseconds(10)})
        .value();
  }
  void By(std::string_view sql) const {
    const auto done = hand_->Read(One(sql));
    ASSERT_TRUE(done) << done.error().detail;
  }
  void StandbyComes() const {  // as it looks from here
    By("ALTER SYSTEM SET synchronous_standby_names = ''");
    By("SELECT pg_reload_conf()");
  }
  // The server's processes that wait for the standby.
  int64_t Waiting() const {
    return hand_->Read(One("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
        .value()[0][0]
        .Int(0);
  }
  void EndTheWait() const {
    By("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  }
  // A write that has begun to wait for the standby.
  std::future<Result<std::vector<Rows>>> WriteWithoutStandby(Connection& connection) const {
    By("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    By("SELECT pg_reload_conf()");
    std::future<Result<std::vector<Rows>>> write;
    // Until the server has read its configuration, commits do not wait.
    EXPECT_TRUE(testbed::Eventually([&] {
      if (!write.valid() || write.wait_for(milliseconds(0)) == std::future_status::ready) {
        write = std::async(std::launch::async,
                           [&connection] { return connection.Write(One("INSERT INTO t VALUES (1)")); });
      }
      return Waiting() > 0;
    }));
    return write;
  }
  // Of one whose wait is ended.
  Error EndedWrite(Connection& connection) const {
    auto write = WriteWithoutStandby(connection);
    EndTheWait();
    const auto written = write.get();
    EXPECT_FALSE(written) << "it is not acknowledged";
    return written ? Error() : written.error();
  }

  std::optional<PostgresServer> server_;
  std::string url_;
  std::unique_ptr<Connection> hand_;
};

TEST_F(PostgresStandbyTest, WhatACommitThatStoppedWaitingHasDoneIsNotFoundBeforeTheStandbyHasIt) {
  const auto connection = OpenHasty(url_);
  const Error unknown = EndedWrite(*connection);
  EXPECT_EQ(unknown.code, Code::kUnknown) << unknown.detail;
  EXPECT_EQ(unknown.reason, "commit_unknown");
  const Batch count = One("SELECT count(*) FROM t");
  EXPECT_FALSE(hand_->Read(count).value()[0].empty()) << "others find it";
  const auto read = connection->Read(count);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kUnavailable);
  EXPECT_EQ(read.error().reason, "database_unavailable");
  {
    Transaction transaction(*connection);
    const auto run = transaction.Run(count);
    ASSERT_FALSE(run) << "nor at the second try";
    EXPECT_EQ(run.error().reason, "database_unavailable");
  }
  StandbyComes();
  EXPECT_TRUE(testbed::Eventually([&] { return connection->Read(count).has_value(); }));
  EXPECT_TRUE(connection->Write(One("INSERT INTO t VALUES (1)")));
}

TEST_F(PostgresStandbyTest, HoweverLongItIsAwayAConnectionKeepsNoMoreThanTwoProcessesWaiting) {
  const auto connection = OpenHasty(url_);
  EXPECT_EQ(WriteWithoutStandby(*connection).get().error().reason, "commit_unknown");
  for (int i = 0; i < 4; ++i) {
    const auto written = connection->Write(One("INSERT INTO t VALUES (2)"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reason, "database_unavailable");
    EXPECT_LE(Waiting(), 2) << "of the COMMIT, and of what waits for it";
  }
  StandbyComes();
  EXPECT_TRUE(
      testbed::Eventually([&] { return connection->Write(One("INSERT INTO t VALUES (2)")).has_value(); }));
  EXPECT_TRUE(testbed::Eventually([&] { return Waiting() == 0; }));
  EXPECT_EQ(hand_->Read(One("SELECT count(*) FROM t WHERE a = 2")).value()[0][0].Int(0), 1);
}

TEST_F(PostgresStandbyTest, AServerThatFreezesWhileItIsWaitedForIsLeftForTheOneThatTakesWrites) {
  PostgresServer other({.fsync = false, .more = ""});
  const auto there = Connection::Open(PatientConfig(other.NewDatabase())).value();
  ASSERT_TRUE(there->Execute("CREATE TABLE t(a BIGINT)"));
  const std::string host = fmt::format("127.0.0.1:{}", server_->port());
  std::string both = url_;  // the databases have the same name
  both.replace(both.find(host), host.size(), fmt::format("{},127.0.0.1:{}", host, other.port()));
  const auto connection = OpenHasty(both);
  EXPECT_EQ(WriteWithoutStandby(*connection).get().error().reason, "commit_unknown");
  const Batch count = One("SELECT count(*) FROM t");
  ASSERT_FALSE(connection->Read(count)) << "it is waited for";
  server_->Freeze();
  EXPECT_TRUE(testbed::Eventually([&] {
    const auto read = connection->Read(count);
    return read && (*read)[0][0].Int(0) == 0;
  }));
  server_->Thaw();
}

TEST_F(PostgresStandbyTest, ATransactionIsLostWhereItsConnectionHasBegunToWaitForItsCommit) {
  (void)EndedWrite(*OpenHasty(url_));
  const auto connection = OpenHasty(url_);
  Transaction transaction(*connection);
  ASSERT_TRUE(transaction.Run(One("INSERT INTO t VALUES (2)")));
  auto commit = std::async(std::launch::async, [&] { return transaction.Commit(); });
  EXPECT_TRUE(testbed::Eventually([&] { return Waiting() > 0; }));
  EndTheWait();
  EXPECT_EQ(commit.get().error().reason, "commit_unknown");
  EXPECT_FALSE(connection->Read(One("SELECT 1")));
  EXPECT_EQ(transaction.Run(One("SELECT 1")).error().detail, "the transaction was lost");
}

TEST_F(PostgresStandbyTest, WhereTheServerForbidsToLookWhetherTheStandbyHasItNobodyWaits) {
  ASSERT_TRUE(
      hand_->Execute("CREATE ROLE poor LOGIN; GRANT SELECT, INSERT ON t TO poor; "
                     "REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC"));
  std::string url = url_;
  constexpr std::string_view kUser = "//boxoffice@";
  url.replace(url.find(kUser), kUser.size(), "//poor@");
  const auto connection = OpenHasty(url);
  EXPECT_EQ(EndedWrite(*connection).code, Code::kUnknown);
  EXPECT_TRUE(connection->Read(One("SELECT count(*) FROM t")));
}

}  // namespace
}  // namespace boxoffice::sql::pg
