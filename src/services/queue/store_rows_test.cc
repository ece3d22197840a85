// What moving the rows does to the lead, on Redis, where another process may take it.
#include "services/queue/store_rows.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/text.h"
#include "platform/archive/rows.h"
#include "platform/redis/redis_for_test.h"
#include "services/queue/store_redis.h"
#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice::queue {
namespace {

using std::chrono::seconds;

// Does something when the first rows come.
class ActingSink final : public archive::Sink {
 public:
  explicit ActingSink(std::function<void()> act) : act_(std::move(act)) {}
  Result<void> Begin(const archive::Table&) override { return {}; }
  Result<void> Add(std::span<const archive::Row>) override {
    if (const auto act = std::exchange(act_, nullptr)) act();
    return {};
  }

 private:
  std::function<void()> act_;
};

TEST(QueueRowsTest, WhileAProcessServesOnAStoreNothingIsMoved) {
  BOXOFFICE_NEEDS_REDIS();
  const std::string url = testbed::EmptyRedis().Url();
  Stores serving = OpenRedis(url, redis::kPatient, seconds(60)).value();
  ASSERT_TRUE(serving.leadership->Take()->has_value());
  Stores moving = OpenRedis(url, redis::kPatient).value();
  archive::Digest digest;
  const auto refused = DumpRows(moving, digest);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "store_in_use");
  ASSERT_TRUE(serving.leadership->Release());
  EXPECT_TRUE(DumpRows(moving, digest));
  EXPECT_TRUE(serving.leadership->Take()->has_value()) << "it is given back";
}

TEST(QueueRowsTest, WhileRowsAreMovedTheLeadIsRenewed) {
  BOXOFFICE_NEEDS_REDIS();
  testbed::RedisServer& server = testbed::EmptyRedis();
  Stores other = OpenRedis(server.Url(), redis::kPatient).value();
  Stores moving = OpenRedis(server.Url(), redis::kPatient, seconds(2)).value();
  int renewals = 0;
  int64_t left_ms = 0;
  ActingSink sink([&] {
    EXPECT_TRUE(testbed::Eventually([&] {
      const auto taken = other.leadership->Take();
      EXPECT_FALSE(taken && taken->has_value()) << "it is not another's";
      const int64_t now_ms = ParseNumber<int64_t>(server.AskOne({"PTTL", "queue:leader"})).value_or(0);
      renewals += now_ms > left_ms && left_ms > 0 ? 1 : 0;
      left_ms = now_ms;
      return renewals >= 6 || testing::Test::HasFailure();
    })) << renewals;
  });
  EXPECT_TRUE(DumpRows(moving, sink));
  EXPECT_TRUE(other.leadership->Take()->has_value()) << "it is given back";
}

TEST(QueueRowsTest, RowsThatWereMovedWhileTheLeadWasLostAreNoSuccess) {
  BOXOFFICE_NEEDS_REDIS();
  testbed::RedisServer& server = testbed::EmptyRedis();
  Stores other = OpenRedis(server.Url(), redis::kPatient, seconds(60)).value();
  Stores moving = OpenRedis(server.Url(), redis::kPatient, seconds(60)).value();
  ActingSink sink([&] {
    EXPECT_EQ(server.AskOne({"DEL", "queue:leader"}), "1");
    EXPECT_TRUE(other.leadership->Take()->has_value());
  });
  const auto moved = DumpRows(moving, sink);
  ASSERT_FALSE(moved.has_value());
  EXPECT_EQ(moved.error().reason, "store_in_use");
  EXPECT_TRUE(other.leadership->Renew()->has_value()) << "it keeps what it has taken";
}

}  // namespace
}  // namespace boxoffice::queue
