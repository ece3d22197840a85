#include "platform/sql/postgres_read.h"

#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "platform/sql/postgres_for_test.h"

namespace boxoffice::sql::pg {
namespace {

class PostgresReadTest : public DatabaseTest {};

TEST_F(PostgresReadTest, AReadOfOneStatementIsWhatThatReturned) {
  const auto connection = Open();
  const auto rows = ReadOne(*connection, "SELECT $1 + n FROM generate_series(1, 2) n", int64_t{40});
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[1].Int(0), 42);
  EXPECT_EQ(ReadOne(*connection, "SELECT nothing").error().reason, "sql_error");
}

TEST_F(PostgresReadTest, ReadersThatShareAConnectionEachGetTheirOwn) {
  SharedReader reader(Open());
  std::vector<std::thread> threads;
  for (int64_t mine = 0; mine < 4; ++mine) {
    threads.emplace_back([&reader, mine] {
      for (int i = 0; i < 50; ++i) {
        const auto rows = reader.ReadOne("SELECT $1 + 0", mine);
        ASSERT_TRUE(rows) << rows.error().detail;
        ASSERT_EQ((*rows)[0].Int(0), mine);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace boxoffice::sql::pg
