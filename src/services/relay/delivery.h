// One event on its way to one target: what becomes of it after each attempt.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "services/relay/target.h"

namespace boxoffice::relay {

// pending → delivered; pending → dead → (Replay) pending.
enum class State { kPending = 0, kDelivered = 1, kDead = 2 };
[[nodiscard]] std::string_view StateName(State state);
[[nodiscard]] std::optional<State> ParseState(std::string_view name);

// An event in the inbox, as it is sent.
struct InboxEvent {
  EventId id;
  std::string topic;
  std::string key;
  std::string type;
  std::string traceparent;
  Timestamp time{};
  std::string body;     // JSON, with all that the event says
  int64_t show_id = 0;  // that the event names; 0: none. Only for matching: it is not kept
  bool operator==(const InboxEvent&) const = default;
};

struct Delivery {
  int64_t id = 0;  // of the store's making; deliveries of a key go out in this order
  int64_t target_id = 0;
  EventId event_id;
  std::string event_type;
  std::string key;
  State state = State::kPending;
  int attempts = 0;
  std::optional<Timestamp> next_attempt_at;  // pending: nullopt waits behind an earlier one of its key
  int last_status = 0;                       // HTTP; 0: no answer
  std::string last_error;
  Timestamp created_at{};
  std::optional<Timestamp> delivered_at;
  bool operator==(const Delivery&) const = default;
};

using TargetKey = std::pair<int64_t, std::string>;  // target, event's key

// What accepting events adds.
struct Accepted {
  std::vector<InboxEvent> events;    // that some target gets
  std::vector<Delivery> deliveries;  // without ids, in the order of events
  // Which version of each target chose these by what it asks for. A test has none: nothing chose it.
  std::map<int64_t, int64_t> target_versions = {};
};

// A delivery of each of `fresh` (each new, none twice) to each target that it matches. Order per target and
// key: a delivery waits if one of its key is in `waiting` (pending in the store) or earlier in this batch.
[[nodiscard]] Accepted Accept(std::span<const InboxEvent> fresh, std::span<const Target> targets,
                              const std::set<TargetKey>& waiting, Timestamp now);

// Why a delivery can't be replayed: not_dead (it was delivered) or target_disabled (its target, if there is
// one, takes nothing). Empty: it can, or is pending already.
[[nodiscard]] std::string_view WhyNotReplayed(const Delivery& delivery, const Target* target);

// What an attempt came to.
struct Answer {
  int status = 0;     // HTTP; 0: none
  std::string error;  // why there is none; empty otherwise
  // Retry-After (RFC 9110, section 10.2.3), if the answer has one.
  std::optional<milliseconds> retry_after;
};

inline constexpr int kGone = 410;
inline constexpr int kTooManyRequests = 429;
inline constexpr int kServiceUnavailable = 503;
// No target is left alone for longer, whatever it asks for: the longest pause that RetryDelay makes.
inline constexpr std::chrono::hours kMaxPause{24};
inline constexpr size_t kMaxErrorBytes = 200;

// How long to wait after the n-th failed attempt (from 1): 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24
// h, each ± 10 % by `jitter` in [0, 1), together three days. nullopt: it was the last.
[[nodiscard]] std::optional<milliseconds> RetryDelay(int attempts, double jitter);

// How long the target asks to be left alone: the Retry-After of a 429 or 503, kMaxPause at most; otherwise 0.
[[nodiscard]] milliseconds PauseAfter(const Answer& answer);

// The delivery after an attempt: 2xx delivers it; 410 makes it dead at once; anything else (a redirect too)
// is tried again by RetryDelay, but not before PauseAfter is over, then dead. A test is tried once.
[[nodiscard]] Delivery AfterAttempt(Delivery delivery, const Answer& answer, Timestamp now, double jitter);
// 410: the target asks for no more.
[[nodiscard]] inline bool DisablesTarget(const Answer& answer) { return answer.status == kGone; }

}  // namespace boxoffice::relay
