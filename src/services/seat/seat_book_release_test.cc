// Releasing, sweeping, batches, best available seats, and what is told.
#include <gmock/gmock.h>

#include "services/seat/seat_book.h"
#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

TEST_F(SeatBookTest, AReleaseFreesWhatWasHeld) {
  Hold(1, {1, 2});
  EXPECT_EQ(Release(1, {1, 2}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_TRUE(Row(1).reservation.IsNil());
  EXPECT_TRUE(Row(1).user_id.empty());
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased));
  EXPECT_EQ(last_.changes.events[0].reservation, Reservation(1));
}

TEST_F(SeatBookTest, AReleaseFreesWhatWasSold) {
  Hold(1, {1});
  Confirm(1, {1});
  ReleaseSeats cancel = ReleaseOf(1, {1});
  cancel.saga = Saga(2);
  EXPECT_EQ(Run({cancel, ""}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
}

TEST_F(SeatBookTest, AReleaseFreesWhatTheSagaHeldAlsoWhenItCanNotNameTheSeats) {
  Run({BestOf(1, 2, {5, 6}), ""});
  Release(1, {});
  EXPECT_EQ(Row(5).state, SeatState::kFree);
  EXPECT_EQ(Row(6).state, SeatState::kFree);
}

TEST_F(SeatBookTest, AReleaseNeverFreesTheNextBuyersSeat) {
  Hold(1, {1});
  now_ += 5min;
  Hold(2, {1});
  EXPECT_EQ(Release(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).reservation, Reservation(2));
  EXPECT_EQ(Row(1).state, SeatState::kHeld);
}

class SeatBookKeepTest : public SeatBookTest {
 protected:
  // By saga n, for reservation 1.
  Outcome Extend(uint64_t n, std::vector<SeatNo> seats, Timestamp until) {
    HoldSeats hold = HoldOf(1, std::move(seats));
    hold.saga = Saga(n);
    hold.hold_at_least_until = until;
    return Run({hold, ""});
  }
  Outcome Keep(uint64_t n, std::vector<SeatNo> seats, Timestamp until) {
    return Run({KeepSeats{Saga(n), Reservation(1), kShow, std::move(seats), until}, ""});
  }
};

TEST_F(SeatBookKeepTest, WhatASagaAddedToAHoldEndsWhenItKeepsTheSeats) {
  Hold(1, {1, 2});
  Extend(2, {1, 2}, kNow + 9min);
  EXPECT_EQ(Keep(2, {1, 2}, kNow + 5min).kind, Kind::kDone);
  EXPECT_EQ(Row(1).hold_expires_at, kNow + 5min);
  EXPECT_EQ(Row(2).hold_expires_at, kNow + 5min);
  EXPECT_EQ(Row(1).held_since, kNow);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kHeld));
  EXPECT_EQ(last_.changes.events[0].hold_expires_at, kNow + 5min);
  EXPECT_EQ(Extend(2, {1, 2}, kNow + 9min).kind, Kind::kAborted) << "a late copy of its hold";
  now_ += 5min;
  EXPECT_EQ(Hold(3, {1}).kind, Kind::kDone);
}

TEST_F(SeatBookKeepTest, ALateCopyOfAHoldThatMakesItLongerSavesItsRecordTooAndSoIsFoundMovedByItsUndoing) {
  Hold(1, {1});
  Extend(2, {1}, kNow + 9min);
  const SagaRow read = sagas_[Saga(2)];
  Keep(2, {1}, kNow + 5min);
  sagas_[Saga(2)] = read;  // before; and the seat after it
  Extend(2, {1}, kNow + 9min);
  EXPECT_THAT(last_.changes.sagas, ElementsAre(read));
}

TEST_F(SeatBookKeepTest, ALateCopyDoesNotShortenTheHoldOfALaterSaga) {
  Hold(1, {1});
  Keep(2, {1}, kNow + 5min);
  Extend(3, {1}, kNow + 9min);
  EXPECT_EQ(Keep(2, {1}, kNow + 5min).kind, Kind::kDone);
  EXPECT_EQ(Row(1).hold_expires_at, kNow + 9min);
}

TEST_F(SeatBookKeepTest, KeepingMakesNoHoldLongerAndLeavesSoldSeatsAndThoseOfOthersAlone) {
  Hold(1, {1, 3});
  EXPECT_EQ(Keep(2, {1}, kNow + 20min).kind, Kind::kDone);
  EXPECT_EQ(Row(1).hold_expires_at, kNow + 5min);
  ASSERT_EQ(Confirm(1, {1, 3}).kind, Kind::kDone);
  Keep(3, {1}, kNow);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
  Hold(4, {2});
  Keep(5, {2}, now_);
  EXPECT_EQ(Row(2).hold_expires_at, now_ + 5min);
  EXPECT_EQ(Keep(6, {0, 13, 99}, now_).kind, Kind::kDone) << "as with a release";
}

TEST_F(SeatBookKeepTest, ATimeThatHasPassedMakesTheSeatFreeAndLeavesItToTheSweeper) {
  Hold(1, {1});
  Extend(2, {1}, kNow + 9min);
  now_ += 6min;
  EXPECT_EQ(Keep(2, {1}, kNow + 5min).kind, Kind::kDone);
  EXPECT_TRUE(Row(1).IsFree(now_));
  EXPECT_THAT(Told(), IsEmpty());
  Sweep({1});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased));
}

TEST_F(SeatBookTest, AReleaseBeforeItsHoldIsANoOpAndTheHoldIsAborted) {
  EXPECT_EQ(Release(1, {1}).kind, Kind::kDone);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kAborted);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
}

TEST_F(SeatBookTest, ALateCommandIsAbortedWithoutATombstoneOnceThatMayBeForgotten) {
  const Timestamp made = Saga(1).uuid().Time();
  forgotten_before_ = made;
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kDone)
      << "what is not older than what is kept is judged by what is stored";
  forgotten_before_ = made + 1ms;
  EXPECT_EQ(Hold(2, {2}).kind, Kind::kAborted);
  EXPECT_EQ(Row(2).state, SeatState::kFree);
  // The reservation has them by a later saga, whose money is not there yet.
  sagas_.erase(Saga(1));
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kAborted);
  EXPECT_EQ(Row(1).state, SeatState::kHeld);
}

TEST_F(SeatBookTest, AnOldSagaThatIsOnRecordGoesOn) {
  Hold(1, {1});
  forgotten_before_ = Saga(1).uuid().Time() + 1ms;
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
}

TEST_F(SeatBookTest, AHoldAfterItsReleaseIsAborted) {
  Hold(1, {1});
  Release(1, {1});
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kAborted);
}

TEST_F(SeatBookTest, AConfirmationAfterItsReleaseIsAborted) {
  Hold(1, {1});
  Release(1, {1});
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kAborted);
}

TEST_F(SeatBookTest, HoldAndReleaseInOneBatchEndNeutralInEitherOrder) {
  RunBatch({{HoldOf(1, {1}), ""}, {ReleaseOf(1, {1}), ""}});
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  RunBatch({{ReleaseOf(2, {2}), ""}, {HoldOf(2, {2}), ""}});
  EXPECT_EQ(Row(2).state, SeatState::kFree);
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kAborted);
  EXPECT_EQ(Hold(2, {2}).kind, Kind::kAborted);
}

TEST_F(SeatBookTest, ARefusedHoldThatWasUndoneStaysFinal) {
  Hold(1, {1});
  ExpectRefused(Hold(2, {1}), Refusal::kSeatsTaken);
  Release(2, {1});
  Release(1, {1});
  EXPECT_EQ(Hold(2, {1}).kind, Kind::kAborted);
}

// A cancellation is a saga of its own, so the tombstone is its, not that of the saga that once held.
TEST_F(SeatBookTest, ALateDuplicateOfAHoldTakesNothingBackOnceAnotherSagaHasReleasedIt) {
  Hold(1, {1, 2});
  Confirm(1, {1, 2});
  ReleaseSeats cancellation = ReleaseOf(1, {1, 2});
  cancellation.saga = Saga(2);
  Run({cancellation, ""});
  const Outcome late = Hold(1, {1, 2});
  ExpectRefused(late, Refusal::kHoldLost);
  EXPECT_EQ(late.conflicts.size(), 2);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  ExpectRefused(Confirm(1, {1, 2}), Refusal::kHoldLost);
  EXPECT_EQ(Row(2).state, SeatState::kFree);
}

TEST_F(SeatBookTest, ALateDuplicateOfAHoldTakesNothingBackOnceItHasLapsedAndWasSwept) {
  Run({BestOf(1, 2, {5, 6}), ""});
  now_ += 5min;
  Sweep({5, 6});
  ExpectRefused(Run({BestOf(1, 2, {5, 6}), ""}), Refusal::kHoldLost);
  EXPECT_EQ(Row(5).state, SeatState::kFree);
}

TEST_F(SeatBookTest, AReleaseIsNeverRefused) {
  ReleaseSeats release = ReleaseOf(1, {0, 13, 99});
  EXPECT_EQ(Run({release, ""}).kind, Kind::kDone);
  EXPECT_TRUE(last_.changes.seats.empty());
  release.saga = Saga(2);
  release.show_id = 99;
  EXPECT_EQ(Run({release, ""}).kind, Kind::kDone);
  EXPECT_TRUE(sagas_[Saga(2)].undone);
}

TEST_F(SeatBookTest, TheSameReleaseAgainDoesNotFreeWhatALaterSagaHolds) {
  Hold(1, {1});
  Release(1, {1});
  HoldSeats second = HoldOf(1, {1});
  second.saga = Saga(2);
  EXPECT_EQ(Run({second, ""}).kind, Kind::kDone);
  EXPECT_EQ(Release(1, {1}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kHeld);
  EXPECT_TRUE(last_.changes.empty());
}

TEST_F(SeatBookTest, TheSweepFreesWhatIsPastItsDeadlineAndTellsWhose) {
  Hold(1, {1, 2});
  now_ += 1min;
  Hold(2, {3});
  Hold(3, {4});
  Confirm(3, {4});
  now_ = kNow + 5min;
  Sweep({1, 2, 3, 4, 5});
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_EQ(Row(3).state, SeatState::kHeld);
  EXPECT_EQ(Row(4).state, SeatState::kSold);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased));
  EXPECT_EQ(last_.changes.events[0].reservation, Reservation(1));
  EXPECT_THAT(last_.changes.events[0].seats, ElementsAre(1, 2));
}

TEST_F(SeatBookTest, EarlierCommandsInABatchWin) {
  const auto outcomes = RunBatch({{HoldOf(1, {1, 2}), ""}, {HoldOf(2, {2, 3}), ""}, {HoldOf(3, {3}), ""}});
  EXPECT_EQ(outcomes[0]->kind, Kind::kDone);
  ExpectRefused(*outcomes[1], Refusal::kSeatsTaken);
  EXPECT_EQ(outcomes[2]->kind, Kind::kDone);
}

TEST_F(SeatBookTest, CommandsOnOneSeatInABatchAreMergedIntoOneChange) {
  const auto outcomes = RunBatch({{HoldOf(1, {1}), ""},
                                  {HoldOf(1, {1}), ""},
                                  {ConfirmOf(1, {1}), ""},
                                  {ReleaseOf(1, {1}), ""},
                                  {HoldOf(1, {1}), ""},
                                  {HoldOf(2, {1}), ""}});
  EXPECT_EQ(outcomes[2]->kind, Kind::kDone);
  EXPECT_EQ(outcomes[4]->kind, Kind::kAborted);
  EXPECT_EQ(outcomes[5]->kind, Kind::kDone);
  EXPECT_THAT(last_.changes.seats, SizeIs(1));
  EXPECT_EQ(last_.changes.seats[0].version, 0);
  EXPECT_EQ(Row(1).reservation, Reservation(2));
}

TEST_F(SeatBookTest, TheLimitHoldsWithinABatch) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 3; });
  HoldSeats second = HoldOf(2, {3, 4});
  second.user_id = "user1";
  const auto outcomes = RunBatch({{HoldOf(1, {1, 2}), ""}, {second, ""}});
  EXPECT_EQ(outcomes[0]->kind, Kind::kDone);
  ExpectRefused(*outcomes[1], Refusal::kSeatLimit);
}

TEST_F(SeatBookTest, ABestAvailableHoldTakesWhatTheMapProposes) {
  const Outcome outcome = Run({BestOf(1, 2, {5, 6}), ""});
  EXPECT_EQ(outcome.kind, Kind::kDone);
  EXPECT_THAT(outcome.seats, ElementsAre(5, 6));
}

TEST_F(SeatBookTest, ABestAvailableHoldAgainGetsTheSameSeats) {
  Run({BestOf(1, 2, {5, 6}), ""});
  const Outcome again = Run({BestOf(1, 2, {7, 8}), ""});
  EXPECT_THAT(again.seats, ElementsAre(5, 6));
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(Run({BestOf(1, 3, {7, 8, 9}), ""}).kind, Kind::kMismatch);
}

TEST_F(SeatBookTest, TheSeatsThatWereChosenCanBeNamedFromThenOn) {
  Run({BestOf(1, 2, {5, 6}), ""});
  EXPECT_THAT(Hold(1, {6, 5}).seats, ElementsAre(5, 6));
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(Hold(1, {5, 7}).kind, Kind::kMismatch);
  HoldSeats elsewhere = BestOf(1, 2, {7, 8});
  elsewhere.best->section = "Balcony";
  EXPECT_EQ(Run({elsewhere, ""}).kind, Kind::kMismatch);
}

TEST_F(SeatBookTest, AnotherSagaOfTheReservationGetsTheSeatsThatItHas) {
  Run({BestOf(1, 2, {5, 6}), ""});
  HoldSeats second = BestOf(1, 2, {7, 8});
  second.saga = Saga(2);
  EXPECT_THAT(Run({second, ""}).seats, ElementsAre(5, 6));
}

TEST_F(SeatBookTest, AStaleProposalIsDecidedAgain) {
  Hold(1, {5});
  const auto outcomes = RunBatch({{BestOf(2, 2, {5, 6}), ""}});
  EXPECT_FALSE(outcomes[0].has_value());
  EXPECT_TRUE(last_.changes.empty());
}

TEST_F(SeatBookTest, ProposalsThatCanNotBeMadeAreRefusedByTheirReason) {
  HoldSeats hold = BestOf(1, 2, {});
  ExpectRefused(Run({hold, ""}), Refusal::kNotEnoughSeats);
  hold.proposal.status = Proposal::Status::kSectionUnknown;
  ExpectRefused(Run({hold, ""}), Refusal::kSectionUnknown);
  hold.proposal.status = Proposal::Status::kCategoryUnknown;
  ExpectRefused(Run({hold, ""}), Refusal::kCategoryUnknown);
  hold.proposal.status = Proposal::Status::kNone;
  EXPECT_FALSE(RunBatch({{hold, ""}})[0].has_value());
}

TEST_F(SeatBookTest, TheLastSeatSoldIsToldOnce) {
  ChangeShow([](Show& show) { show.layout = MakeHall({2}); });
  Hold(1, {1});
  Confirm(1, {1});
  EXPECT_FALSE(facts_.marks.sold_out_at.has_value());
  Hold(2, {2});
  now_ += 1s;
  Confirm(2, {2});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold, Event::Kind::kSoldOut));
  EXPECT_EQ(last_.changes.events[1].on_sale_at, facts_.show->terms.on_sale_at);
  EXPECT_EQ(facts_.marks.sold_out_at, now_);
  EXPECT_EQ(facts_.marks.first_sold_at, kNow);
  // A seat that comes back and is sold again is no second time, and not counted twice.
  Release(2, {2});
  Hold(3, {2});
  Confirm(3, {2});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold));
}

TEST_F(SeatBookTest, NoSellOutIsToldByCountsThatAreDoubted) {
  ChangeShow([](Show& show) { show.layout = MakeHall({1}); });
  Hold(1, {1});
  facts_.doubted = true;
  Confirm(1, {1});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kSold));
  EXPECT_EQ(facts_.marks.first_sold_at, kNow);
  EXPECT_FALSE(facts_.marks.sold_out_at.has_value());
}

TEST_F(SeatBookTest, ASeatThatCameBackInTheBatchIsNotCountedAsSold) {
  ChangeShow([](Show& show) { show.layout = MakeHall({2}); });
  Hold(1, {1});
  Confirm(1, {1});
  Hold(2, {2});
  RunBatch({{ReleaseOf(1, {1}), ""}, {ConfirmOf(2, {2}), ""}});
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased, Event::Kind::kSold));
  EXPECT_FALSE(facts_.marks.sold_out_at.has_value());
}

TEST_F(SeatBookTest, EventsCarryTheTraceOfTheirCommand) {
  Run({HoldOf(1, {1}), "00-trace"});
  EXPECT_EQ(last_.changes.events[0].traceparent, "00-trace");
}

TEST_F(SeatBookTest, EveryRefusalHasAName) {
  for (int i = 1; i <= static_cast<int>(Refusal::kCategoryUnknown); ++i) {
    EXPECT_FALSE(RefusalName(static_cast<Refusal>(i)).empty()) << i;
  }
}

}  // namespace
}  // namespace boxoffice::seat
