// How fast a line moves: the token bucket that admission draws from, and the meter that estimates count with.
// Values in memory; a restart begins with an empty bucket and an empty meter.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "services/queue/session.h"

namespace boxoffice::queue {

// Admissions of the last minute, by the second.
class Meter {
 public:
  static constexpr int64_t kSeconds = 60;
  void Add(Timestamp now, uint32_t admissions = 1);
  // Within the last `seconds` (1 to kSeconds), the current one included.
  [[nodiscard]] uint64_t Sum(Timestamp now, int64_t seconds) const;
  bool operator==(const Meter&) const = default;

 private:
  std::array<uint32_t, kSeconds> counts_{};
  int64_t second_ = 0;  // of the newest count
};

struct Pace {
  // Admissions that may be made at credit_at; grows with the rate, up to one second of it (at least one).
  double credit = 0;
  Timestamp credit_at;
  Meter admitted;
  // When the line last became one: somebody waits since then.
  Timestamp busy_since;
  bool operator==(const Pace&) const = default;
};

// The bucket at `now`, a fraction included. A clock that went back adds nothing.
[[nodiscard]] double CreditAt(const Pace& pace, double rate_per_s, Timestamp now);

// Admissions per second over the last minute, or over the time for which people have waited if that is
// shorter. 0 while people have waited for less than five seconds: what came before says nothing of how fast
// the line will move.
[[nodiscard]] double MeasuredPerS(const Pace& pace, bool anyone_waits, Timestamp now);

// What a waiting person is told: seconds until admission, and when to ask again (1 s within five seconds of
// the front, up to 20 s). Counts with the measured rate once there is one, else with the configured one.
// `position` is 1 or more.
struct Estimate {
  uint32_t eta_s = 0;
  uint32_t refresh_interval_s = 0;
};
[[nodiscard]] Estimate EstimateWait(uint64_t position, const Pace& pace, double rate_per_s, Timestamp now);

// When an ACTIVE session should ask again: after half of the time left, 1 to 20 s.
[[nodiscard]] uint32_t ActiveRefreshS(Timestamp active_until, Timestamp now);

}  // namespace boxoffice::queue
