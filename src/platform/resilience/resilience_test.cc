#include <array>

#include <gmock/gmock.h>

#include "platform/resilience/admission.h"
#include "platform/resilience/balance.h"
#include "platform/resilience/retry_budget.h"

namespace boxoffice::resilience {
namespace {

using namespace std::chrono_literals;

TEST(AdmissionTest, NewWorkIsRefusedFromFourFifthsOnAndFinishingWorkAtTheBound) {
  EXPECT_TRUE(Admits(Priority::kNormal, 79, 100));
  EXPECT_FALSE(Admits(Priority::kNormal, 80, 100));
  EXPECT_TRUE(Admits(Priority::kFinishing, 80, 100));
  EXPECT_TRUE(Admits(Priority::kFinishing, 99, 100));
  EXPECT_FALSE(Admits(Priority::kFinishing, 100, 100));
}

TEST(AdmissionTest, ABoundOfOneStillLetsOneIn) {
  EXPECT_TRUE(Admits(Priority::kNormal, 0, 1));
  EXPECT_FALSE(Admits(Priority::kNormal, 1, 1));
}

int TakeAll(RetryBudget& budget, std::chrono::milliseconds now) {
  int taken = 0;
  while (budget.TakeRetry(now)) ++taken;
  return taken;
}

TEST(RetryBudgetTest, RetriesAreATenthOfTheCalls) {
  RetryBudget budget(RetryBudgetConfig{.share = 0.10, .free_per_s = 0});
  const std::chrono::milliseconds now = 1'800'000'000s;
  EXPECT_FALSE(budget.TakeRetry(now));
  for (int i = 0; i < 1000; ++i) budget.CountCall(now);
  EXPECT_EQ(TakeAll(budget, now), 100);
}

TEST(RetryBudgetTest, AFewRetriesASecondAreFree) {
  RetryBudget budget;
  const std::chrono::milliseconds now = 1'800'000'000s;
  EXPECT_EQ(TakeAll(budget, now), 100);
  EXPECT_EQ(TakeAll(budget, now + 9s), 0);
  EXPECT_EQ(TakeAll(budget, now + 10s), 100);
}

TEST(RetryBudgetTest, CallsOfMoreThanTenSecondsAgoGiveNothing) {
  RetryBudget budget(RetryBudgetConfig{.share = 0.10, .free_per_s = 0});
  const std::chrono::milliseconds now = 1'800'000'000s;
  for (int i = 0; i < 1000; ++i) budget.CountCall(now);
  EXPECT_EQ(TakeAll(budget, now + 10s), 0);
}

TEST(RetryBudgetTest, AClockThatIsSetBackGivesNoRetries) {
  RetryBudget budget(RetryBudgetConfig{.share = 0.10, .free_per_s = 1});
  const std::chrono::milliseconds now = 1'800'000'000s;
  EXPECT_EQ(TakeAll(budget, now), 10);
  EXPECT_EQ(TakeAll(budget, now - 3600s), 0);
}

TEST(RetryBudgetTest, OnceAClockWasSetBackTheLastTenSecondsCountAsBefore) {
  RetryBudget budget(RetryBudgetConfig{.share = 0.10, .free_per_s = 0});
  const std::chrono::milliseconds now = 1'800'000'000s;
  for (int i = 0; i < 1000; ++i) budget.CountCall(now);
  const std::chrono::milliseconds before = now - 3600s;
  for (int i = 0; i < 1000; ++i) budget.CountCall(before);
  for (int i = 0; i < 10; ++i) budget.CountCall(before + 10s);
  EXPECT_EQ(TakeAll(budget, before + 10s), 1) << "of the calls before nothing is left";
}

TEST(ChooseTest, StaysWithTheCurrentOneUntilItIsTheSlackAhead) {
  std::array<Candidate, 2> replicas{{{true, 32}, {true, 0}}};
  EXPECT_EQ(Choose(replicas, 0, 32), 0U);
  replicas[0].in_flight = 33;
  EXPECT_EQ(Choose(replicas, 0, 32), 1U);
}

TEST(ChooseTest, LeavesWhatIsNotUsable) {
  std::array<Candidate, 3> replicas{{{false, 0}, {true, 9}, {true, 7}}};
  EXPECT_EQ(Choose(replicas, 0, 32), 2U);
  replicas[1].usable = replicas[2].usable = false;
  EXPECT_EQ(Choose(replicas, 0, 32), kNobody);
  EXPECT_EQ(Choose({}, 0, 32), kNobody);
}

TEST(ChooseTest, EqualsAreTakenFromTheCurrentOneOn) {
  const std::array<Candidate, 3> replicas{{{true, 0}, {true, 0}, {false, 0}}};
  EXPECT_EQ(Choose(replicas, 2, 0), 0U);
  EXPECT_EQ(Choose(replicas, 1, 0), 1U);
}

}  // namespace
}  // namespace boxoffice::resilience
