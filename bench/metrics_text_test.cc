#include "bench/metrics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::bench {
namespace {

constexpr std::string_view kText = R"(# HELP boxoffice_batch_size Commands in one transaction
# TYPE boxoffice_batch_size histogram
boxoffice_batch_size_bucket{executor="seat",le="1"} 3
boxoffice_batch_size_sum{executor="seat"} 120.5
boxoffice_batch_size_count{executor="seat"} 10
boxoffice_batch_size_sum{executor="wallet"} 7
boxoffice_batch_size_count{executor="wallet"} 7
boxoffice_batch_sizes_sum{executor="seat"} 1
)";

TEST(ReadHistogramsTest, ReadsSumAndCountOfEachSeriesAndNothingElse) {
  const auto totals = ReadHistograms(kText, "boxoffice_batch_size", "executor");
  ASSERT_EQ(totals.size(), 2U);
  EXPECT_DOUBLE_EQ(totals.at("seat").sum, 120.5);
  EXPECT_DOUBLE_EQ(totals.at("seat").count, 10);
  EXPECT_DOUBLE_EQ(totals.at("wallet").Mean(), 1);
}

TEST(BetweenTest, CountsWhatCameBetweenAndLeavesOutTheQuiet) {
  const auto delta =
      Between({{"seat", {10, 5}}, {"idle", {3, 3}}}, {{"seat", {40, 10}}, {"idle", {3, 3}}, {"new", {4, 2}}});
  ASSERT_EQ(delta.size(), 2U);
  EXPECT_DOUBLE_EQ(delta.at("seat").Mean(), 6);
  EXPECT_DOUBLE_EQ(delta.at("new").Mean(), 2);
}

TEST(QuantileBetween, IsOfWhatWasObservedInBetweenOverAllSeries) {
  const std::string before = "lag_bucket{s=\"a\",le=\"0.1\"} 5\nlag_bucket{s=\"a\",le=\"+Inf\"} 5\n";
  const std::string after =
      "lag_bucket{s=\"a\",le=\"0.1\"} 95\nlag_bucket{s=\"a\",le=\"1\"} 100\nlag_bucket{s=\"a\",le=\"+Inf\"} "
      "100\n"
      "lag_bucket{s=\"b\",le=\"0.1\"} 4\nlag_bucket{s=\"b\",le=\"1\"} 5\nlag_bucket{s=\"b\",le=\"+Inf\"} 5\n";
  EXPECT_DOUBLE_EQ(QuantileBetween(before, after, "lag", 0.5), 0.1);
  EXPECT_DOUBLE_EQ(QuantileBetween(before, after, "lag", 0.99), 1);
  EXPECT_DOUBLE_EQ(QuantileBetween(after, after, "lag", 0.99), 0);
}

}  // namespace
}  // namespace boxoffice::bench
