// Who runs when: one queue of tasks in the order of virtual time, and among those of one moment in an order
// that the seed gives. Everything in a simulation happens in a task, on one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace boxoffice::sim {

// SplitMix64: quick to seed, and without the lock that nobody here needs.
class Rng final : public Random {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  [[nodiscard]] uint64_t Next() override {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  // In [low, high].
  [[nodiscard]] int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  [[nodiscard]] bool Chance(uint64_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

// A process, from its start to its death; what it has begun does not outlive it.
struct Life {
  bool dead = false;
  int64_t paused_until_us = 0;  // it does nothing until then, as if stopped by SIGSTOP
  std::function<void()> after_task;
};

class Scheduler {
 public:
  using Task = std::move_only_function<void()>;
  static constexpr int64_t kStartUs = 1'800'000'000'000'000;

  explicit Scheduler(uint64_t seed);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  [[nodiscard]] int64_t now_us() const { return now_us_; }
  [[nodiscard]] Timestamp Now() const { return FromUnixMs(now_us_ / 1'000); }
  [[nodiscard]] milliseconds Since() const { return milliseconds((now_us_ - kStartUs) / 1'000); }
  // Runs `task` so much later; not at all once `life`, if any, has ended.
  void After(int64_t delay_us, std::shared_ptr<Life> life, Task task);
  // Runs the next task that is due by then. False: none is, and it is then that time.
  bool Step(int64_t until_us);
  // Who is told that a timer of an io_context has fired.
  std::function<void(int timer)> on_timer;

 private:
  struct Entry {
    int64_t at_us;
    uint64_t tie;
    std::shared_ptr<Life> life;
    Task task;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.at_us != b.at_us ? a.at_us > b.at_us : a.tie > b.tie;
    }
  };
  void MoveTo(int64_t us);

  Rng rng_;
  int64_t now_us_ = kStartUs;
  uint64_t sequence_ = 0;
  std::vector<Entry> heap_;
};

}  // namespace boxoffice::sim
