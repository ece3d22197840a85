// Who may cancel what, where the one who asks does not know how it is by now.
#include <optional>

#include <gmock/gmock.h>

#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

class BookCancelTest : public ::testing::Test {
 protected:
  // Gives up the hold that the buyer believes to have, at a time when a ticket could be cancelled.
  Decided GiveUp(State state, bool by_operator = false, std::optional<SagaId> saga_id = std::nullopt) {
    Reservation reservation;
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.user_id = "mina";
    reservation.show_id = 7;
    reservation.seats = {{1, "A-1", 100, "S"}};
    reservation.state = state;
    reservation.hold_expires_at = kNow + milliseconds(300'000);
    reservation.saga.status = SagaStatus::kDone;
    rows_.reservations[reservation.id] = reservation;
    BeginOn cancel;
    cancel.key = {"mina", "key"};
    cancel.reservation_id = reservation.id;
    cancel.saga_id = saga_id.value_or(SagaId::Make(kNow, random_));
    cancel.cancel = true;
    cancel.cancel_policy.deadline = kNow + milliseconds(1);
    cancel.by_operator = by_operator;
    cancel.only_held = true;
    const std::vector<Command> commands{cancel};
    return Decide(rows_, commands, kNow, policy_);
  }

  // Of two seats that are CONFIRMED, one, as the show keeps this of it.
  BeginOn CancelOne(int64_t fee) {
    Reservation reservation;
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.user_id = "mina";
    reservation.show_id = 7;
    reservation.seats = {{1, "A-1", 100, "S"}, {2, "A-2", 100, "S"}};
    reservation.state = State::kConfirmed;
    reservation.saga.status = SagaStatus::kDone;
    rows_.reservations[reservation.id] = reservation;
    BeginOn cancel;
    cancel.key = {"mina", "key"};
    cancel.reservation_id = reservation.id;
    cancel.saga_id = SagaId::Make(kNow, random_);
    cancel.cancel = true;
    cancel.cancel_policy.deadline = kNow;
    cancel.cancel_policy.fee_per_seat = fee;
    cancel.show_id = 7;
    cancel.seat_nos = {1};
    return cancel;
  }
  Change ChangeOf(const BeginOn& cancel) {
    const std::vector<Command> commands{cancel};
    return Decide(rows_, commands, kNow, policy_).decision.changes.at(0);
  }

  SeededRandom random_{1};
  Policy policy_;
  Rows rows_;
};

TEST_F(BookCancelTest, AFeeIsTakenUnlessTheShowIsCancelledByThen) {
  const BeginOn cancel = CancelOne(7);
  const Change change = ChangeOf(cancel);
  EXPECT_EQ(change.reservation->returned->fee, 7);
  EXPECT_TRUE(change.takes_fee) << "so the store looks again";
  rows_.cancelled_shows = {6};
  EXPECT_EQ(ChangeOf(cancel).reservation->returned->fee, 7) << "that is another show";
  rows_.cancelled_shows = {6, 7};
  const Change free = ChangeOf(cancel);
  EXPECT_EQ(free.reservation->returned->fee, 0);
  EXPECT_EQ(free.reservation->returned->amount, 100);
  EXPECT_FALSE(free.takes_fee);
}

TEST_F(BookCancelTest, WithoutAFeeNobodyLooksWhetherTheShowIsCancelled) {
  const std::vector<Command> with_fee{CancelOne(7), CancelOne(7)};
  EXPECT_EQ(KeysOf(with_fee).fee_shows, std::vector<int64_t>{7});
  const BeginOn cancel = CancelOne(0);
  const std::vector<Command> without{cancel};
  EXPECT_TRUE(KeysOf(without).fee_shows.empty());
  EXPECT_FALSE(ChangeOf(cancel).takes_fee);
}

TEST_F(BookCancelTest, AHoldThatIsGivenUpIsNotCancelledOnceItIsPaid) {
  for (const bool by_operator : {false, true}) {
    const Decided decided = GiveUp(State::kConfirmed, by_operator);
    EXPECT_TRUE(decided.decision.changes.empty());
    const auto& answer = std::get<Answered>(decided.decision.outcomes.at(0)).answer;
    EXPECT_EQ(answer.refusal.value_or(Refusal()).code, "reservation_state");
    EXPECT_EQ(answer.reservation->state, State::kConfirmed) << "which is how the buyer hears of it";
  }
}

TEST_F(BookCancelTest, AHoldThatIsGivenUpIsReleasedWhileItIsHeld) {
  const Reservation given_up = GiveUp(State::kHeld).decision.changes.at(0).reservation;
  EXPECT_EQ(given_up.saga.kind, SagaKind::kRelease);
  EXPECT_EQ(given_up.hold_expires_at, Timestamp()) << "so nobody takes it for held while that goes on";
}

// Each statement of a store sees what was committed before it, and the reservation is read before the
// request.
TEST_F(BookCancelTest, WhoseOwnIntentWasCommittedBetweenTwoReadsIsDecidedAgain) {
  const auto own = SagaId::Make(kNow, random_);
  rows_.requests[{"mina", "key"}].saga_id = own;
  const Decided decided = GiveUp(State::kHeld, /*by_operator=*/false, own);
  EXPECT_TRUE(decided.deferred.at(0)) << "it runs nowhere, and is to be started";
  EXPECT_TRUE(decided.decision.changes.empty());
}

}  // namespace
}  // namespace boxoffice::reservation
