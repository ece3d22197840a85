// Who gets events: an address that an operator has named.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::relay {

inline constexpr size_t kMaxUrlBytes = 2048;
inline constexpr size_t kMaxOperationKeyBytes = 128;
inline constexpr size_t kSecretBytes = 24;
inline constexpr size_t kMaxTargets = 100;  // live ones: each event is matched against all

struct Target {
  int64_t id = 0;
  std::string operation_key;
  std::string url;
  std::vector<std::string> event_types;  // sorted; empty: all
  std::string secret;                    // kSecretBytes raw bytes
  bool enabled = true;
  std::string disabled_reason;
  Timestamp created_at{};
  bool deleted = false;
  bool operator==(const Target&) const = default;
};

// Every type that is relayed; what a target may ask for.
[[nodiscard]] std::span<const std::string_view> EventTypes();

// http or https, a host, at most kMaxUrlBytes, no credentials, no blanks. Error: invalid_argument (url: …).
[[nodiscard]] Result<void> CheckUrl(std::string_view url);
// Known ones only; sorts them and drops repeats. Error: invalid_argument (event_types: …).
[[nodiscard]] Result<std::vector<std::string>> CheckEventTypes(std::vector<std::string> types);

// Types as one text, for a store, and back.
[[nodiscard]] std::string JoinEventTypes(std::span<const std::string> types);
[[nodiscard]] std::vector<std::string> SplitEventTypes(std::string_view joined);

// Whether a target is sent at all, and such an event: of a type that it asked for, which happened after it
// was made.
[[nodiscard]] bool Wants(const Target& target, std::string_view type);
[[nodiscard]] bool Matches(const Target& target, std::string_view type, Timestamp event_time);

}  // namespace boxoffice::relay
