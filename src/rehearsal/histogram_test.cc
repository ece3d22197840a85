#include "rehearsal/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::rehearsal {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(HistogramTest, WithoutASampleEverythingIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Percentile(0.5), nanoseconds(0));
  EXPECT_EQ(histogram.max(), nanoseconds(0));
  EXPECT_EQ(histogram.mean(), nanoseconds(0));
}

TEST(HistogramTest, PercentilesAreWithinAFewPercentAtEveryScale) {
  for (const int64_t scale : {1, 1'000, 1'000'000, 100'000'000}) {
    Histogram histogram;
    for (int64_t i = 1; i <= 1000; ++i) histogram.Record(nanoseconds(i * scale));
    for (const double fraction : {0.5, 0.9, 0.99, 0.999}) {
      const double truth = fraction * 1000 * static_cast<double>(scale);
      EXPECT_NEAR(static_cast<double>(histogram.Percentile(fraction).count()), truth, truth * 0.017) << scale;
    }
    EXPECT_EQ(histogram.max(), nanoseconds(1000 * scale));
    EXPECT_EQ(histogram.count(), 1000U);
  }
}

TEST(HistogramTest, OneValueIsEveryPercentile) {
  Histogram histogram;
  histogram.Record(microseconds(1234));
  EXPECT_EQ(histogram.Percentile(0), microseconds(1234));
  EXPECT_EQ(histogram.Percentile(0.999), microseconds(1234));
  EXPECT_EQ(histogram.mean(), microseconds(1234));
}

TEST(HistogramTest, WhatIsOutOfRangeIsKeptAtItsEnd) {
  Histogram histogram;
  histogram.Record(nanoseconds(-5));
  histogram.Record(std::chrono::hours(24));
  EXPECT_EQ(histogram.Percentile(0.5), nanoseconds(0));
  EXPECT_GT(histogram.max(), std::chrono::minutes(18));
}

}  // namespace
}  // namespace boxoffice::rehearsal
