// A timer for tests and simulation, on which time passes when it is told to.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "services/payment/timer.h"

namespace boxoffice::payment {

// Thread-safe. Moves `clock`, so that both agree.
class ManualTimer final : public Timer {
 public:
  explicit ManualTimer(ManualClock& clock) : clock_(clock) {}

  // Runs `task` at once, on this thread.
  void Post(Task task) override { task(); }
  void After(milliseconds delay, Task task) override {
    const std::scoped_lock lock(mutex_);
    waiting_.emplace(clock_.Now() + delay, std::move(task));
    changed_.notify_all();
  }

  // Lets time pass, and runs what becomes due in the order of its time, on this thread.
  void Advance(milliseconds by) {
    const Timestamp until = clock_.Now() + by;
    while (true) {
      Task task;
      {
        const std::scoped_lock lock(mutex_);
        if (waiting_.empty() || waiting_.begin()->first > until) break;
        if (waiting_.begin()->first > clock_.Now()) clock_.Advance(waiting_.begin()->first - clock_.Now());
        task = std::move(waiting_.begin()->second);
        waiting_.erase(waiting_.begin());
      }
      task();
    }
    clock_.Advance(until - clock_.Now());
  }

  // Returns once at least `count` tasks wait for their time.
  void AwaitWaiting(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.size() >= count; });
  }

 private:
  ManualClock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Timestamp, Task> waiting_;
};

}  // namespace boxoffice::payment
