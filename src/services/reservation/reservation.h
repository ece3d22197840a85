// A reservation and its saga, as values, and the edges along which their states move.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "platform/obs/span_context.h"

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
// Whether it has ended: nothing is held or sold, and no money is taken.
[[nodiscard]] bool IsEnd(State state);

enum class SagaKind {
  kHold,
  kOneShot,
  kConfirm,
  kCancel,  // all of it, and nothing is kept
  kRelease,
  kExpire,
  kCancelSeats,  // some of its seats; or all, and a fee is kept
  kMove,         // to other seats, by an operator
  kOffer,        // seats for somebody on the waitlist
  kUnknown,      // of a later version of the program
};
[[nodiscard]] std::string_view KindName(SagaKind kind);
// Whether it ends with seats bought.
[[nodiscard]] bool IsPurchase(SagaKind kind);

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
  auto operator<=>(const SeatChoice&) const = default;
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

// Of the tables of steps (saga/definitions.cc). That of a kind grows when a step of it is added, moved or
// taken out; a saga is run only by replicas of its version. A new kind begins with a version that no replica
// before it knows, and is found due only by replicas that know it (docs/adr/0010).
inline constexpr int kDefinitionVersion = 1;
inline constexpr int kNewestDefinitionVersion = 2;
[[nodiscard]] int DefinitionVersionOf(SagaKind kind);

// What only the run that is under way knows, for its trace (saga/run_trace.h): it is not stored, and two
// sagas do not differ by it.
struct RunMark {
  obs::SpanContext run = {};   // none: it is not traced
  uint64_t steps = 0;          // that the run has begun
  obs::SpanContext step = {};  // that is under way
  bool operator==(const RunMark&) const { return true; }
};

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
  uint64_t epoch = 1;  // grows with each owner, and when it begins to wait for the next
  std::string owner;   // the replica that runs it
  uint32_t tries = 0;  // times it had to wait
  Timestamp started_at{};
  Timestamp deadline{};  // after it a forward saga is undone
  std::string last_error;
  std::vector<TimelineEntry> timeline;
  std::string idempotency_key;  // of the request that began it; empty: the service began it
  std::string asked_by;         // whose request that was; empty: the reservation's user
  std::string traceparent;
  std::string unknown_fields;  // see Reservation
  RunMark mark;
  bool operator==(const Saga&) const = default;
};

// What a cancellation or a move gives back to the buyer.
struct Return {
  std::vector<Seat> seats;  // in the order of the reservation's
  int64_t amount = 0;       // of money, minor units
  int64_t fee = 0;          // kept of the seats' price
  bool operator==(const Return&) const = default;
};

// Seats that are sold in the place of others, one for one.
struct SeatMove {
  std::vector<uint32_t> from;
  std::vector<uint32_t> to;
  std::vector<Seat> seats = {};  // all that the reservation has then, once the seat service has said so
  bool operator==(const SeatMove&) const = default;
};

// What a show says of cancellations by buyers.
struct CancelPolicy {
  Timestamp deadline{};      // a confirmed reservation can be cancelled until then
  int64_t fee_per_seat = 0;  // kept of each seat, minor units; never more than its price
  int64_t fee_percent = 0;   // and this part of its price, 0 to 100, rounded down
};
[[nodiscard]] inline bool HasFee(const CancelPolicy& policy) {
  return policy.fee_per_seat != 0 || policy.fee_percent != 0;
}

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
  // It is an offer to somebody on the waitlist, who passed no queue.
  bool from_waitlist = false;
  // The saga to which the queue session is bound; what the end of a hold unbinds.
  SagaId bound_saga;
  // How long the show lets the seats stay held after a refused payment, as it was told with the last hold.
  milliseconds grace{0};
  // Kept so far of seats that the buyer has cancelled, minor units. While CONFIRMED, what was paid and not
  // given back is `amount` and this; when CANCELLED, this.
  int64_t fees = 0;
  std::optional<Return> returned;  // by the last saga, if it cancels or moves seats
  SeatMove move;                   // of a saga that moves seats
  // The saga that took the money and its attempt; what a cancellation undoes.
  SagaId paid_saga;
  uint32_t paid_attempt = 0;
  Saga saga;  // the last one
  // When somebody has to look at it: the owner's lease, the next retry, or the end of the hold. None: nothing
  // to do.
  std::optional<Timestamp> due_at;
  // What a later version of the program has stored with it and this one does not know: it is written back,
  // and told to whoever asks, as it was read.
  std::string unknown_fields;
  std::string unknown_record_fields;
  bool operator==(const Reservation&) const = default;
};

// The seat numbers to ask for: what is held already, or what was chosen.
[[nodiscard]] std::vector<uint32_t> SeatNumbers(const Reservation& reservation);
[[nodiscard]] std::vector<uint32_t> SeatNumbers(const std::vector<Seat>& seats);
[[nodiscard]] int64_t PriceOf(const std::vector<Seat>& seats);

// What these of its seats (none named: all) give back; those that it has not are left out.
[[nodiscard]] Return ReturnOf(const Reservation& reservation, const std::vector<uint32_t>& seat_nos,
                              const CancelPolicy& policy);

// What the reservation is once all steps of its saga are done, where `done` is the state that the table says.
void Settle(Reservation& reservation, State done);

// What `failure` says of a reservation that the cancellation of its show has ended, or is about to.
inline constexpr std::string_view kShowCancelled = "show_cancelled";
[[nodiscard]] bool IsEndedByShow(const Reservation& reservation);

// Appends within kMaxTimeline, dropping from the middle.
void AddToTimeline(Saga& saga, TimelineEntry&& entry);

// Whether the answer to a request that ended like this is kept and replayed, whatever it asked for (else it
// may be tried anew, but for a confirmation, and what is HELD).
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
  // So long after its making a reservation whose hold has lapsed is not confirmed any more: the seat
  // service's cap, for seats that it has freed by then.
  milliseconds max_hold{30 * 60'000};
  milliseconds answers_kept{24 * 3'600'000};
  // How long seats are held for whoever is next on a waitlist.
  milliseconds offer_time{10 * 60'000};
};

}  // namespace boxoffice::reservation
