#include "base/clock.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace boxoffice {

std::string ToRfc3339(Timestamp t) {
  const auto whole_seconds = std::chrono::floor<std::chrono::seconds>(t);
  const auto rest_ms = (t - whole_seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole_seconds)), rest_ms);
}

}  // namespace boxoffice
