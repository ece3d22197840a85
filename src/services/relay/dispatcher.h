// Sends what is due, several deliveries at a time, and records what came of it. A target that answers 429 or
// 503 with Retry-After is sent nothing before that is over, unless it gets another URL or is disabled
// meanwhile; one with a rate, no more than that. It has no thread: its owner calls Round when something was
// accepted, an attempt has ended, or the time of the next delivery has come.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/relay/service.h"

namespace boxoffice::relay {

// How a delivery reaches its target.
class Sender {
 public:
  using Done = std::function<void(Answer)>;
  virtual ~Sender() = default;
  // Sends once, and calls `done` exactly once, on any thread, at once or later. Must not block. `now` is the
  // time that the signature carries.
  virtual void Send(const Attempt& attempt, Timestamp now, Done done) = 0;
};

struct DispatchLimits {
  size_t in_flight_per_target = 16;  // a slow target holds up itself only
};

// Round is called by one thread; the sender may call back on others. The sender must have answered, or be
// gone, before this is destroyed.
class Dispatcher {
 public:
  // `wake` is called, on a thread of the sender's, when an attempt has ended.
  Dispatcher(RelayService& service, Sender& sender, const Clock& clock, DispatchLimits limits,
             std::function<void()> wake);

  // Records the attempts that have ended, and starts those that are due. Returns when something will be due
  // next, if that is known. An error (of the store) loses nothing: what was not recorded is recorded by the
  // next call.
  [[nodiscard]] Result<std::optional<Timestamp>> Round();

  // The first half of Round: for the end, when nothing more is to be sent.
  [[nodiscard]] Result<void> RecordEnded();
  [[nodiscard]] size_t in_flight() const;

 private:
  [[nodiscard]] Result<void> StartDue();
  // Until then the target asks to be left alone; long ago: it doesn't.
  [[nodiscard]] Timestamp PausedUntil(const ActiveTarget& target) const;
  // What was asked for at a URL that no enabled target has any more, or is over.
  void ForgetPauses();

  RelayService& service_;
  Sender& sender_;
  const Clock& clock_;
  const DispatchLimits limits_;
  const std::function<void()> wake_;
  // Of the thread that calls Round. Not durable: after a restart each delivery still waits for its own time.
  std::map<std::pair<int64_t, std::string>, Timestamp> paused_until_;  // target and the URL that asked
  mutable std::mutex mutex_;
  std::vector<AttemptResult> ended_;
  std::map<int64_t, std::set<int64_t>> in_flight_;  // target → deliveries, until they are recorded
};

}  // namespace boxoffice::relay
