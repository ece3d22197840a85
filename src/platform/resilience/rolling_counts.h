// Counts of the last seconds, in as many slots as there are seconds: what is older falls out by itself.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace boxoffice::resilience {

// `Kinds` counters over the last `Seconds` seconds (the second that runs is one of them). A moment before the
// latest one counts as that; by `Seconds` or more, the clock was set back, and what was counted counts as of
// now. Not thread-safe.
template <size_t Kinds, int64_t Seconds = 10>
class RollingCounts {
 public:
  void Add(size_t kind, std::chrono::milliseconds now) {
    Forward(now);
    ++slots_[static_cast<size_t>(latest_ % Seconds)][kind];
    ++sums_[kind];
  }
  [[nodiscard]] uint64_t Sum(size_t kind, std::chrono::milliseconds now) {
    Forward(now);
    return sums_[kind];
  }
  void Clear() {
    slots_ = {};
    sums_ = {};
  }

 private:
  void Forward(std::chrono::milliseconds now) {
    const int64_t second = now.count() / 1000;
    if (second + Seconds <= latest_) {
      latest_ = second;
      slots_ = {};
      slots_[static_cast<size_t>(latest_ % Seconds)] = sums_;
    }
    if (second <= latest_) return;
    const int64_t steps = second - latest_ < Seconds ? second - latest_ : Seconds;
    for (int64_t i = 1; i <= steps; ++i) {
      auto& slot = slots_[static_cast<size_t>((latest_ + i) % Seconds)];
      for (size_t kind = 0; kind < Kinds; ++kind) sums_[kind] -= slot[kind];
      slot = {};
    }
    latest_ = second;
  }

  std::array<std::array<uint64_t, Kinds>, static_cast<size_t>(Seconds)> slots_{};
  std::array<uint64_t, Kinds> sums_{};
  int64_t latest_ = 0;
};

}  // namespace boxoffice::resilience
