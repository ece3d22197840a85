#include "rehearsal/arrivals.h"

#include <algorithm>
#include <cmath>

namespace boxoffice::rehearsal {
namespace {

using Seconds = std::chrono::duration<double>;

std::chrono::nanoseconds Nanos(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(seconds));
}

}  // namespace

double Uniform(Random& random) { return static_cast<double>(random.Next() >> 11) * 0x1p-53; }

std::chrono::nanoseconds Hesitation(std::chrono::nanoseconds mean, Random& random) {
  const double factor = std::min(10.0, -std::log1p(-Uniform(random)));
  return Nanos(Seconds(mean).count() * factor);
}

std::vector<std::chrono::nanoseconds> Arrivals(const ArrivalPlan& plan, Random& random) {
  const double burst = Seconds(plan.burst).count();
  const double decay = Seconds(plan.decay).count();
  // What the rate comes to over burst and tail, in units of the highest rate.
  const double tail_part = -std::expm1(-kTail);
  const double all = burst + decay * tail_part;
  std::vector<std::chrono::nanoseconds> times(plan.buyers);
  for (auto& time : times) {
    // Given their number, the times of a Poisson process are independent draws from its rate.
    const double drawn = Uniform(random) * all;
    time = Nanos(drawn < burst || decay == 0 ? drawn : burst - decay * std::log1p(-(drawn - burst) / decay));
  }
  std::ranges::sort(times);
  return times;
}

}  // namespace boxoffice::rehearsal
