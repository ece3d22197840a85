#include "platform/resilience/breaker.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

namespace boxoffice::resilience {
namespace {

using namespace std::chrono_literals;
using Outcome = Breaker::Outcome;
using State = Breaker::State;

class BreakerTest : public ::testing::Test {
 protected:
  // A call that takes `took`; false: it was not let out.
  bool Call(Outcome outcome, std::chrono::milliseconds took = 1ms) {
    Breaker::Permit permit;
    if (!breaker_.Admit(now_, permit)) return false;
    now_ += took;
    breaker_.Report(permit, outcome, now_);
    return true;
  }
  void Calls(int count, Outcome outcome) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(Call(outcome));
  }
  void Open() {
    Calls(20, Outcome::kFailed);
    ASSERT_EQ(state(), State::kOpen);
  }
  State state() { return breaker_.Read(now_).state; }

  Breaker::Moment now_{1'000'000s};
  std::vector<State> changes_;
  Breaker breaker_{BreakerConfig{}, [this](State, State to) { changes_.push_back(to); }};
};

TEST_F(BreakerTest, FewerThanTwentyCallsNeverOpenIt) {
  Calls(19, Outcome::kFailed);
  EXPECT_EQ(state(), State::kClosed);
  Calls(1, Outcome::kFailed);
  EXPECT_EQ(state(), State::kOpen);
}

TEST_F(BreakerTest, HalfOfTheCallsFailingOpensItAndLessDoesNot) {
  Calls(11, Outcome::kAnswered);
  Calls(9, Outcome::kFailed);
  EXPECT_EQ(state(), State::kClosed);
  Calls(1, Outcome::kAnswered);
  Calls(2, Outcome::kFailed);
  EXPECT_EQ(state(), State::kClosed) << "11 of 23";
  Calls(1, Outcome::kFailed);
  EXPECT_EQ(state(), State::kOpen) << "12 of 24";
}

TEST_F(BreakerTest, OnlyTheLastTenSecondsCount) {
  Calls(19, Outcome::kFailed);
  now_ += 10s;
  Calls(19, Outcome::kFailed);
  EXPECT_EQ(state(), State::kClosed);
}

TEST_F(BreakerTest, AnAnswerAfterMoreThanTwoSecondsIsAFailure) {
  std::vector<Breaker::Permit> permits(20);
  for (auto& permit : permits) ASSERT_TRUE(breaker_.Admit(now_, permit));
  now_ += 2s;
  for (int i = 0; i < 10; ++i) breaker_.Report(permits[static_cast<size_t>(i)], Outcome::kAnswered, now_);
  now_ += 1ms;
  for (int i = 10; i < 20; ++i) breaker_.Report(permits[static_cast<size_t>(i)], Outcome::kAnswered, now_);
  EXPECT_EQ(state(), State::kOpen);
}

TEST_F(BreakerTest, ACallThatMayTakeLongerIsNotSlowBeforeThat) {
  for (const auto took : {30s, 31s}) {
    std::vector<Breaker::Permit> permits(20);
    for (auto& permit : permits) {
      ASSERT_TRUE(breaker_.Admit(now_, permit));
      permit.may_take = 30s;
    }
    now_ += took;
    for (const auto& permit : permits) breaker_.Report(permit, Outcome::kAnswered, now_);
    EXPECT_EQ(state(), took > 30s ? State::kOpen : State::kClosed);
  }
}

TEST_F(BreakerTest, OpenLetsNothingOutForFiveSeconds) {
  Open();
  EXPECT_FALSE(breaker_.WouldAdmit(now_));
  EXPECT_FALSE(Call(Outcome::kAnswered));
  EXPECT_EQ(breaker_.Read(now_).probes_in, 5s);
  now_ += 5s - 1ms;
  EXPECT_FALSE(Call(Outcome::kAnswered));
  now_ += 1ms;
  EXPECT_TRUE(breaker_.WouldAdmit(now_));
  EXPECT_TRUE(Call(Outcome::kAnswered));
  EXPECT_EQ(state(), State::kHalfOpen);
  EXPECT_EQ(breaker_.Read(now_).refused, 2U);
}

TEST_F(BreakerTest, OneThatNobodyCallsIsHalfOpenOnceItMayBeTried) {
  Open();
  now_ += 5s - 1ms;
  EXPECT_EQ(state(), State::kOpen);
  now_ += 1ms;
  EXPECT_EQ(state(), State::kHalfOpen);
  Calls(5, Outcome::kFailed);
  EXPECT_EQ(state(), State::kOpen) << "one that is called and fails";
}

TEST_F(BreakerTest, HalfOpenLetsFiveOutAndNoMoreUntilTheyHaveEnded) {
  Open();
  now_ += 5s;
  std::vector<Breaker::Permit> permits(5);
  for (auto& permit : permits) ASSERT_TRUE(breaker_.Admit(now_, permit));
  Breaker::Permit sixth;
  EXPECT_FALSE(breaker_.WouldAdmit(now_));
  EXPECT_FALSE(breaker_.Admit(now_, sixth));
  for (const auto& permit : permits) breaker_.Report(permit, Outcome::kAnswered, now_);
  EXPECT_EQ(state(), State::kClosed);
  EXPECT_THAT(changes_, testing::ElementsAre(State::kOpen, State::kHalfOpen, State::kClosed));
}

TEST_F(BreakerTest, FailingProbesOpenItAgainForAnotherFiveSeconds) {
  Open();
  now_ += 5s;
  Calls(2, Outcome::kAnswered);
  Calls(3, Outcome::kFailed);
  EXPECT_EQ(state(), State::kOpen);
  now_ += 5s - 1ms;
  EXPECT_FALSE(Call(Outcome::kAnswered));
  EXPECT_EQ(breaker_.Read(now_).opened, 2U);
}

TEST_F(BreakerTest, AProbeThatTellsNothingIsGivenBack) {
  Open();
  now_ += 5s;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Call(Outcome::kNothing));
  Calls(5, Outcome::kAnswered);
  EXPECT_EQ(state(), State::kClosed);
}

TEST_F(BreakerTest, WhatWasSentBeforeItOpenedDecidesNothingAfterwards) {
  std::vector<Breaker::Permit> early(30);
  for (auto& permit : early) ASSERT_TRUE(breaker_.Admit(now_, permit));
  Open();
  now_ += 5s;
  ASSERT_TRUE(Call(Outcome::kAnswered));
  for (const auto& permit : early) breaker_.Report(permit, Outcome::kFailed, now_);
  EXPECT_EQ(state(), State::kHalfOpen);
  Calls(4, Outcome::kAnswered);
  EXPECT_EQ(state(), State::kClosed);
}

TEST_F(BreakerTest, OneWhosePeerIsCalledNoMoreClosesForGood) {
  Open();
  changes_.clear();
  breaker_.Retire(now_);
  EXPECT_EQ(changes_, std::vector{State::kClosed});
  Calls(20, Outcome::kFailed);
  breaker_.Retire(now_);
  EXPECT_EQ(changes_, std::vector{State::kClosed}) << "nothing that comes late opens it";
}

TEST_F(BreakerTest, AfterClosingItCountsFromNothing) {
  Open();
  now_ += 5s;
  Calls(5, Outcome::kAnswered);
  EXPECT_EQ(breaker_.Read(now_).calls, 0U);
  Calls(19, Outcome::kFailed);
  EXPECT_EQ(state(), State::kClosed);
}

TEST(BreakerThreadsTest, ManyThreadsMayUseIt) {
  Breaker breaker;
  std::atomic<int> out = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i) {
        const auto now = Breaker::Moment(std::chrono::milliseconds(i));
        Breaker::Permit permit;
        if (!breaker.Admit(now, permit)) continue;
        ++out;
        breaker.Report(permit, t == 0 ? Outcome::kFailed : Outcome::kAnswered, now);
        (void)breaker.Read(now);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GT(out, 0);
}

}  // namespace
}  // namespace boxoffice::resilience
