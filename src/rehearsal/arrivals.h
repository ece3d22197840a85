// When buyers come to an on-sale: a burst at the opening, then ever fewer.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/random.h"

namespace boxoffice::rehearsal {

struct ArrivalPlan {
  size_t buyers = 1'000;
  std::chrono::milliseconds burst{10'000};  // in which they come at the highest rate; 0 or more
  // After it the rate falls to 1/e in so long, until kTail times as long; 0: nobody comes after the burst.
  std::chrono::milliseconds decay{30'000};
};
inline constexpr int kTail = 5;

// Uniform in [0, 1).
[[nodiscard]] double Uniform(Random& random);
// Exponential with this mean: how long people take. Never more than ten times the mean.
[[nodiscard]] std::chrono::nanoseconds Hesitation(std::chrono::nanoseconds mean, Random& random);

// The times from the opening at which the plan's buyers come, sorted: a Poisson process of that rate, given
// how many come in all. It is an open loop: nobody waits for the system before he comes.
[[nodiscard]] std::vector<std::chrono::nanoseconds> Arrivals(const ArrivalPlan& plan, Random& random);

}  // namespace boxoffice::rehearsal
