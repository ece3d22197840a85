// How long a saga waits for its next try when its deadline is near.
#include <vector>

#include <gmock/gmock.h>

#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kStart = FromUnixMs(1'800'000'000'000);

class BookWaitTest : public ::testing::Test {
 protected:
  BookWaitTest() {
    waits_.id = ReservationId::Make(kStart, random_);
    waits_.state = State::kConfirming;
    waits_.version = 1;
    waits_.saga.id = SagaId::Make(kStart, random_);
    waits_.saga.kind = SagaKind::kConfirm;
    waits_.saga.started_at = kStart;
    waits_.saga.deadline = kStart + policy_.saga_deadline;
  }
  // When it is looked at again, if its try failed at `now`.
  Timestamp Next(Timestamp now) {
    const Command postpone = Postpone{waits_};
    Decided decided = Decide(Rows(), std::span(&postpone, 1), now, policy_);
    waits_ = *decided.decision.changes.at(0).reservation;
    return waits_.due_at.value();
  }
  // All looks up to the first one past its deadline, each of which finds nobody.
  std::vector<Timestamp> Looks() {
    std::vector<Timestamp> looks{kStart};
    while (looks.back() <= waits_.saga.deadline && looks.size() < policy_.max_tries) {
      looks.push_back(Next(looks.back()));
    }
    return looks;
  }

  SeededRandom random_{1};
  Policy policy_;
  Reservation waits_;
};

// A participant that is back when an eighth of the time is left is asked again before the purchase is undone.
TEST_F(BookWaitTest, AWaitThatGoesForwardNeverSkipsTheLastTryBeforeTheDeadline) {
  const milliseconds eighth = policy_.saga_deadline / 8;
  for (const SagaKind kind : {SagaKind::kHold, SagaKind::kOneShot, SagaKind::kConfirm, SagaKind::kOffer}) {
    waits_.saga.kind = kind;
    waits_.saga.tries = 0;
    const std::vector<Timestamp> looks = Looks();
    ASSERT_GE(looks.size(), 3U);
    const Timestamp last_try = looks[looks.size() - 2];
    EXPECT_GT(last_try, waits_.saga.deadline - eighth) << KindName(kind);
    EXPECT_LE(last_try, waits_.saga.deadline - eighth / 2) << "and it has the time that steps take";
    EXPECT_LE(looks.size(), policy_.max_tries / 2) << "half of the tries are left to undo it with";
  }
}

TEST_F(BookWaitTest, AWaitThatGoesForwardTakesNoMoreThanHalfOfTheTimeThatIsLeft) {
  waits_.saga.tries = 6;
  const Timestamp now = kStart + milliseconds(31'500);
  EXPECT_EQ(Next(now), now + milliseconds(14'250)) << "32 s would be past the deadline";
}

TEST_F(BookWaitTest, WhenNoTryIsLeftASagaIsUndoneAtItsDeadlineAndNotAWholeWaitLater) {
  waits_.saga.tries = 8;
  EXPECT_EQ(Next(waits_.saga.deadline - milliseconds(5'000)), waits_.saga.deadline + milliseconds(1));
}

TEST_F(BookWaitTest, WhatIsUndoneOrOnlyGoesForwardGoesOnDoubling) {
  const Timestamp now = kStart + milliseconds(31'500);
  waits_.saga.tries = 6;
  waits_.saga.undoing = true;
  EXPECT_EQ(Next(now), now + milliseconds(32'000));
  waits_.saga.tries = 6;
  waits_.saga.undoing = false;
  waits_.saga.kind = SagaKind::kCancel;
  EXPECT_EQ(Next(now), now + milliseconds(32'000));
}

TEST_F(BookWaitTest, WhoeverLetASagaWaitOwnsItNoMoreAndWhatIsParkedNeedsNoNewEpoch) {
  const uint64_t epoch = waits_.saga.epoch;
  const Command postpone = Postpone{waits_};
  const Decided decided = Decide(Rows(), std::span(&postpone, 1), kStart, policy_);
  EXPECT_EQ(decided.decision.changes.at(0).expected_epoch, epoch);
  EXPECT_EQ(decided.decision.changes.at(0).reservation->saga.epoch, epoch + 1);
  waits_.saga.tries = policy_.max_tries;
  const Command last = Postpone{waits_};
  const Decided parked = Decide(Rows(), std::span(&last, 1), kStart, policy_);
  EXPECT_EQ(parked.decision.changes.at(0).reservation->saga.status, SagaStatus::kParked);
  EXPECT_EQ(parked.decision.changes.at(0).reservation->saga.epoch, epoch);
}

}  // namespace
}  // namespace boxoffice::reservation
