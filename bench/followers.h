// Those who follow a show's seats, in a process of their own: of 20,000 each has a connection open, and one
// process may not be allowed so many files.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/result.h"
#include "bench/generator.h"

namespace boxoffice::bench {

// What they saw of one change.
struct Followed {
  size_t followers = 0;
  size_t missed = 0;             // of them, who heard of nothing
  uint64_t bytes = 0;            // that all of them were sent, from the first
  SteadyClock::time_point last;  // when the last of them knew
};

// Not thread-safe. Whatever happens to this process, the child does not outlive it.
class Followers {
 public:
  // Starts a process in which up to `count` connect to the gateway at `port` and follow `show`; their first
  // change is the snapshot, of which Result tells. To be called while this process has one thread. Errors:
  // start_failed.
  [[nodiscard]] static Result<Followers> Start(uint16_t port, const std::string& show, size_t count);
  Followers(Followers&& other) noexcept;
  Followers& operator=(Followers&&) = delete;
  ~Followers();

  // From now on they await the next change. Error: followers_ended.
  [[nodiscard]] Result<void> Await();
  // What they saw of it, once nothing has come for a second: a hold and its sale may be two changes. Error:
  // followers_ended.
  [[nodiscard]] Result<Followed> Saw();

 private:
  Followers(pid_t pid, int channel) : pid_(pid), channel_(channel) {}

  pid_t pid_;
  int channel_;  // of whole messages, in both directions
};

}  // namespace boxoffice::bench
