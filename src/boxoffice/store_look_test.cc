#include "boxoffice/store_look.h"

#include <fstream>

#include <gmock/gmock.h>

#include "testing/postgres_server.h"
#include "testing/redis_server.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice {
namespace {

TEST(StoreLookTest, AnEmbeddedStoreThatIsNotThereIsNamed) {
  const testbed::TempDir folder;
  const std::string url = "sqlite:" + folder.path().string();
  const auto look = LookAtStore(url, "ranking");
  ASSERT_FALSE(look.has_value());
  EXPECT_EQ(look.error().reason, "no_store");
  EXPECT_THAT(look.error().detail, testing::EndsWith("ranking.db"));
  std::ofstream(folder.path() / "ranking.db").close();
  EXPECT_TRUE(LookAtStore(url, "ranking").has_value());
}

TEST(StoreLookTest, ARedisThatMayNotTellItsVersionTellsItsTime) {
  BOXOFFICE_NEEDS_REDIS();
  const testbed::RedisServer server;
  Result<StoreLook> look;
  const auto sees = [&](const std::string& url) {
    return testbed::Eventually([&] {
      look = LookAtStore(url, "queue");
      return look.has_value();
    });
  };
  ASSERT_TRUE(sees(server.Url())) << look.error().detail;
  EXPECT_THAT(look->software, testing::StartsWith("Redis "));
  ASSERT_TRUE(sees(server.GuideUrl())) << look.error().detail;
  EXPECT_EQ(look->software, "Redis");
  EXPECT_TRUE(look->time.has_value());
  EXPECT_THAT(look->risks, testing::IsEmpty()) << "nothing is known of it";
  EXPECT_THAT(server.Refused(), testing::ElementsAre("info"));
}

TEST(StoreLookTest, ARedisThatEvictsOrForgetsPlacesIsARisk) {
  BOXOFFICE_NEEDS_REDIS();
  const testbed::RedisServer server;
  Result<StoreLook> look;
  const auto sees = [&] {
    return testbed::Eventually([&] {
      look = LookAtStore(server.Url(), "queue");
      return look.has_value();
    });
  };
  ASSERT_TRUE(sees()) << look.error().detail;
  EXPECT_THAT(look->risks, testing::IsEmpty());
  ASSERT_EQ(server.AskOne({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}), "OK");
  ASSERT_EQ(server.AskOne({"CONFIG", "SET", "appendonly", "no"}), "OK");
  ASSERT_TRUE(sees()) << look.error().detail;
  EXPECT_THAT(look->risks, testing::ElementsAre(testing::StartsWith("maxmemory-policy is allkeys-lru"),
                                                testing::StartsWith("appendonly is no")));
}

TEST(StoreLookTest, APostgresThatForgetsWhatItHasCommittedIsARisk) {
  BOXOFFICE_NEED_POSTGRES();
  testbed::PostgresServer safe;
  testbed::PostgresServer fast({.fsync = false, .more = "full_page_writes = off\n"});
  const auto safe_look = LookAtStore(safe.NewDatabase(), "seat");
  ASSERT_TRUE(safe_look.has_value()) << safe_look.error().detail;
  EXPECT_THAT(safe_look->risks, testing::IsEmpty());
  const auto fast_look = LookAtStore(fast.NewDatabase(), "seat");
  ASSERT_TRUE(fast_look.has_value()) << fast_look.error().detail;
  EXPECT_THAT(fast_look->risks, testing::ElementsAre(testing::StartsWith("fsync is off"),
                                                     testing::StartsWith("full_page_writes is off")));
}

}  // namespace
}  // namespace boxoffice
