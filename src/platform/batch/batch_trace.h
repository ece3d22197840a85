// What a trace shows of a batch: a span for the transaction, which begins a trace of its own because it
// serves many, and one for each command of a sampled trace, from its arrival to the commit; each links to the
// other.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/obs/span_context.h"

namespace boxoffice::batch {

// Of one run of one batch. Used by one thread.
class BatchTrace {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  // A command of the batch that belongs to a sampled trace.
  void Add(const obs::SpanContext& trace, SteadyTime arrived) { commands_.push_back({trace, arrived}); }
  // Records the spans of a run of `size` commands by the executor `name`; `error` is null if it was saved.
  // Where no command is sampled there is none, unless the batch's own is `always` recorded.
  void End(std::string_view name, size_t size, SteadyTime start, const Error* error, bool always) const;

 private:
  struct Command {
    obs::SpanContext trace;
    SteadyTime arrived;
  };
  std::vector<Command> commands_;
};

}  // namespace boxoffice::batch
