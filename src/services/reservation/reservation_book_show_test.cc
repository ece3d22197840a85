// The rules of reservations where a whole show is concerned: its cancellation, and offers to its waitlist.
#include <gmock/gmock.h>

#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

class BookShowTest : public ::testing::Test {
 protected:
  Reservation& Stored(State state, SagaStatus status = SagaStatus::kDone) {
    Reservation reservation;
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.user_id = "mina";
    reservation.show_id = 7;
    reservation.state = state;
    reservation.version = 3;
    reservation.saga.id = SagaId::Make(kNow, random_);
    reservation.saga.attempt = 2;
    reservation.saga.status = status;
    return rows_.reservations[reservation.id] = reservation;
  }
  Outcome Do(Command command) {
    Decided decided = Decide(rows_, std::span(&command, 1), kNow, policy_);
    changes_ = std::move(decided.decision.changes);
    return std::move(decided.decision.outcomes.front());
  }
  Outcome End(const Reservation& reservation) {
    return Do(BeginEndForShow{reservation.id, SagaId::Make(kNow, random_), "me"});
  }

  SeededRandom random_{1};
  Policy policy_;
  Rows rows_;
  std::vector<Change> changes_;
};

TEST_F(BookShowTest, ACancelledShowCancelsWhatIsConfirmedAndReleasesWhatIsHeld) {
  const Reservation confirmed = Stored(State::kConfirmed);
  auto started = End(confirmed);
  ASSERT_TRUE(std::holds_alternative<Started>(started));
  const Reservation& cancelling = std::get<Started>(started).reservation;
  EXPECT_EQ(cancelling.state, State::kCancelling);
  EXPECT_EQ(cancelling.saga.kind, SagaKind::kCancel);
  EXPECT_EQ(cancelling.saga.attempt, 3);
  EXPECT_TRUE(IsEndedByShow(cancelling));
  ASSERT_EQ(changes_.size(), 1);
  EXPECT_EQ(changes_[0].expected_version, 3);
  EXPECT_FALSE(changes_[0].request) << "nobody asked for it";
  started = End(Stored(State::kHeld));
  EXPECT_EQ(std::get<Started>(started).reservation->saga.kind, SagaKind::kRelease);
}

TEST_F(BookShowTest, WhatIsUnderWayOrHasEndedIsLeftByTheShowsCancellation) {
  for (const auto& [state, status] :
       {std::pair(State::kConfirming, SagaStatus::kRunning), std::pair(State::kHeld, SagaStatus::kRunning),
        std::pair(State::kCancelling, SagaStatus::kParked), std::pair(State::kCancelled, SagaStatus::kDone),
        std::pair(State::kFailed, SagaStatus::kDone)}) {
    const auto outcome = End(Stored(state, status));
    EXPECT_TRUE(std::holds_alternative<Answered>(outcome)) << StateName(state);
    EXPECT_TRUE(changes_.empty()) << StateName(state);
  }
}

TEST_F(BookShowTest, AnEndWhoseCommitWasUnknownIsStartedAgainByWhoBeganIt) {
  Reservation& confirmed = Stored(State::kConfirmed);
  const BeginEndForShow end{confirmed.id, SagaId::Make(kNow, random_), "me"};
  confirmed = std::get<Started>(Do(end)).reservation;
  EXPECT_TRUE(std::holds_alternative<Started>(Do(end)));
  EXPECT_TRUE(changes_.empty());
  confirmed.saga.epoch = 2;  // somebody has claimed it since
  EXPECT_TRUE(std::holds_alternative<Answered>(Do(end)));
}

TEST_F(BookShowTest, AnOfferIsBegunOnceByItsId) {
  Reservation offer;
  offer.id = ReservationId::Make(kNow, random_);
  offer.user_id = "mina";
  offer.show_id = 7;
  offer.choice.best_count = 2;
  offer.saga.id = SagaId::Make(kNow, random_);
  const auto started = Do(BeginOffer{offer});
  ASSERT_TRUE(std::holds_alternative<Started>(started));
  Reservation stored = std::get<Started>(started).reservation;
  EXPECT_EQ(stored.state, State::kHeld);
  EXPECT_EQ(stored.saga.kind, SagaKind::kOffer);
  EXPECT_TRUE(stored.from_waitlist);
  rows_.reservations[offer.id] = stored;
  EXPECT_TRUE(std::holds_alternative<Started>(Do(BeginOffer{offer}))) << "its own commit was unknown";
  offer.saga.id = SagaId::Make(kNow, random_);
  EXPECT_TRUE(std::holds_alternative<Answered>(Do(BeginOffer{offer}))) << "another replica's";
  EXPECT_TRUE(changes_.empty());
}

TEST_F(BookShowTest, AnOfferThatIsHeldIsToldAsAHold) {
  Reservation offer = Stored(State::kHeld, SagaStatus::kRunning);
  offer.saga.kind = SagaKind::kOffer;
  offer.hold_expires_at = kNow + milliseconds(600'000);
  (void)Do(Finish{offer});
  ASSERT_EQ(changes_.size(), 1);
  EXPECT_EQ(changes_[0].event, "reservation.held");
  EXPECT_EQ(changes_[0].reservation->due_at, offer.hold_expires_at + policy_.expiry_grace) << "it will lapse";
}

}  // namespace
}  // namespace boxoffice::reservation
