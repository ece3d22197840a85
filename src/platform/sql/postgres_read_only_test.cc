// A PostgreSQL that takes no writes any more, as a primary that is fenced off by
// default_transaction_read_only while its sessions go on: another server may be the one that takes them.
#include <cstdint>

#include <gtest/gtest.h>

#include "platform/sql/postgres_for_test.h"

namespace boxoffice::sql::pg {
namespace {

class PostgresReadOnlyTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (url_.empty()) return;  // there is no PostgreSQL
    ASSERT_TRUE(Open()->Execute("CREATE TABLE t(a BIGINT PRIMARY KEY)"));
  }
  // The process of the server that has the connection.
  static int64_t PidOf(Connection& connection) {
    return connection.Read(One("SELECT pg_backend_pid()::bigint")).value()[0][0].Int(0);
  }
  static void ExpectWrites(Connection& connection) {
    const auto written = connection.Write(One("INSERT INTO t SELECT count(*) FROM t"));
    EXPECT_TRUE(written) << written.error().detail;
  }
};

TEST_F(PostgresReadOnlyTest, AServerThatHasBecomeReadOnlyIsLeft) {
  const auto connection = Open();
  const int64_t before = PidOf(*connection);
  const uint64_t session = connection->session();
  {
    Transaction transaction(*connection);
    ASSERT_TRUE(transaction.Run(One("SET TRANSACTION READ ONLY")));
    const Error error = transaction.Run(One("INSERT INTO t VALUES (7)")).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.reason, "database_unavailable");
    EXPECT_EQ(connection->session(), 0U) << "there is none";
  }
  ExpectWrites(*connection);
  EXPECT_NE(PidOf(*connection), before);
  EXPECT_GT(connection->session(), session);
}

TEST_F(PostgresReadOnlyTest, AServerThatHasBecomeReadOnlyIsLeftByAScriptThatItRefuses) {
  const auto connection = Open();
  const int64_t before = PidOf(*connection);
  EXPECT_EQ(connection->Execute("SET TRANSACTION READ ONLY; INSERT INTO t VALUES (7)").error().reason,
            "database_unavailable");
  EXPECT_NE(PidOf(*connection), before);
}

// It would never be refused anything, and read for good what is old.
TEST_F(PostgresReadOnlyTest, AServerThatSaysThatItHasBecomeReadOnlyIsLeftByWhoeverOnlyReads) {
  const auto connection = Open();
  ASSERT_TRUE(connection->Execute("CREATE SEQUENCE turn"));
  const int64_t before = PidOf(*connection);
  // In the first session that runs it alone, so that the next takes writes.
  const auto read =
      connection->Read(One("SELECT pg_backend_pid()::bigint, CASE WHEN nextval('turn') = 1 THEN "
                           "set_config('default_transaction_read_only', 'on', false) END"));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_NE((*read)[0][0].Int(0), before) << "what it read is read again, elsewhere";
  ExpectWrites(*connection);
}

TEST_F(PostgresReadOnlyTest, OneThatOnlyReadsFromItsBeginningStays) {
  const auto connection = Open("?target_session_attrs=any&options=-cdefault_transaction_read_only%3Don");
  const int64_t before = PidOf(*connection);
  EXPECT_EQ(PidOf(*connection), before);
  Transaction transaction(*connection);
  ASSERT_TRUE(transaction.Run(One("SELECT 1")));
  EXPECT_TRUE(transaction.Commit());
  EXPECT_EQ(PidOf(*connection), before);
}

}  // namespace
}  // namespace boxoffice::sql::pg
