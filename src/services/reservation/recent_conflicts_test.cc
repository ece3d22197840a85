#include "services/reservation/recent_conflicts.h"

#include <gtest/gtest.h>

namespace boxoffice::reservation {
namespace {

constexpr Timestamp kNow{milliseconds(1'790'000'000'000)};
constexpr milliseconds kOne{1};

SeatChoice Seats(std::vector<uint32_t> seat_nos) { return {.seat_nos = std::move(seat_nos)}; }
Refusal Taken(const std::string& reason) {
  return {.code = "seats_taken", .conflicts = {{1, "A-1", "sold"}, {2, "A-2", reason}}};
}

class RecentConflictsTest : public ::testing::Test {
 protected:
  [[nodiscard]] bool Knows(int64_t show_id, std::vector<uint32_t> seat_nos, Timestamp now = kNow) {
    return conflicts_.Find(show_id, Seats(std::move(seat_nos)), now) != nullptr;
  }
  RecentConflicts conflicts_;
};

TEST_F(RecentConflictsTest, WhatIsSoldIsToldOfTheSameSeatsForAWhile) {
  conflicts_.Note(7, Seats({1, 2}), Taken("sold"), kNow);
  const auto told = conflicts_.Find(7, Seats({1, 2}), kNow);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(*told, Taken("sold"));
  EXPECT_TRUE(Knows(7, {1, 2}, kNow + RecentConflicts::kTold));
  EXPECT_FALSE(Knows(7, {1, 2}, kNow + RecentConflicts::kTold + kOne));
  EXPECT_FALSE(Knows(7, {1}));
  EXPECT_FALSE(Knows(7, {1, 3}));
  EXPECT_FALSE(Knows(8, {1, 2}));
}

TEST_F(RecentConflictsTest, WhenItIsOldOneAsksForAll) {
  conflicts_.Note(7, Seats({1, 2}), Taken("sold"), kNow);
  const Timestamp old = kNow + RecentConflicts::kTold + kOne;
  EXPECT_FALSE(Knows(7, {1, 2}, old));
  EXPECT_TRUE(Knows(7, {1, 2}, old));
  EXPECT_TRUE(Knows(7, {1, 2}, old + RecentConflicts::kAsking));
  EXPECT_FALSE(Knows(7, {1, 2}, old + RecentConflicts::kAsking + kOne)) << "the first got no answer";
}

TEST_F(RecentConflictsTest, WhatIsLongKnownIsToldToNobody) {
  conflicts_.Note(7, Seats({1, 2}), Taken("sold"), kNow);
  const Timestamp old = kNow + RecentConflicts::kTold + RecentConflicts::kAsking + kOne;
  EXPECT_FALSE(Knows(7, {1, 2}, old));
  EXPECT_FALSE(Knows(7, {1, 2}, old));
}

TEST_F(RecentConflictsTest, WhoMayTakeFromAContingentIsToldNothingThatOthersWereTold) {
  conflicts_.Note(7, Seats({1, 2}), Taken("sold"), kNow);
  SeatChoice member = Seats({1, 2});
  member.channels = {"fan-club"};
  EXPECT_EQ(conflicts_.Find(7, member, kNow), nullptr);
}

// What is held, blocked or kept for others may become free in ways that this replica does not hear of.
TEST_F(RecentConflictsTest, OnlySoldSeatsAreRemembered) {
  for (const std::string reason : {"held", "blocked", "free", "orphan", "channel", "unknown"}) {
    conflicts_.Note(7, Seats({1, 2}), Taken(reason), kNow);
    EXPECT_FALSE(Knows(7, {1, 2})) << reason;
  }
  Refusal other = Taken("sold");
  other.code = "seat_limit";
  conflicts_.Note(7, Seats({1, 2}), other, kNow);
  conflicts_.Note(7, {.best_count = 2}, Taken("sold"), kNow);
  conflicts_.Note(7, Seats({1, 2}), {.code = "seats_taken"}, kNow);
  EXPECT_FALSE(Knows(7, {1, 2}));
  EXPECT_EQ(conflicts_.Find(7, {.best_count = 2}, kNow), nullptr);
}

TEST_F(RecentConflictsTest, WhatBecameFreeOfAShowIsForgottenAndNoOtherShows) {
  for (const int64_t show : {6, 7, 8}) {
    conflicts_.Note(show, Seats({1, 2}), Taken("sold"), kNow);
    conflicts_.Note(show, Seats({3}), Taken("sold"), kNow);
  }
  conflicts_.Forget(7);
  EXPECT_FALSE(Knows(7, {1, 2}));
  EXPECT_FALSE(Knows(7, {3}));
  for (const int64_t show : {6, 8}) EXPECT_TRUE(Knows(show, {1, 2}) && Knows(show, {3})) << show;
}

TEST_F(RecentConflictsTest, ThereIsALimitToWhatIsRemembered) {
  for (uint32_t seat = 1; seat <= RecentConflicts::kMost; ++seat)
    conflicts_.Note(7, Seats({seat}), Taken("sold"), kNow);
  EXPECT_TRUE(Knows(7, {1}));
  const Timestamp later = kNow + RecentConflicts::kTold + kOne;
  conflicts_.Note(7, Seats({1}), Taken("sold"), later);
  EXPECT_TRUE(Knows(7, {1}, later));
  EXPECT_FALSE(Knows(7, {2}));  // it went, to make room
}

TEST_F(RecentConflictsTest, SeatsAreFreedByEndsThatHadSomeAndByMovesAndPartialCancellations) {
  Reservation reservation;
  reservation.saga.kind = SagaKind::kOneShot;
  reservation.state = State::kFailed;
  EXPECT_FALSE(MayHaveFreed(reservation));  // the seats were refused
  reservation.seats = {{.seat_no = 1}};
  for (const State state : {State::kFailed, State::kCancelled, State::kExpired, State::kReleased}) {
    reservation.state = state;
    EXPECT_TRUE(MayHaveFreed(reservation));
  }
  for (const State state : {State::kConfirmed, State::kHeld}) {
    reservation.state = state;
    EXPECT_FALSE(MayHaveFreed(reservation));
  }
  reservation.state = State::kConfirmed;
  for (const SagaKind kind : {SagaKind::kCancelSeats, SagaKind::kMove}) {
    reservation.saga.kind = kind;
    EXPECT_TRUE(MayHaveFreed(reservation));
  }
}

}  // namespace
}  // namespace boxoffice::reservation
