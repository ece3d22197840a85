// Of what happens many times over, a warning a second is enough.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "platform/obs/log.h"

namespace boxoffice::obs {

// Of one cause. Not thread-safe.
class WarningPace {
 public:
  struct Line {
    Level level = Level::kWarning;  // kDebug where a warning was told less than a second ago
    uint64_t others = 0;            // of a warning: what has happened since the one before, without a warning
  };
  // `now`: since any moment that stays the same; where it is set back, there is a warning.
  [[nodiscard]] Line Next(std::chrono::nanoseconds now) {
    const bool warns = !warned_at_ || now < *warned_at_ || now - *warned_at_ >= kEvery;
    if (!warns) {
      ++others_;
      return {.level = Level::kDebug};
    }
    warned_at_ = now;
    return {.level = Level::kWarning, .others = std::exchange(others_, 0)};
  }

 private:
  static constexpr std::chrono::seconds kEvery{1};
  std::optional<std::chrono::nanoseconds> warned_at_;
  uint64_t others_ = 0;
};

}  // namespace boxoffice::obs
