#include "platform/redis/address.h"

#include <gmock/gmock.h>

namespace boxoffice::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RedisUrl, NamesOneServerWithADefaultPort) {
  const Target target = ParseUrl("redis://cache.example").value();
  EXPECT_FALSE(target.cluster);
  EXPECT_THAT(target.servers, ElementsAre(Address{"cache.example", 6379}));
  EXPECT_EQ(target.password, "");
}

TEST(RedisUrl, NamesSomeNodesOfACluster) {
  const Target target = ParseUrl("redis+cluster://a:7000,10.0.0.2,[::1]:7002/").value();
  EXPECT_TRUE(target.cluster);
  EXPECT_THAT(target.servers,
              ElementsAre(Address{"a", 7000}, Address{"10.0.0.2", 6379}, Address{"::1", 7002}));
  EXPECT_EQ(target.servers[2].ToString(), "[::1]:7002");
}

TEST(RedisUrl, NamesASocket) {
  const Target target = ParseUrl("redis+unix:///run/redis/redis.sock").value();
  EXPECT_THAT(target.servers, ElementsAre(Address{"/run/redis/redis.sock", 0}));
}

TEST(RedisUrl, CarriesUserAndPasswordPercentEncoded) {
  const Target both = ParseUrl("redis://queue:p%40ss%3a%2F@h:1").value();
  EXPECT_EQ(both.user, "queue");
  EXPECT_EQ(both.password, "p@ss:/");
  EXPECT_EQ(ParseUrl("redis://:secret@h")->user, "");
}

TEST(RedisUrl, IsRefusedWithItsFaultAndWithoutItsPassword) {
  for (const std::string_view url : {"",
                                     "http://a",
                                     "redis:/a",
                                     "redis://",
                                     "redis://:1",
                                     "redis://a:0",
                                     "redis://a:65536",
                                     "redis://a:x",
                                     "redis://a:1:2",
                                     "redis://a,b",
                                     "redis://a/0",
                                     "redis+cluster://a,,b",
                                     "redis+cluster://a,",
                                     "redis://[::1",
                                     "redis+unix://run/x",
                                     "redis://secret@a",
                                     "redis://u:@a",
                                     "redis://u:secret%4@a",
                                     "redis://u:secret%zz@a",
                                     "redis://u:secret@a:b",
                                     "redis://u:secret"}) {
    const auto target = ParseUrl(url);
    ASSERT_FALSE(target.has_value()) << url;
    EXPECT_EQ(target.error().reason, "invalid_redis_url") << url;
    EXPECT_NE(target.error().detail, "") << url;
    EXPECT_THAT(target.error().detail, ::testing::Not(HasSubstr("secret"))) << url;
  }
}

}  // namespace
}  // namespace boxoffice::redis
