// The values of the waiting room: what a session, a show's queue and a saga's record are, and for how long.
// No I/O, no clock.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"

namespace boxoffice::queue {

// A waiting place is kept this long after the last sign of life; it is judged when the place is called.
inline constexpr milliseconds kPresence{5 * 60'000};
// An ACTIVE session ends this long after its last activity, and at the latest kActiveMax after its admission.
inline constexpr milliseconds kActiveTime{5 * 60'000};
inline constexpr milliseconds kActiveMax{30 * 60'000};
// Until when whoever is active `now` stays ACTIVE.
[[nodiscard]] constexpr Timestamp RenewedUntil(Timestamp admitted_at, Timestamp now) {
  return std::min(now + kActiveTime, admitted_at + kActiveMax);
}
// Edges ask for the heads four times a second. When none has for so long, nobody can be seen, wherever they
// are.
inline constexpr milliseconds kEdgesGone{60'000};
// A clock that goes back by less, as at a change of the server whose time it is, holds admission up for so
// long, and nobody gets in twice as fast for it.
inline constexpr milliseconds kClockStep{5'000};
// From joining to the end of the token, whose end is judged with this tolerance. Whoever is in has at least
// kActiveMax from the admission.
inline constexpr milliseconds kTokenLife{24 * 3'600'000};
inline constexpr milliseconds kClockSkew{30'000};

// A queue can be told to open by itself at most this long before.
inline constexpr milliseconds kMaxOpensIn{366LL * 24 * 3'600'000};

inline constexpr double kMinRatePerS = 0.1;
inline constexpr double kMaxRatePerS = 100'000;
inline constexpr uint32_t kMinActiveCap = 1;
inline constexpr uint32_t kMaxActiveCap = 1'000'000;
inline constexpr size_t kMaxUserBytes = 64;
// Places in line at most, of all shows together, also those that were left before they were called: so
// whatever is stored can be drawn, and loaded by whoever leads next. Each takes 320 bytes at most: 48 in the
// line, 24 in the index, 80 for a long name and 8 in the order of a draw, and all of it twice while it is
// loaded anew. 1.6 GB in all.
inline constexpr uint64_t kMaxPlaces = 5'000'000;
// Edges are told for so long of those who have left, and of so many of a show: an edge that misses them goes
// on saying that they wait, until they are called.
inline constexpr milliseconds kLeftLately{10'000};
inline constexpr size_t kMaxLeftLately = 1'000;
inline constexpr size_t kMaxHeartbeatSequences = 100'000;  // in one command

// Stored, and equal to the contract's numbers. A session moves WAITING → ACTIVE → COMPLETED or EXPIRED, and
// WAITING → EXPIRED; EXPIRED → COMPLETED only while it is bound, because its saga is not stopped by its
// expiry.
enum class SessionState : uint8_t { kNone = 0, kWaiting = 1, kActive = 2, kCompleted = 3, kExpired = 4 };
// Stored, and equal to the contract's numbers.
enum class QueueState : uint8_t { kOpen = 1, kPaused = 2, kClosed = 3, kPrequeue = 4, kOff = 5 };

struct SessionKey {
  int64_t show_id = 0;
  uint64_t sequence = 0;
  auto operator<=>(const SessionKey&) const = default;
};

struct Session {
  int64_t show_id = 0;
  uint64_t sequence = 0;  // from 1, never reused within a show
  std::string user_id;
  SessionState state = SessionState::kNone;
  Timestamp joined_at;
  Timestamp admitted_at;  // zero: never
  Timestamp ended_at;     // zero: not yet
  // The saga that the session is bound to, and its reservation; both nil: none. A COMPLETED session keeps
  // them.
  SagaId saga;
  ReservationId reservation;
  // Kept in memory only, and granted anew at a restart.
  Timestamp last_seen;     // WAITING: the last sign of life
  Timestamp active_until;  // ACTIVE: the end unless renewed

  [[nodiscard]] bool Live() const {
    return state == SessionState::kWaiting || state == SessionState::kActive;
  }
  [[nodiscard]] bool Bound() const { return !saga.IsNil() && state != SessionState::kCompleted; }
  // Called, and not over: it is in, or its saga goes on.
  [[nodiscard]] bool Member() const {
    return state == SessionState::kActive || (state == SessionState::kExpired && Bound());
  }
  bool operator==(const Session&) const = default;
};

// The end of the token that somebody waits with.
[[nodiscard]] constexpr Timestamp TokenEnd(Timestamp joined_at) { return joined_at + kTokenLife; }
// The end of a session's token: whoever gets in shortly before it is not locked out by it.
[[nodiscard]] inline Timestamp TokenEnd(const Session& session) {
  return std::max(TokenEnd(session.joined_at), session.admitted_at + kActiveMax);
}
[[nodiscard]] constexpr bool TokenEnded(Timestamp expires_at, Timestamp now) {
  return now > expires_at + kClockSkew;
}

struct Settings {
  double rate_per_s = 50;     // admissions per second, kMinRatePerS to kMaxRatePerS
  uint32_t active_cap = 500;  // ACTIVE sessions at most, kMinActiveCap to kMaxActiveCap
  QueueState state = QueueState::kOpen;
  Timestamp opens_at{};  // when a queue that is not OPEN opens by itself; zero: never
  bool operator==(const Settings&) const = default;
};

// The draw of a PREQUEUE: whoever joins after its commitment and before it gets the place that a shuffle by a
// secret seed gives (platform/auth/shuffle.h).
struct Draw {
  std::string seed;       // empty: there is none; secret until it is drawn
  uint64_t first = 0;     // who joined before the commitment, up to this sequence, is not drawn
  uint64_t entrants = 0;  // those after them; 0 until it is drawn
  Timestamp drawn_at{};   // zero: not yet
  [[nodiscard]] bool Drawn() const { return drawn_at != Timestamp(); }
  // Whether somebody with this sequence has no place before the draw.
  [[nodiscard]] bool Awaits(uint64_t sequence) const { return !seed.empty() && !Drawn() && sequence > first; }
  // Whether it gave this sequence its place.
  [[nodiscard]] bool Placed(uint64_t sequence) const {
    return Drawn() && sequence > first && sequence - first <= entrants;
  }
  bool operator==(const Draw&) const = default;
};

// The durable row of a show's queue.
struct Show {
  int64_t show_id = 0;
  int64_t version = 0;  // 0: not stored yet
  Settings settings;
  uint64_t last_sequence = 0;
  uint64_t head_sequence = 0;  // everyone with a place up to here has been called; never falls
  // Of all who ever joined; those who wait or are ACTIVE now are in none of these but the last.
  uint64_t completed = 0;
  uint64_t expired = 0;  // not there when called, or the time was over
  uint64_t left = 0;     // gave the place up; not while a saga is bound to it, which may yet complete
  uint64_t admitted = 0;
  Draw draw{};

  // Nobody with a sequence up to this waits.
  [[nodiscard]] uint64_t NobodyWaitsUpTo() const {
    const bool drawing = draw.Drawn() && head_sequence < draw.first + draw.entrants;
    return drawing ? std::min(head_sequence, draw.first) : head_sequence;
  }
  bool operator==(const Show&) const = default;
};

// What became of a saga that no session names any longer. Stored.
enum class SagaEnding : uint8_t {
  kUndone = 1,  // the tombstone
  kMoved = 2,   // its session went over to a later saga of the same reservation
  kLetIn = 3,   // the show had no queue: it was let in without a session
};
struct SagaRecord {
  SagaId saga;
  SagaEnding ending = SagaEnding::kUndone;
  SessionKey session;  // sequence 0: it never had one
  ReservationId reservation;
  Timestamp recorded_at;
  bool operator==(const SagaRecord&) const = default;
};

// What a token says; its text is made and read at the rpc edge (rpc_ticket.h).
struct Claims {
  int64_t show_id = 0;
  uint64_t sequence = 0;
  std::string user_id;
  Timestamp expires_at;
  bool operator==(const Claims&) const = default;
};

// The same session always has the same claims, hence the same token text, unless it is admitted with the end
// of the token near.
[[nodiscard]] inline Claims ClaimsOf(const Session& session) {
  return {session.show_id, session.sequence, session.user_id, TokenEnd(session)};
}

// A token that a command came with, after its signature was judged.
struct Ticket {
  Claims claims;             // only if refusal is empty
  std::string_view refusal;  // kTokenMalformed, kTokenSignature; or empty
};

// Why there is no session, or no binding: stable, and part of the contract.
inline constexpr std::string_view kQueueClosed = "queue_closed";
inline constexpr std::string_view kQueueOff = "queue_off";
inline constexpr std::string_view kQueueFull = "queue_full";
inline constexpr std::string_view kTokenMissing = "queue_token_missing";
inline constexpr std::string_view kTokenMalformed = "token_malformed";
inline constexpr std::string_view kTokenSignature = "token_signature";
inline constexpr std::string_view kTokenExpired = "token_expired";
inline constexpr std::string_view kTokenWrongUser = "token_wrong_user";
inline constexpr std::string_view kTokenWrongShow = "token_wrong_show";
inline constexpr std::string_view kTokenUnknown = "token_unknown";
inline constexpr std::string_view kSessionNotActive = "session_not_active";
inline constexpr std::string_view kSessionBusy = "session_busy";
// Why a queue was not configured.
inline constexpr std::string_view kOpensAtOutOfRange = "opens_at_out_of_range";
inline constexpr std::string_view kQueueIsOpen = "queue_is_open";
inline constexpr std::string_view kQueueDrawn = "queue_drawn";

}  // namespace boxoffice::queue
