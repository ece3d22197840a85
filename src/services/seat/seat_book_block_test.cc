// What operators do to seats and shows while these are sold.
#include <gmock/gmock.h>

#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

class SeatBookBlockTest : public SeatBookTest {
 protected:
  Outcome Block(std::vector<SeatNo> seats) {
    return Run({BlockSeats{kShow, std::move(seats), false, "why", "op"}, ""});
  }
  Outcome GiveBack(std::vector<SeatNo> seats) {
    return Run({BlockSeats{kShow, std::move(seats), true, "why", "op"}, ""});
  }
};

TEST_F(SeatBookBlockTest, ABlockedSeatIsNobodysAndNobodyGetsIt) {
  EXPECT_EQ(Block({1, 2}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kBlocked);
  EXPECT_TRUE(Row(1).reservation.IsNil());
  ASSERT_EQ(last_.changes.blocks.size(), 1U);
  EXPECT_EQ(last_.changes.blocks[0], (BlockNote{kShow, {1, 2}, false, "why", "op", kNow}));
  const Outcome refused = Hold(1, {2, 3});
  ExpectRefused(refused, Refusal::kSeatsTaken);
  EXPECT_THAT(refused.conflicts, ElementsAre(Conflict{2, ConflictReason::kBlocked}));
  ExpectRefused(Confirm(1, {1}), Refusal::kHoldLost);
  EXPECT_EQ(Release(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kBlocked) << "no reservation frees it";
}

TEST_F(SeatBookBlockTest, SeatsAreBlockedAllOrNoneAndNotOverABuyer) {
  Hold(1, {1});
  Hold(2, {2});
  Confirm(2, {2});
  const Outcome refused = Block({1, 2, 3});
  ExpectRefused(refused, Refusal::kSeatsTaken);
  EXPECT_THAT(refused.conflicts,
              ElementsAre(Conflict{1, ConflictReason::kHeld}, Conflict{2, ConflictReason::kSold}));
  EXPECT_EQ(Row(3).state, SeatState::kFree);
  EXPECT_TRUE(last_.changes.empty());
  ExpectRefused(Block({3, 99}), Refusal::kSeatUnknown);
  ExpectRefused(Block({}), Refusal::kNoSeats);
}

TEST_F(SeatBookBlockTest, WhatIsBlockedOrFreeAlreadyChangesNothingAndIsNotRecorded) {
  Block({1});
  EXPECT_EQ(Block({1}).kind, Kind::kDone);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_THAT(last_.changes.blocks, IsEmpty());
  EXPECT_EQ(Block({1, 2}).kind, Kind::kDone);
  EXPECT_THAT(last_.changes.blocks[0].seats, ElementsAre(2));
  EXPECT_EQ(GiveBack({1, 5}).kind, Kind::kDone);
  EXPECT_THAT(last_.changes.blocks[0].seats, ElementsAre(1)) << "5 was not blocked";
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(GiveBack({1}).kind, Kind::kDone);
  EXPECT_TRUE(Row(1).BelongsTo(Reservation(1))) << "giving back takes nothing from a buyer";
}

TEST_F(SeatBookBlockTest, AHoldThatHasLapsedCanBeBlockedAndIsLost) {
  Hold(1, {1});
  now_ += 6min;
  EXPECT_EQ(Block({1}).kind, Kind::kDone);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased));
  const Outcome lost = Confirm(1, {1});
  ExpectRefused(lost, Refusal::kHoldLost);
  EXPECT_THAT(lost.conflicts, ElementsAre(Conflict{1, ConflictReason::kBlocked}));
}

TEST_F(SeatBookBlockTest, AShowIsSoldOutWhenAllThatIsNotBlockedIsSold) {
  Block({5, 6, 7, 8, 9, 10, 11, 12});
  facts_.blocked = 8;
  Hold(1, {1, 2, 3, 4});
  Confirm(1, {1, 2, 3, 4});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold, Event::Kind::kSoldOut));
}

// Sold to some beforehand, while the rest was blocked; then the opening was moved.
TEST_F(SeatBookBlockTest, WhatIsSoldBeforeTheOpeningIsToldAsSoldOutOnlyThen) {
  Block({5, 6, 7, 8, 9, 10, 11, 12});
  facts_.blocked = 8;
  Hold(1, {1, 2, 3, 4});
  ChangeShow([](Show& show) { show.terms.on_sale_at = kNow + 1min; });
  Confirm(1, {1, 2, 3, 4});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold));
  now_ = kNow + 1min - 1ms;
  Run({TellSoldOut{kShow}, ""});
  EXPECT_TRUE(last_.changes.empty());
  now_ = kNow + 1min;
  Run({TellSoldOut{kShow}, ""});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSoldOut));
  EXPECT_EQ(facts_.marks.sold_out_at, now_);
}

TEST_F(SeatBookBlockTest, OfACancelledShowNothingIsHeldOrConfirmedButEverythingReleased) {
  Hold(1, {1});
  Hold(2, {2});
  Confirm(2, {2});
  ChangeShow([](Show& show) { show.terms.phase = ShowPhase::kCancelled; });
  ExpectRefused(Hold(3, {3}), Refusal::kShowCancelled);
  ExpectRefused(Hold(1, {1}), Refusal::kShowCancelled);
  EXPECT_EQ(Hold(2, {2}).kind, Kind::kDone) << "recovery of a saga that has confirmed";
  ExpectRefused(Confirm(1, {1}), Refusal::kShowCancelled);
  EXPECT_EQ(Confirm(2, {2}).kind, Kind::kDone) << "a repeat is answered as before";
  EXPECT_EQ(Release(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_EQ(Release(2, {2}).kind, Kind::kDone);
  EXPECT_EQ(Row(2).state, SeatState::kFree);
}

TEST_F(SeatBookBlockTest, OfADraftNothingIsHeld) {
  ChangeShow([](Show& show) { show.terms.phase = ShowPhase::kDraft; });
  ExpectRefused(Hold(1, {1}), Refusal::kShowNotOnSale);
  EXPECT_EQ(Block({1}).kind, Kind::kDone) << "an operator prepares it";
}

TEST_F(SeatBookBlockTest, BestAvailableSaysItsRungAndTheSameWhenItComesAgain) {
  EXPECT_EQ(Run({BestOf(1, 2, {3, 4}), ""}).rung, Rung::kRow);
  EXPECT_EQ(Run({BestOf(1, 2, {}), ""}).rung, Rung::kRow);
  EXPECT_EQ(Run({BestOf(2, 2, {8, 12}), ""}).rung, Rung::kAnywhere);
  EXPECT_EQ(Hold(3, {1, 2}).rung, std::nullopt) << "seats that were named";
}

TEST_F(SeatBookBlockTest, SeatsThatWouldLeaveOneAloneAreRefusedUnlessTheyAreTheReservationsOwn) {
  HoldSeats hold = HoldOf(1, {2, 3, 4});
  hold.orphans = {1};
  const Outcome refused = Run({hold, ""});
  ExpectRefused(refused, Refusal::kOrphanSeat);
  EXPECT_THAT(refused.conflicts, ElementsAre(Conflict{1, ConflictReason::kOrphan}));
  hold.orphans.clear();
  EXPECT_EQ(Run({hold, ""}).kind, Kind::kDone);
  hold.saga = Saga(7);
  hold.orphans = {1};
  EXPECT_EQ(Run({hold, ""}).kind, Kind::kDone) << "the saga that pays for them";
}

TEST_F(SeatBookBlockTest, WhatRestsOnASeatThatStayedFreeIsDecidedAgain) {
  Hold(1, {6});
  HoldSeats orphan = HoldOf(3, {3});
  orphan.orphans = {4};
  orphan.assumed = {5};
  HoldSeats apart = BestOf(4, 2, {8, 12});
  apart.assumed = {5};
  const auto in_vain = RunBatch({{HoldOf(2, {5, 6}), ""}, {orphan, ""}, {apart, ""}});
  ExpectRefused(*in_vain[0], Refusal::kSeatsTaken);
  EXPECT_FALSE(in_vain[1].has_value());
  EXPECT_FALSE(in_vain[2].has_value());
  const auto true_indeed = RunBatch({{HoldOf(2, {5}), ""}, {orphan, ""}, {apart, ""}});
  ExpectRefused(*true_indeed[1], Refusal::kOrphanSeat);
  EXPECT_THAT(true_indeed[2]->seats, ElementsAre(8, 12));
}

TEST_F(SeatBookBlockTest, AnotherPriceIsAnotherWish) {
  HoldSeats hold = BestOf(1, 2, {3, 4});
  hold.best->max_price = 2000;
  EXPECT_EQ(Run({hold, ""}).kind, Kind::kDone);
  EXPECT_EQ(Run({hold, ""}).kind, Kind::kDone);
  hold.best->max_price = 3000;
  EXPECT_EQ(Run({hold, ""}).kind, Kind::kMismatch);
}

}  // namespace
}  // namespace boxoffice::seat
