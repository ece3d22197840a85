#include "services/reservation/saga/run_trace.h"

#include <algorithm>
#include <span>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

namespace boxoffice::reservation {
namespace {

using Kind = StepResult::Kind;

// A refusal is an answer like another; what was not answered for certain is a fault of somebody's.
bool IsFault(std::string_view outcome) {
  return outcome != KindName(Kind::kDone) && outcome != KindName(Kind::kRefused);
}

void DescribeStep(std::string_view step, bool undo, std::string_view outcome, std::string_view detail,
                  obs::Span& span) {
  span.service = "reservation";
  span.name = fmt::format("{}{}", undo ? "undo " : "", step);
  span.attributes = {{"boxoffice.saga.step", std::string(step)},
                     {"boxoffice.saga.undo", int64_t{undo}},
                     {"boxoffice.saga.outcome", std::string(outcome)}};
  if (!detail.empty()) span.attributes.push_back({"boxoffice.saga.detail", std::string(detail)});
  if (IsFault(outcome)) span.Fail(std::string(detail.empty() ? outcome : detail));
}

obs::SpanContext StepOf(const obs::SpanContext& run, uint64_t ordinal) {
  obs::SpanContext step = run;
  step.span = obs::DeriveSpanId(run.span, ordinal);
  return step;
}

// The last steps of the timeline that the run has performed: it leaves out some in its middle when it is
// long.
std::span<const TimelineEntry> StepsOf(const Saga& saga) {
  const std::span<const TimelineEntry> all = saga.timeline;
  const size_t most = all.size() < kMaxTimeline ? all.size() : kMaxTimeline / 2 - 1;
  return all.last(std::min<size_t>(saga.mark.steps, most));
}

// Of a run that was not sampled, whose steps have no spans yet.
void RecordSteps(const Saga& saga, std::span<const TimelineEntry> steps, obs::Kept why) {
  uint64_t ordinal = saga.mark.steps - steps.size();
  for (const TimelineEntry& entry : steps) {
    obs::Span span;
    span.context = StepOf(saga.mark.run, ordinal++);
    span.parent = saga.mark.run.span;
    span.start = entry.at;
    span.end = span.start + std::chrono::microseconds(entry.duration_us);
    DescribeStep(entry.step, entry.undo, entry.outcome, entry.detail, span);
    obs::RecordAs(why, std::move(span));
  }
}

}  // namespace

RunTrace::RunTrace(Saga& saga) {
  if (!obs::TracingOn()) return;
  const obs::SpanContext parent = obs::ParseSpanContext(saga.traceparent);
  if (!parent) return;
  run_ = obs::ChildOf(parent);
  parent_ = parent.span;
  start_ = obs::SpanNow();
  saga.mark = {.run = run_};
}

void RunTrace::End(const Result<Answer>& answer) const {
  if (!run_) return;
  obs::Span span;
  span.context = run_;
  span.parent = parent_;
  span.start = start_;
  span.end = obs::SpanNow();
  const Saga* saga = answer ? &answer->reservation->saga : nullptr;
  const std::span<const TimelineEntry> steps =
      saga != nullptr ? StepsOf(*saga) : std::span<const TimelineEntry>();
  const bool waits = saga != nullptr && saga->status != SagaStatus::kDone;
  const bool fault = !answer || waits || std::ranges::any_of(steps, [](const TimelineEntry& entry) {
    return IsFault(entry.outcome);
  });
  const obs::Kept why = obs::WhyKept(span.context, fault, span.end - span.start);
  if (why == obs::Kept::kNo) return;
  span.service = "reservation";
  span.name = "saga";
  if (saga != nullptr) {
    span.name = fmt::format("saga {}", KindName(saga->kind));
    span.attributes = {{"boxoffice.saga.id", saga->id.ToString()},
                       {"boxoffice.saga.kind", std::string(KindName(saga->kind))},
                       {"boxoffice.saga.epoch", static_cast<int64_t>(saga->epoch)},
                       {"boxoffice.reservation.id", answer->reservation->id.ToString()},
                       {"boxoffice.reservation.state", std::string(StateName(answer->reservation->state))}};
    if (answer->refusal) span.attributes.push_back({"boxoffice.refusal", answer->refusal->code});
    if (why != obs::Kept::kSampled) RecordSteps(*saga, steps, why);
  }
  if (!answer) {
    span.Fail(answer.error().reason);
  } else if (waits) {
    span.Fail(std::string(StatusName(saga->status)));
  }
  obs::RecordAs(why, std::move(span));
}

StepTrace::StepTrace(Saga& saga) {
  if (!saga.mark.run) return;
  step_ = StepOf(saga.mark.run, saga.mark.steps++);
  saga.mark.step = step_;
  if (step_.sampled) start_ = obs::SpanNow();
}

void StepTrace::End(Saga& saga, std::string_view step, bool undo, const StepResult& result) const {
  if (!step_) return;
  saga.mark.step = {};
  if (!step_.sampled) return;
  obs::Span span;
  span.context = step_;
  span.parent = saga.mark.run.span;
  span.start = start_;
  span.end = obs::SpanNow();
  DescribeStep(step, undo, KindName(result.kind), ReasonOf(result), span);
  obs::RecordAs(obs::Kept::kSampled, std::move(span));
}

obs::SpanContext TraceOf(const Command& command) {
  const auto of = [](const Saga& saga) {
    if (saga.mark.run) return saga.mark.run.sampled ? saga.mark.run : obs::SpanContext();
    return obs::ParseIfSampled(saga.traceparent);
  };
  return std::visit(
      [&]<typename Body>(const Body& body) -> obs::SpanContext {
        if constexpr (requires { body.traceparent; }) {
          return obs::ParseIfSampled(body.traceparent);
        } else if constexpr (requires { body.reservation->saga; }) {
          return of(body.reservation->saga);
        } else {
          return {};
        }
      },
      command);
}

}  // namespace boxoffice::reservation
