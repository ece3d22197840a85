// The circuit breaker: stops calling a peer that does not answer, so that callers fail at once instead of
// waiting, and the peer is left in peace. A state machine over moments that it is given; it has no clock.
//
//   closed     all calls go; opens when at least `min_calls` of the last 10 s were counted and at least
//              `failing_share` of them failed or were slow
//   open       no call goes, for `open_for`; then it is half-open, also where nobody calls
//   half-open  `probes` calls go; when all of them have ended it closes or opens by the same share
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

#include "platform/resilience/rolling_counts.h"

namespace boxoffice::resilience {

// The defaults are those of failure-semantics §5.
struct BreakerConfig {
  double failing_share = 0.5;
  uint64_t min_calls = 20;
  std::chrono::milliseconds open_for{5'000};
  uint32_t probes = 5;
  // A call that takes longer counts as failed, whatever its answer.
  std::chrono::milliseconds slow_after{2'000};
};

// Thread-safe.
class Breaker {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  enum class State : uint8_t { kClosed, kHalfOpen, kOpen };
  enum class Outcome : uint8_t {
    kAnswered,  // also a refusal: the peer works
    kFailed,    // no answer, or a fault
    kNothing,   // the call tells nothing of the peer, or was never made
  };
  // Which calls a report may count for: those that were let in before the last change of state count no more.
  struct Permit {
    uint64_t period = 0;
    Moment since;
    std::chrono::milliseconds may_take{0};  // longer than slow_after: an answer until then is not slow
  };
  struct Snapshot {
    State state = State::kClosed;
    uint64_t calls = 0;                      // counted in the last 10 s
    uint64_t failed = 0;                     // of these, failed or slow
    uint64_t refused = 0;                    // since it was made: calls that were not let out
    uint64_t opened = 0;                     // since it was made: how often it opened
    std::chrono::milliseconds probes_in{0};  // open: until probes go
  };
  // Called at each change of state, under the breaker's lock: it must not call the breaker. That it is
  // half-open is told at the first call then.
  using OnChange = std::function<void(State from, State to)>;

  explicit Breaker(BreakerConfig config = {}, OnChange on_change = {})
      : config_(config), on_change_(std::move(on_change)) {}

  // Whether Admit would let a call out now.
  [[nodiscard]] bool WouldAdmit(Moment now) const;
  // Lets a call out, or not. Each call that was let out is reported once.
  [[nodiscard]] bool Admit(Moment now, Permit& permit);
  void Report(const Permit& permit, Outcome outcome, Moment now);
  // The peer is called no more: it closes, and what is still reported changes nothing. Again: no effect.
  void Retire(Moment now);
  [[nodiscard]] Snapshot Read(Moment now);

 private:
  enum : size_t { kCalls, kFailures, kKinds };

  void ChangeLocked(State to, Moment now);
  void ReportProbeLocked(bool failed, Moment now);

  const BreakerConfig config_;
  const OnChange on_change_;
  mutable std::mutex mutex_;
  State state_ = State::kClosed;
  uint64_t period_ = 0;  // grows with each change of state
  Moment open_until_;
  uint32_t probes_out_ = 0;
  uint32_t probes_ended_ = 0;
  uint32_t probes_failed_ = 0;
  uint64_t refused_ = 0;
  uint64_t opened_ = 0;
  bool retired_ = false;
  RollingCounts<kKinds> counts_;
};

// "closed", "half_open", "open".
[[nodiscard]] std::string_view StateName(Breaker::State state);

}  // namespace boxoffice::resilience
