#include <gmock/gmock.h>

#include "platform/obs/metrics.h"
#include "platform/obs/trace.h"

namespace boxoffice::obs {
namespace {

TEST(MetricsTest, RendersCountersGaugesAndHistogramsAsPrometheusText) {
  Registry registry;
  registry.GetCounter("sold_total", "Seats sold", {{"show", "a\"b"}}).Add(3);
  registry.GetGauge("active", "Active sessions").Set(2.5);
  Histogram& sizes = registry.GetHistogram("batch_size", "Commands", {1, 2});
  sizes.Observe(1);
  sizes.Observe(2);
  sizes.Observe(9);
  EXPECT_EQ(registry.Render(),
            "# HELP active Active sessions\n# TYPE active gauge\nactive 2.5\n"
            "# HELP batch_size Commands\n# TYPE batch_size histogram\n"
            "batch_size_bucket{le=\"1\"} 1\nbatch_size_bucket{le=\"2\"} 2\nbatch_size_bucket{le=\"+Inf\"} 3\n"
            "batch_size_sum 12\nbatch_size_count 3\n"
            "# HELP sold_total Seats sold\n# TYPE sold_total counter\nsold_total{show=\"a\\\"b\"} 3\n");
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameSeries) {
  Registry registry;
  registry.GetCounter("x_total", "").Add();
  registry.GetCounter("x_total", "").Add();
  EXPECT_EQ(registry.GetCounter("x_total", "").value(), 2U);
}

TEST(TraceTest, ANewTraceparentIsValidAndOthersAreNot) {
  SeededRandom random(7);
  const std::string traceparent = NewTraceparent(random);
  EXPECT_TRUE(IsTraceparent(traceparent));
  EXPECT_EQ(TraceId(traceparent).size(), 32U);
  EXPECT_FALSE(IsTraceparent(""));
  EXPECT_FALSE(IsTraceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(IsTraceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_FALSE(IsTraceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
}

}  // namespace
}  // namespace boxoffice::obs
