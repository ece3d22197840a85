// What a claim finds that runs again, as its COMMIT ended unknown; and holds that have had their time.
#include <gmock/gmock.h>

#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

class BookClaimTest : public ::testing::Test {
 protected:
  // A saga that "me" may have taken over.
  Reservation& Taken() {
    Reservation reservation;
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.state = State::kConfirming;
    reservation.saga.id = SagaId::Make(kNow, random_);
    reservation.saga.epoch = 2;
    reservation.saga.owner = "me";
    reservation.due_at = kNow + milliseconds(1);
    claim_.unsure[reservation.id] = {reservation.saga.id, 2};
    return rows_.reservations[reservation.id] = reservation;
  }
  Reservation Held() {
    Reservation reservation;
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.user_id = "mina";
    reservation.state = State::kHeld;
    reservation.saga.status = SagaStatus::kDone;
    reservation.due_at = kNow;
    return reservation;
  }
  Decided Do(const Command& command) { return Decide(rows_, std::span(&command, 1), kNow, policy_); }
  std::vector<Shared<Reservation>> ClaimAll() {
    Decided decided = Do(claim_);
    changes_ = std::move(decided.decision.changes);
    return std::get<Claimed>(decided.decision.outcomes.at(0)).reservations;
  }

  SeededRandom random_{1};
  Policy policy_;
  Rows rows_;
  Claim claim_{"me", 1, {SagaId::Make(kNow, random_)}};
  std::vector<Change> changes_;
};

TEST_F(BookClaimTest, WhatWasTakenOverUnknownIsClaimedAsItIsAndBeyondTheLimit) {
  const Reservation own = Taken();
  rows_.due = {Held()};
  const Command command = claim_;
  EXPECT_THAT(KeysOf(std::span(&command, 1)).reservations, testing::ElementsAre(own.id));
  const auto claimed = ClaimAll();
  ASSERT_EQ(claimed.size(), 2U);
  EXPECT_EQ(*claimed[1], own);
  EXPECT_EQ(changes_.size(), 1U) << "of what is due";
}

TEST_F(BookClaimTest, WhatIsAnothersOrDoneOrDueIsNotClaimedForHavingBeenTaken) {
  Taken().saga.owner = "another";
  Taken().saga.epoch = 3;
  Taken().saga.id = SagaId::Make(kNow, random_);
  Taken().saga.status = SagaStatus::kDone;
  Taken().due_at = kNow;  // it is among what is due, and gets the next epoch
  const ReservationId gone = Taken().id;
  rows_.reservations.erase(gone);
  EXPECT_TRUE(ClaimAll().empty());
}

TEST_F(BookClaimTest, AnIdThatASagaMayHaveIsGivenToNoOther) {
  const Reservation first = Held();
  rows_.due = {first};
  claim_.unsure[first.id] = {claim_.saga_ids[0], 1};
  ASSERT_EQ(ClaimAll().size(), 1U) << "that commit was not done";
  EXPECT_EQ(changes_[0].reservation->saga.id, claim_.saga_ids[0]);
  rows_.due = {Held()};
  EXPECT_TRUE(ClaimAll().empty()) << "the next claim has other ids";
}

TEST_F(BookClaimTest, AHoldThatHasExpiredTellsOfNoEndWhileItIsTidiedUp) {
  Reservation held = Held();
  held.hold_expires_at = kNow - policy_.expiry_grace;
  rows_.due = {held};
  const auto claimed = ClaimAll();
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed[0]->saga.kind, SagaKind::kExpire);
  EXPECT_EQ(claimed[0]->hold_expires_at, Timestamp());
}

// Else seats that nobody pays for could be held for ever, by a confirmation each time that they lapse.
TEST_F(BookClaimTest, WhatHasLapsedAndHadItsTimeIsNotHeldAnewByAConfirmation) {
  const auto confirm = [this](Timestamp made, Timestamp held_until) {
    Reservation held = Held();
    held.created_at = made;
    held.hold_expires_at = held_until;
    rows_.reservations[held.id] = held;
    BeginOn begin;
    begin.key = {"mina", "key"};
    begin.reservation_id = held.id;
    begin.saga_id = SagaId::Make(kNow, random_);
    return std::move(Do(begin).decision.outcomes.at(0));
  };
  const Timestamp long_ago = kNow - policy_.max_hold;
  const Outcome refused = confirm(long_ago, kNow);
  ASSERT_TRUE(std::holds_alternative<Answered>(refused));
  EXPECT_EQ(std::get<Answered>(refused).answer.refusal.value_or(Refusal()).code, "hold_lost");
  EXPECT_TRUE(std::holds_alternative<Started>(confirm(long_ago, kNow + milliseconds(1)))) << "it lasts";
  EXPECT_TRUE(std::holds_alternative<Started>(confirm(long_ago + milliseconds(1), kNow))) << "just lapsed";
}

}  // namespace
}  // namespace boxoffice::reservation
