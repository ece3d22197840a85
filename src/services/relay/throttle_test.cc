#include "services/relay/throttle.h"

#include <gtest/gtest.h>

namespace boxoffice::relay {
namespace {

using namespace std::chrono_literals;

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// How many are sent within `time`, when it is asked every millisecond and all turns are taken.
size_t SentWithin(std::chrono::milliseconds time, double rate_per_s) {
  int64_t turn_us = 0;
  size_t sent = 0;
  for (auto at = 0ms; at < time; at += 1ms) {
    const size_t turns = TurnsNow(turn_us, kNow + at, rate_per_s);
    turn_us = TurnAfter(turn_us, kNow + at, rate_per_s, turns);
    sent += turns;
  }
  return sent;
}

TEST(ThrottleTest, ATargetIsSentAsOftenAsItsRateSays) {
  EXPECT_EQ(SentWithin(10s, 1), 10);
  EXPECT_EQ(SentWithin(100s, 0.1), 10);
  EXPECT_NEAR(static_cast<double>(SentWithin(10s, 50)), 500, 5);
  EXPECT_NEAR(static_cast<double>(SentWithin(10s, 1'000)), 10'000, 100);
}

TEST(ThrottleTest, AtMostATenthOfASecondsTurnsAreTakenAtOnceHoweverLongNoneWas) {
  EXPECT_EQ(TurnsNow(0, kNow, 1'000), 100);
  EXPECT_EQ(TurnsNow(0, kNow, 5), 1);
  const int64_t later = TurnAfter(0, kNow, 1'000, 100);
  EXPECT_EQ(TurnsNow(later, kNow, 1'000), 0);
  EXPECT_EQ(TurnsNow(later, kNow + 1h, 1'000), 100);
}

TEST(ThrottleTest, TurnsThatWereNotTakenStay) {
  const int64_t turn = TurnAfter(0, kNow, 100, 4);
  EXPECT_EQ(TurnsNow(turn, kNow, 100), 6);
}

TEST(ThrottleTest, ATurnFarAheadIsWaitedForNoLongerThanAllTurnsAtOnceTake) {
  const int64_t far = (ToUnixMs(kNow) + 3'600'000) * 1'000;
  EXPECT_EQ(TurnsNow(far, kNow, 10), 0);
  EXPECT_EQ(TurnAfter(far, kNow, 10, 0), (ToUnixMs(kNow) + 100) * 1'000);
}

}  // namespace
}  // namespace boxoffice::relay
