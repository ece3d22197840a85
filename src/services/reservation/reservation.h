// A reservation and its saga, as values, and the edges along which their states move.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace boxoffice::reservation {

enum class State {
  kHeld,
  kConfirming,
  kConfirmed,
  kCompensating,
  kFailed,
  kCancelling,
  kCancelled,
  kExpired,
  kReleased
};

// "HELD", "CONFIRMING", …: the words of REST and of the design.
[[nodiscard]] std::string_view StateName(State state);
// Whether the design has an edge between two states. A state may always stay as it is.
[[nodiscard]] bool CanMove(State from, State to);

enum class SagaKind { kHold, kOneShot, kConfirm, kCancel, kRelease, kExpire };
[[nodiscard]] std::string_view KindName(SagaKind kind);

enum class SagaStatus {
  kRunning,  // owned by a replica, or due to be claimed
  kDone,
  kParked,  // needs an operator
};
[[nodiscard]] std::string_view StatusName(SagaStatus status);

struct SeatConflict {
  uint32_t seat_no = 0;
  std::string label;
  std::string reason;  // held, sold, unknown, blocked, free, orphan, channel
  bool operator==(const SeatConflict&) const = default;
};

struct Seat {
  uint32_t seat_no = 0;
  std::string label;
  int64_t price = 0;  // minor units
  std::string category;
  bool operator==(const Seat&) const = default;
};

// Seats that the buyer may ask for instead; nobody holds them.
struct SeatOffer {
  std::string rung;  // how close they are: row, adjacent_rows, section, anywhere
  std::vector<Seat> seats;
  int64_t amount = 0;
  bool operator==(const SeatOffer&) const = default;
};

// Why a saga did not succeed, in a participant's words. The numbers are set where the code calls for them.
struct Refusal {
  std::string code;
  std::string detail;
  std::vector<SeatConflict> conflicts;
  int64_t balance = 0;
  int64_t needed = 0;
  std::string provider_code;
  std::string queue_state;
  uint32_t seat_limit = 0;
  uint32_t seats_owned = 0;
  SeatOffer alternative = {};  // to seats that are taken; without seats: there is none
  bool operator==(const Refusal&) const = default;
};

// What the buyer asked for: these seats, or the best `best_count`.
struct SeatChoice {
  std::vector<uint32_t> seat_nos;
  uint32_t best_count = 0;
  std::string section;
  std::string category;
  int64_t max_price = 0;              // of each; 0: any
  uint32_t accessible = 0;            // of best_count
  std::vector<std::string> channels;  // whose contingents the buyer may take from
  bool operator==(const SeatChoice&) const = default;
};

// What a step or its undo answered.
struct TimelineEntry {
  std::string step;
  bool undo = false;
  std::string outcome;  // done, refused, aborted, mismatch, unknown, unavailable; or an operator's word
  std::string detail;
  Timestamp at{};
  uint32_t duration_us = 0;
  bool operator==(const TimelineEntry&) const = default;
};

// A timeline keeps the first and the latest entries within this bound.
inline constexpr size_t kMaxTimeline = 64;

// Of the tables of steps (saga/definitions.cc), all together. It grows when a step is added, moved or taken
// out; a saga is run only by replicas of its version.
inline constexpr int kDefinitionVersion = 1;

// One attempt to bring a reservation to an end state.
struct Saga {
  SagaId id;
  SagaKind kind = SagaKind::kHold;
  int definition_version = kDefinitionVersion;
  uint32_t attempt = 1;  // of the reservation; with its id, the payment's key
  SagaStatus status = SagaStatus::kRunning;
  // The decision to undo: steps from undo_from down to undo_to are undone, then the reservation is in
  // `undone_state`.
  bool undoing = false;
  int undo_from = -1;
  int undo_to = 0;
  State undone_state = State::kFailed;
  uint64_t epoch = 1;  // grows with each owner
  std::string owner;   // the replica that runs it
  uint32_t tries = 0;  // times it had to wait
  Timestamp started_at{};
  Timestamp deadline{};  // after it a forward saga is undone
  std::string last_error;
  std::vector<TimelineEntry> timeline;
  std::string idempotency_key;  // of the request that began it; empty: the service began it
  std::string traceparent;
  bool operator==(const Saga&) const = default;
};

struct Reservation {
  ReservationId id;
  std::string user_id;
  int64_t show_id = 0;
  SeatChoice choice;
  std::vector<Seat> seats;
  std::string rung;  // of the best available: how close they are; empty for seats that were named
  int64_t amount = 0;
  std::string currency;
  State state = State::kHeld;
  Timestamp hold_expires_at{};  // zero: nothing is held
  std::optional<Refusal> failure;
  Timestamp created_at{};
  Timestamp updated_at{};
  uint64_t version = 0;  // 0: not stored yet; grows with each write
  std::string queue_token;
  // Until when the buyer was let in when she asked, as her token says; zero: it does not say.
  Timestamp active_until{};
  std::string payment_method;
  // The saga to which the queue session is bound; what the end of a hold unbinds.
  SagaId bound_saga;
  // The saga that took the money and its attempt; what a cancellation undoes.
  SagaId paid_saga;
  uint32_t paid_attempt = 0;
  Saga saga;  // the last one
  // When somebody has to look at it: the owner's lease, the next retry, or the end of the hold. None: nothing
  // to do.
  std::optional<Timestamp> due_at;
  bool operator==(const Reservation&) const = default;
};

// The seat numbers to ask for: what is held already, or what was chosen.
[[nodiscard]] std::vector<uint32_t> SeatNumbers(const Reservation& reservation);

// Appends within kMaxTimeline, dropping from the middle.
void AddToTimeline(Saga& saga, TimelineEntry entry);

// Whether the answer to a request that ended like this is kept and replayed (else the request may be tried
// anew).
[[nodiscard]] bool IsReplayed(const std::optional<Refusal>& refusal);

// Knobs; the defaults are those of failure-semantics §5.
struct Policy {
  milliseconds saga_deadline{60'000};
  milliseconds lease{15'000};
  milliseconds renew_every{5'000};
  milliseconds first_backoff{500};
  milliseconds max_backoff{60'000};
  uint32_t max_tries = 20;
  milliseconds park_after{15 * 60'000};
  // How long an expired hold can still be confirmed before it is tidied up; its seats are free for others at
  // once.
  milliseconds expiry_grace{5'000};
  // Step 2 of a confirmation holds the seats this long past the saga's deadline.
  milliseconds hold_slack{30'000};
  milliseconds answers_kept{24 * 3'600'000};
};

}  // namespace boxoffice::reservation
