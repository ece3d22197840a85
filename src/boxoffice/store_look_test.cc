#include "boxoffice/store_look.h"

#include <gmock/gmock.h>

#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice {
namespace {

TEST(StoreLookTest, ARedisThatMayNotTellItsVersionTellsItsTime) {
  BOXOFFICE_NEEDS_REDIS();
  const testbed::RedisServer server;
  Result<StoreLook> look;
  const auto sees = [&](const std::string& url) {
    return testbed::Eventually([&] {
      look = LookAtStore(url);
      return look.has_value();
    });
  };
  ASSERT_TRUE(sees(server.Url())) << look.error().detail;
  EXPECT_THAT(look->software, testing::StartsWith("Redis "));
  ASSERT_TRUE(sees(server.GuideUrl())) << look.error().detail;
  EXPECT_EQ(look->software, "Redis");
  EXPECT_TRUE(look->time.has_value());
  EXPECT_THAT(server.Refused(), testing::ElementsAre("info"));
}

}  // namespace
}  // namespace boxoffice
