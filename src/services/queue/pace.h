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
  Meter passed;  // places that the head went by, of the absent and of those who left, too
  // Since when the line could move: somebody waits, and the queue is open.
  Timestamp busy_since;
  bool operator==(const Pace&) const = default;
};

// The bucket at `now`, a fraction included. A clock that went back adds nothing.
[[nodiscard]] double CreditAt(const Pace& pace, double rate_per_s, Timestamp now);

// Admissions per second over the last minute, or over the time for which people have waited if that is
// shorter. 0 while people have waited for less than five seconds: what came before says nothing of how fast
// the line will move.
[[nodiscard]] double MeasuredPerS(const Pace& pace, bool anyone_waits, Timestamp now);

// How many places a second estimates count with: what was measured of the head, like MeasuredPerS. `full`:
// the cap holds people back, so that they enter as others leave. Otherwise it is not below the configured
// rate, at which the line moves where there is room, whatever the last minute was like; and never 0.
[[nodiscard]] double PacePerS(const Pace& pace, bool full, bool anyone_waits, double rate_per_s,
                              Timestamp now);

// What a waiting person is told: seconds until admission, and when to ask again (1 s within five seconds of
// the front, up to 20 s). `position` is 1 or more; 0 where the place is yet to be drawn. Where the queue
// opens only at `opens_at` (zero: it is open, or nobody knows), the waiting begins then. `undrawn`: how many
// are yet to be drawn, where this person is among them; they ask as often as the middle one of them would, so
// that a million of them don't all ask in the second of the opening.
struct Estimate {
  uint32_t eta_s = 0;
  uint32_t refresh_interval_s = 0;
};
[[nodiscard]] Estimate EstimateWait(uint64_t position, double pace_per_s, Timestamp opens_at, Timestamp now,
                                    uint64_t undrawn = 0);

// When an ACTIVE session should ask again: after half of the time left, 1 to 20 s.
[[nodiscard]] uint32_t ActiveRefreshS(Timestamp active_until, Timestamp now);

}  // namespace boxoffice::queue
