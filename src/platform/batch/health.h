// Whether a service's store works, as far as its batches tell.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace boxoffice::batch {

// A store is ill from a batch that failed until one is saved (that something could be read says little), but
// for kMemory at most: a balancer sends nothing to who is ill, so that without this nobody would ever find
// out that it is well again. Thread-safe.
class StoreHealth {
 public:
  static constexpr std::chrono::milliseconds kMemory{5'000};
  explicit StoreHealth(std::chrono::milliseconds memory = kMemory) : memory_(memory) {}

  void Note(bool works) {
    ill_until_.store(works ? 0 : (Clock::now() + memory_).time_since_epoch().count(),
                     std::memory_order_relaxed);
  }
  [[nodiscard]] bool works() const {
    return Clock::now().time_since_epoch().count() >= ill_until_.load(std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds memory_;
  std::atomic<Clock::rep> ill_until_{0};
};

}  // namespace boxoffice::batch
