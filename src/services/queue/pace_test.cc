#include "services/queue/pace.h"

#include <gtest/gtest.h>

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;

const Timestamp kStart = FromUnixMs(1'800'000'000'000);

TEST(MeterTest, CountsTheLastMinuteOnly) {
  Meter meter;
  meter.Add(kStart, 5);
  meter.Add(kStart + 30s, 7);
  EXPECT_EQ(meter.Sum(kStart + 30s, 60), 12);
  EXPECT_EQ(meter.Sum(kStart + 59s, 60), 12);
  EXPECT_EQ(meter.Sum(kStart + 60s, 60), 7);
  EXPECT_EQ(meter.Sum(kStart + 30s, 10), 7);
  EXPECT_EQ(meter.Sum(kStart + 90s, 60), 0);
}

TEST(MeterTest, ForgetsTheSecondsThatItSkips) {
  Meter meter;
  for (int i = 0; i < 60; ++i) meter.Add(kStart + std::chrono::seconds(i));
  meter.Add(kStart + 90s);
  EXPECT_EQ(meter.Sum(kStart + 90s, 60), 30);  // seconds 31 to 59, and the new one
  meter.Add(kStart + 1000s);
  EXPECT_EQ(meter.Sum(kStart + 1000s, 60), 1);
}

TEST(MeterTest, AClockThatGoesBackCountsForTheNewestSecond) {
  Meter meter;
  meter.Add(kStart + 10s);
  meter.Add(kStart);
  EXPECT_EQ(meter.Sum(kStart + 10s, 1), 2);
}

TEST(PaceTest, TheConfiguredRateCountsUntilThereIsAMeasurement) {
  Pace pace{.busy_since = kStart};
  EXPECT_EQ(PacePerS(pace, /*full=*/true, true, 10, kStart), 10);
  pace.passed.Add(kStart, 4);
  EXPECT_EQ(PacePerS(pace, true, true, 10, kStart + 4s), 10) << "four seconds tell too little";
  pace.passed.Add(kStart + 9s, 16);
  EXPECT_EQ(PacePerS(pace, true, true, 10, kStart + 10s), 2) << "20 places in 10 s";
}

TEST(PaceTest, WhereThereIsRoomTheLineMovesAtLeastAtTheConfiguredRate) {
  Pace pace{.busy_since = kStart};
  pace.passed.Add(kStart + 9s, 20);
  EXPECT_EQ(PacePerS(pace, /*full=*/false, true, 10, kStart + 10s), 10);
  pace.passed.Add(kStart + 9s, 480);
  EXPECT_EQ(PacePerS(pace, false, true, 10, kStart + 10s), 50) << "most of those who are called have gone";
}

TEST(PaceTest, AStandstillFallsBackToTheConfiguredRate) {
  const Pace pace{.busy_since = kStart};
  EXPECT_EQ(PacePerS(pace, true, true, 10, kStart + 600s), 10);
}

TEST(PaceTest, TheEstimateIsThePositionByThePace) {
  EXPECT_EQ(EstimateWait(100, 10, {}, kStart).eta_s, 10);
  EXPECT_EQ(EstimateWait(101, 10, {}, kStart).eta_s, 11);
}

TEST(PaceTest, BeforeTheOpeningTheWaitingBeginsThen) {
  EXPECT_EQ(EstimateWait(100, 10, kStart + 30s, kStart).eta_s, 40);
  EXPECT_EQ(EstimateWait(0, 10, kStart + 30s, kStart).eta_s, 30) << "no place yet";
  EXPECT_EQ(EstimateWait(0, 10, kStart + 30s, kStart).refresh_interval_s, 6);
  EXPECT_EQ(EstimateWait(0, 10, {}, kStart).eta_s, 0);
  EXPECT_EQ(EstimateWait(0, 10, {}, kStart).refresh_interval_s, 20);
}

TEST(PaceTest, WhoAreYetToBeDrawnDoNotAllAskInTheSecondOfTheOpening) {
  EXPECT_EQ(EstimateWait(0, 10, kStart + 4s, kStart, 1'000'000).eta_s, 4);
  EXPECT_EQ(EstimateWait(0, 10, kStart + 4s, kStart, 1'000'000).refresh_interval_s, 20);
  EXPECT_EQ(EstimateWait(0, 10, kStart + 4s, kStart, 920).refresh_interval_s, 10);
  EXPECT_EQ(EstimateWait(0, 10, kStart + 4s, kStart, 10).refresh_interval_s, 1) << "a few may";
}

TEST(PaceTest, TheIntervalIsOneSecondNearTheFrontAndGrowsToTwenty) {
  EXPECT_EQ(EstimateWait(1, 10, {}, kStart).refresh_interval_s, 1);
  EXPECT_EQ(EstimateWait(50, 10, {}, kStart).refresh_interval_s, 1);
  EXPECT_EQ(EstimateWait(51, 10, {}, kStart).refresh_interval_s, 2);
  EXPECT_EQ(EstimateWait(500, 10, {}, kStart).refresh_interval_s, 10);
  EXPECT_EQ(EstimateWait(1'000'000, 10, {}, kStart).refresh_interval_s, 20);
}

TEST(PaceTest, ActiveAsksAgainAfterHalfOfTheTimeLeft) {
  EXPECT_EQ(ActiveRefreshS(kStart + 300s, kStart), 20);
  EXPECT_EQ(ActiveRefreshS(kStart + 30s, kStart), 15);
  EXPECT_EQ(ActiveRefreshS(kStart + 1s, kStart), 1);
  EXPECT_EQ(ActiveRefreshS(kStart - 1s, kStart), 1);
}

}  // namespace
}  // namespace boxoffice::queue
