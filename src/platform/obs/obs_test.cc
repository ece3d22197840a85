#include <functional>

#include <gmock/gmock.h>

#include "platform/obs/log.h"
#include "platform/obs/metrics.h"
#include "platform/obs/warning_pace.h"

namespace boxoffice::obs {
namespace {

TEST(WarningPaceTest, AWarningASecondTellsHowManyOthersThereWere) {
  using std::chrono::milliseconds;
  WarningPace pace;
  const auto next = [&pace](int ms) {
    const auto [level, others] = pace.Next(milliseconds(ms));
    return level == Level::kWarning ? fmt::format("{} others", others) : std::string(LevelName(level));
  };
  EXPECT_EQ(next(500), "0 others") << "the first, whenever it is";
  EXPECT_EQ(next(1'000), "debug");
  EXPECT_EQ(next(1'499), "debug");
  EXPECT_EQ(next(1'500), "2 others");
  EXPECT_EQ(next(2'500), "0 others");
  EXPECT_EQ(next(2'499), "0 others") << "a clock that is set back does not silence it";
}

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

// As of a time that was taken by a clock that was set back meanwhile: Prometheus would see a restart.
TEST(MetricsTest, TheSumOfAHistogramNeverFalls) {
  Registry registry;
  Histogram& seconds = registry.GetHistogram("step_seconds", "Steps", {1, 2});
  seconds.Observe(1.5);
  seconds.Observe(-1);
  EXPECT_EQ(seconds.sum(), 1.5);
  EXPECT_EQ(seconds.bucket(0), 1U);
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameSeries) {
  Registry registry;
  registry.GetCounter("x_total", "").Add();
  registry.GetCounter("x_total", "").Add();
  EXPECT_EQ(registry.GetCounter("x_total", "").value(), 2U);
}

TEST(MetricsTest, ACallbackMayUseTheRegistryItself) {
  Registry registry;
  registry.AddCallback("outer", "", {}, [&] { return registry.GetGauge("inner", "").value() + 1; });
  registry.AddCounterCallback("cpu_seconds_total", "", {}, [] { return 1.5; });
  const std::string text = registry.Render();
  EXPECT_THAT(text, testing::HasSubstr("# TYPE outer gauge\nouter 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("# TYPE cpu_seconds_total counter\ncpu_seconds_total 1.5\n"));
}

TEST(MetricsTest, ASeriesThatWasRemovedIsGoneAndBeginsAnew) {
  Registry registry;
  registry.GetCounter("sold_total", "", {{"show", "1"}}).Add(3);
  registry.GetCounter("sold_total", "", {{"show", "2"}}).Add(4);
  registry.Remove("sold_total", {{"show", "1"}});
  registry.Remove("sold_total", {{"show", "1"}});
  registry.Remove("unheard_of", {});
  EXPECT_EQ(registry.Render(), "# HELP sold_total \n# TYPE sold_total counter\nsold_total{show=\"2\"} 4\n");
  registry.Remove("sold_total", {{"show", "2"}});
  EXPECT_EQ(registry.Render(), "");
  EXPECT_EQ(registry.GetCounter("sold_total", "", {{"show", "1"}}).value(), 0U);
}

class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    SetLogLevel(Level::kInfo);
    SetLogForm(Form::kJson);
  }
  // What `write` puts on stderr, without its time.
  static std::string Written(const std::function<void()>& write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, ALineIsJsonOrForPeopleAndCarriesItsTrace) {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto write = [&] {
    Log(Level::kWarning, "saga_postponed", {{"step", "debit-wallet"}, {"error", "a \"b\"\nc"}}, traceparent);
  };
  EXPECT_THAT(
      Written(write),
      testing::AllOf(testing::StartsWith("{\"time\":\""),
                     testing::EndsWith("\"level\":\"warning\",\"event\":\"saga_postponed\",\"step\":"
                                       "\"debit-wallet\",\"error\":\"a \\\"b\\\"\\u000ac\",\"trace_id\":"
                                       "\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n")));
  SetLogForm(Form::kHuman);
  EXPECT_THAT(Written(write),
              testing::EndsWith("Z warning saga_postponed step=debit-wallet error=\"a \\\"b\\\"\\u000ac\" "
                                "trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"));
}

// What others sent: escapes of a terminal (also C1's, as two bytes), and bytes that make a line no JSON.
TEST_F(LogTest, NothingInAFieldEndsItsLineOrMovesATerminal) {
  const auto written_of = [](std::string_view text) {
    const std::string line = Written([&] { Log(Level::kError, "e", {{"x", text}}); });
    const size_t begin = line.find("x\":") + 3;
    return line.substr(begin, line.rfind('}') - begin);
  };
  EXPECT_EQ(written_of("a\r\nb\x1b[2J\x7f"), R"("a\u000d\u000ab\u001b[2J\u007f")");
  EXPECT_EQ(written_of("\xc2\x9b[2J\xc2\xa0"), "\"\\u009b[2J\xc2\xa0\"");
  EXPECT_EQ(written_of("서울 é 🎫"), "\"서울 é 🎫\"");
  EXPECT_EQ(written_of("\xff|\xc3|\xc0\xaf|\xe2\x82"), R"("\ufffd|\ufffd|\ufffd\ufffd|\ufffd\ufffd")");
  EXPECT_EQ(written_of("\xe0\x80\xaf"), R"("\ufffd\ufffd\ufffd")") << "longer than needed";
  EXPECT_EQ(written_of("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")") << "a surrogate";
  EXPECT_EQ(written_of("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")") << "beyond the last";
  SetLogForm(Form::kHuman);
  EXPECT_THAT(Written([] { Log(Level::kError, "e", {{"x", "\xc2\x9b[2J"}, {"y", "\x7f"}}); }),
              testing::EndsWith(" x=\"\\u009b[2J\" y=\"\\u007f\"\n"));
}

TEST_F(LogTest, WhatIsBelowTheLevelIsDroppedAndTheLevelMoves) {
  const auto write = [] {
    Log(Level::kDebug, "detail");
    Log(Level::kError, "failure");
  };
  EXPECT_EQ(LogLevel(), Level::kInfo);
  EXPECT_FALSE(Logs(Level::kDebug));
  EXPECT_THAT(Written(write), testing::Not(testing::HasSubstr("detail")));
  SetLogLevel(Level::kDebug);
  EXPECT_EQ(LogLevel(), Level::kDebug);
  EXPECT_THAT(Written(write), testing::HasSubstr("\"event\":\"detail\""));
  EXPECT_EQ(FindLevel("warning"), Level::kWarning);
  EXPECT_EQ(FindLevel("loud"), std::nullopt);
}

}  // namespace
}  // namespace boxoffice::obs
