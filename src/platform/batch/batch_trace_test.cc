#include "platform/batch/batch_trace.h"

#include <future>

#include <gmock/gmock.h>

#include "platform/batch/executor.h"
#include "platform/obs/span.h"

namespace boxoffice::batch {
namespace {

using std::chrono::milliseconds;
using Outcomes = std::vector<std::optional<int>>;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class BatchTraceTest : public ::testing::Test {
 protected:
  BatchTraceTest() { obs::StartTracing({.ratio = 0, .slow = std::chrono::seconds(600), .store = "sqlite"}); }
  ~BatchTraceTest() override {
    obs::StopTracing();
    (void)Taken();
  }
  static std::vector<obs::Span> Taken() { return obs::ProcessSpans().Take(milliseconds(0), 1); }
  // Runs these as one batch, and tells the spans.
  std::vector<obs::Span> RunBatch(const std::vector<obs::SpanContext>& traces, bool fails = false) {
    std::promise<void> gate;
    std::promise<void> waits;
    std::promise<void> all;
    size_t left = traces.size();
    std::atomic<bool> first = true;
    Executor<int, int> executor(
        "wallet", {},
        [&](std::span<const int> commands) -> Result<Outcomes> {
          if (first.exchange(false)) {
            waits.set_value();
            gate.get_future().wait();
          } else if (fails) {
            return Fail(Code::kUnavailable, "database_unavailable");
          }
          return Outcomes(commands.begin(), commands.end());
        },
        metrics_);
    executor.Submit(0, [](const Result<int>&) {});
    waits.get_future().wait();
    for (const obs::SpanContext& trace : traces) {
      resilience::Terms terms;
      terms.trace = trace;
      executor.Submit(
          1,
          [&](const Result<int>&) {
            if (--left == 0) all.set_value();
          },
          terms);
    }
    gate.set_value();
    all.get_future().wait();
    return Taken();
  }
  obs::Registry metrics_;
};

TEST_F(BatchTraceTest, EachSampledCommandIsASpanThatLinksToItsBatchsSpanAndBack) {
  const obs::SpanContext one = obs::ParseSpanContext(kSampled);
  const obs::SpanContext two = obs::ChildOf(one);
  const std::vector<obs::Span> spans = RunBatch({one, {}, two});
  ASSERT_EQ(spans.size(), 3U);
  const obs::Span& batch = spans[2];
  EXPECT_EQ(batch.name, "BATCH wallet");
  EXPECT_EQ(batch.parent, 0U) << "it begins a trace of its own, as it serves many";
  EXPECT_NE(batch.context.trace_low, one.trace_low);
  EXPECT_THAT(batch.links, ::testing::ElementsAre(spans[0].context, spans[1].context));
  EXPECT_EQ(std::get<std::string>(batch.attributes[0].value), "sqlite");
  EXPECT_EQ(std::get<int64_t>(batch.attributes[3].value), 3) << "all commands of the batch";
  EXPECT_EQ(spans[0].parent, one.span);
  EXPECT_EQ(spans[1].parent, two.span);
  for (const obs::Span* command : {&spans[0], &spans[1]}) {
    EXPECT_EQ(command->context.trace_low, one.trace_low);
    EXPECT_THAT(command->links, ::testing::ElementsAre(batch.context));
    EXPECT_LE(command->start, batch.start) << "it waited for the batch before";
    EXPECT_EQ(command->end, batch.end);
  }
}

TEST_F(BatchTraceTest, ABatchWithoutASampledCommandHasNoSpanUnlessItFails) {
  EXPECT_TRUE(RunBatch({{}, {}}).empty());
  const std::vector<obs::Span> failed = RunBatch({{}, {}}, /*fails=*/true);
  ASSERT_FALSE(failed.empty());
  EXPECT_TRUE(failed[0].failed);
  EXPECT_EQ(failed[0].error, "database_unavailable");
  EXPECT_EQ(failed[0].name, "BATCH wallet");
}

// As a store that is away makes each call a batch of its own.
TEST_F(BatchTraceTest, OfBatchesWithoutASampledCommandThatFailOneASecondHasASpan) {
  Executor<int, int> executor(
      "wallet", {}, [](std::span<const int>) -> Result<Outcomes> { return Fail(Code::kUnavailable, "away"); },
      metrics_);
  const auto fail = [&](const obs::SpanContext& trace) {
    // Shared: whoever sets the value may still be in set_value when it has been got.
    const auto failed = std::make_shared<std::promise<void>>();
    resilience::Terms terms;
    terms.trace = trace;
    executor.Submit(1, [failed](const Result<int>&) { failed->set_value(); }, terms);
    failed->get_future().wait();
  };
  constexpr size_t kFailures = 100;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < kFailures; ++i) fail({});
  const auto seconds = (std::chrono::steady_clock::now() - start) / std::chrono::seconds(1);
  EXPECT_LE(Taken().size(), 1U + static_cast<size_t>(seconds));
  fail(obs::ParseSpanContext(kSampled));
  EXPECT_EQ(Taken().size(), 2U) << "what is sampled is told whenever it is";
}

}  // namespace
}  // namespace boxoffice::batch
