#include "platform/obs/span.h"

#include <regex>
#include <thread>

#include <gmock/gmock.h>

#include "base/random.h"

namespace boxoffice::obs {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class SpanTest : public ::testing::Test {
 protected:
  void TearDown() override {
    StopTracing();
    (void)ProcessSpans().Take(milliseconds(0), 1);
  }
  static Span Ended(std::string_view traceparent, milliseconds took = milliseconds(1), bool failed = false) {
    Span span;
    span.context = ParseSpanContext(traceparent);
    span.name = "x";
    span.start = SpanNow();
    span.end = span.start + took;
    if (failed) span.Fail("timeout");
    return span;
  }
  static size_t Waiting() { return ProcessSpans().Take(milliseconds(0), 1).size(); }
};

TEST_F(SpanTest, ATraceparentIsReadAndWrittenBackAsItIs) {
  for (const std::string_view text : {kSampled, kUnsampled}) {
    const SpanContext context = ParseSpanContext(text);
    EXPECT_EQ(context.trace_high, 0x4bf92f3577b34da6U);
    EXPECT_EQ(context.trace_low, 0xa3ce929d0e0e4736U);
    EXPECT_EQ(context.span, 0x00f067aa0ba902b7U);
    EXPECT_EQ(ToTraceparent(context), text);
    EXPECT_EQ(IsSampled(text), text == kSampled);
    EXPECT_EQ(TraceId(text), "4bf92f3577b34da6a3ce929d0e0e4736");
  }
  EXPECT_FALSE(ParseIfSampled(kUnsampled));
  EXPECT_TRUE(ParseIfSampled(kSampled));
}

TEST_F(SpanTest, WhatIsReadAsASpanIsATraceparentAndNothingElse) {
  const std::regex valid("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}");
  SeededRandom random(5);
  for (const std::string_view given : {kSampled, kUnsampled}) {
    for (int i = 0; i < 5'000; ++i) {
      std::string text(given);
      text[random.Below(text.size())] = static_cast<char>(random.Below(256));
      if (random.Below(20) == 0) text.resize(random.Below(60));
      EXPECT_EQ(static_cast<bool>(ParseSpanContext(text)), std::regex_match(text, valid)) << text;
    }
  }
  EXPECT_FALSE(ParseSpanContext("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(ParseSpanContext("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  EXPECT_FALSE(ParseSpanContext("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_FALSE(ParseSpanContext("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  EXPECT_EQ(TraceId("00"), "");
}

TEST_F(SpanTest, ATraceparentThatIsMadeIsValidAndItsChildHasItsTraceAndFlag) {
  const SpanContext parent = ParseSpanContext(kSampled);
  const SpanContext child = ChildOf(parent);
  EXPECT_EQ(ParseSpanContext(ToTraceparent(child)), child);
  EXPECT_EQ(TraceId(ToTraceparent(child)), TraceId(kSampled));
  EXPECT_TRUE(child.sampled);
  EXPECT_NE(child.span, parent.span);
  EXPECT_EQ(DeriveSpanId(7, 1), DeriveSpanId(7, 1));
  EXPECT_NE(DeriveSpanId(7, 1), DeriveSpanId(7, 2));
}

TEST_F(SpanTest, SoManyNewTracesAreSampledAsTheRatioSays) {
  const auto sampled = [](double ratio) {
    StartTracing({.ratio = ratio});
    int count = 0;
    for (int i = 0; i < 20'000; ++i) count += NewTrace().sampled ? 1 : 0;
    return count;
  };
  EXPECT_FALSE(NewTrace().sampled) << "while tracing is off";
  EXPECT_EQ(sampled(0), 0);
  EXPECT_EQ(sampled(1), 20'000);
  EXPECT_NEAR(sampled(0.1), 2'000, 300);
}

TEST_F(SpanTest, OnlySampledSpansErrorsAndSlowOnesAreKept) {
  StartTracing({.ratio = 0, .slow = milliseconds(100)});
  Record(Ended(kUnsampled));
  EXPECT_EQ(Waiting(), 0U);
  Record(Ended(kSampled));
  Record(Ended(kUnsampled, milliseconds(1), /*failed=*/true));
  Record(Ended(kUnsampled, milliseconds(101)));
  const std::vector<Span> kept = ProcessSpans().Take(milliseconds(0), 1);
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_TRUE(kept[0].attributes.empty());
  EXPECT_EQ(kept[1].error, "timeout");
  EXPECT_EQ(std::get<std::string>(kept[1].attributes.at(0).value), "timeout");
  EXPECT_EQ(std::get<std::string>(kept[1].attributes.at(1).value), "error");
  EXPECT_EQ(std::get<std::string>(kept[2].attributes.at(0).value), "slow");
}

TEST_F(SpanTest, NothingIsKeptWhileTracingIsOff) {
  Record(Ended(kSampled, milliseconds(1), /*failed=*/true));
  EXPECT_EQ(Waiting(), 0U);
}

TEST_F(SpanTest, WhatTheQueueCanNotTakeIsDroppedAndCounted) {
  Counter dropped;
  StartTracing({.ratio = 1, .queue_size = 3, .dropped = &dropped});
  for (int i = 0; i < 5; ++i) Record(Ended(kSampled));
  EXPECT_EQ(dropped.value(), 2U);
  EXPECT_EQ(Waiting(), 3U);
}

TEST_F(SpanTest, ATakeEndsWhenThereIsEnoughAndWhenItIsInterrupted) {
  StartTracing({.ratio = 1});
  std::thread recording([] {
    for (int i = 0; i < 10; ++i) Record(Ended(kSampled));
  });
  EXPECT_EQ(ProcessSpans().Take(std::chrono::hours(1), 10).size(), 10U);
  recording.join();
  std::thread interrupting([] { ProcessSpans().Interrupt(); });
  EXPECT_TRUE(ProcessSpans().Take(std::chrono::hours(1), 10).empty());
  interrupting.join();
}

}  // namespace
}  // namespace boxoffice::obs
