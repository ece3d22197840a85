#include "platform/redis/slot.h"

#include <gmock/gmock.h>

namespace boxoffice::redis {
namespace {

// The specification's reference value, and what CLUSTER KEYSLOT says.
TEST(Slot, IsWhatRedisComputes) {
  EXPECT_EQ(SlotOf("123456789"), 0x31C3);
  EXPECT_EQ(SlotOf("foo"), 12182);
  EXPECT_EQ(SlotOf(""), 0);
}

TEST(Slot, IsThatOfTheHashTagWhereThereIsOne) {
  EXPECT_EQ(SlotOf("{foo}.bar"), SlotOf("foo"));
  EXPECT_EQ(SlotOf("a{foo}{bar}"), SlotOf("foo"));
  EXPECT_EQ(SlotOf("a{{foo}}"), SlotOf("{foo"));
  EXPECT_NE(SlotOf("{show:7}:show"), SlotOf("{show:8}:show"));
}

TEST(Slot, IsThatOfTheWholeKeyWhereTheTagIsEmptyOrOpen) {
  EXPECT_NE(SlotOf("foo{}{bar}"), SlotOf("bar"));
  EXPECT_NE(SlotOf("foo{bar"), SlotOf("bar"));
}

}  // namespace
}  // namespace boxoffice::redis
