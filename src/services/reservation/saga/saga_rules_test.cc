// The rules of the saga, one by one, over a model of the participants.
#include <fmt/format.h>

#include "services/reservation/saga/testing_saga.h"
#include "testing/metrics_text.h"

namespace boxoffice::reservation {
namespace {

TEST_F(SagaTest, AnAcknowledgedConfirmationSurvivesADeathBeforeTheReply) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  book_->faults = {{0, Fault::kDiesAfter}};
  EXPECT_FALSE(Drive(reservation));
  EXPECT_EQ(Only().state, State::kConfirmed);
  world_->dead = false;
  // The client's retry reads CONFIRMED.
  BeginReserve again;
  again.key = {"buyer", "k"};
  again.reservation = reservation;
  EXPECT_EQ(std::get<Answered>(book_->Apply(again)).answer.reservation->state, State::kConfirmed);
}

TEST_F(SagaTest, PaymentDeclinedIsStillCancelledThenRefundedThenReleased) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->declines = true;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kFailed);
  EXPECT_EQ(answer->refusal->code, "payment_refused");
  EXPECT_THAT(world_->journal, ::testing::ElementsAre("bind", "seats", "debit", "payment", "undo-payment",
                                                      "undo-debit", "undo-seats", "undo-bind"));
  EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "payment"}));
}

TEST_F(SagaTest, NoRefundAndNoReleaseWhilePaymentIsUnknown) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  for (int call = 3; call < 40; ++call) world_->faults[call] = Fault::kReplyLost;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kConfirming) << "unknown is an answer of its own";
  EXPECT_EQ(answer->refusal, std::nullopt);
  // Past the deadline it is undone; as long as the cancel is not certain, money and seats stay.
  clock_.Advance(policy_.saga_deadline + milliseconds(1));
  (void)Drive(ClaimOne());
  EXPECT_EQ(Only().state, State::kCompensating);
  EXPECT_EQ(world_->journal.back(), "undo-payment");
  EXPECT_EQ(world_->balance, kBalance - kPrice);
  EXPECT_TRUE(world_->seat_owner.has_value());
  world_->faults.clear();
  Recover(false);
  ExpectClean("after the bank is back");
  EXPECT_EQ(Only().state, State::kFailed);
}

TEST_F(SagaTest, BalanceTooLowInTwoStepsKeepsTheSeatsAndANewSagaCanPay) {
  const Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->balance = 1;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kHeld);
  EXPECT_EQ(answer->refusal->code, "debit_refused");
  EXPECT_EQ(world_->seat_owner, reservation.id);
  // A late duplicate of the refused debit can't succeed after the top-up.
  world_->balance = kBalance;
  EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "debit"}));
  const Reservation next = BeginAgain(Only(), /*cancel=*/false, "k2");
  EXPECT_EQ(Drive(next)->reservation->state, State::kConfirmed);
  ExpectClean("topped up");
}

// Else whoever has no money keeps seats by asking again and again.
TEST_F(SagaTest, AfterARefusalTheHoldEndsWhenItWouldHaveEndedWithoutTheConfirmation) {
  for (const bool waits : {false, true}) {
    const Reservation reservation = Prepare(SagaKind::kConfirm);
    world_->balance = 1;
    if (waits) world_->faults = {{1, Fault::kReplyLost}};  // a later run hears of the refusal
    (void)Drive(reservation);
    EXPECT_EQ(Only().saga.status == SagaStatus::kRunning, waits);
    Recover(false);
    EXPECT_EQ(Only().state, State::kHeld);
    EXPECT_EQ(Only().hold_expires_at, reservation.hold_expires_at);
    EXPECT_EQ(world_->held_until, reservation.hold_expires_at);
    EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "seats"})) << "no late copy extends it";
  }
}

TEST_F(SagaTest, BalanceTooLowInOneShotReleasesTheSeats) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->balance = 1;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kFailed);
  EXPECT_EQ(world_->seat_owner, std::nullopt);
}

TEST_F(SagaTest, AnExpiredHoldWhoseSeatsAreFreeGoesOnOneWhoseSeatsWentIsRefused) {
  Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->seat_owner.reset();
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirmed);
  reservation = Prepare(SagaKind::kConfirm);
  world_->seat_owner = ReservationId::Make(clock_.Now(), random_);
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kFailed);
  EXPECT_EQ(answer->refusal->code, "seats_refused");
  EXPECT_TRUE(world_->seat_owner.has_value()) << "the next buyer's seat is not freed";
  EXPECT_EQ(world_->balance, kBalance);
}

TEST_F(SagaTest, AHoldThatIsMadeAnewIsNotPaidAtAHigherPriceThanTheBuyerWasTold) {
  const Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->seat_owner.reset();
  world_->price = kPrice + 1;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kFailed);
  EXPECT_EQ(answer->refusal->code, "price_changed");
  EXPECT_EQ(answer->refusal->needed, kPrice + 1);
  EXPECT_EQ(answer->reservation->amount, kPrice);
  EXPECT_EQ(world_->seat_owner, std::nullopt);
  EXPECT_EQ(world_->balance, kBalance);
}

// How far the first run got is not on record; here it had taken the money before it had to wait.
TEST_F(SagaTest, ARefusalOnALaterRunUndoesAllThatAnEarlierRunMayHaveDone) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->faults = {{4, Fault::kNotDone}};
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirming);
  world_->seat_owner = ReservationId::Make(clock_.Now(), random_);  // the hold was lost meanwhile
  clock_.Advance(policy_.first_backoff);
  EXPECT_EQ(Drive(ClaimOne())->reservation->state, State::kFailed);
  EXPECT_EQ(world_->balance, kBalance);
  EXPECT_TRUE(world_->approvals.empty());
  EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "payment"}));
}

TEST_F(SagaTest, ARefusalOnALaterRunThatKeepsTheHoldStillGivesTheMoneyBack) {
  const Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->faults = {{2, Fault::kNotDone}, {4, Fault::kRefused}};  // the payment; then the debit, a run later
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirming);
  EXPECT_EQ(world_->balance, kBalance - kPrice);
  clock_.Advance(policy_.first_backoff);
  EXPECT_EQ(Drive(ClaimOne())->reservation->state, State::kHeld);
  EXPECT_EQ(world_->balance, kBalance);
  EXPECT_EQ(world_->seat_owner, reservation.id);
}

TEST_F(SagaTest, TheHoldIsExtendedPastTheSagasDeadlineBeforeMoneyMoves) {
  for (const SagaKind kind : {SagaKind::kOneShot, SagaKind::kConfirm}) {
    const Reservation reservation = Prepare(kind);
    const int debit = kind == SagaKind::kConfirm ? 1 : 2;
    world_->faults = {{debit, Fault::kNotDone}};
    (void)Drive(reservation);
    EXPECT_GT(world_->held_until, Only().saga.deadline);
    EXPECT_EQ(world_->balance, kBalance);
  }
}

TEST_F(SagaTest, WhileAnUndoFailsNobodyIsToldThatTheMoneyIsBack) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->declines = true;
  for (int call = 5; call < 1'000; ++call) world_->faults[call] = Fault::kReplyLost;  // from the refund on
  const auto answer = Drive(reservation);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Only().state, State::kCompensating);
    EXPECT_EQ(Count("reservation.failed"), 0U);
    clock_.Advance(policy_.max_backoff);
    (void)Drive(ClaimOne());
  }
  EXPECT_EQ(answer->reservation->state, State::kCompensating);
  EXPECT_TRUE(world_->seat_owner.has_value()) << "seats follow the money";
  world_->faults.clear();
  Recover(false);
  EXPECT_EQ(Only().state, State::kFailed);
  EXPECT_EQ(Count("reservation.failed"), 1U);
  ExpectClean("after the wallet is back");
}

TEST_F(SagaTest, WhoeverIsRefusedWhileTheQueueIsDownIsToldOnceEverythingElseIsBack) {
  // bind, seats, undo-seats, undo-bind
  const Reservation hold = Prepare(SagaKind::kHold);
  world_->faults = {{1, Fault::kRefused}, {3, Fault::kNotDone}};
  const auto taken = Drive(hold);
  ASSERT_TRUE(taken && taken->refusal);
  EXPECT_EQ(taken->refusal->code, "seats_refused");
  EXPECT_EQ(Only().saga.status, SagaStatus::kRunning) << "the place in the queue is given back later";
  Recover(false);
  EXPECT_EQ(Only().state, State::kReleased);
  ExpectClean("when the queue is back");
  // bind, seats, debit, payment, undo-payment, undo-debit, undo-seats, undo-bind
  for (int away = 4; away <= 7; ++away) {
    const Reservation sale = Prepare(SagaKind::kOneShot);
    world_->declines = true;
    world_->faults = {{away, Fault::kNotDone}};
    const auto declined = Drive(sale);
    ASSERT_TRUE(declined);
    EXPECT_EQ(declined->refusal.has_value(), away == 7) << "call " << away;
    EXPECT_EQ(declined->reservation->state, State::kCompensating);
    Recover(false);
    EXPECT_EQ(Only().state, State::kFailed);
    ExpectClean("declined");
  }
}

TEST_F(SagaTest, ASagaOfAnotherDefinitionVersionIsLeftToReplicasThatKnowIt) {
  Reservation reservation = Prepare(SagaKind::kOneShot);
  reservation.saga.definition_version = kDefinitionVersion + 1;
  const auto answer = Drive(reservation);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "saga_version_unknown");
  EXPECT_TRUE(world_->journal.empty());
  EXPECT_EQ(book_->writes, 0);
  EXPECT_TRUE(runner_->running().empty());
}

TEST_F(SagaTest, AStaleOwnerDecidesNothing) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  clock_.Advance(policy_.lease + milliseconds(1));
  const Reservation claimed = ClaimOne();
  const auto stale = Drive(reservation);  // wakes up past its lease and runs the list
  EXPECT_EQ(stale.error().reason, "not_owner");
  EXPECT_EQ(Count("reservation.confirmed"), 0U);
  MakeRunner();
  EXPECT_EQ(Drive(claimed)->reservation->state, State::kConfirmed);
  ExpectClean("one effect of two owners");
}

TEST_F(SagaTest, ASagaThatCantFinishParksAndIsNotDropped) {
  const Reservation reservation = Prepare(SagaKind::kCancel);
  for (int call = 0; call < 1'000; ++call) world_->faults[call] = Fault::kNotDone;
  (void)Drive(reservation);
  for (uint32_t i = 0; i < policy_.max_tries; ++i) {
    clock_.Advance(policy_.max_backoff);
    const Reservation claimed = ClaimOne();
    if (claimed.id.IsNil()) break;
    (void)Drive(claimed);
  }
  EXPECT_EQ(Only().saga.status, SagaStatus::kParked);
  EXPECT_EQ(Only().state, State::kCancelling);
  EXPECT_FALSE(Only().saga.last_error.empty());
}

TEST_F(SagaTest, WhatAProviderRefusesToGiveBackIsNamedByItsOwnCode) {
  const Reservation reservation = Prepare(SagaKind::kCancelSeats);
  world_->faults = {{0, Fault::kRefused}};
  (void)Drive(reservation);
  EXPECT_EQ(Only().saga.last_error, "refund-payment: refused part-of-payment_refused by_the_provider");
}

TEST_F(SagaTest, TheQueueSlotIsGivenBackOnPurchase) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  (void)Drive(reservation);
  EXPECT_TRUE(world_->completed);
}

TEST_F(SagaTest, WhoeverHoldsSeatsConfirmsWhileTheQueueIsDownAndGivesTheSlotOfTheHoldBack) {
  const Reservation reservation = Prepare(SagaKind::kConfirm);
  const SagaId of_the_hold = reservation.bound_saga;
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirmed);
  EXPECT_EQ(std::ranges::count(world_->journal, "bind"), 0) << "nobody asks the queue";
  EXPECT_EQ(Only().bound_saga, of_the_hold);
  EXPECT_TRUE(world_->completed);
  ExpectClean("confirmed");
}

TEST_F(SagaTest, WhoeverIsInByTheTokenGoesOnWhileTheQueueIsDown) {
  for (const Fault fault : {Fault::kNotDone, Fault::kReplyLost}) {
    Reservation reservation = Prepare(SagaKind::kOneShot);
    reservation.active_until = reservation.saga.started_at + milliseconds(1);
    world_->faults = {{0, fault}};
    EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirmed);
    EXPECT_EQ(world_->journal.front(), "bind");
    EXPECT_EQ(Only().bound_saga, reservation.saga.id)
        << "whatever of it came to pass is undone with the hold";
    EXPECT_FALSE(Only().saga.timeline.front().detail.empty())
        << "operators see that the queue did not answer";
    ExpectClean("confirmed");
  }
}

TEST_F(SagaTest, WhoeverWasInNoMoreWhenSheAskedWaitsForTheQueue) {
  Reservation reservation = Prepare(SagaKind::kOneShot);
  reservation.active_until = reservation.saga.started_at;
  world_->faults = {{0, Fault::kNotDone}};
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirming);
  EXPECT_THAT(world_->journal, ::testing::Each("bind"));
}

TEST_F(SagaTest, ATokenThatSaysSheIsInDoesNotOutdoTheQueuesRefusal) {
  Reservation reservation = Prepare(SagaKind::kOneShot);
  reservation.active_until = reservation.saga.started_at + milliseconds(1);
  world_->faults = {{0, Fault::kRefused}};
  EXPECT_EQ(Drive(reservation)->reservation->state, State::kFailed);
}

TEST_F(SagaTest, SeatsThatAreGivenBackCostTheFeeAndTheOthersStay) {
  const Reservation reservation = Prepare(SagaKind::kCancelSeats);  // the seat of 60, with a fee of 7
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation->state, State::kConfirmed);
  EXPECT_EQ(answer->reservation->returned, (Return{{kSeats[0]}, 53, 7}));
  EXPECT_THAT(answer->reservation->seats, ::testing::ElementsAre(kSeats[1]));
  EXPECT_EQ(answer->reservation->amount, 40);
  EXPECT_EQ(answer->reservation->fees, 7);
  EXPECT_THAT(world_->journal, ::testing::ElementsAre("part-of-payment", "part-of-debit", "undo-seats"))
      << "the payment first: no money moves back before the provider has agreed";
  EXPECT_EQ(Count("reservation.seats_cancelled"), 1U);
  ExpectClean("one of two");
}

TEST_F(SagaTest, WhatIsLeftIsCancelledLaterAndOnlyTheFeesStay) {
  const Reservation reservation = Prepare(SagaKind::kCancelSeats);
  ASSERT_TRUE(Drive(reservation));
  const Reservation rest = BeginCancel(Only(), {}, 5, "k2");
  EXPECT_EQ(rest.saga.kind, SagaKind::kCancelSeats)
      << "undoing payment and debit as a whole would give fees back";
  const auto answer = Drive(rest);
  EXPECT_EQ(answer->reservation->state, State::kCancelled);
  EXPECT_EQ(answer->reservation->returned->amount, 35);
  EXPECT_EQ(answer->reservation->fees, 12);
  EXPECT_EQ(Count("reservation.cancelled"), 1U);
  ExpectClean("all of it, in two parts");
}

TEST_F(SagaTest, WhatIsLeftIsUndoneAsAWholeWhereNothingIsKept) {
  const Reservation confirmed = Prepare(SagaKind::kConfirm);
  ASSERT_TRUE(Drive(confirmed));
  ASSERT_TRUE(Drive(BeginCancel(Only(), {1}, 0, "part")));
  const Reservation rest = BeginCancel(Only(), {2}, 0, "rest");
  EXPECT_EQ(rest.saga.kind, SagaKind::kCancel);
  EXPECT_EQ(Drive(rest)->reservation->state, State::kCancelled);
  ExpectClean("in two parts, without a fee");
}

TEST_F(SagaTest, AFeeThatIsTheWholePriceGivesNothingBackAndAsksNobodyForMoney) {
  const Reservation confirmed = Prepare(SagaKind::kConfirm);
  ASSERT_TRUE(Drive(confirmed));
  const Reservation all = BeginCancel(Only(), {}, 1'000, "k2");
  world_->journal.clear();
  EXPECT_EQ(Drive(all)->reservation->returned->amount, 0);
  EXPECT_THAT(world_->journal, ::testing::ElementsAre("undo-seats"));
  EXPECT_EQ(Only().fees, kPrice);
  ExpectClean("nothing given back");
}

TEST_F(SagaTest, AMoveToCheaperSeatsGivesTheDifferenceBackAndTellsWhoDidIt) {
  const Reservation reservation = Prepare(SagaKind::kMove);
  EXPECT_EQ(reservation.state, State::kConfirmed) << "it never is anything else";
  const auto answer = Drive(reservation);
  EXPECT_THAT(answer->reservation->seats, ::testing::ElementsAre(kSeats[1], kCheapSeat));
  EXPECT_EQ(answer->reservation->amount, 50);
  EXPECT_EQ(answer->reservation->returned, (Return{{kSeats[0]}, 50, 0}));
  const TimelineEntry& first = answer->reservation->saga.timeline.front();
  EXPECT_EQ(first.outcome, "move");
  EXPECT_EQ(first.detail, "the operator: a pillar");
  EXPECT_FALSE(world_->completed) << "the buyer's slot in the queue is none of its business";
  ExpectClean("moved");
}

TEST_F(SagaTest, AMoveWhoseMoneyWaitsFindsTheSameDifferenceAgain) {
  const Reservation reservation = Prepare(SagaKind::kMove);
  world_->faults = {{1, Fault::kReplyLost}, {4, Fault::kReplyLost}};  // the payment, then the wallet
  (void)Drive(reservation);
  Recover(false);
  EXPECT_EQ(Only().returned->amount, 50);
  ExpectClean("after two waits");
}

TEST_F(SagaTest, ARefusedMoveIsDoneAndHasDoneNothing) {
  const Reservation reservation = Prepare(SagaKind::kMove);
  world_->cheap_seat_taken = true;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->refusal->code, "seats_refused");
  EXPECT_EQ(answer->reservation->returned, std::nullopt);
  EXPECT_EQ(answer->reservation->saga.status, SagaStatus::kDone);
  EXPECT_THAT(world_->journal, ::testing::ElementsAre("seats", "undo-seats"));
  ExpectClean("as before");
}

TEST_F(SagaTest, ARefusedPaymentKeepsTheSeatsForTheGraceTimeAndANewSagaCanPay) {
  for (const SagaKind kind : {SagaKind::kOneShot, SagaKind::kConfirm}) {
    const Reservation reservation = Prepare(kind);
    world_->grace = std::chrono::minutes(10);
    world_->declines = true;
    const auto answer = Drive(reservation);
    EXPECT_EQ(answer->refusal->code, "payment_refused");
    EXPECT_EQ(answer->reservation->state, State::kHeld);
    EXPECT_EQ(world_->held_until, clock_.Now() + world_->grace);
    EXPECT_EQ(answer->reservation->hold_expires_at, world_->held_until);
    EXPECT_EQ(Count("reservation.held"), 1U) << KindName(kind);
    EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "payment"}));
    EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "debit"}));
    ExpectClean("undone but for the hold");
    world_->declines = false;
    EXPECT_EQ(Drive(BeginAgain(Only(), /*cancel=*/false, "k2"))->reservation->state, State::kConfirmed);
    ExpectClean("paid otherwise");
  }
}

TEST_F(SagaTest, WhatIsHeldForLongerThanTheGraceTimeStaysSo) {
  Reservation reservation = Prepare(SagaKind::kConfirm);
  reservation.hold_expires_at = clock_.Now() + std::chrono::minutes(20);
  world_->grace = std::chrono::minutes(10);
  world_->declines = true;
  EXPECT_EQ(Drive(reservation)->reservation->hold_expires_at, reservation.hold_expires_at);
  EXPECT_EQ(world_->held_until, reservation.hold_expires_at);
}

// It held nothing before, and what its saga needed is none of the buyer's time.
TEST_F(SagaTest, WhatIsHeldAndPaidAtOnceIsKeptForTheGraceTimeAlone) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->grace = std::chrono::seconds(1);
  world_->declines = true;
  EXPECT_EQ(Drive(reservation)->reservation->hold_expires_at, clock_.Now() + world_->grace);
  EXPECT_EQ(world_->held_until, clock_.Now() + world_->grace);
}

TEST_F(SagaTest, AMethodThatIsNotKnownKeepsTheHold) {
  for (const auto grace : {milliseconds(0), milliseconds(600'000)}) {
    const Reservation reservation = Prepare(SagaKind::kConfirm);
    world_->grace = grace;
    world_->declines_as = "method_unknown";
    const auto answer = Drive(reservation);
    EXPECT_EQ(answer->refusal->code, "method_unknown");
    EXPECT_EQ(answer->reservation->state, State::kHeld);
    EXPECT_EQ(answer->reservation->hold_expires_at, reservation.hold_expires_at);
    EXPECT_THAT(world_->journal, ::testing::ElementsAre("seats", "debit", "payment", "undo-payment",
                                                        "undo-debit", "keep-seats"));
    ExpectClean("undone but for the hold");
    world_->declines_as.clear();
    EXPECT_EQ(Drive(BeginAgain(Only(), /*cancel=*/false, "k2"))->reservation->state, State::kConfirmed);
    ExpectClean("paid as there is");
  }
  const Reservation sale = Prepare(SagaKind::kOneShot);
  world_->declines_as = "method_unknown";
  EXPECT_EQ(Drive(sale)->reservation->state, State::kFailed) << "she held nothing before";
  ExpectClean("in one step");
}

// A label has so many values and no more, whatever a participant comes to say.
TEST_F(SagaTest, CompensationsOfTheSixtyFifthCauseAndThoseAfterItAreCountedAsOther) {
  Reset();
  auto refuse = [this, sales = 0](int cause) mutable {
    world_->declines_as = fmt::format("cause_{}", cause);
    EXPECT_TRUE(Drive(Begin(SagaKind::kOneShot, fmt::format("sale {}", ++sales)))->refusal);
  };
  for (int cause = 1; cause <= 66; ++cause) refuse(cause);
  refuse(1);  // it is known
  const auto counted = [this](const std::string& cause) {
    return metrics_
        .GetCounter("boxoffice_saga_compensations_total", "",
                    {{"kind", "one_shot"}, {"step", "approve-payment"}, {"cause", cause}})
        .value();
  };
  EXPECT_EQ(counted("cause_1"), 2U);
  EXPECT_EQ(counted("cause_64"), 1U);
  EXPECT_EQ(counted("other"), 2U);
  const std::string metrics = metrics_.Render();
  EXPECT_THAT(metrics, ::testing::Not(::testing::HasSubstr("cause_65")));
  EXPECT_EQ(testbed::SumOf(metrics, "boxoffice_saga_compensations_total"), 67) << "none is lost";
}

// Otherwise whoever looks for the cause looks at the end of the list, which was never reached.
TEST_F(SagaTest, WhatIsUndoneAtItsDeadlineIsCountedUnderTheStepThatItWaitedFor) {
  int undone = 0;
  const std::string_view steps[] = {"verify-queue", "hold-seats", "debit-wallet", "approve-payment",
                                    "confirm-seats"};
  for (const std::string_view step : steps) {
    const Reservation reservation = Prepare(SagaKind::kOneShot);
    world_->faults = {{undone, Fault::kNotDone}};
    EXPECT_EQ(Drive(reservation)->reservation->state, State::kConfirming);
    Recover(/*past_deadline=*/true);
    EXPECT_THAT(Only().failure->detail, ::testing::StartsWith(step));
    const auto& counted =
        metrics_.GetCounter("boxoffice_saga_compensations_total", "",
                            {{"kind", "one_shot"}, {"step", std::string(step)}, {"cause", "saga_timed_out"}});
    EXPECT_EQ(counted.value(), 1U) << step;
    EXPECT_EQ(testbed::SumOf(metrics_.Render(), "boxoffice_saga_compensations_total"), ++undone);
    ExpectClean(std::string(step));
  }
}

// What the alert CompensationRateHigh divides by: of runs, one that waits has many.
TEST_F(SagaTest, APurchaseIsUndoneOnceOrConfirmedOnceInHoweverManyRuns) {
  const auto runs = [this](State state) {
    return metrics_
        .GetCounter("boxoffice_saga_runs_total", "",
                    {{"kind", "one_shot"}, {"state", std::string(StateName(state))}})
        .value();
  };
  const auto undone = [this] {
    return testbed::SumOf(metrics_.Render(), "boxoffice_saga_compensations_total");
  };
  const Reservation late = Prepare(SagaKind::kOneShot);
  world_->faults = {{3, Fault::kNotDone}, {6, Fault::kNotDone}};  // the payment, in each run
  (void)Drive(late);
  clock_.Advance(policy_.lease + milliseconds(1));
  (void)Drive(ClaimOne());
  EXPECT_EQ(runs(State::kConfirming), 2U);
  EXPECT_EQ(undone(), 0);
  Recover(/*past_deadline=*/true);
  EXPECT_EQ(runs(State::kFailed), 1U);
  EXPECT_EQ(undone(), 1);

  const Reservation bought = Prepare(SagaKind::kOneShot);
  world_->faults = {{3, Fault::kNotDone}};
  (void)Drive(bought);
  Recover(/*past_deadline=*/false);
  EXPECT_EQ(runs(State::kConfirming), 3U);
  EXPECT_EQ(runs(State::kConfirmed), 1U);
  EXPECT_EQ(undone(), 1);
}

TEST_F(SagaTest, WithoutAHoldForTheGraceTimeAllIsUndone) {
  for (const Fault fault : {Fault::kNotDone, Fault::kRefused}) {
    const Reservation reservation = Prepare(SagaKind::kOneShot);
    world_->grace = std::chrono::minutes(10);
    world_->declines = true;
    world_->faults = {{4, fault}};  // the hold that would go on
    EXPECT_EQ(Drive(reservation)->reservation->state, State::kFailed);
    ExpectClean("as without a grace time");
  }
}

TEST_F(SagaTest, EveryCallAfterARefusedPaymentWithGraceFailedInEveryWayLeavesACleanWorld) {
  for (const SagaKind kind : {SagaKind::kOneShot, SagaKind::kConfirm}) {
    const int payment = kind == SagaKind::kConfirm ? 2 : 3;
    for (int call = payment + 1; call < payment + 5; ++call) {
      for (const Fault fault :
           {Fault::kNotDone, Fault::kReplyLost, Fault::kTwice, Fault::kDies, Fault::kDiesAfter}) {
        const Reservation reservation = Prepare(kind);
        world_->grace = std::chrono::minutes(10);
        world_->faults = {{payment, Fault::kRefused}, {call, fault}};
        (void)Drive(reservation);
        world_->faults.clear();
        Recover(false);
        ExpectClean(fmt::format("{} call {} fault {}", KindName(kind), call, static_cast<int>(fault)));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(SagaTest, ASagaOfAKindThatIsNotKnownHereIsLeftAlone) {
  Reservation reservation = Prepare(SagaKind::kOneShot);
  reservation.saga.kind = SagaKind::kUnknown;
  const auto answer = Drive(reservation);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "saga_version_unknown");
  EXPECT_TRUE(world_->journal.empty());
  EXPECT_EQ(book_->writes, 0);
}

TEST_F(SagaTest, TheTimelineTellsEachStepAndUndo) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->declines = true;
  (void)Drive(reservation);
  std::vector<std::string> told;
  for (const TimelineEntry& entry : Only().saga.timeline) {
    told.push_back(fmt::format("{}{} {}", entry.undo ? "undo " : "", entry.step, entry.outcome));
  }
  EXPECT_THAT(told, ::testing::ElementsAre("verify-queue done", "hold-seats done", "debit-wallet done",
                                           "approve-payment refused", "undo approve-payment done",
                                           "undo debit-wallet done", "undo hold-seats done",
                                           "undo verify-queue done"));
}

}  // namespace
}  // namespace boxoffice::reservation
