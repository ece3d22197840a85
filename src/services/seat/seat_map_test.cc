#include "services/seat/seat_map.h"

#include <algorithm>
#include <array>
#include <set>

#include <gmock/gmock.h>

#include "base/random.h"
#include "services/seat/testing_hall.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

class SeatMapTest : public ::testing::Test {
 protected:
  void Set(SeatNo seat_no, SeatState state, Timestamp expires_at = {}) {
    SeatRow row;
    row.key = {1, seat_no};
    row.state = state;
    row.hold_expires_at = expires_at;
    row.version = ++version_;
    map_.Apply(row);
  }
  void Keep(SeatNo seat_no, SeatState state, Timestamp until = {}, Timestamp expires_at = {}) {
    SeatRow row;
    row.key = {1, seat_no};
    row.state = state;
    row.hold_expires_at = expires_at;
    row.channel = "fanclub";
    row.channel_until = until;
    row.version = ++version_;
    map_.Apply(row);
  }
  int StateAt(const SeatMap::View& view, SeatNo seat_no) {
    return (static_cast<unsigned char>(view.states[(seat_no - 1) / 4]) >> (2 * ((seat_no - 1) % 4))) & 3;
  }
  int64_t version_ = 0;
  SeatMap map_{MakeHall({4, 4}), 100};
};

TEST_F(SeatMapTest, StatesArePackedTwoBitsASeatLowBitsFirst) {
  Set(2, SeatState::kHeld, kNow + 1min);
  Set(8, SeatState::kSold);
  const auto view = map_.Look(kNow);
  EXPECT_EQ(view.states, std::string("\x04\x80", 2));
  EXPECT_EQ(view.counts, (SeatCounts{6, 1, 1}));
  EXPECT_EQ(view.next_release_at, kNow + 1min);
}

TEST_F(SeatMapTest, AHoldIsFreeInStatesAndCountsAtItsDeadline) {
  Set(2, SeatState::kHeld, kNow + 1min);
  Set(3, SeatState::kHeld, kNow + 2min);
  EXPECT_EQ(map_.LookAtCounts(kNow + 1min - 1ms).counts, (SeatCounts{6, 2, 0}));
  const auto view = map_.Look(kNow + 1min);
  EXPECT_EQ(view.counts, (SeatCounts{7, 1, 0}));
  EXPECT_EQ(StateAt(view, 2), 0);
  EXPECT_EQ(view.next_release_at, kNow + 2min);
}

TEST_F(SeatMapTest, AnExtendedHoldLastsUntilItsNewDeadline) {
  Set(2, SeatState::kHeld, kNow + 1min);
  Set(2, SeatState::kHeld, kNow + 5min);
  EXPECT_EQ(map_.LookAtCounts(kNow + 2min).counts.held, 1);
  EXPECT_EQ(map_.LookAtCounts(kNow + 2min).next_release_at, kNow + 5min);
}

TEST_F(SeatMapTest, AKeptSeatIsBlockedInStatesAndCountsAndFreeForItsChannel) {
  const std::vector<std::string> fans = {"fanclub"};
  Keep(1, SeatState::kFree);
  Keep(2, SeatState::kFree, kNow + 1h);
  auto view = map_.Look(kNow);
  EXPECT_EQ(view.counts, (SeatCounts{6, 0, 0, 2, 2}));
  EXPECT_EQ(StateAt(view, 1), 3);
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(3, 4));
  map_.Settle();
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow, false, fans).seats, ElementsAre(1, 2));
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow, false, fans).seats, ElementsAre(3, 4)) << "1 and 2 are assumed";
  map_.Settle();
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(3, 4)) << "they are kept again";
  map_.Settle();

  Keep(1, SeatState::kHeld, {}, kNow + 1min);
  EXPECT_EQ(map_.LookAtCounts(kNow).counts, (SeatCounts{6, 1, 0, 1, 1}));
  view = map_.Look(kNow + 1min);
  EXPECT_EQ(view.counts, (SeatCounts{6, 0, 0, 2, 2})) << "what lapses is the channel's again";
  EXPECT_EQ(StateAt(view, 1), 3);
  ASSERT_EQ(map_.Contingents(kNow + 1min).size(), 1U);
  EXPECT_THAT(map_.Contingents(kNow + 1min)[0].free, ElementsAre(1, 2));
  EXPECT_EQ(map_.Contingents(kNow + 1min)[0].next_until, kNow + 1h);

  const uint64_t version = map_.Version(kNow + 1h - 1ms);
  EXPECT_EQ(map_.LookAtCounts(kNow + 1h).counts, (SeatCounts{7, 0, 0, 1, 1})) << "2 is everybody's";
  EXPECT_GT(map_.Version(kNow + 1h), version);
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow + 1h).seats, ElementsAre(2, 3));
  map_.Settle();
  Set(1, SeatState::kFree);
  EXPECT_EQ(map_.LookAtCounts(kNow + 1h).counts, (SeatCounts{8, 0, 0, 0, 0})) << "given back";
  EXPECT_THAT(map_.Contingents(kNow + 1h), IsEmpty());
}

TEST_F(SeatMapTest, WhileTheRestIsTheWaitlistsOnlyWhatIsKeptForTheChannelsIsProposed) {
  const std::vector<std::string> fans = {"fanclub"};
  Keep(6, SeatState::kFree);
  Keep(8, SeatState::kFree);
  const auto propose = [&](uint32_t count, std::span<const std::string> channels) {
    return map_.Propose({count, "", ""}, kNow, false, channels, /*only_kept=*/true);
  };
  EXPECT_EQ(propose(3, fans).status, Proposal::Status::kNotEnough) << "7 is the waitlist's";
  EXPECT_EQ(propose(1, {}).status, Proposal::Status::kNotEnough) << "nothing is kept for her";
  EXPECT_THAT(propose(2, fans).seats, ElementsAre(6, 8));
  EXPECT_EQ(propose(1, fans).status, Proposal::Status::kNone) << "both are assumed";
  EXPECT_EQ(propose(1, {}).status, Proposal::Status::kNotEnough) << "of no use to her, if they are not taken";
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(1, 2)) << "what was left out is free again";
  map_.Settle();
  EXPECT_THAT(propose(1, fans).seats, ElementsAre(6));
}

// What the map has at hand for each set of channels, against what is looked for in rows and assumptions anew.
// There are more such sets than it keeps.
TEST_F(SeatMapTest, ABuyerOfWhateverChannelsChoosesFromWhatIsFreeForThem) {
  const std::array<std::string, 4> channels = {"", "cards", "fanclub", "press"};
  const auto hall = MakeHall({6, 6, 6});
  SeatMap map(hall, 100);
  SeededRandom random(4);
  std::vector<SeatRow> rows(hall->capacity());
  std::set<SeatNo> assumed;
  int found = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random.Below(8) == 0) {
      map.Settle();
      assumed.clear();
      const auto seat_no = static_cast<SeatNo>(1 + random.Below(rows.size()));
      SeatRow& row = rows[seat_no - 1];
      row.key = {1, seat_no};
      row.state = random.Below(3) == 0 ? SeatState::kSold : SeatState::kFree;
      row.channel = channels[random.Below(step % 4'000 < 3'000 ? channels.size() : 1)];
      row.version = step + 1;
      map.Apply(row);
    }
    std::vector<std::string> hers;
    for (const std::string& channel : channels) {
      if (!channel.empty() && random.Below(2) == 0) hers.push_back(channel);
    }
    const bool only_kept = random.Below(2) == 0;
    FreeSeats free(hall);
    for (SeatNo seat_no = 1; seat_no <= rows.size(); ++seat_no) {
      const SeatRow& row = rows[seat_no - 1];
      const bool is_hers =
          row.channel.empty() ? !only_kept : std::ranges::find(hers, row.channel) != hers.end();
      free.Set(seat_no, is_hers && row.state == SeatState::kFree && !assumed.contains(seat_no));
    }
    const BestAvailable wish{static_cast<uint32_t>(1 + random.Below(3)), "", ""};
    const std::vector<SeatNo> seats = map.Propose(wish, kNow, false, hers, only_kept).seats;
    ASSERT_EQ(seats, free.Choose(wish).seats) << "step " << step;
    assumed.insert(seats.begin(), seats.end());
    found += seats.empty() ? 0 : 1;
  }
  EXPECT_GT(found, 2'000) << "there was something to be seen";
}

TEST_F(SeatMapTest, ASeatThatIsBlockedBesidesIsNotItsChannels) {
  Keep(1, SeatState::kBlocked);
  EXPECT_EQ(map_.LookAtCounts(kNow).counts, (SeatCounts{7, 0, 0, 1, 0}));
  EXPECT_THAT(map_.Propose({1, "", ""}, kNow, false, std::vector<std::string>{"fanclub"}).seats,
              ElementsAre(2));
  map_.Settle();
  Keep(1, SeatState::kSold);
  EXPECT_EQ(map_.LookAtCounts(kNow).counts, (SeatCounts{7, 0, 1, 0, 0}));
}

TEST_F(SeatMapTest, ASoldSeatDoesNotLapse) {
  Set(2, SeatState::kHeld, kNow + 1min);
  Set(2, SeatState::kSold);
  const auto view = map_.LookAtCounts(kNow + 1h);
  EXPECT_EQ(view.counts, (SeatCounts{7, 0, 1}));
  EXPECT_FALSE(view.next_release_at.has_value());
}

TEST_F(SeatMapTest, TheVersionGrowsWithEveryChangeAlsoByTimeAlone) {
  const uint64_t before = map_.Version(kNow);
  Set(2, SeatState::kHeld, kNow + 1min);
  const uint64_t held = map_.Version(kNow);
  EXPECT_GT(held, before);
  EXPECT_FALSE(map_.LookUnless(held, kNow).has_value());
  const uint64_t lapsed = map_.Version(kNow + 1min);
  EXPECT_GT(lapsed, held);
  EXPECT_TRUE(map_.LookUnless(held, kNow + 1min).has_value());
  Set(2, SeatState::kHeld, kNow + 9min);
  EXPECT_GT(map_.Version(kNow + 1min), lapsed);
}

TEST_F(SeatMapTest, ARowThatComesLateChangesNothing) {
  SeatRow held;
  held.key = {1, 2};
  held.state = SeatState::kHeld;
  held.hold_expires_at = kNow + 1min;
  held.version = 3;
  SeatRow sold = held;
  sold.state = SeatState::kSold;
  sold.version = 4;
  map_.Apply(sold);
  const uint64_t version = map_.Version(kNow);
  map_.Apply(held);
  map_.Apply(sold);
  EXPECT_EQ(map_.Look(kNow).counts, (SeatCounts{7, 0, 1}));
  EXPECT_EQ(map_.Version(kNow), version);
  SeatRow unknown = sold;
  unknown.key = {1, 9};
  map_.Apply(unknown);
  EXPECT_EQ(map_.Version(kNow), version);
}

TEST_F(SeatMapTest, MarksThatAreSetStay) {
  map_.SetMarks({kNow, std::nullopt});
  map_.LearnMarks({std::nullopt, kNow + 1min});
  map_.LearnMarks({kNow + 2min, kNow + 2min});
  EXPECT_EQ(map_.marks(), (ShowMarks{kNow, kNow + 1min}));
}

TEST_F(SeatMapTest, LapsedSeatsAreGivenOutForTidyingOnce) {
  Set(1, SeatState::kHeld, kNow);
  Set(2, SeatState::kHeld, kNow);
  Set(3, SeatState::kHeld, kNow + 1ms);
  const auto first = map_.TakeLapsed(1, kNow);
  EXPECT_THAT(first, ElementsAre(1));
  EXPECT_THAT(map_.TakeLapsed(5, kNow), ElementsAre(2));
  EXPECT_THAT(map_.TakeLapsed(5, kNow), IsEmpty());
  map_.ReturnLapsed(first);
  EXPECT_THAT(map_.TakeLapsed(5, kNow + 1ms), ElementsAre(1, 3));
}

TEST_F(SeatMapTest, ProposalsOfOneBatchDoNotOverlap) {
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(1, 2));
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(3, 4));
  map_.Settle();
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(1, 2));
}

TEST_F(SeatMapTest, AProposalAvoidsWhatAnEarlierCommandWants) {
  map_.AssumeTaken({1}, kNow);
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(2, 3));
}

TEST_F(SeatMapTest, NothingIsAssumedOfACommandThatWantsASeatWhichIsNotToBeHad) {
  Set(4, SeatState::kSold);
  map_.AssumeTaken({1, 4}, kNow);
  map_.AssumeTaken({1, 99}, kNow);
  EXPECT_THAT(map_.AssumedBesides({}), IsEmpty());
  map_.AssumeTaken({2, 3}, kNow);
  map_.AssumeTaken({1, 2}, kNow);
  EXPECT_THAT(map_.AssumedBesides({}), ElementsAre(2, 3));
}

TEST_F(SeatMapTest, AChannelsSeatAndALapsedHoldAreAssumedTakenAsWell) {
  const std::vector<std::string> fans = {"fanclub"};
  Keep(1, SeatState::kFree);
  Set(2, SeatState::kHeld, kNow + 1min);
  map_.AssumeTaken({1, 2}, kNow + 1min);
  EXPECT_THAT(map_.Propose({1, "", ""}, kNow + 1min, false, fans).seats, ElementsAre(3));
}

TEST_F(SeatMapTest, WhatIsAssumedIsToldWithoutOnesOwnUntilItIsSettled) {
  map_.AssumeTaken({6, 5}, kNow);
  const std::vector<SeatNo> own = map_.Propose({2, "", ""}, kNow).seats;
  EXPECT_THAT(own, ElementsAre(1, 2));
  EXPECT_THAT(map_.AssumedBesides(own), ElementsAre(6, 5));
  map_.Settle();
  EXPECT_THAT(map_.AssumedBesides({}), IsEmpty());
}

TEST_F(SeatMapTest, WhatWasProposedAndCameTrueStaysTaken) {
  const auto proposed = map_.Propose({2, "", ""}, kNow);
  Set(1, SeatState::kHeld, kNow + 1min);
  Set(2, SeatState::kHeld, kNow + 1min);
  map_.Settle();
  EXPECT_THAT(map_.Propose({2, "", ""}, kNow).seats, ElementsAre(3, 4));
}

TEST_F(SeatMapTest, ALapsedHoldCanBeProposed) {
  Set(1, SeatState::kHeld, kNow + 1min);
  EXPECT_THAT(map_.Propose({1, "", ""}, kNow + 1min).seats, ElementsAre(1));
}

TEST_F(SeatMapTest, NotEnoughIsNotSaidOnAnAssumption) {
  for (SeatNo seat_no = 2; seat_no <= 8; ++seat_no) Set(seat_no, SeatState::kSold);
  map_.AssumeTaken({1}, kNow);
  EXPECT_EQ(map_.Propose({1, "", ""}, kNow).status, Proposal::Status::kNone);
  map_.Settle();
  EXPECT_EQ(map_.Propose({2, "", ""}, kNow).status, Proposal::Status::kNotEnough);
  EXPECT_EQ(map_.Propose({1, "", ""}, kNow).status, Proposal::Status::kFound);
}

TEST_F(SeatMapTest, ManyExtensionsDoNotPileUp) {
  for (int i = 0; i < 10'000; ++i) Set(1, SeatState::kHeld, kNow + milliseconds(i + 1));
  EXPECT_EQ(map_.LookAtCounts(kNow + 9999ms).counts.held, 1);
  EXPECT_EQ(map_.LookAtCounts(kNow + 10'000ms).counts.held, 0);
}

}  // namespace
}  // namespace boxoffice::seat
