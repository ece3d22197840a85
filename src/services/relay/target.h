// Who gets events: an address that an operator has named.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/relay/address.h"

namespace boxoffice::relay {

inline constexpr size_t kMaxUrlBytes = 2048;
// As the gateway makes it, "user:key": a user has up to 64 bytes, an Idempotency-Key up to 255.
inline constexpr size_t kMaxOperationKeyBytes = 64 + 1 + 255;
inline constexpr size_t kSecretBytes = 24;
inline constexpr size_t kMaxTargets = 100;  // live ones: each event is matched against all
inline constexpr size_t kMaxShowIds = 200;
inline constexpr size_t kMaxPastFilters = 16;
inline constexpr double kMinRatePerS = 0.1;
inline constexpr double kMaxRatePerS = 1'000;
// How long the secret before may count beside a new one.
inline constexpr std::chrono::hours kMaxKeepOld{7 * 24};

// What is sent of an event: thin, its ids alone (whoever needs more asks the API); full, all that it says.
enum class Payload { kThin = 0, kFull = 1 };
[[nodiscard]] std::string_view PayloadName(Payload payload);
[[nodiscard]] std::optional<Payload> ParsePayload(std::string_view name);

// What a target asked for before.
struct PastFilter {
  Timestamp until{};
  std::vector<std::string> event_types;
  std::vector<int64_t> show_ids;
  bool operator==(const PastFilter&) const = default;
};

struct Target {
  int64_t id = 0;
  std::string operation_key;
  std::string url;
  std::vector<std::string> event_types;  // sorted; empty: all
  std::vector<int64_t> show_ids;         // sorted; empty: all, and events that name none
  Payload payload = Payload::kThin;
  double rate_per_s = 0;         // attempts; 0: no bound
  std::string secret;            // kSecretBytes raw bytes
  std::string old_secret;        // the one before; empty: there is none
  Timestamp old_secret_until{};  // until then both sign
  std::string rotation_key;      // of the RotateSecret that made `secret`
  // What the requests that made it and its secret asked for, for their repeats (ContentOf, RotationContent).
  // Empty: made by a program that kept none. Such a one leaves the content of a rotation before its own.
  std::string creation_content;
  std::string rotation_content;
  bool enabled = true;
  std::string disabled_reason;
  Timestamp created_at{};
  // What happened before is not wanted, nor what happened before it was made: it was disabled then.
  Timestamp wants_since{};
  // Since then, the oldest first; up to kMaxPastFilters, of which the first may stand for several.
  std::vector<PastFilter> past_filters;
  Timestamp paused_until{};  // its URL asked to be left alone (Store::Pause)
  bool deleted = false;
  int64_t version = 0;  // grows with each change
  bool operator==(const Target&) const = default;
};

// What a change gives; the rest stays.
struct TargetChange {
  std::optional<std::string> url;
  std::optional<std::vector<std::string>> event_types;
  std::optional<std::vector<int64_t>> show_ids;
  std::optional<Payload> payload;
  std::optional<double> rate_per_s;
  std::optional<bool> enabled;
  bool operator==(const TargetChange&) const = default;
};

// Every type that is relayed; what a target may ask for.
[[nodiscard]] std::span<const std::string_view> EventTypes();
// Of what TestTarget sends; nobody asks for it.
inline constexpr std::string_view kTestType = "relay.test";
// Whether events of a type say of which show they are: those of reservations, seats and shows do.
[[nodiscard]] bool NamesShow(std::string_view type);

// http or https, a name that may be looked up or an address (of IPv6 in brackets), perhaps a port, at most
// kMaxUrlBytes, no credentials, no blanks: what http::IsUrl takes. Error: invalid_argument (url: …).
[[nodiscard]] Result<void> CheckUrl(std::string_view url);
// The host of such a URL, without a port and without the brackets of an IPv6 address.
[[nodiscard]] std::string_view HostOf(std::string_view url);
// Known ones only; sorts them and drops repeats. Error: invalid_argument (event_types: …).
[[nodiscard]] Result<std::vector<std::string>> CheckEventTypes(std::vector<std::string> types);

// Judges all that a target chose, and sorts event_types and show_ids, each once. An address in the URL must
// be one that the policy allows; names are looked up, and judged, at each attempt. Error: invalid_argument,
// naming the field; with show_ids, types that name no show are refused, as none would ever be sent.
[[nodiscard]] Result<void> CheckChoices(Target& target, const AddressPolicy& addresses);
// The target after a change at `now`, judged like that, unless it is disabled and no more. Enabled again, it
// has no disabled_reason, and wants what happens from now on; with other types or shows, it keeps in mind
// which it had until now.
[[nodiscard]] Result<Target> Change(Target target, const TargetChange& change, const AddressPolicy& addresses,
                                    Timestamp now);
// All that a CreateTarget asks for (as CheckChoices leaves it), or a RotateSecret, in one text that is the
// same for the same request. A choice that is added later adds nothing to it where it is left out.
[[nodiscard]] std::string ContentOf(const Target& choices);
[[nodiscard]] std::string RotationContent(std::string_view rotation_key, milliseconds keep_old);
// With a new secret; the one before counts until `now` + `keep_old` (0: no longer).
[[nodiscard]] Target Rotate(Target target, std::string rotation_key, std::string secret,
                            milliseconds keep_old, Timestamp now);

// Types as one text, for a store, and back.
[[nodiscard]] std::string JoinEventTypes(std::span<const std::string> types);
[[nodiscard]] std::vector<std::string> SplitEventTypes(std::string_view joined);
[[nodiscard]] std::string JoinShowIds(std::span<const int64_t> ids);
[[nodiscard]] std::vector<int64_t> SplitShowIds(std::string_view joined);
[[nodiscard]] std::string JoinPastFilters(std::span<const PastFilter> filters);
[[nodiscard]] std::vector<PastFilter> SplitPastFilters(std::string_view joined);

// Whether a target is sent at all; and such an event: of a type and of a show that it asks for (`show_id` 0:
// the event names none), and asked for when it happened, after it was made and enabled. By that, what comes
// again (from a copy of the bus, or as the group lost its place) is sent to nobody who was not to have it
// then; and what was under way while a filter was changed is sent if it was wanted before and after.
[[nodiscard]] bool Wants(const Target& target, std::string_view type);
[[nodiscard]] bool Matches(const Target& target, std::string_view type, int64_t show_id,
                           Timestamp event_time);

}  // namespace boxoffice::relay
