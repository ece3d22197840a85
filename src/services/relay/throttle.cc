#include "services/relay/throttle.h"

#include <algorithm>
#include <cmath>

namespace boxoffice::relay {
namespace {

constexpr double kAtOnceS = 0.1;

int64_t IntervalUs(double rate_per_s) { return std::max<int64_t>(std::llround(1e6 / rate_per_s), 1); }
int64_t AtOnce(double rate_per_s) {
  return std::max<int64_t>(static_cast<int64_t>(std::ceil(rate_per_s * kAtOnceS)), 1);
}
int64_t NowUs(Timestamp now) { return ToUnixMs(now) * 1'000; }

int64_t NextTurnUs(int64_t turn_us, Timestamp now, double rate_per_s) {
  return std::clamp(turn_us, NowUs(now), NowUs(now) + AtOnce(rate_per_s) * IntervalUs(rate_per_s));
}

}  // namespace

size_t TurnsNow(int64_t turn_us, Timestamp now, double rate_per_s) {
  const int64_t interval_us = IntervalUs(rate_per_s);
  const int64_t ahead_us = NextTurnUs(turn_us, now, rate_per_s) - NowUs(now);
  const int64_t room_us = AtOnce(rate_per_s) * interval_us - ahead_us;
  return static_cast<size_t>(room_us / interval_us);
}

int64_t TurnAfter(int64_t turn_us, Timestamp now, double rate_per_s, size_t taken) {
  return NextTurnUs(turn_us, now, rate_per_s) + static_cast<int64_t>(taken) * IntervalUs(rate_per_s);
}

}  // namespace boxoffice::relay
