// Holding and confirming.
#include "services/seat/seat_book.h"

#include <gmock/gmock.h>

#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

TEST_F(SeatBookTest, AHoldKeepsTheSeatsAndTellsTheirPrice) {
  const Outcome outcome = Hold(1, {2, 1});
  EXPECT_EQ(outcome.kind, Kind::kDone);
  EXPECT_THAT(outcome.seats, ElementsAre(1, 2));
  EXPECT_EQ(outcome.amount, 2000);
  EXPECT_EQ(outcome.hold_expires_at, kNow + 5min);
  EXPECT_EQ(Row(1).state, SeatState::kHeld);
  EXPECT_EQ(Row(2).user_id, "user1");
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kHeld));
}

TEST_F(SeatBookTest, AHoldIsAllOrNothingAndNamesEveryConflict) {
  Hold(1, {2});
  Hold(2, {4});
  Confirm(2, {4});
  const Outcome outcome = Hold(3, {1, 2, 3, 4});
  ExpectRefused(outcome, Refusal::kSeatsTaken);
  EXPECT_THAT(outcome.conflicts,
              ElementsAre(Conflict{2, ConflictReason::kHeld}, Conflict{4, ConflictReason::kSold}));
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_TRUE(last_.changes.empty());
}

TEST_F(SeatBookTest, TheSameHoldAgainGetsTheSameAnswerAndChangesNothing) {
  const Outcome first = Hold(1, {1, 2});
  now_ += 10s;
  const Outcome again = Hold(1, {2, 1});
  EXPECT_EQ(again.kind, Kind::kDone);
  EXPECT_EQ(again.seats, first.seats);
  EXPECT_EQ(again.hold_expires_at, first.hold_expires_at);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(SeatBookTest, TheSameSagaWithOtherSeatsIsAMismatch) {
  Hold(1, {1, 2});
  EXPECT_EQ(Hold(1, {1, 3}).kind, Kind::kMismatch);
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kMismatch);
  EXPECT_TRUE(last_.changes.empty());
}

TEST_F(SeatBookTest, TheSameSagaForAnotherReservationIsAMismatch) {
  Hold(1, {1});
  HoldSeats other = HoldOf(1, {1});
  other.reservation = Reservation(2);
  EXPECT_EQ(Run({other, ""}).kind, Kind::kMismatch);
}

TEST_F(SeatBookTest, AnotherBuyerWithTheSameReservationIsAMismatch) {
  Hold(1, {1});
  HoldSeats other = HoldOf(1, {1});
  other.user_id = "mallory";
  EXPECT_EQ(Run({other, ""}).kind, Kind::kMismatch);
}

TEST_F(SeatBookTest, AReservationHasOneSetOfSeatsAtATime) {
  Hold(1, {1, 2});
  HoldSeats second = HoldOf(1, {3});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).kind, Kind::kMismatch);
  now_ += 5min;  // the first hold is over
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, AnotherSagaOfTheReservationExtendsItsHold) {
  Hold(1, {1, 2});
  now_ += 4min;
  HoldSeats second = HoldOf(1, {1, 2});
  second.saga = Saga(2);
  const Outcome outcome = Run({second, ""});
  EXPECT_EQ(outcome.hold_expires_at, now_ + 5min);
  EXPECT_EQ(Row(1).held_since, kNow);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kHeld));
}

TEST_F(SeatBookTest, AHoldLastsAtLeastUntilTheSagaEnds) {
  HoldSeats hold = HoldOf(1, {1});
  hold.hold_at_least_until = kNow + 9min;
  EXPECT_EQ(Run({hold, ""}).hold_expires_at, kNow + 9min);
}

TEST_F(SeatBookTest, TheSameSagaExtendsAHoldThatWouldNotLast) {
  Hold(1, {1});
  now_ += 4min + 30s;
  HoldSeats again = HoldOf(1, {1});
  again.hold_at_least_until = now_ + 1min;
  EXPECT_EQ(Run({again, ""}).hold_expires_at, now_ + 5min);
}

TEST_F(SeatBookTest, NoHoldGoesBeyondThirtyMinutesAfterTheFirst) {
  ChangeShow([](Show& show) { show.terms.hold_ttl = 30min; });
  Hold(1, {1});
  now_ += 20min;
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).hold_expires_at, kNow + 30min);
}

TEST_F(SeatBookTest, ASagaWithinTheThirtyMinutesGetsItsTimeUpToASlack) {
  ChangeShow([](Show& show) { show.terms.hold_ttl = 30min; });
  Hold(1, {1});
  now_ += 29min;
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  second.hold_at_least_until = kNow + 31min;
  EXPECT_EQ(Run({second, ""}).hold_expires_at, kNow + 31min);
  HoldSeats third = HoldOf(1, {1});
  third.saga = Saga(3);
  third.hold_at_least_until = kNow + 3h;
  EXPECT_EQ(Run({third, ""}).hold_expires_at, kNow + 35min);
}

TEST_F(SeatBookTest, AHoldIsFreeAtItsDeadlineAndNotBefore) {
  Hold(1, {1});
  now_ = kNow + 5min - 1ms;
  ExpectRefused(Hold(2, {1}), Refusal::kSeatsTaken);
  now_ = kNow + 5min;
  EXPECT_EQ(Hold(2, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).reservation, Reservation(2));
  EXPECT_EQ(Row(1).held_since, now_);
}

TEST_F(SeatBookTest, TakingALapsedHoldTellsOfItsRelease) {
  Hold(1, {1, 2});
  now_ += 5min;
  Hold(2, {1, 2});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased, Event::Kind::kHeld));
  EXPECT_EQ(last_.changes.events[0].reservation, Reservation(1));
  EXPECT_THAT(last_.changes.events[0].seats, ElementsAre(1, 2));
}

TEST_F(SeatBookTest, ALapsedHoldThatIsStillOursIsTakenAgain) {
  Hold(1, {1});
  now_ += 6min;
  const Outcome again = Hold(1, {1});
  EXPECT_EQ(again.kind, Kind::kDone);
  EXPECT_EQ(again.hold_expires_at, now_ + 5min);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kHeld));
}

TEST_F(SeatBookTest, AHoldThatHasLapsedStillCountsForTheThirtyMinutes) {
  Hold(1, {1});
  now_ += 29min;
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).hold_expires_at, kNow + 30min);
  EXPECT_EQ(Row(1).held_since, kNow);
  now_ += 1min;
  HoldSeats third = HoldOf(1, {1, 2});
  third.saga = Saga(3);
  third.hold_at_least_until = now_ + 1min;
  const Outcome over = Run({third, ""});
  ExpectRefused(over, Refusal::kHoldLost);
  EXPECT_THAT(over.conflicts, ElementsAre(Conflict{1, ConflictReason::kFree}));
  EXPECT_EQ(Hold(4, {1}).kind, Kind::kDone) << "it is free to anybody else";
}

TEST_F(SeatBookTest, TheSagaThatHasTakenItsSeatsTakesThemAgainAfterTheThirtyMinutes) {
  Hold(1, {1});
  now_ += 31min;
  EXPECT_EQ(Hold(1, {1}).hold_expires_at, now_ + 5min) << "its buyer may have paid";
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, ABuyersNewHoldLeavesTheLapsedHoldsOfOthersAlone) {
  Hold(1, {1});
  now_ += 5min;
  Hold(2, {1});
  now_ += 5min;
  Hold(1, {1});  // the saga's own seats have lapsed and gone to another, whose hold has lapsed too
  Release(1, {1});
  Hold(3, {1});
  now_ += 5min;
  HoldSeats other = HoldOf(4, {2});
  other.user_id = "user1";
  EXPECT_EQ(Run({other, ""}).kind, Kind::kDone);
  EXPECT_EQ(Confirm(3, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, ABuyersListForgetsWhatIsNoLongerTheirs) {
  Hold(1, {1});
  Release(1, {1});
  HoldSeats second = HoldOf(2, {2});
  second.user_id = "user1";
  Run({second, ""});
  EXPECT_THAT((buyers_[{kShow, "user1"}].seats), ElementsAre(2));
}

TEST_F(SeatBookTest, SeatsThatAreTakenAnewChangeTheBuyersRowAlsoWhereTheyAreOnItsList) {
  Hold(1, {1, 2});
  Release(1, {1, 2});
  ASSERT_THAT((buyers_[{kShow, "user1"}].seats), ElementsAre(1, 2));
  HoldSeats second = HoldOf(2, {1, 2});
  second.user_id = "user1";
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  ASSERT_EQ(last_.changes.buyers.size(), 1) << "or a hold at another replica would not meet this one";
  EXPECT_THAT(last_.changes.buyers[0].seats, ElementsAre(1, 2));
}

TEST_F(SeatBookTest, AnExtensionLeavesTheBuyersRowAlone) {
  Hold(1, {1, 2});
  now_ += 4min;
  HoldSeats second = HoldOf(1, {1, 2});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).hold_expires_at, now_ + 5min);
  EXPECT_EQ(last_.changes.seats.size(), 2);
  EXPECT_THAT(last_.changes.buyers, IsEmpty());
}

TEST_F(SeatBookTest, HoldIsRefusedBeforeTheSaleOpens) {
  ChangeShow([](Show& show) { show.terms.on_sale_at = kNow + 1ms; });
  ExpectRefused(Hold(1, {1}), Refusal::kShowNotOnSale);
  now_ += 1ms;
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, HoldIsRefusedAfterTheSaleClosed) {
  ChangeShow([](Show& show) { show.terms.sale_ends_at = kNow; });
  ExpectRefused(Hold(1, {1}), Refusal::kShowNotOnSale);
}

TEST_F(SeatBookTest, HoldIsRefusedOnceTheShowHasBegun) {
  ChangeShow([](Show& show) { show.starts_at = kNow; });
  ExpectRefused(Hold(1, {1}), Refusal::kShowNotOnSale);
}

TEST_F(SeatBookTest, WhatIsHeldCanBeExtendedAndConfirmedAfterTheSaleClosed) {
  Hold(1, {1});
  ChangeShow([](Show& show) { show.terms.sale_ends_at = kNow; });
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  ConfirmSeats confirm = ConfirmOf(1, {1});
  confirm.saga = Saga(2);
  EXPECT_EQ(Run({confirm, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, AnUnknownShowIsRefused) {
  HoldSeats hold = HoldOf(1, {1});
  hold.show_id = 8;
  ExpectRefused(Run({hold, ""}), Refusal::kShowNotFound);
  ConfirmSeats confirm = ConfirmOf(1, {1});
  confirm.show_id = 8;
  ExpectRefused(Run({confirm, ""}), Refusal::kShowNotFound);
}

TEST_F(SeatBookTest, ASeatBeyondTheCapacityIsUnknown) {
  const Outcome outcome = Hold(1, {12, 13, 0});
  ExpectRefused(outcome, Refusal::kSeatUnknown);
  EXPECT_THAT(outcome.conflicts,
              ElementsAre(Conflict{0, ConflictReason::kUnknown}, Conflict{13, ConflictReason::kUnknown}));
}

TEST_F(SeatBookTest, NoSeatsAreRefused) {
  ExpectRefused(Hold(1, {}), Refusal::kNoSeats);
  ExpectRefused(Run({BestOf(1, 0, {}), ""}), Refusal::kNoSeats);
}

TEST_F(SeatBookTest, MoreThanEightSeatsAreRefused) {
  ExpectRefused(Hold(1, {1, 2, 3, 4, 5, 6, 7, 8, 9}), Refusal::kTooManySeats);
  ExpectRefused(Run({BestOf(1, 9, {}), ""}), Refusal::kTooManySeats);
}

TEST_F(SeatBookTest, ARepeatedSeatIsRefused) { ExpectRefused(Hold(1, {1, 2, 1}), Refusal::kDuplicateSeat); }

TEST_F(SeatBookTest, TheLimitCountsHeldAndSoldSeatsOfAllTheBuyersReservations) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 4; });
  Hold(1, {1, 2});
  Confirm(1, {1, 2});
  HoldSeats second = HoldOf(2, {3});
  second.user_id = "user1";
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  HoldSeats third = HoldOf(3, {4, 5});
  third.user_id = "user1";
  const Outcome outcome = Run({third, ""});
  ExpectRefused(outcome, Refusal::kSeatLimit);
  EXPECT_EQ(outcome.seat_limit, 4);
  EXPECT_EQ(outcome.seats_owned, 3);
  third.seats = {4};
  EXPECT_EQ(Run({third, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, TheLimitForgetsReleasedAndLapsedSeats) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  Hold(1, {1, 2});
  Release(1, {1, 2});
  HoldSeats second = HoldOf(2, {3, 4});
  second.user_id = "user1";
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  now_ += 5min;
  HoldSeats third = HoldOf(3, {5, 6});
  third.user_id = "user1";
  EXPECT_EQ(Run({third, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, WhatDidNotCountForTheLimitCanNotBeConfirmedAnyMore) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  Hold(1, {1, 2});
  now_ += 5min;
  HoldSeats second = HoldOf(2, {3, 4});
  second.user_id = "user1";
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  ExpectRefused(Confirm(1, {1, 2}), Refusal::kHoldLost);
}

TEST_F(SeatBookTest, OwnSeatsAreExtendedAlsoAtTheLimit) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  Hold(1, {1, 2});
  HoldSeats second = HoldOf(1, {1, 2});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, AConfirmationSellsTheSeats) {
  Hold(1, {1, 2});
  const Outcome outcome = Confirm(1, {2, 1});
  EXPECT_EQ(outcome.kind, Kind::kDone);
  EXPECT_THAT(outcome.seats, ElementsAre(1, 2));
  EXPECT_EQ(outcome.amount, 2000);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold));
  EXPECT_EQ(facts_.marks.first_sold_at, kNow);
}

TEST_F(SeatBookTest, TheSameConfirmationAgainIsTheSame) {
  Hold(1, {1});
  const Outcome first = Confirm(1, {1});
  const Outcome again = Confirm(1, {1});
  EXPECT_EQ(again.kind, Kind::kDone);
  EXPECT_EQ(again.amount, first.amount);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(SeatBookTest, AConfirmationOfOtherSeatsThanTheSagaHeldIsAMismatch) {
  Hold(1, {1, 2});
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kMismatch);
  Confirm(1, {1, 2});
  EXPECT_EQ(Confirm(1, {3}).kind, Kind::kMismatch);
}

TEST_F(SeatBookTest, AHoldPastItsDeadlineIsConfirmedAsLongAsItIsOurs) {
  Hold(1, {1});
  now_ += 10min;
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, ALostHoldIsRefused) {
  Hold(1, {1, 2, 3});
  now_ += 5min;
  Sweep({3});
  Hold(2, {1});
  const Outcome outcome = Confirm(1, {1, 2, 3});
  ExpectRefused(outcome, Refusal::kHoldLost);
  EXPECT_THAT(outcome.conflicts,
              ElementsAre(Conflict{1, ConflictReason::kHeld}, Conflict{3, ConflictReason::kFree}));
  EXPECT_EQ(Row(2).state, SeatState::kHeld);
}

TEST_F(SeatBookTest, WhatWasNeverHeldCanNotBeConfirmed) {
  ExpectRefused(Confirm(1, {1}), Refusal::kHoldLost);
  ExpectRefused(Confirm(1, {13}), Refusal::kSeatUnknown);
  ExpectRefused(Confirm(1, {}), Refusal::kNoSeats);
}

TEST_F(SeatBookTest, ALaterSagaOfAConfirmedReservationDoesNotUnsellItsSeats) {
  Hold(1, {1});
  Confirm(1, {1});
  now_ += 10min;
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(SeatBookTest, AnExtensionNeverShortensAHold) {
  ChangeShow([](Show& show) { show.terms.hold_ttl = 20min; });
  Hold(1, {1});
  ChangeShow([](Show& show) { show.terms.hold_ttl = 5min; });
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).hold_expires_at, kNow + 20min);
}

TEST_F(SeatBookTest, OwnSeatsAmongTheWantedOnesCountOnceForTheLimit) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  Hold(1, {1});
  HoldSeats more = HoldOf(1, {1, 2});
  more.saga = Saga(2);
  EXPECT_EQ(Run({more, ""}).kind, Kind::kDone);
}

TEST_F(SeatBookTest, TheHoldOfAConfirmedReservationFindsItsWorkDone) {
  Hold(1, {1});
  Confirm(1, {1});
  const Outcome again = Hold(1, {1});
  EXPECT_EQ(again.kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
  EXPECT_TRUE(last_.changes.empty());
}

}  // namespace
}  // namespace boxoffice::seat
