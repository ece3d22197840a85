// What a trace shows of a saga: a span for each run, and one for each step that the run performed, within
// which the participant's own are.
//
// Of a trace that is not sampled nothing is recorded while the saga runs; when it has ended, and one of its
// steps had no certain answer, or it has to wait, or it was slow, it is told all the same, as its timeline
// has it. That costs others nothing, since the ids of a run's spans follow from each other.
#pragma once

#include "platform/obs/span.h"
#include "services/reservation/reservation_book.h"
#include "services/reservation/saga/participants.h"

namespace boxoffice::reservation {

// One run, of a saga that has a traceparent, while tracing is on; otherwise without effect.
class RunTrace {
 public:
  // Marks the saga, for its steps and for what it writes.
  explicit RunTrace(Saga& saga);
  // Once, with what came of it.
  void End(const Result<Answer>& answer) const;

 private:
  obs::SpanContext run_;
  uint64_t parent_ = 0;
  obs::SpanTime start_{};
};

// One step of a run that is marked.
class StepTrace {
 public:
  // Until End, the saga's mark has the span of this step, for what it calls.
  explicit StepTrace(Saga& saga);
  void End(Saga& saga, std::string_view step, bool undo, const StepResult& result) const;

 private:
  obs::SpanContext step_;
  obs::SpanTime start_{};
};

// The span that a command to the book is a part of; none, unless that is sampled.
[[nodiscard]] obs::SpanContext TraceOf(const Command& command);

}  // namespace boxoffice::reservation
