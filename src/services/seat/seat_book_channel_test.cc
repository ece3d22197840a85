// Contingents: seats that are kept for the buyers of a channel.
#include <gmock/gmock.h>

#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

class SeatBookChannelTest : public SeatBookTest {
 protected:
  Outcome Keep(std::vector<SeatNo> seats, const std::string& channel, Timestamp until = {}) {
    return Run({AssignChannel{kShow, std::move(seats), channel, until, "why", "op", ""}, ""});
  }
  Outcome Open(std::vector<SeatNo> seats, const std::string& from = "") {
    return Run({AssignChannel{kShow, std::move(seats), "", {}, "why", "op", from}, ""});
  }
  Outcome HoldIn(uint64_t n, std::vector<SeatNo> seats, std::vector<std::string> channels) {
    HoldSeats hold = HoldOf(n, std::move(seats));
    hold.channels = std::move(channels);
    return Run({hold, ""});
  }
};

TEST_F(SeatBookChannelTest, AKeptSeatIsHadByTheBuyersOfItsChannelAlone) {
  EXPECT_EQ(Keep({1, 2}, "fanclub").kind, Kind::kDone);
  ASSERT_EQ(last_.changes.blocks.size(), 1U);
  EXPECT_EQ(last_.changes.blocks[0],
            (BlockNote{kShow, {1, 2}, false, "why", "op", kNow, 0, true, "fanclub"}));
  const Outcome refused = Hold(1, {2, 3});
  ExpectRefused(refused, Refusal::kSeatsTaken);
  EXPECT_THAT(refused.conflicts, ElementsAre(Conflict{2, ConflictReason::kChannel}));
  ExpectRefused(HoldIn(2, {2}, {"press"}), Refusal::kSeatsTaken);
  EXPECT_EQ(HoldIn(3, {2, 3}, {"press", "fanclub"}).kind, Kind::kDone) << "with a seat that is everybody's";
  EXPECT_EQ(Confirm(3, {2, 3}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, ASeatThatComesFreeAgainIsStillItsChannels) {
  Keep({1, 2}, "fanclub");
  HoldIn(1, {1, 2}, {"fanclub"});
  Confirm(1, {1, 2});
  Release(1, {1});
  ExpectRefused(Hold(2, {1}), Refusal::kSeatsTaken);
  HoldIn(3, {1}, {"fanclub"});
  now_ += 6min;
  const Outcome lapsed = Hold(4, {1});
  ExpectRefused(lapsed, Refusal::kSeatsTaken);
  EXPECT_THAT(lapsed.conflicts, ElementsAre(Conflict{1, ConflictReason::kChannel}));
  EXPECT_EQ(HoldIn(5, {1}, {"fanclub"}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, AReservationKeepsItsSeatsWhateverItsNextSagaSays) {
  Keep({1}, "fanclub");
  HoldIn(1, {1}, {"fanclub"});
  HoldSeats again = HoldOf(1, {1});
  again.saga = Saga(9);
  EXPECT_EQ(Run({again, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, AContingentEndsByItselfAtItsTime) {
  Keep({1}, "fanclub", kNow + 1h);
  ExpectRefused(Hold(1, {1}), Refusal::kSeatsTaken);
  now_ = kNow + 1h;
  EXPECT_EQ(Hold(2, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, SeatsAreKeptAllOrNoneAndNotFromABuyerWhoHasThem) {
  Hold(1, {1});
  Hold(2, {2});
  Confirm(2, {2});
  const Outcome refused = Keep({1, 2, 3}, "fanclub");
  ExpectRefused(refused, Refusal::kSeatsTaken);
  EXPECT_THAT(refused.conflicts,
              ElementsAre(Conflict{1, ConflictReason::kHeld}, Conflict{2, ConflictReason::kSold}));
  EXPECT_EQ(Row(3).channel, "");
  EXPECT_TRUE(last_.changes.empty());
  ExpectRefused(Keep({99}, "fanclub"), Refusal::kSeatUnknown);
  ExpectRefused(Keep({}, "fanclub"), Refusal::kNoSeats);
  now_ += 6min;
  EXPECT_EQ(Keep({1}, "fanclub").kind, Kind::kDone) << "what has lapsed is free";
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased));
  ExpectRefused(Confirm(1, {1}), Refusal::kHoldLost);
}

TEST_F(SeatBookChannelTest, SeatsThatAnotherChannelHasAreRefusedWithItsName) {
  Keep({2, 3}, "fanclub", kNow + 1h);
  const Outcome refused = Keep({1, 2, 3}, "press");
  ExpectRefused(refused, Refusal::kSeatsTaken);
  EXPECT_EQ(refused.channel, "fanclub");
  EXPECT_THAT(refused.conflicts,
              ElementsAre(Conflict{2, ConflictReason::kChannel}, Conflict{3, ConflictReason::kChannel}));
  EXPECT_EQ(Row(1).channel, "");
  EXPECT_EQ(Keep({2, 3}, "fanclub").kind, Kind::kDone) << "its own, with no end";
  Open({2}, "fanclub");
  EXPECT_EQ(Keep({1, 2}, "press").kind, Kind::kDone);
  Keep({4}, "fanclub", kNow + 1h);
  now_ = kNow + 1h;
  EXPECT_EQ(Keep({4}, "press").kind, Kind::kDone) << "it has had its time";
}

TEST_F(SeatBookChannelTest, AChangeOfManySeatsTellsHowManyAreNotAsTheyWere) {
  EXPECT_EQ(Keep({1, 2}, "fanclub").changed, 2U);
  EXPECT_EQ(Keep({1, 2, 3}, "fanclub").changed, 1U);
  EXPECT_EQ(Open({1, 2, 3}, "fan-club").changed, 0U);
  EXPECT_EQ(Open({1, 2, 3, 4}, "fanclub").changed, 3U);
  EXPECT_EQ(Run({BlockSeats{kShow, {1, 2}, false, "why", "op"}, ""}).changed, 2U);
  EXPECT_EQ(Run({BlockSeats{kShow, {2, 3}, true, "why", "op"}, ""}).changed, 1U);
}

TEST_F(SeatBookChannelTest, SeatsAreGivenBackWhoeverHasThemAndARepeatChangesNothing) {
  Keep({1, 2}, "fanclub");
  EXPECT_EQ(Keep({1, 2}, "fanclub").kind, Kind::kDone);
  EXPECT_TRUE(last_.changes.empty());
  Keep({3}, "press");
  HoldIn(1, {1}, {"fanclub"});
  Confirm(1, {1});
  EXPECT_EQ(Open({1, 2, 3, 4}, "fanclub").kind, Kind::kDone);
  EXPECT_THAT(last_.changes.blocks[0].seats, ElementsAre(1, 2));
  EXPECT_TRUE(last_.changes.blocks[0].release);
  EXPECT_TRUE(Row(1).BelongsTo(Reservation(1))) << "it takes nothing from a buyer";
  EXPECT_EQ(Row(3).channel, "press");
  EXPECT_EQ(Open({1, 2, 3}).kind, Kind::kDone);
  EXPECT_THAT(last_.changes.blocks[0].seats, ElementsAre(3));
  EXPECT_EQ(Open({1, 2, 3}).kind, Kind::kDone);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(Hold(2, {2, 3}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, ABlockOfAKeptSeatEndsAsAKeptSeat) {
  Keep({1}, "fanclub");
  Run({BlockSeats{kShow, {1}, false, "why", "op"}, ""});
  ExpectRefused(HoldIn(1, {1}, {"fanclub"}), Refusal::kSeatsTaken);
  Run({BlockSeats{kShow, {1}, true, "why", "op"}, ""});
  ExpectRefused(Hold(1, {1}), Refusal::kSeatsTaken);
  EXPECT_EQ(HoldIn(1, {1}, {"fanclub"}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, WhatIsKeptDoesNotKeepAShowFromBeingSoldOutAndWhatIsHeldDoes) {
  Keep({1, 2, 3, 4}, "fanclub");
  Run({BlockSeats{kShow, {5, 6, 7, 8, 9, 10}, false, "why", "op"}, ""});
  Hold(1, {11, 12});
  facts_.blocked = 10;
  Confirm(1, {11, 12});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold, Event::Kind::kSoldOut));
  facts_.marks = {};
  Release(1, {12});
  // In one batch: a kept seat is held, so that the last open one does not sell the show out.
  Hold(2, {12});
  HoldSeats kept = HoldOf(3, {1});
  kept.channels = {"fanclub"};
  RunBatch({{kept, ""}, {ConfirmOf(2, {12}), ""}});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kHeld, Event::Kind::kSold));
}

// Late, but nobody else has taken it: until then it counted as kept, and from then on as sold, once.
TEST_F(SeatBookChannelTest, AKeptSeatThatIsConfirmedAfterItsDeadlineIsCountedOnce) {
  Keep({1}, "fanclub");
  Run({BlockSeats{kShow, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false, "why", "op"}, ""});
  HoldIn(1, {1}, {"fanclub"});
  now_ += 6min;
  facts_.blocked = 11;  // with seat 1, which has lapsed
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kDone);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold)) << "seat 12 is free";
  facts_.blocked = 10;
  Hold(2, {12});
  Confirm(2, {12});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold, Event::Kind::kSoldOut));
}

TEST_F(SeatBookChannelTest, WhileTheWaitlistIsFirstAChannelsBuyersStillTakeWhatIsKeptForThem) {
  Keep({1, 2, 3, 4}, "fanclub");
  ChangeShow([](Show& show) { show.terms.waitlist_first = true; });
  EXPECT_EQ(HoldIn(1, {1}, {"fanclub"}).kind, Kind::kDone);
  HoldSeats more = HoldOf(1, {1, 2});
  more.saga = Saga(10);
  more.channels = {"fanclub"};
  now_ += 6min;  // seat 1 has lapsed, and is still the reservation's
  EXPECT_EQ(Run({more, ""}).kind, Kind::kDone);
  HoldSeats best = BestOf(2, 1, {3});
  best.channels = {"fanclub"};
  EXPECT_EQ(Run({best, ""}).kind, Kind::kDone);
  ExpectRefused(HoldIn(3, {4, 5}, {"fanclub"}), Refusal::kWaitlistFirst);
  HoldSeats mixed = BestOf(4, 2, {4, 5});
  mixed.channels = {"fanclub"};
  ExpectRefused(Run({mixed, ""}), Refusal::kWaitlistFirst);
  ExpectRefused(Hold(5, {4}), Refusal::kSeatsTaken);
  ExpectRefused(HoldIn(6, {1}, {"fanclub"}), Refusal::kSeatsTaken);
  EXPECT_EQ(HoldIn(7, {4}, {"fanclub"}).kind, Kind::kDone);
}

TEST_F(SeatBookChannelTest, WhileTheWaitlistIsFirstWhatEarlierOnesMayNotTakeIsDecidedAgain) {
  ChangeShow([](Show& show) { show.terms.waitlist_first = true; });
  HoldSeats best = BestOf(1, 1, {});
  best.channels = {"fanclub"};
  best.proposal.status = Proposal::Status::kNone;
  const Command command{best, ""};
  EXPECT_FALSE(RunBatch({command})[0].has_value());
  best.proposal.status = Proposal::Status::kNotEnough;
  ExpectRefused(Run({best, ""}), Refusal::kWaitlistFirst);
}

TEST_F(SeatBookChannelTest, ASeatWhoseHoldIsShortenedToATimeThatHasPassedCountsAsKeptAgain) {
  Keep({1}, "fanclub");
  HoldSeats hold = HoldOf(1, {1});
  hold.channels = {"fanclub"};
  hold.hold_at_least_until = kNow + 9min;
  Run({hold, ""});
  now_ += 6min;
  Hold(2, {2});
  facts_.blocked = facts_.show->layout->capacity() - 2;
  RunBatch({{KeepSeats{Saga(1), Reservation(1), kShow, {1}, kNow + 5min}, ""}, {ConfirmOf(2, {2}), ""}});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold, Event::Kind::kSoldOut));
}

TEST_F(SeatBookChannelTest, AnOperatorMovesABuyerToWhateverIsKept) {
  Hold(1, {5});
  Confirm(1, {5});
  Keep({1}, "fanclub");
  EXPECT_EQ(Run({MoveSeats{Saga(50), Reservation(1), kShow, {5}, {1}, "user1"}, ""}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).channel, "fanclub");
}

}  // namespace
}  // namespace boxoffice::seat
