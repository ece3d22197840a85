// The rules of reservations and of who may run a saga: what is written, and whether it may be. Pure.
//
// The saga itself (which participant is called when) is in saga/. Here are its durable moments: Begin before
// the first side effect, Undo before anything is undone, Postpone when it has to wait, Finish at the end,
// Claim by another replica.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/shared.h"
#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

// Who asks, once: the Idempotency-Key of a request and what it asked for.
struct RequestKey {
  std::string user_id;
  std::string idempotency_key;
  auto operator<=>(const RequestKey&) const = default;
};

// What a request was answered.
struct Answer {
  Shared<Reservation> reservation;  // as it was then
  std::optional<Refusal> refusal;
  bool operator==(const Answer&) const = default;
};

// A request that was seen.
struct RequestRecord {
  RequestKey key;
  std::string request_hash;
  ReservationId reservation_id;
  SagaId saga_id;
  // None while the saga runs; then the reservation as the saga left it.
  std::optional<Answer> answer;
  Timestamp created_at{};
};

// A request by its key, and the saga that it began.
struct AnsweredRequest {
  RequestKey key;
  SagaId saga_id;
  bool operator==(const AnsweredRequest&) const = default;
};

// When whoever sent a request stops waiting for its answer: what has not begun by then never does. That is
// for who queues the command; no rule looks at it.
using RequestDeadline = std::chrono::steady_clock::time_point;

// Writes a new reservation and the intent of its saga: HELD for a hold, CONFIRMING for a one-shot.
struct BeginReserve {
  RequestKey key;
  std::string request_hash;
  // Id, user, show, choice, token, method and the saga's id, kind, owner are filled in.
  Shared<Reservation> reservation;
  RequestDeadline deadline = RequestDeadline::max();
};
// Writes nothing: asks for a new reservation of seats that are known to be sold, which is refused unless the
// key was seen before.
struct RefuseReserve {
  RequestKey key;
  std::string request_hash;
  std::string traceparent;
  RequestDeadline deadline = RequestDeadline::max();
};
// Writes the intent of a saga on a reservation that exists: confirm, cancel or cancel_seats (CONFIRMED),
// release (HELD), or move.
struct BeginOn {
  RequestKey key;
  std::string request_hash;
  ReservationId reservation_id;
  SagaId saga_id;
  bool cancel = false;             // else confirm, or move
  CancelPolicy cancel_policy;      // of the show; with cancel, unless by_operator
  int64_t show_id = 0;             // with a cancel_policy that has a fee: whose it is
  std::vector<uint32_t> seat_nos;  // with cancel: these alone; empty: all
  bool only_held = false;          // with cancel: never what is CONFIRMED
  std::optional<SeatMove> move;    // by_operator
  // Cancel: without deadline and fee. key.user_id is the operator, and the reservation may be anybody's.
  bool by_operator = false;
  std::string reason;          // of the operator, for the timeline
  std::string queue_token;     // confirm; empty: the one of the hold
  int64_t token_show_id = 0;   // confirm: the show that token is of; 0: not known
  std::string payment_method;  // confirm
  std::string owner;
  std::string traceparent;
  RequestDeadline deadline = RequestDeadline::max();
};
// Writes a new reservation and the intent of the saga that seeks seats for somebody on the waitlist. Keyed by
// the reservation's id: again, it is answered with what became of it.
struct BeginOffer {
  Shared<Reservation> reservation;  // id, user, show, choice and the saga's id and owner are filled in
};
// Writes the intent to end a reservation because its show is cancelled, if it rests: CONFIRMED is cancelled
// and paid back in full, at any time; HELD is released. Answered where there is nothing to end, or not yet.
struct BeginEndForShow {
  ReservationId reservation_id;
  SagaId saga_id;
  std::string owner;
};
// By the owner: the saga is over. `reservation` has its new state, seats, failure and timeline.
struct Finish {
  Shared<Reservation> reservation;
};
// By the owner: the decision to undo (reservation.saga.undoing is set), before the first undo.
struct Undo {
  Shared<Reservation> reservation;
};
// By the owner: it can't go on now. Waits with backoff, or parks past the bounds.
struct Postpone {
  Shared<Reservation> reservation;
};
struct TakenOver {
  SagaId saga_id;
  uint64_t epoch = 0;
};
// Takes over what is due: sagas whose lease or wait is over, and holds that have expired (a saga "expire"
// begins).
struct Claim {
  std::string owner;
  uint32_t limit = 100;
  std::vector<SagaId> saga_ids;  // as many as limit: for the sagas that begin
  // What the owner may have taken over already, beyond the limit: by claims whose COMMIT ended unknown.
  std::map<ReservationId, TakenOver> unsure = {};
};
// Keeps a running saga's lease; or gives it up, so that another replica can claim it at once.
struct Renew {
  ReservationId reservation_id;
  uint64_t epoch = 0;
  bool give_up = false;
};
// By an operator, with a reason.
struct Resolve {
  ReservationId reservation_id;
  std::string action;  // retry, undo, park
  std::string reason;
  std::string operator_id;
};

// Why these seats of a reservation (none named: all) can't be cancelled now; nullopt: they can. The codes:
// reservation_state, seat_not_in_reservation (with conflicts), cancel_deadline_passed. A policy without a
// deadline is that of what is HELD, and cancels nothing that is CONFIRMED.
[[nodiscard]] std::optional<Refusal> WhyNotCancel(const Reservation& reservation,
                                                  const std::vector<uint32_t>& seat_nos,
                                                  const CancelPolicy& policy, bool by_operator,
                                                  Timestamp now);

using Command = std::variant<BeginReserve, RefuseReserve, BeginOn, BeginOffer, BeginEndForShow, Finish, Undo,
                             Postpone, Claim, Renew, Resolve>;

// The saga may run: `reservation` is as stored.
struct Started {
  Shared<Reservation> reservation;
};
// Answered before, or refused now (then nothing was written).
struct Answered {
  Answer answer;
};
// RefuseReserve, with a new key.
struct Refused {};
// Written (Finish, Undo, Postpone, Renew, Resolve).
struct Written {
  Shared<Reservation> reservation;
};
// Somebody else owns the saga now: stop, and touch nothing.
struct Stale {};
struct Claimed {
  std::vector<Shared<Reservation>> reservations;
};
// A request with this key was seen before, and its saga still runs; nothing was written.
struct Running {
  ReservationId reservation_id;
  SagaId saga_id;
};
// An Error is of the request: idempotency_key_reused, reservation_not_found, …
using Outcome = std::variant<Started, Answered, Refused, Written, Stale, Claimed, Running, Error>;

// Rows that the commands name.
struct Rows {
  std::map<ReservationId, Reservation> reservations;
  std::map<RequestKey, RequestRecord> requests;
  std::vector<Reservation> due;  // for Claim, at most its limit, oldest first
  std::vector<int64_t> cancelled_shows;
};

// What the commands need loaded. The owner's own writes need nothing: version and epoch are checked when
// saving.
struct Keys {
  std::vector<ReservationId> reservations;  // sorted, unique
  std::vector<RequestKey> requests;         // sorted, unique
  // Sorted, unique: shows that would keep a fee. Which of these are cancelled: the intent to do so is on
  // record, and was not refused.
  std::vector<int64_t> fee_shows;
  size_t due_limit = 0;
};
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

// One row to write, with all that hangs on it: written together or, if the row moved, not at all.
struct Change {
  size_t command = 0;               // whose outcome it is
  Shared<Reservation> reservation;  // as it shall be; its version is the new one
  uint64_t expected_version = 0;    // 0: it must not exist
  uint64_t expected_epoch = 0;      // 0: any
  bool lease_only = false;          // Renew: due_at, nothing else
  // With a request: the show keeps a fee. Unless it is cancelled by then (Keys::fee_shows): then the row
  // counts as moved.
  bool takes_fee = false;
  // The request that begins with this row.
  std::optional<RequestRecord> request;
  // With a request: the saga of the stored one that it takes the place of; nil: there must be
  // none. Otherwise another replica was first with that key, and the row counts as moved.
  SagaId replaces;
  // The request whose answer the stored row is, until this change: it is kept with the request. One that was
  // tried anew belongs to another saga by now, and keeps nothing.
  std::optional<AnsweredRequest> answered;
  std::string event;  // type of the event that tells of it, "reservation.confirmed"; empty: none
};

// Whether the stored row is this very write of an owner's, done by a commit of which nobody knew. Within an
// epoch nobody else writes, and the wait that ends one counts a try: so a few words of the row tell.
[[nodiscard]] bool IsWritten(const Change& change, const Reservation& stored);

struct Decision {
  std::vector<Outcome> outcomes;  // one per command, in order
  std::vector<Change> changes;    // in the order of commands; at most one per reservation
};

// Earlier commands win: a second command on a reservation that this batch changes is left for the next (its
// outcome is empty: see `deferred`).
struct Decided {
  Decision decision;
  std::vector<bool> deferred;  // one per command: decide it again in the next batch
};
[[nodiscard]] Decided Decide(const Rows& rows, std::span<const Command> commands, Timestamp now,
                             const Policy& policy);

}  // namespace boxoffice::reservation
