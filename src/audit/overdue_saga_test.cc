// Invariant 9 of a saga that does not end: by its own deadline, which an operator's retry moves.
#include <gmock/gmock.h>

#include "audit/facts_for_test.h"

namespace boxoffice::audit {
namespace {

// A saga that began an hour ago, and still runs.
ReservationFact OldSaga() {
  ReservationFact reservation;
  reservation.saga_status = SagaStatus::kRunning;
  reservation.saga_started_at = kNow - milliseconds(3'600'000);
  return reservation;
}

TEST(Invariant9, ASagaThatWasRetriedIsNamedOnceItsNewTimeIsOver) {
  ReservationFact reservation = OldSaga();
  reservation.saga_deadline = kNow - kBounds.unfinished_saga + kBounds.saga_deadline;
  EXPECT_FALSE(IsOverdue(reservation, kNow, kBounds)) << "retried 17 minutes ago";
  EXPECT_TRUE(IsOverdue(reservation, kNow + milliseconds(1), kBounds));
}

TEST(Invariant9, ASagaThatWasNotRetriedIsJudgedByItsStart) {
  ReservationFact reservation = OldSaga();
  reservation.saga_started_at = kNow - kBounds.unfinished_saga;
  reservation.saga_deadline = reservation.saga_started_at + kBounds.saga_deadline;
  EXPECT_FALSE(IsOverdue(reservation, kNow, kBounds));
  EXPECT_TRUE(IsOverdue(reservation, kNow + milliseconds(1), kBounds));
  // An operator has decided to undo it, or sagas are given less time there.
  reservation.saga_deadline = reservation.saga_started_at + milliseconds(1'000);
  EXPECT_FALSE(IsOverdue(reservation, kNow, kBounds));
}

TEST(Invariant9, ASagaWhoseReplicaTellsNoDeadlineIsJudgedByItsStart) {
  ReservationFact reservation = OldSaga();
  EXPECT_TRUE(IsOverdue(reservation, kNow, kBounds));
  reservation.saga_started_at = kNow - kBounds.unfinished_saga;
  EXPECT_FALSE(IsOverdue(reservation, kNow, kBounds));
}

}  // namespace
}  // namespace boxoffice::audit
