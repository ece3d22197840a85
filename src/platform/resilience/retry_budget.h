// How many retries a caller may add to the load of a peer that is in trouble already: a share of its calls.
#pragma once

#include <chrono>
#include <cstdint>

#include "platform/resilience/rolling_counts.h"

namespace boxoffice::resilience {

struct RetryBudgetConfig {
  // Retries per first try, over the last 10 s.
  double share = 0.10;
  // Besides, this many a second, so that a caller with few calls can retry at all.
  uint64_t free_per_s = 10;
};

// Moments count from any one, always the same. Not thread-safe.
class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetConfig config = {}) : config_(config) {}

  // A first try is made.
  void CountCall(std::chrono::milliseconds now) { counts_.Add(kCalls, now); }

  // Whether a retry may be made; if so, it counts as made.
  [[nodiscard]] bool TakeRetry(std::chrono::milliseconds now) {
    const double allowed = config_.share * static_cast<double>(counts_.Sum(kCalls, now)) +
                           static_cast<double>(config_.free_per_s * kSeconds);
    if (static_cast<double>(counts_.Sum(kRetries, now)) + 1 > allowed) return false;
    counts_.Add(kRetries, now);
    return true;
  }

 private:
  static constexpr int64_t kSeconds = 10;
  enum : size_t { kCalls, kRetries, kKinds };

  const RetryBudgetConfig config_;
  RollingCounts<kKinds, kSeconds> counts_;
};

}  // namespace boxoffice::resilience
