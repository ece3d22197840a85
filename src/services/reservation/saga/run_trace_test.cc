// What a trace shows of a saga, and of which sagas.
#include "services/reservation/saga/run_trace.h"

#include <gmock/gmock.h>

#include "services/reservation/saga/testing_saga.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class RunTraceTest : public SagaTest {
 protected:
  void SetUp() override {
    SagaTest::SetUp();
    Reset();
    Trace(std::chrono::seconds(600));
  }
  void TearDown() override {
    obs::StopTracing();
    (void)Taken();
  }
  static void Trace(milliseconds slow) { obs::StartTracing({.ratio = 0, .slow = slow}); }
  static std::vector<obs::Span> Taken() { return obs::ProcessSpans().Take(milliseconds(0), 1); }
  std::vector<obs::Span> RunOne(std::string_view traceparent) {
    Reservation reservation = Begin(SagaKind::kOneShot, "key");
    reservation.saga.traceparent = traceparent;
    (void)Drive(std::move(reservation));
    return Taken();
  }
  static std::vector<std::string> Names(const std::vector<obs::Span>& spans) {
    std::vector<std::string> names;
    for (const obs::Span& span : spans) names.push_back(span.name);
    return names;
  }
  // The last one is the run, in the request's span, and all others are its steps, no two the same.
  static void ExpectOneRun(const std::vector<obs::Span>& spans) {
    ASSERT_FALSE(spans.empty());
    const obs::SpanContext run = spans.back().context;
    EXPECT_EQ(spans.back().parent, obs::ParseSpanContext(kSampled).span);
    std::set<uint64_t> ids{run.span};
    for (size_t i = 0; i + 1 < spans.size(); ++i) {
      EXPECT_EQ(spans[i].parent, run.span);
      EXPECT_EQ(spans[i].context.trace_low, run.trace_low);
      EXPECT_TRUE(ids.insert(spans[i].context.span).second);
    }
  }
};

TEST_F(RunTraceTest, ASampledSagaIsASpanWithOneForEachStep) {
  const std::vector<obs::Span> spans = RunOne(kSampled);
  EXPECT_THAT(Names(spans), ElementsAre("verify-queue", "hold-seats", "debit-wallet", "approve-payment",
                                        "confirm-seats", "saga one_shot"));
  ExpectOneRun(spans);
}

TEST_F(RunTraceTest, WhatAStepCallsIsAPartOfTheStep) {
  Saga saga;
  saga.traceparent = kUnsampled;
  const RunTrace run(saga);
  const StepTrace first(saga);
  const obs::SpanContext called = saga.mark.step;
  EXPECT_EQ(obs::ToTraceparent(called).substr(0, 36), kUnsampled.substr(0, 36));
  EXPECT_NE(called.span, saga.mark.run.span);
  first.End(saga, "hold-seats", /*undo=*/false, StepResult());
  EXPECT_FALSE(saga.mark.step);
  const StepTrace second(saga);
  EXPECT_NE(saga.mark.step.span, called.span);
}

TEST_F(RunTraceTest, ASagaThatIsNotSampledAndGoesWellOrIsRefusedIsNotKept) {
  EXPECT_THAT(RunOne(kUnsampled), IsEmpty());
  Reset();
  world_->declines = true;
  EXPECT_THAT(RunOne(kUnsampled), IsEmpty()) << "a refusal is an answer";
}

TEST_F(RunTraceTest, ASagaWithAStepThatHadNoCertainAnswerIsKeptWholeThoughItIsNotSampled) {
  world_->faults[2] = Fault::kReplyLost;  // the debit's
  const std::vector<obs::Span> spans = RunOne(kUnsampled);
  EXPECT_THAT(Names(spans), ElementsAre("verify-queue", "hold-seats", "debit-wallet", "saga one_shot"));
  ExpectOneRun(spans);
  EXPECT_FALSE(spans[1].failed);
  EXPECT_TRUE(spans[2].failed);
  EXPECT_EQ(spans[2].error, "timeout");
  EXPECT_TRUE(spans[3].failed) << "it waits";
  for (const obs::Span& span : spans)
    EXPECT_EQ(std::get<std::string>(span.attributes.back().value), "error") << span.name;
}

// The participants of such a saga were told of the steps by the ids that the steps have in the end.
TEST_F(RunTraceTest, TheStepsOfASagaThatIsKeptInTheEndHaveTheIdsThatParticipantsWereTold) {
  Saga saga;
  saga.traceparent = kUnsampled;
  const RunTrace run(saga);
  std::vector<uint64_t> told;
  for (int i = 0; i < 3; ++i) {
    const StepTrace step(saga);
    told.push_back(saga.mark.step.span);
    StepResult result;
    if (i == 1) result.kind = Kind::kUnknown;
    step.End(saga, "step", /*undo=*/false, result);
    AddToTimeline(saga, {"step", false, std::string(KindName(result.kind)), "", clock_.Now(), 1'000});
  }
  Answer answer;
  answer.reservation.Own().saga = saga;
  answer.reservation.Own().saga.status = SagaStatus::kDone;
  run.End(answer);
  const std::vector<obs::Span> spans = Taken();
  ASSERT_EQ(spans.size(), 4U);
  for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(spans[i].context.span, told[i]);
}

TEST_F(RunTraceTest, ASlowSagaIsKeptThoughItIsNotSampled) {
  Trace(milliseconds(0));
  const std::vector<obs::Span> spans = RunOne(kUnsampled);
  ASSERT_EQ(spans.size(), 6U);
  ExpectOneRun(spans);
  EXPECT_EQ(std::get<std::string>(spans.back().attributes.back().value), "slow");
}

TEST_F(RunTraceTest, WhatASagaWritesIsAPartOfItAndItsIntentOfTheRequest) {
  BeginReserve begin;
  begin.reservation.Own().saga.traceparent = kSampled;
  EXPECT_EQ(TraceOf(begin), obs::ParseSpanContext(kSampled));
  Finish finish;
  finish.reservation.Own().saga.traceparent = kSampled;
  const RunTrace run(finish.reservation.Own().saga);
  EXPECT_EQ(TraceOf(finish), finish.reservation->saga.mark.run);
  BeginOn confirm;
  confirm.traceparent = kUnsampled;
  EXPECT_FALSE(TraceOf(confirm));
  EXPECT_FALSE(TraceOf(Claim()));
}

TEST_F(RunTraceTest, TwoSagasDoNotDifferByTheirTrace) {
  Saga a;
  a.traceparent = kSampled;
  Saga b = a;
  const RunTrace run(b);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace boxoffice::reservation
