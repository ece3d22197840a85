#include "rehearsal/advice.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::rehearsal {
namespace {

using ::testing::HasSubstr;

// A line that never ends, and a queue that admits 50 a second of the 60 it may.
std::vector<Second> Busy(size_t count) {
  std::vector<Second> seconds;
  for (size_t i = 1; i <= count; ++i) {
    Second second;
    second.at_s = static_cast<double>(i);
    second.waiting = 1'000;
    second.active = 400;
    second.active_cap = 1'000;
    second.rate_per_s = 60;
    second.admitted = static_cast<int64_t>(50 * i);
    second.answered = 1'000;
    second.judged = 100;
    second.served = 40;
    second.free = 5'000;
    seconds.push_back(second);
  }
  return seconds;
}

TEST(Admission, IsMeasuredAgainstTheTargetRate) {
  const Admission admission = JudgeAdmission(Busy(11));
  EXPECT_DOUBLE_EQ(admission.seconds, 10);
  EXPECT_DOUBLE_EQ(admission.target_per_s, 60);
  EXPECT_DOUBLE_EQ(admission.measured_per_s, 50);
  EXPECT_NEAR(admission.Accuracy(), 50.0 / 60, 1e-9);
  EXPECT_EQ(admission.most_active, 400);
}

TEST(Admission, SecondsAtTheCapWithoutALineOrOfAPausedQueueAreNotJudged) {
  auto seconds = Busy(5);
  for (Second& second : seconds) second.active = second.active_cap;
  EXPECT_DOUBLE_EQ(JudgeAdmission(seconds).seconds, 0);
  EXPECT_DOUBLE_EQ(JudgeAdmission(seconds).at_cap_seconds, 4);
  seconds = Busy(5);
  for (Second& second : seconds) second.waiting = 0;
  EXPECT_DOUBLE_EQ(JudgeAdmission(seconds).seconds, 0);
  seconds = Busy(5);
  for (Second& second : seconds) second.open = false;
  EXPECT_DOUBLE_EQ(JudgeAdmission(seconds).seconds, 0);
  seconds = Busy(5);
  seconds[2].admitted = -1;  // the system did not say
  EXPECT_DOUBLE_EQ(JudgeAdmission(seconds).seconds, 2);
}

TEST(Admission, OfASingleSecondTheCapIsKnown) {
  EXPECT_EQ(JudgeAdmission(Busy(1)).active_cap, 1'000);
  auto seconds = Busy(2);
  seconds[1].active = seconds[1].admitted = -1;  // not told
  seconds[1].active_cap = 0;
  for (Second& second : seconds) second.open = false;
  EXPECT_EQ(JudgeAdmission(seconds).active_cap, 1'000);
}

TEST(Admission, WhoIsInWhenTheCapIsLoweredStaysAndIsNoExcess) {
  auto seconds = Busy(6);
  for (size_t i = 2; i < seconds.size(); ++i) seconds[i].active_cap = 100;
  for (size_t i = 3; i < seconds.size(); ++i) seconds[i].active = 300;
  EXPECT_FALSE(JudgeAdmission(seconds).cap_exceeded);
  seconds.back().active = 301;  // one was let in all the same
  EXPECT_TRUE(JudgeAdmission(seconds).cap_exceeded);
  seconds = Busy(6);
  seconds.back().active = 1'000;
  EXPECT_FALSE(JudgeAdmission(seconds).cap_exceeded);
  seconds.back().active = 1'001;
  EXPECT_TRUE(JudgeAdmission(seconds).cap_exceeded);
}

TEST(Advice, IsThreeQuartersOfWhatWasServedWell) {
  const Advice advice = Advise(Busy(10));
  EXPECT_DOUBLE_EQ(advice.capacity_per_s, 40);
  EXPECT_EQ(advice.capacity_active, 400);
  EXPECT_DOUBLE_EQ(advice.rate_per_s, 30);
  EXPECT_EQ(advice.active_cap, 300);
  EXPECT_FALSE(advice.limit_seen);
  EXPECT_THAT(Explain(advice), HasSubstr("the limit was not reached"));
}

TEST(Advice, SecondsThatDidNotGoWellAreNoCapacity) {
  auto seconds = Busy(15);
  for (size_t i = 6; i < seconds.size(); ++i) {
    seconds[i].served = 100;
    seconds[i].active = 900;
    if (i % 2 == 0) {
      seconds[i].overloaded = 2;  // 0.2 %
    } else {
      seconds[i].slow = 2;
    }
  }
  const Advice advice = Advise(seconds);
  EXPECT_DOUBLE_EQ(advice.capacity_per_s, 40);
  EXPECT_EQ(advice.capacity_active, 400);
  EXPECT_TRUE(advice.limit_seen);
  EXPECT_THAT(Explain(advice), HasSubstr("rate 30.0/s, cap 300"));
}

TEST(Advice, BuyersWhoFoundNothingAreNoCapacity) {
  auto seconds = Busy(15);
  for (size_t i = 6; i < seconds.size(); ++i) {
    seconds[i].served = 300;
    seconds[i].active = 900;
    seconds[i].free = i % 2 == 0 ? 0 : -1;  // where nothing is told, it is as it was
  }
  Advice advice = Advise(seconds);
  EXPECT_DOUBLE_EQ(advice.capacity_per_s, 40);
  EXPECT_EQ(advice.capacity_active, 400);
  EXPECT_FALSE(advice.limit_seen);
  seconds.back().overloaded = 10;
  EXPECT_TRUE(Advise(seconds).limit_seen);
  for (Second& second : seconds) second.free = 0;
  advice = Advise(seconds);
  EXPECT_DOUBLE_EQ(advice.rate_per_s, 0);
  EXPECT_EQ(advice.active_cap, 0);
  EXPECT_THAT(Explain(advice), HasSubstr("no advice"));
  EXPECT_THAT(Explain(advice), HasSubstr("more seats"));
}

TEST(Advice, SeatsThatComeBackCountAgain) {
  auto seconds = Busy(15);
  seconds[2].free = 0;
  for (size_t i = 10; i < seconds.size(); ++i) seconds[i].served = 80;
  EXPECT_DOUBLE_EQ(Advise(seconds).capacity_per_s, 80);
}

TEST(Advice, ASecondWithoutHoldsSaysNothingOfTheCap) {
  auto seconds = Busy(15);
  for (size_t i = 0; i < 7; ++i) {
    seconds[i].active = 900;
    seconds[i].judged = 0;
  }
  EXPECT_EQ(Advise(seconds).capacity_active, 400);
  EXPECT_EQ(Advise(seconds).active_cap, 300);
}

TEST(Advice, TheCapIsOfSessionsThatWereActiveAllTheWhile) {
  auto seconds = Busy(10);
  seconds.back().active = 900;  // they have come just now, and have yet to buy
  EXPECT_EQ(Advise(seconds).capacity_active, 400);
  for (Second& second : seconds) second.active = -1;  // not told
  EXPECT_EQ(Advise(seconds).active_cap, 0);
  EXPECT_DOUBLE_EQ(Advise(seconds).rate_per_s, 30);
}

TEST(Advice, TheRateIsNeverAboveTheCap) {
  auto seconds = Busy(10);
  for (Second& second : seconds) second.active = 20;
  EXPECT_DOUBLE_EQ(Advise(seconds).rate_per_s, 15);
  EXPECT_EQ(Advise(seconds).active_cap, 15);
}

TEST(Advice, OfTooShortARehearsalThereIsNone) {
  EXPECT_THAT(Explain(Advise(Busy(4))), HasSubstr("no advice"));
  EXPECT_THAT(Explain(Advise({})), HasSubstr("no advice"));
}

}  // namespace
}  // namespace boxoffice::rehearsal
