// A child that is started again when it ends by itself, as a service manager does it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/servers/child.h"

namespace boxoffice::servers {

// How long to wait before something that ended is started again: not at all; then, while it keeps ending
// within 10 s of its start, 1 s, 2 s, … up to 30 s.
class RestartPause {
 public:
  [[nodiscard]] std::chrono::milliseconds After(std::chrono::milliseconds ran);

 private:
  std::chrono::milliseconds next_{0};
};

// Not thread-safe; as with Child, use it from a thread that lives as long as this process wants the child to.
class Supervised {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `name` is for what Look says. Errors: those of Child::Start.
  [[nodiscard]] static Result<Supervised> Start(std::string name, std::vector<std::string> command,
                                                Child::Options options);

  // Until it does what it is for. False: it ended, or does not within `patience`.
  [[nodiscard]] bool Await(const std::function<bool()>& serves, std::chrono::milliseconds patience);
  // Asks the child by a signal to end, and waits; after `limit` it is sent `force`.
  void Stop(int ask, int force, std::chrono::milliseconds limit);

  // Notices that the child has ended, with whatever exit code, and starts it again when it is time. What
  // there is to say of it, in one line; nullopt: nothing. Call it some times a second.
  [[nodiscard]] std::optional<std::string> Look(TimePoint now);

  // The one that runs, or ran last.
  [[nodiscard]] Child& child() { return child_; }
  [[nodiscard]] const Child& child() const { return child_; }
  [[nodiscard]] bool ended() const { return start_at_.has_value(); }
  [[nodiscard]] int restarts() const { return restarts_; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
  Supervised(std::string name, std::vector<std::string> command, Child::Options options, Child child);

  std::string name_;
  std::vector<std::string> command_;
  Child::Options options_;
  Child child_;
  TimePoint started_;
  RestartPause pause_;
  int restarts_ = 0;
  std::optional<TimePoint> start_at_;  // while it does not run
};

}  // namespace boxoffice::servers
