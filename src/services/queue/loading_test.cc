// Which loadings edges are told of, and what becomes of what a store has lost.
#include "services/queue/loading.h"

#include <map>
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

TEST(PutBackTest, SettingsAndTheCommitmentOfADrawStayAndPlacesAndCountsAreGone) {
  Show show{.show_id = 7, .version = 9, .last_sequence = 50, .head_sequence = 20, .admitted = 20};
  show.settings = {.rate_per_s = 1, .active_cap = 2, .state = QueueState::kPrequeue, .opens_at = kStart};
  show.draw = {.seed = "secret", .first = 30};
  const Show put_back = PutBack(show, kStart - 1ms);
  EXPECT_EQ(put_back, (Show{.show_id = 7, .settings = show.settings, .draw = {.seed = "secret"}}));
}

// Whoever was in it has lost the place, so there may be another one.
TEST(PutBackTest, ADrawThatWasMadeIsGoneWithItsPlaces) {
  Show show{.show_id = 7, .last_sequence = 50};
  show.draw = {.seed = "secret", .entrants = 50, .drawn_at = kStart};
  EXPECT_EQ(PutBack(show, kStart).draw, Draw());
}

// As when the store was away while it would have opened: after a draw of nobody there could be no other.
TEST(PutBackTest, APrequeueWhoseOpeningHasPassedIsOpenWithoutADraw) {
  Show show{.show_id = 7, .last_sequence = 50};
  show.settings = {.rate_per_s = 3, .state = QueueState::kPrequeue, .opens_at = kStart};
  show.draw = {.seed = "secret"};
  EXPECT_EQ(PutBack(show, kStart), (Show{.show_id = 7, .settings = {.rate_per_s = 3}}));
}

TEST(DrawLostTest, OnlyADrawThatIsKnownAndStoredAsYetToComeIsLost) {
  const Show stored{.show_id = 7, .draw = {.seed = "secret"}};
  Show known = stored;
  EXPECT_FALSE(IsDrawLost(known, stored)) << "it is yet to come";
  known.draw.drawn_at = kStart;
  EXPECT_TRUE(IsDrawLost(known, stored));
  EXPECT_FALSE(IsDrawLost(known, known));
  EXPECT_FALSE(IsDrawLost(known, {.show_id = 7, .draw = {.seed = "another"}})) << "nobody knows that one";
  EXPECT_FALSE(IsDrawLost({.show_id = 7}, {.show_id = 7})) << "there never was one";
}

TEST(DrawLostTest, ADrawThatIsMadeAgainIsOfAllWhoAreStoredAndTheQueueIsSetAsItWasKnownToBe) {
  Show stored{.show_id = 7, .version = 4, .last_sequence = 50, .head_sequence = 10};
  stored.settings.state = QueueState::kPrequeue;
  stored.draw = {.seed = "secret", .first = 20};
  Show known{.show_id = 7, .version = 6, .settings = {.rate_per_s = 3}, .last_sequence = 60};
  known.draw = {.seed = "secret", .first = 20, .entrants = 40, .drawn_at = kStart};
  Show again = stored;
  again.settings = known.settings;
  again.draw = {.seed = "secret", .first = 20, .entrants = 30, .drawn_at = kStart + 1s};
  EXPECT_EQ(DrawnAgain(known, stored, kStart + 1s), again);
}

TEST(LearnTest, ADrawThatIsStoredAsYetToComeStaysKnownAsMade) {
  const Show stored{.show_id = 7, .draw = {.seed = "secret"}};
  Show drawn = stored;
  drawn.draw.drawn_at = kStart;
  std::map<int64_t, Show> known;
  for (const Show& show : {stored, drawn, stored}) Learn(known, {show});
  EXPECT_EQ(known.at(7), drawn);
}

}  // namespace
}  // namespace boxoffice::queue
