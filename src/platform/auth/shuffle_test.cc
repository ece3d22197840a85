#include "platform/auth/shuffle.h"

#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::auth {
namespace {

constexpr std::string_view kSeed = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

std::vector<uint64_t> OrderOf(const Shuffle& shuffle, uint64_t first, uint64_t count) {
  std::vector<uint64_t> order;
  for (uint64_t place = first + 1; place <= first + count; ++place) order.push_back(shuffle.NumberAt(place));
  return order;
}

// Made with Python: sorted(range(1, 11), key=lambda n: hmac.new(seed, str(n).encode(), 'sha256').digest())
TEST(ShuffleTest, IsTheOrderThatAnybodyElseComputes) {
  EXPECT_EQ(CommitmentTo(kSeed), "2a8abfa8cb9906290437854193ca6bca41d4d4e26d1d454bd66a35158095e737");
  EXPECT_THAT(OrderOf(Shuffle(kSeed, 0, 10), 0, 10), testing::ElementsAre(8, 10, 6, 5, 3, 9, 2, 1, 4, 7));
  EXPECT_THAT(OrderOf(Shuffle(kSeed, 3, 5), 3, 5), testing::ElementsAre(8, 6, 5, 4, 7));
}

TEST(ShuffleTest, EveryNumberHasOnePlaceAndBack) {
  const Shuffle shuffle(kSeed, 1'000, 5'000);
  std::set<uint64_t> places;
  for (uint64_t number = 1'001; number <= 6'000; ++number) {
    const uint64_t place = shuffle.PlaceOf(number);
    EXPECT_TRUE(place > 1'000 && place <= 6'000);
    EXPECT_EQ(shuffle.NumberAt(place), number);
    places.insert(place);
  }
  EXPECT_EQ(places.size(), 5'000);
  EXPECT_EQ(shuffle.last(), 6'000);
}

TEST(ShuffleTest, WhoIsOutsideKeepsThePlace) {
  const Shuffle shuffle(kSeed, 10, 5);
  for (const uint64_t number : {0, 1, 10, 16, 1'000}) {
    EXPECT_EQ(shuffle.PlaceOf(number), number);
    EXPECT_EQ(shuffle.NumberAt(number), number);
  }
}

TEST(ShuffleTest, OfNobodyIsNothing) {
  const Shuffle shuffle(kSeed, 7, 0);
  EXPECT_EQ(shuffle.PlaceOf(8), 8);
  EXPECT_EQ(shuffle.last(), 7);
}

TEST(ShuffleTest, AnotherSeedIsAnotherOrder) {
  EXPECT_NE(OrderOf(Shuffle("a", 0, 100), 0, 100), OrderOf(Shuffle("b", 0, 100), 0, 100));
}

}  // namespace
}  // namespace boxoffice::auth
