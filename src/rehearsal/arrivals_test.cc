#include "rehearsal/arrivals.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::rehearsal {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

ptrdiff_t CountBetween(const std::vector<nanoseconds>& times, nanoseconds from, nanoseconds until) {
  return std::ranges::count_if(times, [&](nanoseconds time) { return time >= from && time < until; });
}

TEST(Arrivals, AreABurstAndThenFallToOneInEPerDecay) {
  SeededRandom random(7);
  const ArrivalPlan plan{100'000, seconds(10), seconds(20)};
  const auto times = Arrivals(plan, random);
  ASSERT_EQ(times.size(), plan.buyers);
  EXPECT_TRUE(std::ranges::is_sorted(times));
  EXPECT_GE(times.front(), nanoseconds(0));
  EXPECT_LE(times.back(), seconds(10 + 20 * kTail));
  const double first = static_cast<double>(CountBetween(times, seconds(0), seconds(5)));
  const double second = static_cast<double>(CountBetween(times, seconds(5), seconds(10)));
  EXPECT_NEAR(second / first, 1, 0.05);
  const double early = static_cast<double>(CountBetween(times, seconds(10), seconds(12)));
  const double late = static_cast<double>(CountBetween(times, seconds(30), seconds(32)));
  EXPECT_NEAR(late / early, std::exp(-1), 0.05);
}

TEST(Arrivals, AreAPoissonProcess) {
  // In cells of equal expectation the variance of the counts is their mean.
  SeededRandom random(8);
  const auto times = Arrivals({50'000, seconds(100), milliseconds(0)}, random);
  double squares = 0;
  for (int cell = 0; cell < 1'000; ++cell) {
    const double count =
        static_cast<double>(CountBetween(times, milliseconds(100 * cell), milliseconds(100 * (cell + 1))));
    squares += (count - 50) * (count - 50);
  }
  EXPECT_NEAR(squares / 1'000 / 50, 1, 0.2);
}

TEST(Arrivals, OfTheSameSeedAreTheSame) {
  SeededRandom a(1);
  SeededRandom b(1);
  EXPECT_EQ(Arrivals({}, a), Arrivals({}, b));
}

TEST(Arrivals, HesitationHasItsMeanAndABound) {
  SeededRandom random(2);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto time = Hesitation(seconds(2), random);
    ASSERT_GE(time, nanoseconds(0));
    ASSERT_LE(time, seconds(20));
    sum += std::chrono::duration<double>(time).count();
  }
  EXPECT_NEAR(sum / 100'000, 2, 0.05);
}

}  // namespace
}  // namespace boxoffice::rehearsal
