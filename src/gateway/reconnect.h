// When those whose stream of events has ended come back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>

namespace boxoffice::gateway {

// The field `retry` of server-sent events, to be sent once on each stream: 1 to 5 s, another one for each
// stream of a thread, so that those whose streams end together, as at a restart of this gateway, don't come
// back in the same moment.
[[nodiscard]] inline std::shared_ptr<const std::string> ReconnectHint() {
  constexpr uint32_t kLeastMs = 1'000;
  constexpr uint32_t kSpreadMs = 4'000;
  constexpr uint32_t kGoldenMs = 2'472;  // of the spread, its golden section: any few in a row lie far apart
  thread_local uint32_t offset_ms = 0;
  offset_ms = (offset_ms + kGoldenMs) % kSpreadMs;
  return std::make_shared<const std::string>(fmt::format("retry: {}\n\n", kLeastMs + offset_ms));
}

}  // namespace boxoffice::gateway
