// The rules of reservations, without database, clock or thread.
#include "services/reservation/reservation_book.h"

#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

class ReservationBookTest : public ::testing::Test {
 protected:
  Reservation Stored(State state, SagaStatus status = SagaStatus::kDone) {
    Reservation r;
    r.id = ReservationId::Make(kNow, random_);
    r.user_id = "buyer";
    r.show_id = 1;
    r.seats = {{1, "A-1", 100, "S"}};
    r.state = state;
    r.version = 4;
    r.saga.id = SagaId::Make(kNow, random_);
    r.saga.kind = SagaKind::kHold;
    r.saga.status = status;
    r.saga.epoch = 3;
    r.saga.owner = "old";
    r.saga.started_at = kNow;
    r.hold_expires_at = kNow + milliseconds(300'000);
    rows_.reservations[r.id] = r;
    return r;
  }
  BeginReserve Reserve(const std::string& key, bool pay = false) {
    BeginReserve begin;
    begin.key = {"buyer", key};
    begin.request_hash = "hash";
    Reservation& reservation = begin.reservation.Own();
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.user_id = "buyer";
    reservation.saga.id = SagaId::Make(kNow, random_);
    reservation.saga.kind = pay ? SagaKind::kOneShot : SagaKind::kHold;
    return begin;
  }
  BeginOn On(const Reservation& r, bool cancel = false) {
    BeginOn begin;
    begin.key = {"buyer", "key"};
    begin.request_hash = "hash";
    begin.reservation_id = r.id;
    begin.saga_id = SagaId::Make(kNow, random_);
    begin.cancel = cancel;
    begin.cancel_policy.deadline = kNow + milliseconds(1);
    begin.owner = "me";
    return begin;
  }
  Decided DecideAll(std::vector<Command> commands) { return Decide(rows_, commands, kNow, policy_); }
  // The only outcome and change of one command.
  Decided DecideOne(Command command) { return DecideAll({std::move(command)}); }

  SeededRandom random_{1};
  Rows rows_;
  Policy policy_;
};

TEST_F(ReservationBookTest, StatesMoveOnlyAlongTheEdgesOfTheDesign) {
  const std::vector<std::pair<State, State>> edges = {{State::kHeld, State::kConfirming},
                                                      {State::kConfirming, State::kConfirmed},
                                                      {State::kConfirmed, State::kCancelling},
                                                      {State::kCancelling, State::kCancelled},
                                                      {State::kHeld, State::kExpired},
                                                      {State::kHeld, State::kReleased},
                                                      {State::kConfirming, State::kCompensating},
                                                      {State::kCompensating, State::kFailed},
                                                      {State::kCompensating, State::kHeld},
                                                      {State::kCancelling, State::kConfirmed}};
  for (int from = 0; from <= static_cast<int>(State::kReleased); ++from) {
    for (int to = 0; to <= static_cast<int>(State::kReleased); ++to) {
      const std::pair edge{static_cast<State>(from), static_cast<State>(to)};
      EXPECT_EQ(CanMove(edge.first, edge.second), from == to || std::ranges::find(edges, edge) != edges.end())
          << StateName(edge.first) << " to " << StateName(edge.second);
    }
  }
}

TEST_F(ReservationBookTest, ReserveWritesTheIntentBeforeAnySideEffect) {
  const Decided hold = DecideOne(Reserve("k"));
  ASSERT_EQ(hold.decision.changes.size(), 1U);
  const Change& change = hold.decision.changes[0];
  EXPECT_EQ(change.reservation->state, State::kHeld);
  EXPECT_EQ(change.expected_version, 0U);
  EXPECT_EQ(change.reservation->due_at, kNow + policy_.lease);
  EXPECT_EQ(change.request->answer, std::nullopt);
  EXPECT_EQ(change.event, "");
  const Decided one_shot = DecideOne(Reserve("k", /*pay=*/true));
  EXPECT_EQ(one_shot.decision.changes[0].reservation->state, State::kConfirming);
}

TEST_F(ReservationBookTest, TheSameKeyWithAnotherRequestIsRefused) {
  const BeginReserve begin = Reserve("k");
  rows_.requests[begin.key] = {begin.key, "other hash", {}, {}, Answer{}, kNow};
  EXPECT_EQ(std::get<Error>(DecideOne(begin).decision.outcomes[0]).reason, "idempotency_key_reused");
}

TEST_F(ReservationBookTest, TheSameKeyWhileTheFirstRunsBeginsNothing) {
  const BeginReserve begin = Reserve("k");
  const ReservationId first = Stored(State::kConfirming).id;
  rows_.requests[begin.key] = {begin.key, "hash", first, {}, std::nullopt, kNow};
  const Decided decided = DecideOne(begin);
  EXPECT_EQ(std::get<Running>(decided.decision.outcomes[0]).reservation_id, first);
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, ACommandWhoseCommitWasDoneUnknownStartsItsSagaWhenItRunsAgain) {
  const BeginReserve begin = Reserve("k");
  const Change stored = DecideOne(begin).decision.changes[0];
  rows_.requests[begin.key] = *stored.request;
  const Decided again = Decide(rows_, std::vector<Command>{begin}, kNow + milliseconds(700), policy_);
  EXPECT_EQ(std::get<Started>(again.decision.outcomes[0]).reservation, stored.reservation);
  EXPECT_TRUE(again.decision.changes.empty());

  const BeginOn confirm = On(Stored(State::kHeld));
  const Change confirming = DecideOne(confirm).decision.changes[0];
  rows_.requests[confirm.key] = *confirming.request;
  rows_.reservations[confirm.reservation_id] = confirming.reservation;
  EXPECT_EQ(std::get<Started>(DecideOne(confirm).decision.outcomes[0]).reservation, confirming.reservation);
  // Claimed since: whoever did so runs it.
  rows_.reservations[confirm.reservation_id].saga.epoch = 2;
  EXPECT_EQ(std::get<Running>(DecideOne(confirm).decision.outcomes[0]).reservation_id,
            confirm.reservation_id);
}

TEST_F(ReservationBookTest, ARequestThatIsTriedAnewTakesThePlaceOfTheOneThatWasSeen) {
  const BeginReserve begin = Reserve("k");
  EXPECT_TRUE(DecideOne(begin).decision.changes[0].replaces.IsNil());
  Answer answer;
  answer.reservation = Stored(State::kReleased);
  answer.refusal = Refusal{.code = "seats_taken"};
  const SagaId first = SagaId::Make(kNow, random_);
  rows_.requests[begin.key] = {begin.key, "hash", {}, first, answer, kNow};
  EXPECT_EQ(DecideOne(begin).decision.changes[0].replaces, first);
}

TEST_F(ReservationBookTest, TheSameRequestGetsTheSameAnswerAndWritesNothing) {
  const BeginReserve begin = Reserve("k");
  Answer answer;
  answer.reservation = Stored(State::kConfirmed);
  rows_.requests[begin.key] = {begin.key, "hash", {}, {}, answer, kNow};
  const Decided decided = DecideOne(begin);
  EXPECT_EQ(std::get<Answered>(decided.decision.outcomes[0]).answer, answer);
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, AnAnswerThatWasAConflictMayBeTriedAnew) {
  const BeginReserve begin = Reserve("k");
  Answer answer;
  answer.reservation = Stored(State::kReleased);
  answer.refusal = Refusal{.code = "seats_taken"};
  rows_.requests[begin.key] = {begin.key, "hash", {}, {}, answer, kNow};
  EXPECT_TRUE(std::holds_alternative<Started>(DecideOne(begin).decision.outcomes[0]));
  answer.refusal = Refusal{.code = "payment_declined"};
  rows_.requests[begin.key].answer = answer;
  EXPECT_TRUE(std::holds_alternative<Answered>(DecideOne(begin).decision.outcomes[0]));
}

// In a show's grace time after a refused payment.
TEST_F(ReservationBookTest, WhatStillHoldsItsSeatsIsNotTriedAnewWhateverItWasRefused) {
  const BeginReserve begin = Reserve("k");
  Answer answer;
  answer.reservation = Stored(State::kHeld);
  answer.refusal = Refusal{.code = "payment_method_unknown"};
  rows_.requests[begin.key] = {begin.key, "hash", {}, {}, answer, kNow};
  const Decided decided = DecideOne(begin);
  EXPECT_EQ(std::get<Answered>(decided.decision.outcomes[0]).answer, answer);
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, AConfirmationThatFailedIsAnsweredTheSameAgain) {
  const BeginOn confirm = On(Stored(State::kFailed));
  Answer answer{rows_.reservations.at(confirm.reservation_id), Refusal{.code = "price_changed"}};
  answer.reservation.Own().saga.kind = SagaKind::kConfirm;
  rows_.requests[confirm.key] = {confirm.key, "hash", {}, {}, answer, kNow};
  const Decided decided = DecideOne(confirm);
  EXPECT_EQ(std::get<Answered>(decided.decision.outcomes[0]).answer, answer);
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, AnAnswerIsForgottenAfterADay) {
  const BeginReserve begin = Reserve("k");
  rows_.requests[begin.key] = {begin.key, "other",  {},
                               {},        Answer{}, kNow - policy_.answers_kept - milliseconds(1)};
  EXPECT_TRUE(std::holds_alternative<Started>(DecideOne(begin).decision.outcomes[0]));
}

TEST_F(ReservationBookTest, ARequestThatHasNoAnswerYetIsNotForgottenAndBeginsNothingAgain) {
  const BeginReserve begin = Reserve("k");
  const ReservationId parked = Stored(State::kConfirming, SagaStatus::kParked).id;
  rows_.requests[begin.key] = {begin.key, "hash",       parked,
                               {},        std::nullopt, kNow - policy_.answers_kept - milliseconds(1)};
  const Decided decided = DecideOne(begin);
  EXPECT_EQ(std::get<Running>(decided.decision.outcomes[0]).reservation_id, parked);
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, SeatsThatAreKnownToBeSoldAreRefusedUnlessTheKeyHasAnAnswer) {
  const BeginReserve bought = Reserve("k");
  const Answer answer{Stored(State::kConfirmed), std::nullopt};
  rows_.requests[bought.key] = {bought.key, "hash", {}, {}, answer, kNow};
  const RefuseReserve again{bought.key, "hash", ""};
  EXPECT_EQ(KeysOf(std::vector<Command>{again}).requests, std::vector{bought.key});
  const Decided decided = DecideAll({again, RefuseReserve{{"eve", "k"}, "hash", ""}});
  EXPECT_EQ(std::get<Answered>(decided.decision.outcomes[0]).answer, answer);
  EXPECT_TRUE(std::holds_alternative<Refused>(decided.decision.outcomes[1]));
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, ASecondRequestWithTheKeyInOneBatchWaitsForTheNext) {
  const Decided refused = DecideAll({Reserve("k"), RefuseReserve{Reserve("k").key, "hash", ""}});
  EXPECT_THAT(refused.deferred, ::testing::ElementsAre(false, true));
  const Decided decided = DecideAll({Reserve("k"), Reserve("k")});
  EXPECT_THAT(decided.deferred, ::testing::ElementsAre(false, true));
  EXPECT_EQ(decided.decision.changes.size(), 1U);
}

TEST_F(ReservationBookTest, AConfirmationBeginsANewSagaOfTheNextAttempt) {
  const Reservation held = Stored(State::kHeld);
  const Decided decided = DecideOne(On(held));
  const Change& change = decided.decision.changes.at(0);
  EXPECT_EQ(change.reservation->state, State::kConfirming);
  EXPECT_EQ(change.reservation->saga.attempt, held.saga.attempt + 1);
  EXPECT_NE(change.reservation->saga.id, held.saga.id);
  EXPECT_EQ(change.expected_version, held.version);
  EXPECT_EQ(change.expected_epoch, held.saga.epoch);
  EXPECT_EQ(change.reservation->saga.deadline, kNow + policy_.saga_deadline);
}

TEST_F(ReservationBookTest, SomebodyElsesReservationIsNotFound) {
  const Reservation held = Stored(State::kHeld);
  BeginOn begin = On(held);
  begin.key.user_id = "thief";
  EXPECT_EQ(std::get<Error>(DecideOne(begin).decision.outcomes[0]).reason, "reservation_not_found");
}

TEST_F(ReservationBookTest, ATokenOfAnotherShowIsRefusedAndTheHoldKeepsItsOwn) {
  BeginOn confirm = On(Stored(State::kHeld));  // of show 1
  confirm.queue_token = "a new one";
  confirm.token_show_id = 2;
  const Decided refused = DecideOne(confirm);
  EXPECT_EQ(std::get<Answered>(refused.decision.outcomes[0]).answer.refusal->code, "token_wrong_show");
  EXPECT_TRUE(refused.decision.changes.empty());
  for (const int64_t show_id : {1, 0}) {  // 0: the edge of the release before does not say
    confirm.token_show_id = show_id;
    EXPECT_EQ(DecideOne(confirm).decision.changes.at(0).reservation->queue_token, "a new one");
  }
}

TEST_F(ReservationBookTest, OnlyAHeldReservationIsConfirmed) {
  for (const State state :
       {State::kConfirmed, State::kFailed, State::kExpired, State::kReleased, State::kCancelled}) {
    const Decided decided = DecideOne(On(Stored(state)));
    EXPECT_EQ(std::get<Answered>(decided.decision.outcomes[0]).answer.refusal->code, "reservation_state");
    EXPECT_TRUE(decided.decision.changes.empty());
  }
}

TEST_F(ReservationBookTest, CancelAndConfirmAtTheSameTimeTheLoserIsToldTheState) {
  const Reservation held = Stored(State::kHeld);
  BeginOn cancel = On(held, /*cancel=*/true);
  cancel.key.idempotency_key = "other key";
  const Decided decided = DecideAll({On(held), cancel});
  EXPECT_TRUE(decided.deferred[1]) << "decided again on the row that the first has changed";
  rows_.reservations[held.id] = decided.decision.changes[0].reservation;
  const Decided next = DecideOne(cancel);
  const auto& answer = std::get<Answered>(next.decision.outcomes[0]).answer;
  EXPECT_EQ(answer.refusal->code, "reservation_state");
  EXPECT_EQ(answer.reservation->state, State::kConfirming);
}

TEST_F(ReservationBookTest, CancellingAConfirmedOneIsASagaOfItsOwnUntilTheDeadline) {
  const Reservation confirmed = Stored(State::kConfirmed);
  BeginOn cancel = On(confirmed, /*cancel=*/true);
  EXPECT_EQ(DecideOne(cancel).decision.changes.at(0).reservation->state, State::kCancelling);
  cancel.cancel_policy.deadline = kNow - milliseconds(1);
  EXPECT_EQ(std::get<Answered>(DecideOne(cancel).decision.outcomes[0]).answer.refusal->code,
            "cancel_deadline_passed");
}

// It was HELD when the service looked, so the show was not asked.
TEST_F(ReservationBookTest, WhatWasConfirmedWhileItsHoldWasToBeCancelledIsToldTheState) {
  BeginOn cancel = On(Stored(State::kConfirmed), /*cancel=*/true);
  cancel.cancel_policy = {};
  const Decided decided = DecideOne(cancel);
  const auto& answer = std::get<Answered>(decided.decision.outcomes[0]).answer;
  EXPECT_EQ(answer.refusal->code, "reservation_state") << answer.refusal->detail;
  EXPECT_TRUE(decided.decision.changes.empty());
}

TEST_F(ReservationBookTest, AnOwnersWriteIsKnownAgainAndNobodyElsesIsTakenForIt) {
  Reservation running = Stored(State::kConfirming, SagaStatus::kRunning);
  running.state = State::kConfirmed;
  const Change change = DecideOne(Finish{running}).decision.changes.at(0);
  const Reservation stored = change.reservation;
  EXPECT_TRUE(IsWritten(change, stored));
  const auto differs = [&](auto meddle) {
    Reservation other = stored;
    meddle(other);
    return !IsWritten(change, other);
  };
  EXPECT_TRUE(differs([](Reservation& r) { --r.version; })) << "not done";
  EXPECT_TRUE(differs([](Reservation& r) { ++r.saga.epoch; })) << "claimed";
  EXPECT_TRUE(differs([](Reservation& r) { r.saga.owner = "other"; }));
  EXPECT_TRUE(differs([&](Reservation& r) { r.saga.id = SagaId::Make(kNow, random_); })) << "a later saga";
  EXPECT_TRUE(differs([](Reservation& r) { r.state = State::kCompensating; }));
  EXPECT_TRUE(differs([](Reservation& r) { r.saga.status = SagaStatus::kRunning; }));
  EXPECT_TRUE(differs([](Reservation& r) { r.saga.undoing = true; }));
  EXPECT_TRUE(differs([](Reservation& r) { ++r.saga.tries; })) << "postponed";
  Change renewal = change;
  renewal.lease_only = true;
  EXPECT_FALSE(IsWritten(renewal, stored));
}

TEST_F(ReservationBookTest, SomeOfItsSeatsAreCancelledByASagaOfItsOwnWithTheShowsFee) {
  Reservation confirmed = Stored(State::kConfirmed);
  confirmed.seats = {{1, "A-1", 101, "S"}, {2, "A-2", 10, "S"}, {3, "A-3", 50, "S"}};
  rows_.reservations[confirmed.id] = confirmed;
  BeginOn cancel = On(confirmed, /*cancel=*/true);
  cancel.cancel_policy.fee_per_seat = 6;
  cancel.cancel_policy.fee_percent = 50;
  cancel.seat_nos = {2, 1};
  const Reservation begun = DecideOne(cancel).decision.changes.at(0).reservation;
  EXPECT_EQ(begun.state, State::kCancelling);
  EXPECT_EQ(begun.saga.kind, SagaKind::kCancelSeats);
  EXPECT_EQ(begun.saga.definition_version, kNewestDefinitionVersion);
  EXPECT_EQ(begun.returned->seats, (std::vector<Seat>{confirmed.seats[0], confirmed.seats[1]}));
  EXPECT_EQ(begun.returned->fee, 56 + 10) << "a percentage is rounded down, and no fee is above the price";
  EXPECT_EQ(begun.returned->amount, 45);
}

TEST_F(ReservationBookTest, TheWholeReservationIsUndoneAsAWholeOnlyWhereNothingIsKept) {
  Reservation confirmed = Stored(State::kConfirmed);
  BeginOn cancel = On(confirmed, /*cancel=*/true);
  const auto kind = [&] { return DecideOne(cancel).decision.changes.at(0).reservation->saga.kind; };
  EXPECT_EQ(kind(), SagaKind::kCancel);
  cancel.seat_nos = {1};
  EXPECT_EQ(kind(), SagaKind::kCancel) << "all its seats are the whole";
  cancel.cancel_policy.fee_percent = 10;
  EXPECT_EQ(kind(), SagaKind::kCancelSeats);
  cancel.by_operator = true;
  EXPECT_EQ(kind(), SagaKind::kCancel) << "an operator's is without a fee";
  rows_.reservations[confirmed.id].fees = 5;
  EXPECT_EQ(kind(), SagaKind::kCancelSeats) << "what was kept before stays";
}

TEST_F(ReservationBookTest, SeatsThatItHasNotAreRefusedByNameAndNothingIsWritten) {
  const Reservation confirmed = Stored(State::kConfirmed);
  BeginOn cancel = On(confirmed, /*cancel=*/true);
  cancel.seat_nos = {1, 7};
  const Decided decided = DecideOne(cancel);
  EXPECT_TRUE(decided.decision.changes.empty());
  const Refusal refusal = std::get<Answered>(decided.decision.outcomes[0]).answer.refusal.value();
  EXPECT_EQ(refusal.code, "seat_not_in_reservation");
  EXPECT_EQ(refusal.conflicts, (std::vector<SeatConflict>{{7, "", "not_in_reservation"}}));
  BeginOn move = On(confirmed);
  move.by_operator = true;
  move.move = SeatMove{{7}, {9}};
  EXPECT_EQ(std::get<Answered>(DecideOne(move).decision.outcomes[0]).answer.refusal->code,
            "seat_not_in_reservation");
}

TEST_F(ReservationBookTest, SomeSeatsOfAHoldAreNotGivenUpAlone) {
  Reservation held = Stored(State::kHeld);
  held.seats.push_back({2, "A-2", 10, "S"});
  rows_.reservations[held.id] = held;
  BeginOn cancel = On(held, /*cancel=*/true);
  cancel.seat_nos = {1};
  EXPECT_EQ(std::get<Answered>(DecideOne(cancel).decision.outcomes[0]).answer.refusal->code,
            "reservation_state");
  cancel.seat_nos = {1, 2};
  EXPECT_EQ(DecideOne(cancel).decision.changes.at(0).reservation->saga.kind, SagaKind::kRelease);
}

TEST_F(ReservationBookTest, AnOperatorCancelsAnybodysAfterTheDeadlineAndTheTimelineSaysWho) {
  const Reservation confirmed = Stored(State::kConfirmed);
  BeginOn cancel = On(confirmed, /*cancel=*/true);
  cancel.key.user_id = "root";
  cancel.cancel_policy = {};
  EXPECT_EQ(std::get<Error>(DecideOne(cancel).decision.outcomes[0]).reason, "reservation_not_found");
  cancel.by_operator = true;
  cancel.reason = "fire";
  const Change begun = DecideOne(cancel).decision.changes.at(0);
  EXPECT_EQ(begun.reservation->state, State::kCancelling);
  EXPECT_EQ(begun.request->key.user_id, "root");
  EXPECT_EQ(begun.reservation->saga.timeline.front().detail, "root: fire");
}

TEST_F(ReservationBookTest, OnlyAConfirmedReservationIsMoved) {
  for (const State state : {State::kHeld, State::kCancelled, State::kFailed}) {
    BeginOn move = On(Stored(state));
    move.by_operator = true;
    move.move = SeatMove{{1}, {9}};
    EXPECT_EQ(std::get<Answered>(DecideOne(move).decision.outcomes[0]).answer.refusal->code,
              "reservation_state");
  }
  BeginOn move = On(Stored(State::kConfirmed));
  move.by_operator = true;
  move.move = SeatMove{{1}, {9}};
  const Reservation begun = DecideOne(move).decision.changes.at(0).reservation;
  EXPECT_EQ(begun.state, State::kConfirmed);
  EXPECT_EQ(begun.saga.kind, SagaKind::kMove);
  EXPECT_EQ(begun.returned, (Return{begun.seats, 0, 0}));
}

TEST_F(ReservationBookTest, AnOperatorIsToldThatALaterVersionsSagaIsNotResolvedHere) {
  Reservation later = Stored(State::kConfirmed, SagaStatus::kParked);
  rows_.reservations[later.id].saga.kind = SagaKind::kUnknown;
  const Resolve resolve{later.id, "retry", "why", "root"};
  EXPECT_EQ(std::get<Error>(DecideOne(resolve).decision.outcomes[0]).reason, "saga_version_unknown");
}

TEST_F(ReservationBookTest, CancellingAHoldReleasesIt) {
  const Change change = DecideOne(On(Stored(State::kHeld), /*cancel=*/true)).decision.changes.at(0);
  EXPECT_EQ(change.reservation->state, State::kHeld);
  EXPECT_EQ(change.reservation->saga.kind, SagaKind::kRelease);
}

TEST_F(ReservationBookTest, FinishChecksVersionAndEpochAndTellsTheWorldOnce) {
  Reservation r = Stored(State::kConfirming, SagaStatus::kRunning);
  r.state = State::kConfirmed;
  r.saga.idempotency_key = "k";
  const Change change = DecideOne(Finish{r}).decision.changes.at(0);
  EXPECT_EQ(change.expected_version, r.version);
  EXPECT_EQ(change.expected_epoch, r.saga.epoch);
  EXPECT_EQ(change.reservation->version, r.version + 1);
  EXPECT_EQ(change.event, "reservation.confirmed");
  EXPECT_EQ(change.reservation->due_at, std::nullopt);
  EXPECT_FALSE(change.request || change.answered) << "the row is the answer";
}

TEST_F(ReservationBookTest, TheAnswerOfTheSagaBeforeIsKeptWhenTheNextBegins) {
  Reservation held = Stored(State::kHeld);
  held.saga.idempotency_key = "of the hold";
  held.due_at = kNow;
  rows_.reservations[held.id] = held;
  const AnsweredRequest by_buyer{{"buyer", "of the hold"}, held.saga.id};
  const auto kept = [this](const Command& next) { return DecideOne(next).decision.changes.at(0).answered; };
  EXPECT_EQ(kept(On(held)), by_buyer);
  EXPECT_EQ(kept(On(held, /*cancel=*/true)), by_buyer);
  EXPECT_EQ(kept(BeginEndForShow{held.id, SagaId::Make(kNow, random_), "me"}), by_buyer);
  rows_.due = {held};
  EXPECT_EQ(kept(Claim{"me", 1, {SagaId::Make(kNow, random_)}}), by_buyer);
  // Whoever asked is answered, which was an operator here.
  held.saga.asked_by = "root";
  rows_.reservations[held.id] = held;
  EXPECT_EQ(kept(On(held)), (AnsweredRequest{{"root", "of the hold"}, held.saga.id}));
}

TEST_F(ReservationBookTest, NothingIsKeptOfASagaThatNobodyAskedForOrThatRuns) {
  EXPECT_EQ(DecideOne(On(Stored(State::kHeld))).decision.changes.at(0).answered, std::nullopt);
  Reservation runs = Stored(State::kConfirming, SagaStatus::kRunning);
  runs.saga.idempotency_key = "k";
  runs.due_at = kNow;
  rows_.due = {runs};
  EXPECT_EQ(DecideOne(Claim{"me", 1, {SagaId::Make(kNow, random_)}}).decision.changes.at(0).answered,
            std::nullopt);
}

TEST_F(ReservationBookTest, AHoldIsLookedAtAgainAfterItsEnd) {
  Reservation r = Stored(State::kHeld, SagaStatus::kRunning);
  const Change change = DecideOne(Finish{r}).decision.changes.at(0);
  EXPECT_EQ(change.reservation->due_at, r.hold_expires_at + policy_.expiry_grace);
}

TEST_F(ReservationBookTest, TheDecisionToUndoIsAWriteOfItsOwn) {
  Reservation r = Stored(State::kConfirming, SagaStatus::kRunning);
  r.saga.undoing = true;
  const Change change = DecideOne(Undo{r}).decision.changes.at(0);
  EXPECT_EQ(change.reservation->state, State::kCompensating);
  EXPECT_EQ(change.event, "");
}

TEST_F(ReservationBookTest, WaitingBacksOffDoublingUpToTheCap) {
  Reservation r = Stored(State::kConfirming, SagaStatus::kRunning);
  EXPECT_EQ(DecideOne(Postpone{r}).decision.changes[0].reservation->due_at, kNow + milliseconds(500));
  r.saga.tries = 3;
  EXPECT_EQ(DecideOne(Postpone{r}).decision.changes[0].reservation->due_at, kNow + milliseconds(4'000));
  r.saga.tries = 15;
  EXPECT_EQ(DecideOne(Postpone{r}).decision.changes[0].reservation->due_at, kNow + milliseconds(60'000));
}

TEST_F(ReservationBookTest, AfterTwentyTriesOrFifteenMinutesItParksAndIsNotDropped) {
  Reservation r = Stored(State::kCompensating, SagaStatus::kRunning);
  r.saga.tries = policy_.max_tries - 1;
  Reservation parked = DecideOne(Postpone{r}).decision.changes[0].reservation;
  EXPECT_EQ(parked.saga.status, SagaStatus::kParked);
  EXPECT_EQ(parked.due_at, std::nullopt);
  EXPECT_EQ(parked.state, State::kCompensating);
  r.saga.tries = 1;
  r.saga.started_at = kNow - policy_.park_after - milliseconds(1);
  parked = DecideOne(Postpone{r}).decision.changes[0].reservation;
  EXPECT_EQ(parked.saga.status, SagaStatus::kParked);
}

TEST_F(ReservationBookTest, AClaimTakesTheNextEpochAndANewLease) {
  Reservation due = Stored(State::kConfirming, SagaStatus::kRunning);
  due.due_at = kNow;
  rows_.due = {due};
  const Decided decided = DecideOne(Claim{"me", 10, {SagaId()}});
  const Change& change = decided.decision.changes.at(0);
  EXPECT_EQ(change.reservation->saga.epoch, due.saga.epoch + 1);
  EXPECT_EQ(change.expected_epoch, due.saga.epoch);
  EXPECT_EQ(change.reservation->saga.owner, "me");
  EXPECT_EQ(change.reservation->saga.id, due.saga.id);
  EXPECT_EQ(std::get<Claimed>(decided.decision.outcomes[0]).reservations.size(), 1U);
}

TEST_F(ReservationBookTest, AnExpiredHoldIsTakenUpByASagaOfItsOwn) {
  Reservation due = Stored(State::kHeld);
  due.due_at = kNow;
  rows_.due = {due};
  const SagaId fresh = SagaId::Make(kNow, random_);
  const Change change = DecideOne(Claim{"me", 10, {fresh}}).decision.changes.at(0);
  EXPECT_EQ(change.reservation->saga.kind, SagaKind::kExpire);
  EXPECT_EQ(change.reservation->saga.id, fresh);
  EXPECT_EQ(change.reservation->state, State::kHeld);
}

TEST_F(ReservationBookTest, AnOwnersWriteBehindAClaimInTheSameBatchIsDecidedAgain) {
  Reservation due = Stored(State::kConfirming, SagaStatus::kRunning);
  due.due_at = kNow;
  rows_.due = {due};
  const Decided decided = DecideAll({Claim{"me", 10, {SagaId()}}, Finish{due}});
  EXPECT_THAT(decided.deferred, ::testing::ElementsAre(false, true));
}

TEST_F(ReservationBookTest, AnOperatorsWordTakesTheSagaAwayFromItsOwnerAndIsOnRecord) {
  const Reservation parked = Stored(State::kCompensating, SagaStatus::kParked);
  const Change change = DecideOne(Resolve{parked.id, "retry", "bank is back", "kim"}).decision.changes.at(0);
  EXPECT_EQ(change.reservation->saga.status, SagaStatus::kRunning);
  EXPECT_EQ(change.reservation->saga.epoch, parked.saga.epoch + 1);
  EXPECT_EQ(change.reservation->due_at, kNow);
  EXPECT_EQ(change.reservation->saga.timeline.back().detail, "kim: bank is back");
}

// A saga that began an hour ago parks the next time it has to wait, unless somebody has it retried.
TEST_F(ReservationBookTest, ASagaThatIsRetriedHasTheWholeTimeAgainAlsoToUndo) {
  for (const bool undoing : {false, true}) {
    Reservation& parked = rows_.reservations[Stored(State::kConfirming, SagaStatus::kParked).id];
    parked.saga.undoing = undoing;
    parked.saga.started_at = kNow - milliseconds(3'600'000);
    parked.saga.deadline = parked.saga.started_at + policy_.saga_deadline;
    const auto status_at = [this](const Reservation& r, Timestamp at) {
      const std::vector<Command> postpone{Postpone{r}};
      return Decide(rows_, postpone, at, policy_).decision.changes.at(0).reservation->saga.status;
    };
    EXPECT_EQ(status_at(parked, kNow), SagaStatus::kParked);
    const Decided resolved = DecideOne(Resolve{parked.id, "retry", "bank is back", "kim"});
    const Reservation retried = resolved.decision.changes.at(0).reservation;
    EXPECT_EQ(retried.saga.started_at, parked.saga.started_at) << "it is still the same saga";
    EXPECT_EQ(status_at(retried, kNow + policy_.park_after), SagaStatus::kRunning) << undoing;
    EXPECT_EQ(status_at(retried, kNow + policy_.park_after + milliseconds(1)), SagaStatus::kParked);
  }
}

TEST_F(ReservationBookTest, ASagaThatNobodyRetriedHasItsTimeFromItsStart) {
  Reservation r = Stored(State::kConfirming, SagaStatus::kRunning);
  r.saga.started_at = kNow - policy_.park_after;
  r.saga.deadline = r.saga.started_at + policy_.saga_deadline;
  EXPECT_EQ(DecideOne(Postpone{r}).decision.changes.at(0).reservation->saga.status, SagaStatus::kRunning);
  r.saga.started_at -= milliseconds(1);
  r.saga.deadline -= milliseconds(1);
  EXPECT_EQ(DecideOne(Postpone{r}).decision.changes.at(0).reservation->saga.status, SagaStatus::kParked);
}

TEST_F(ReservationBookTest, OnlyAForwardSagaWithUndosCanBeForcedToUndo) {
  Reservation cancelling = Stored(State::kCancelling, SagaStatus::kParked);
  rows_.reservations[cancelling.id].saga.kind = SagaKind::kCancel;
  EXPECT_EQ(
      std::get<Error>(DecideOne(Resolve{cancelling.id, "undo", "r", "kim"}).decision.outcomes[0]).reason,
      "saga_not_undoable");
  Reservation confirming = Stored(State::kConfirming, SagaStatus::kParked);
  rows_.reservations[confirming.id].saga.kind = SagaKind::kConfirm;
  const Change change = DecideOne(Resolve{confirming.id, "undo", "r", "kim"}).decision.changes.at(0);
  EXPECT_LT(change.reservation->saga.deadline, kNow);
}

TEST_F(ReservationBookTest, NothingIsToResolveWhenTheSagaIsDone) {
  const Reservation done = Stored(State::kConfirmed);
  EXPECT_EQ(std::get<Error>(DecideOne(Resolve{done.id, "retry", "r", "kim"}).decision.outcomes[0]).reason,
            "saga_done");
}

TEST_F(ReservationBookTest, ATimelineStaysBounded) {
  Saga saga;
  for (size_t i = 0; i < 3 * kMaxTimeline; ++i)
    AddToTimeline(saga, {std::to_string(i), false, "done", "", kNow, 0});
  EXPECT_EQ(saga.timeline.size(), kMaxTimeline);
  EXPECT_EQ(saga.timeline.front().step, "0");
  EXPECT_EQ(saga.timeline.back().step, std::to_string(3 * kMaxTimeline - 1));
}

}  // namespace
}  // namespace boxoffice::reservation
