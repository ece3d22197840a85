// Sends what is due, several deliveries at a time, and records what came of it. A target that answers 429 or
// 503 with Retry-After is sent nothing before that is over, by no replica once that has read the targets
// again, unless it gets another URL or is disabled meanwhile; one with a rate, no more than that. It has no
// thread: its owner calls Round when something was accepted, an attempt has ended, or the time of the next
// delivery has come.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
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

  // Records the attempts that have ended, starts those that are due, and gives up a part of what is pending
  // of targets that take nothing any more. Returns when something will be due next, if that is known; at
  // once, where more is to be given up. An error (of the store) loses nothing: what was not recorded is
  // recorded by the next call. One that concerns a single target holds up no other for longer than a round.
  [[nodiscard]] Result<std::optional<Timestamp>> Round();

  // When the next delivery of any target may be sent, in the past where it is late: what waits for the end of
  // a pause, or for a turn of a rate, is not. nullopt: none is pending.
  [[nodiscard]] Result<std::optional<Timestamp>> NextDue() const;

  // The first part of Round, with the disabling of targets that answered 410: for the end, when nothing more
  // is to be sent.
  [[nodiscard]] Result<void> RecordEnded();
  [[nodiscard]] size_t in_flight() const;

 private:
  [[nodiscard]] Result<void> StartDue();
  [[nodiscard]] Result<void> StartDueOf(const ActiveTarget& target);
  // When the next delivery of each target that has one may be sent.
  [[nodiscard]] Result<std::vector<Timestamp>> SendTimes(Timestamp now) const;

  RelayService& service_;
  Sender& sender_;
  const Clock& clock_;
  const DispatchLimits limits_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::vector<AttemptResult> ended_;
  std::map<int64_t, std::set<int64_t>> in_flight_;  // target → deliveries, until they are recorded
  int64_t failed_target_ = 0;                       // whose store has failed; 0: none. Of Round's thread
};

}  // namespace boxoffice::relay
