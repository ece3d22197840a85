// The waiting of a thread that looks for work now and then: after a while, and sooner where it is told that
// there is some.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace boxoffice {

// One thread waits; Nudge and Stop may be called by any.
class Nudged {
 public:
  // There is work: ends the wait, or the next one if the thread is at work. Cheap.
  void Nudge() {
    bool wake = false;
    {
      const std::scoped_lock lock(mutex_);
      nudged_ = true;
      wake = idle_;
    }
    if (wake) wake_.notify_one();
  }

  // Ends the wait and all that follow, at once. Again: no effect.
  void Stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
  }

  // Waits for `shortest`, in which nudges gather, and on until there was a nudge since the last wait, for
  // `longest` at most. False: stopped.
  [[nodiscard]] bool Wait(std::chrono::milliseconds longest, std::chrono::milliseconds shortest) {
    std::unique_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (wake_.wait_until(lock, now + shortest, [this] { return stopping_; })) return false;
    idle_ = true;
    wake_.wait_until(lock, now + longest, [this] { return stopping_ || nudged_; });
    idle_ = false;
    nudged_ = false;
    return !stopping_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool nudged_ = false;
  bool idle_ = false;  // past the shortest: a nudge has to wake it
  bool stopping_ = false;
};

}  // namespace boxoffice
