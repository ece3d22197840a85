#include "services/queue/pace.h"

#include <algorithm>
#include <cmath>

namespace boxoffice::queue {
namespace {

// Before people have waited this long the measurement says little, and the configured rate counts.
constexpr milliseconds kTrustAfter{5'000};
constexpr double kFrontS = 5;  // within this of the front, and one step of the interval beyond
constexpr double kMaxRefreshS = 20;
constexpr double kMaxEtaS = 7 * 86'400;

int64_t SecondOf(Timestamp t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

// Of what the meter counts, per second: over the last minute, or since `busy_since` if that is later.
double RateOf(const Meter& meter, Timestamp busy_since, bool anyone_waits, Timestamp now) {
  constexpr double kMinute = Meter::kSeconds;
  if (!anyone_waits) return static_cast<double>(meter.Sum(now, Meter::kSeconds)) / kMinute;
  if (now - busy_since < kTrustAfter) return 0;
  const int64_t counted = std::clamp<int64_t>(SecondOf(now) - SecondOf(busy_since) + 1, 1, Meter::kSeconds);
  const double passed_s = std::min(std::chrono::duration<double>(now - busy_since).count(), kMinute);
  return static_cast<double>(meter.Sum(now, counted)) / passed_s;
}

}  // namespace

void Meter::Add(Timestamp now, uint32_t admissions) {
  const int64_t second = std::max(SecondOf(now), second_);
  const int64_t stale = std::min(second - second_, kSeconds);
  for (int64_t i = 0; i < stale; ++i) counts_[static_cast<size_t>((second - i) % kSeconds)] = 0;
  second_ = second;
  counts_[static_cast<size_t>(second % kSeconds)] += admissions;
}

uint64_t Meter::Sum(Timestamp now, int64_t seconds) const {
  const int64_t newest = std::max(SecondOf(now), second_);
  uint64_t sum = 0;
  for (int64_t second = second_; second > newest - seconds && second > second_ - kSeconds; --second) {
    sum += counts_[static_cast<size_t>(((second % kSeconds) + kSeconds) % kSeconds)];
  }
  return sum;
}

double CreditAt(const Pace& pace, double rate_per_s, Timestamp now) {
  const double burst = std::max(1.0, rate_per_s);
  const double passed_s = std::max(0.0, std::chrono::duration<double>(now - pace.credit_at).count());
  return std::min(burst, pace.credit + passed_s * rate_per_s);
}

double MeasuredPerS(const Pace& pace, bool anyone_waits, Timestamp now) {
  return RateOf(pace.admitted, pace.busy_since, anyone_waits, now);
}

double PacePerS(const Pace& pace, bool full, bool anyone_waits, double rate_per_s, Timestamp now) {
  const double measured = RateOf(pace.passed, pace.busy_since, anyone_waits, now);
  return full && measured > 0 ? measured : std::max(measured, rate_per_s);
}

Estimate EstimateWait(uint64_t position, double pace_per_s, Timestamp opens_at, Timestamp now,
                      uint64_t undrawn) {
  const double opens_in_s = std::max(0.0, std::chrono::duration<double>(opens_at - now).count());
  const double moves_s = position == 0 ? 0 : static_cast<double>(position) / pace_per_s;
  const double eta = std::min(kMaxEtaS, std::ceil(opens_in_s + moves_s));
  const double called_in_s = eta + static_cast<double>(undrawn) / 2 / pace_per_s;
  // Nobody knows: there is no hurry.
  const double refresh =
      eta == 0 ? kMaxRefreshS : std::clamp(std::ceil(called_in_s / kFrontS), 1.0, kMaxRefreshS);
  return {static_cast<uint32_t>(eta), static_cast<uint32_t>(refresh)};
}

uint32_t ActiveRefreshS(Timestamp active_until, Timestamp now) {
  const double left_s = std::chrono::duration<double>(active_until - now).count();
  return static_cast<uint32_t>(std::clamp(left_s / 2, 1.0, kMaxRefreshS));
}

}  // namespace boxoffice::queue
