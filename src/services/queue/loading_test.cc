// Which loadings edges are told of.
#include "services/queue/loading.h"

#include <utility>
#include <vector>

#include <gmock/gmock.h>

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const Timestamp kStart = FromUnixMs(1'800'000'000'000);

// Both may have lost places, and whoever lost one in the first has not asked yet.
TEST(LoadingTest, AnEarlierOneCountsForAWhileIfItFoundFewerPlaces) {
  const Loading first{980, kStart};
  EXPECT_THAT(LoadingsAfter({}, first), ElementsAre(first));
  const Loading second{1'050, kStart + kLoadingsCount};
  EXPECT_THAT(LoadingsAfter({first}, second), ElementsAre(first, second));
  const Loading late{1'050, kStart + kLoadingsCount + 1ms};
  EXPECT_THAT(LoadingsAfter({first}, late), ElementsAre(late));
}

TEST(LoadingTest, WhatFoundNoMorePlacesSaysItAll) {
  const Loading latest{980, kStart + 1s};
  EXPECT_THAT(LoadingsAfter({{900, kStart}, {980, kStart}, {1'000, kStart}}, latest),
              ElementsAre(Loading{900, kStart}, latest));
}

TEST(LoadingTest, ThereAreNeverMoreThanTheBoundAndTheFirstIsNotForgotten) {
  std::vector<Loading> loadings;
  for (uint64_t i = 1; i <= kMaxLoadings + 3; ++i) {
    loadings = LoadingsAfter(std::move(loadings), {100 * i, kStart + milliseconds(i)});
  }
  ASSERT_EQ(loadings.size(), kMaxLoadings);
  EXPECT_EQ(loadings.front(), (Loading{100, kStart + 4ms})) << "the first four are one";
}

// Else places seem lost that were not, and whoever joined meanwhile asks the queue service for ever after.
TEST(LoadingTest, AfterManyLoadingsTheLatestIsToldExactly) {
  std::vector<Loading> loadings;
  for (uint64_t i = 1; i <= kMaxLoadings + 3; ++i) {
    const Loading latest{100 * i, kStart + milliseconds(i)};
    loadings = LoadingsAfter(std::move(loadings), latest);
    EXPECT_EQ(loadings.back(), latest);
  }
}

TEST(LoadingTest, OnlyTheLatestIsToldOfForLonger) {
  const Loading first{980, kStart};
  const Loading latest{1'050, kStart + 1s};
  EXPECT_THAT(LoadingsAt({first, latest}, kStart + kLoadingsCount), ElementsAre(first, latest));
  EXPECT_THAT(LoadingsAt({first, latest}, kStart + kLoadingsCount + 1ms), ElementsAre(latest));
  EXPECT_THAT(LoadingsAt({first, latest}, kStart + 1h), ElementsAre(latest));
  EXPECT_THAT(LoadingsAt({}, kStart), ElementsAre());
}

}  // namespace
}  // namespace boxoffice::queue
