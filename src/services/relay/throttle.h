// How often a target is sent something, where it has a bound: a turn each 1/rate seconds, and at most a tenth
// of a second's turns at once. Pure; a store keeps one number per target, so that replicas share the turns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace boxoffice::relay {

// How many turns may be taken at `now`. `turn_us`: when the next one is, in microseconds since 1970, as
// TurnAfter left it; 0: none was ever taken. One that lies further ahead than all turns at once reach (the
// rate was raised, or the clock set back) counts as no further.
[[nodiscard]] size_t TurnsNow(int64_t turn_us, Timestamp now, double rate_per_s);
// When the next turn is, once `taken` were taken at `now`.
[[nodiscard]] int64_t TurnAfter(int64_t turn_us, Timestamp now, double rate_per_s, size_t taken);

}  // namespace boxoffice::relay
