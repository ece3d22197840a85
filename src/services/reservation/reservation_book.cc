#include "services/reservation/reservation_book.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sort_unique.h"

namespace boxoffice::reservation {
namespace {

// The event that tells of the end of the reservation's saga; empty: there is nothing to tell.
std::string_view EventType(const Reservation& reservation) {
  const SagaKind kind = reservation.saga.kind;
  switch (reservation.state) {
    case State::kHeld: {  // otherwise it was held before
      const bool new_hold = kind == SagaKind::kHold || kind == SagaKind::kOneShot || kind == SagaKind::kOffer;
      return new_hold ? "reservation.held" : "";
    }
    case State::kConfirmed:
      if (kind == SagaKind::kCancelSeats) return "reservation.seats_cancelled";
      if (kind == SagaKind::kMove) return reservation.saga.undoing ? "" : "reservation.moved";
      return "reservation.confirmed";
    case State::kFailed:
      return "reservation.failed";
    case State::kCancelled:
      return "reservation.cancelled";
    case State::kExpired:
      return "reservation.expired";
    case State::kReleased:
      return "reservation.released";
    default:
      return {};
  }
}

Refusal WrongState(const Reservation& reservation) {
  const bool idle = reservation.saga.status == SagaStatus::kDone;
  Refusal refusal;
  refusal.code = "reservation_state";
  refusal.detail = fmt::format("the reservation is {}{}", StateName(reservation.state),
                               idle ? "" : " and being worked on");
  return refusal;
}

// Those of the seats that the reservation has not.
std::optional<Refusal> NotInReservation(const Reservation& reservation,
                                        const std::vector<uint32_t>& seat_nos) {
  const std::vector<uint32_t> has = SeatNumbers(reservation.seats);
  Refusal refusal;
  for (const uint32_t seat_no : seat_nos) {
    if (std::ranges::find(has, seat_no) != has.end()) continue;
    refusal.conflicts.push_back({seat_no, "", "not_in_reservation"});
  }
  if (refusal.conflicts.empty()) return std::nullopt;
  refusal.code = "seat_not_in_reservation";
  refusal.detail = fmt::format("the reservation has the seats {}", fmt::join(has, ", "));
  return refusal;
}

// A confirmation that fails may leave its seats held, so one after the other would hold them for ever.
std::optional<Refusal> HadItsTime(const Reservation& reservation, const Policy& policy, Timestamp now) {
  const Timestamp latest = reservation.created_at + policy.max_hold;
  if (now < std::max(reservation.hold_expires_at, latest)) return std::nullopt;
  Refusal refusal;
  refusal.code = "hold_lost";
  refusal.detail = "its seats can be held for no longer";
  return refusal;
}

// A token of another show would take the place of the hold's own, and the queue would refuse it from then on.
std::optional<Refusal> WrongToken(const BeginOn& command, const Reservation& reservation) {
  if (command.token_show_id == 0 || command.token_show_id == reservation.show_id) return std::nullopt;
  Refusal refusal;
  refusal.code = "token_wrong_show";
  return refusal;
}

// Since when it is tried: from its start on, or from an operator's retry, which gives a new deadline.
Timestamp TriedSince(const Saga& saga, const Policy& policy) {
  return std::max(saga.started_at, saga.deadline - policy.saga_deadline);
}

// Whether it is undone when its deadline has passed, or an operator says so; the others only go forward.
bool CanUndo(SagaKind kind) {
  return kind == SagaKind::kHold || kind == SagaKind::kOneShot || kind == SagaKind::kConfirm ||
         kind == SagaKind::kOffer;
}

// From a failed try to the next: doubling. What would be undone at its deadline waits for at most half of the
// time that is left, so that a participant that is back in time is asked again in time; when an eighth of all
// is left, that was the last try, and the next look undoes it.
milliseconds BackoffOf(const Saga& saga, const Policy& policy, Timestamp now) {
  const milliseconds doubled = policy.first_backoff * (int64_t{1} << std::min<uint32_t>(saga.tries - 1, 16));
  const milliseconds backoff = std::min(doubled, policy.max_backoff);
  const milliseconds left = saga.deadline - now;
  if (saga.undoing || !CanUndo(saga.kind) || left < milliseconds(0)) return backoff;
  const bool was_last = left < policy.saga_deadline / 8;
  return std::min(backoff, was_last ? left + milliseconds(1) : left / 2);
}

struct ByValue {
  bool operator()(const RequestKey* a, const RequestKey* b) const { return *a < *b; }
};

// Decides a batch; knows which reservations and requests it has changed already.
class Decider {
 public:
  Decider(const Rows& rows, std::span<const Command> commands, Timestamp now, const Policy& policy)
      : rows_(rows), now_(now), policy_(policy) {
    result_.deferred.resize(commands.size(), false);
    result_.decision.outcomes.reserve(commands.size());
    result_.decision.changes.reserve(commands.size());
    for (index_ = 0; index_ < commands.size(); ++index_) {
      result_.decision.outcomes.push_back(
          std::visit([this](const auto& command) { return On(command); }, commands[index_]));
    }
  }
  Decided Take() { return std::move(result_); }

 private:
  Outcome Defer() {
    result_.deferred[index_] = true;
    return Stale{};
  }
  bool Touch(ReservationId id) { return touched_.insert(id).second; }

  // What a request that was seen before gets, or nothing if it is new (or may be tried anew). One that this
  // very command has stored is none of these: see IsOwn.
  std::optional<Outcome> Replay(const RequestKey& key, const std::string& request_hash) {
    const auto found = rows_.requests.find(key);
    if (MUTANT("reservation_no_idempotency")) return std::nullopt;
    if (found == rows_.requests.end()) return std::nullopt;
    const RequestRecord& seen = found->second;
    // What has no answer yet is never old: whoever asks again while its saga is parked would buy twice.
    if (seen.answer && now_ - seen.created_at > policy_.answers_kept) return std::nullopt;
    if (seen.request_hash != request_hash && !MUTANT("reservation_ignores_hash")) {
      return Error{Code::kConflict, "idempotency_key_reused",
                   "this Idempotency-Key was used with another request"};
    }
    if (!seen.answer) return Running{seen.reservation_id, seen.saga_id};
    // What still holds seats would find them taken, by itself, if it were tried anew; and what a confirmation
    // has ended is never HELD again.
    const Reservation& answered = *seen.answer->reservation;
    const bool stays = answered.state == State::kHeld || answered.saga.kind == SagaKind::kConfirm;
    if (!IsReplayed(seen.answer->refusal) && !stays) return std::nullopt;
    return Answered{*seen.answer};
  }

  // The command was run before, and its commit was done though nobody knew: the saga is still to be started.
  bool IsOwn(const RequestKey& key, SagaId saga_id) const {
    const auto found = rows_.requests.find(key);
    return found != rows_.requests.end() && !found->second.answer && found->second.saga_id == saga_id;
  }

  Change& AddChange(Shared<Reservation> reservation, uint64_t expected_version, uint64_t expected_epoch) {
    Reservation& next = reservation.Own();
    next.version = expected_version + 1;
    next.updated_at = now_;
    return result_.decision.changes.emplace_back(Change{.command = index_,
                                                        .reservation = std::move(reservation),
                                                        .expected_version = expected_version,
                                                        .expected_epoch = expected_epoch});
  }

  // What becomes of a stored row. Where another saga follows one that is done, the row is no longer the
  // answer to whoever asked for that one.
  Change& AddNext(const Reservation& current, Reservation next) {
    Change& change = AddChange(std::move(next), current.version, current.saga.epoch);
    const Saga& done = current.saga;
    const bool has_answer = done.status == SagaStatus::kDone && !done.idempotency_key.empty();
    if (has_answer && !MUTANT("reservation_forgets_answer")) {
      const std::string& user = done.asked_by.empty() ? current.user_id : done.asked_by;
      change.answered = AnsweredRequest{{user, done.idempotency_key}, done.id};
    }
    return change;
  }

  void AddRequest(Change& change, const RequestKey& key, const std::string& hash) const {
    const Reservation& reservation = *change.reservation;
    change.request = RequestRecord{key, hash, reservation.id, reservation.saga.id, std::nullopt, now_};
    const auto found = rows_.requests.find(key);
    if (found != rows_.requests.end()) change.replaces = found->second.saga_id;
  }

  void StartSaga(Reservation& reservation, SagaKind kind) const { StartSaga(reservation, kind, now_); }
  void StartSaga(Reservation& reservation, SagaKind kind, Timestamp at) const {
    reservation.saga.kind = kind;
    reservation.saga.definition_version = DefinitionVersionOf(kind);
    reservation.saga.status = SagaStatus::kRunning;
    reservation.saga.epoch = 1;
    reservation.saga.started_at = at;
    reservation.saga.deadline = at + policy_.saga_deadline;
    reservation.due_at = at + policy_.lease;
  }
  // There is no way back, and the first step frees the seats: nobody is told any more that they are held,
  // also while the rest waits.
  void EndHold(Reservation& reservation, SagaKind kind) const {
    reservation.hold_expires_at = {};
    StartSaga(reservation, kind);
  }

  Outcome On(const RefuseReserve& command) {
    if (!requests_.insert(&command.key).second) return Defer();
    if (auto replay = Replay(command.key, command.request_hash)) return *std::move(replay);
    return Refused{};
  }

  Outcome On(const BeginReserve& command) {
    if (!requests_.insert(&command.key).second) return Defer();
    const bool own = IsOwn(command.key, command.reservation->saga.id);
    auto replay = own ? std::nullopt : Replay(command.key, command.request_hash);
    if (replay) return *std::move(replay);
    const Timestamp at = own ? rows_.requests.at(command.key).created_at : now_;
    Shared<Reservation> reservation = command.reservation;
    Reservation& next = reservation.Own();
    // As its id says: searches by time go by the id.
    next.created_at = next.id.uuid().Time();
    next.saga.attempt = 1;
    next.saga.idempotency_key = command.key.idempotency_key;
    next.state = next.saga.kind == SagaKind::kOneShot ? State::kConfirming : State::kHeld;
    StartSaga(next, next.saga.kind, at);
    if (own) {  // as it was stored, unless it was claimed since, which its first write would find out
      next.version = 1;
      next.updated_at = at;
      return Started{std::move(reservation)};
    }
    Change& change = AddChange(std::move(reservation), 0, 0);
    AddRequest(change, command.key, command.request_hash);
    return Started{change.reservation};
  }

  Outcome On(const BeginOn& command) {
    if (!requests_.insert(&command.key).second) return Defer();
    const auto found = rows_.reservations.find(command.reservation_id);
    if (found != rows_.reservations.end() && IsOwn(command.key, command.saga_id)) {
      const Saga& saga = found->second.saga;
      if (saga.id != command.saga_id) return Defer();  // the row was read just before that commit
      // With a later epoch somebody, perhaps this replica, runs it already.
      if (saga.epoch == 1) return Started{found->second};
    }
    if (auto replay = Replay(command.key, command.request_hash)) return *std::move(replay);
    const bool may_see = found != rows_.reservations.end() &&
                         (command.by_operator || found->second.user_id == command.key.user_id);
    if (!may_see) return Error{Code::kNotFound, "reservation_not_found", "you have no such reservation"};
    if (!Touch(command.reservation_id)) return Defer();
    const Reservation& current = found->second;
    if (auto refusal = WhyNot(command, current)) return Answered{{current, *std::move(refusal)}};
    Reservation next = current;
    next.saga = Saga{.id = command.saga_id, .attempt = current.saga.attempt + 1, .owner = command.owner};
    next.saga.idempotency_key = command.key.idempotency_key;
    next.saga.traceparent = command.traceparent;
    next.failure.reset();
    next.returned.reset();
    next.move = {};
    if (command.by_operator) {
      next.saga.asked_by = command.key.user_id;
      AddToTimeline(next.saga, {"operator", false, command.move ? "move" : "cancel",
                                fmt::format("{}: {}", command.key.user_id, command.reason), now_, 0});
    }
    StartAsked(command, next);
    CHECK(CanMove(current.state, next.state));
    const bool takes_fee = next.returned && next.returned->fee > 0;
    Change& change = AddNext(current, std::move(next));
    change.takes_fee = takes_fee && !MUTANT("reservation_fee_of_cancelled_show");
    AddRequest(change, command.key, command.request_hash);
    return Started{change.reservation};
  }

  Outcome On(const BeginOffer& command) {
    const ReservationId id = command.reservation->id;
    if (!Touch(id)) return Defer();
    if (const auto found = rows_.reservations.find(id); found != rows_.reservations.end()) {
      const Saga& saga = found->second.saga;
      // Its commit was done though nobody knew; with a later epoch somebody runs it already.
      const bool own = saga.id == command.reservation->saga.id && saga.epoch == 1;
      if (own && saga.status == SagaStatus::kRunning) return Started{found->second};
      return Answered{{found->second, found->second.failure}};
    }
    Shared<Reservation> reservation = command.reservation;
    Reservation& next = reservation.Own();
    next.created_at = next.id.uuid().Time();
    next.state = State::kHeld;
    next.from_waitlist = true;
    StartSaga(next, SagaKind::kOffer);
    return Started{AddChange(std::move(reservation), 0, 0).reservation};
  }

  Outcome On(const BeginEndForShow& command) {
    const auto found = rows_.reservations.find(command.reservation_id);
    if (found == rows_.reservations.end()) {
      return Error{Code::kNotFound, "reservation_not_found", "there is no such reservation"};
    }
    if (!Touch(command.reservation_id)) return Defer();
    const Reservation& current = found->second;
    if (current.saga.id == command.saga_id && current.saga.epoch == 1 &&
        current.saga.status == SagaStatus::kRunning) {
      return Started{current};  // its commit was done though nobody knew
    }
    const bool may_end = current.state == State::kConfirmed || current.state == State::kHeld;
    if (current.saga.status != SagaStatus::kDone || !may_end) return Answered{{current, std::nullopt}};
    Reservation next = current;
    next.saga = Saga{.id = command.saga_id, .attempt = current.saga.attempt + 1, .owner = command.owner};
    next.failure = Refusal{};
    next.failure->code = kShowCancelled;
    next.failure->detail = "the show was cancelled";
    next.returned.reset();
    next.move = {};
    // As if an operator had asked for it: in full, at any time.
    BeginOn cancel;
    cancel.cancel = true;
    cancel.by_operator = true;
    StartAsked(cancel, next);
    return Started{AddNext(current, std::move(next)).reservation};
  }

  [[nodiscard]] std::optional<Refusal> WhyNot(const BeginOn& command, const Reservation& current) const {
    if (command.cancel) {
      // Whoever gives up a hold may not know yet that it is paid.
      if (command.only_held && current.state == State::kConfirmed) return WrongState(current);
      return WhyNotCancel(current, command.seat_nos, command.cancel_policy, command.by_operator, now_);
    }
    const State needed = command.move ? State::kConfirmed : State::kHeld;
    if (current.saga.status != SagaStatus::kDone || current.state != needed) return WrongState(current);
    if (command.move) return NotInReservation(current, command.move->from);
    if (auto refusal = HadItsTime(current, policy_, now_)) return refusal;
    return WrongToken(command, current);
  }

  // What the show keeps, as `command` has heard. Whoever cancels once the operator has been told that the
  // show's cancellation has begun loses nothing by being faster, whatever the seat service has heard of it.
  [[nodiscard]] CancelPolicy PolicyNow(const BeginOn& command, int64_t show_id) const {
    CancelPolicy policy = command.by_operator ? CancelPolicy() : command.cancel_policy;
    const bool is_cancelled =
        std::ranges::find(rows_.cancelled_shows, show_id) != rows_.cancelled_shows.end();
    if (is_cancelled && !MUTANT("reservation_fee_of_cancelled_show"))
      policy.fee_per_seat = policy.fee_percent = 0;
    return policy;
  }

  // Begins what `command` asks for, which may be done.
  void StartAsked(const BeginOn& command, Reservation& next) const {
    if (command.move) {
      next.move = *command.move;
      next.returned = ReturnOf(next, next.move.from, {});
      next.returned->amount = 0;  // until the seat service has said what the others cost
      return StartSaga(next, SagaKind::kMove);
    }
    if (!command.cancel) {
      next.state = State::kConfirming;
      if (!command.queue_token.empty()) next.queue_token = command.queue_token;
      next.payment_method = command.payment_method;
      return StartSaga(next, SagaKind::kConfirm);
    }
    if (next.state == State::kHeld) return EndHold(next, SagaKind::kRelease);
    next.state = State::kCancelling;
    next.returned = ReturnOf(next, command.seat_nos, PolicyNow(command, next.show_id));
    const bool all = next.returned->seats.size() == next.seats.size();
    // Where nothing is kept, payment and debit are undone as a whole, with whatever is left of them.
    const bool nothing_kept =
        next.returned->fee == 0 && (next.fees == 0 || MUTANT("reservation_forgets_fees"));
    StartSaga(next, all && nothing_kept ? SagaKind::kCancel : SagaKind::kCancelSeats);
  }

  // The owner's writes: whether it still is the owner shows when saving (version and epoch).
  // nullptr: a claim in this batch was first.
  Change* OwnersChange(const Shared<Reservation>& reservation) {
    if (!Touch(reservation->id)) return nullptr;
    return &AddChange(reservation, reservation->version, reservation->saga.epoch);
  }

  Outcome On(const Finish& command) {
    Change* change = OwnersChange(command.reservation);
    if (change == nullptr) return Defer();
    Reservation& next = change->reservation.Own();
    next.saga.status = SagaStatus::kDone;
    next.saga.last_error.clear();
    next.due_at.reset();
    if (next.state == State::kHeld) next.due_at = next.hold_expires_at + policy_.expiry_grace;
    change->event = EventType(next);
    if (MUTANT("saga_no_event") && next.state == State::kConfirmed) change->event.clear();
    return Written{change->reservation};
  }

  Outcome On(const Undo& command) {
    CHECK(command.reservation->saga.undoing);
    Change* change = OwnersChange(command.reservation);
    if (change == nullptr) return Defer();
    Reservation& next = change->reservation.Own();
    if (next.state == State::kConfirming) next.state = State::kCompensating;
    next.due_at = now_ + policy_.lease;
    return Written{change->reservation};
  }

  Outcome On(const Postpone& command) {
    Change* change = OwnersChange(command.reservation);
    if (change == nullptr) return Defer();
    Reservation& next = change->reservation.Own();
    Saga& saga = next.saga;
    ++saga.tries;
    const bool too_long =
        saga.tries >= policy_.max_tries || now_ - TriedSince(saga, policy_) > policy_.park_after;
    if (too_long) {
      saga.status = MUTANT("saga_parked_is_done") ? SagaStatus::kDone : SagaStatus::kParked;
      AddToTimeline(saga, {"park", false, "parked", "needs an operator: " + saga.last_error, now_, 0});
      next.due_at.reset();
    } else {
      next.due_at = now_ + BackoffOf(saga, policy_, now_);
      // Nobody's until it is claimed: a renewal of the lease that was on its way does not move the next try.
      ++saga.epoch;
    }
    return Written{change->reservation};
  }

  Outcome On(const Claim& command) {
    Claimed claimed;
    for (const Reservation& due : rows_.due) {
      if (claimed.reservations.size() >= command.limit) break;
      CHECK(due.due_at && *due.due_at <= now_, "the store gives what is due");
      if (!Touch(due.id)) continue;
      Reservation next = due;
      if (due.saga.status == SagaStatus::kRunning) {
        if (MUTANT("saga_never_claims")) continue;
        if (!MUTANT("saga_skip_epoch")) ++next.saga.epoch;
        next.saga.owner = command.owner;
        next.due_at = now_ + policy_.lease;
      } else {
        CHECK(due.state == State::kHeld, "only a hold is due without a saga");
        const SagaId saga_id = command.saga_ids.at(claimed.reservations.size());
        if (IsAnothers(saga_id, due.id, command)) continue;  // the next claim has others
        next.saga = Saga{.id = saga_id, .attempt = due.saga.attempt + 1, .owner = command.owner};
        EndHold(next, SagaKind::kExpire);
      }
      claimed.reservations.push_back(AddNext(due, std::move(next)).reservation);
    }
    AddOwn(command, claimed);
    return claimed;
  }

  // Whether this claim, when it ran before, may have begun another reservation's saga with that id.
  static bool IsAnothers(SagaId saga_id, ReservationId id, const Claim& command) {
    return std::ranges::any_of(command.unsure, [&](const auto& taken) {
      return taken.second.saga_id == saga_id && taken.first != id;
    });
  }

  // What earlier claims took over though nobody knew; unless its lease is over by now, as it is due then.
  void AddOwn(const Claim& command, Claimed& claimed) const {
    for (const auto& [id, taken] : command.unsure) {
      const auto found = rows_.reservations.find(id);
      if (found == rows_.reservations.end()) continue;
      const Reservation& own = found->second;
      const bool is_own = own.saga.id == taken.saga_id && own.saga.epoch == taken.epoch &&
                          own.saga.owner == command.owner && own.saga.status == SagaStatus::kRunning;
      const bool lasts = own.due_at && *own.due_at > now_;
      if (is_own && lasts) claimed.reservations.push_back(own);
    }
  }

  Outcome On(const Renew& command) {
    if (!Touch(command.reservation_id)) return Defer();
    Change change;
    change.command = index_;
    Reservation& next = change.reservation.Own();
    next.id = command.reservation_id;
    next.due_at = command.give_up ? now_ : now_ + policy_.lease;
    change.expected_epoch = command.epoch;
    change.lease_only = true;
    result_.decision.changes.push_back(change);
    return Written{change.reservation};
  }

  Outcome On(const Resolve& command) {
    const auto found = rows_.reservations.find(command.reservation_id);
    if (found == rows_.reservations.end()) {
      return Error{Code::kNotFound, "reservation_not_found", "there is no such reservation"};
    }
    if (!Touch(command.reservation_id)) return Defer();
    Reservation next = found->second;
    Saga& saga = next.saga;
    if (saga.status == SagaStatus::kDone) {
      return Error{Code::kConflict, "saga_done",
                   "the reservation's last saga is done; there is nothing to resolve"};
    }
    if (saga.kind == SagaKind::kUnknown) {
      return Error{Code::kConflict, "saga_version_unknown",
                   "the saga is of a later version of the program: ask a replica that knows it"};
    }
    if (command.action == "undo" && !CanUndo(saga.kind)) {
      return Error{Code::kConflict, "saga_not_undoable",
                   fmt::format("a {} saga only goes forward", KindName(saga.kind))};
    }
    if (command.action == "park") {
      saga.status = SagaStatus::kParked;
      next.due_at.reset();
    } else {
      saga.status = SagaStatus::kRunning;
      saga.tries = 0;
      next.due_at = now_;
    }
    // The deadline in the past makes whoever claims it undo it: the one way in which undoing starts.
    if (command.action == "undo") saga.deadline = now_ - milliseconds(1);
    // What is undone already reads it for no step, but has its time until it parks from it, too.
    if (command.action == "retry") saga.deadline = now_ + policy_.saga_deadline;
    // A new epoch takes the saga away from whoever runs it now.
    ++saga.epoch;
    AddToTimeline(saga, {"operator", command.action == "undo", command.action,
                         fmt::format("{}: {}", command.operator_id, command.reason), now_, 0});
    return Written{AddNext(found->second, std::move(next)).reservation};
  }

  const Rows& rows_;
  const Timestamp now_;
  const Policy& policy_;
  size_t index_ = 0;
  std::set<ReservationId> touched_;
  std::set<const RequestKey*, ByValue> requests_;
  Decided result_;
};

}  // namespace

std::optional<Refusal> WhyNotCancel(const Reservation& reservation, const std::vector<uint32_t>& seat_nos,
                                    const CancelPolicy& policy, bool by_operator, Timestamp now) {
  const bool confirmed = reservation.state == State::kConfirmed;
  if (reservation.saga.status != SagaStatus::kDone || (reservation.state != State::kHeld && !confirmed)) {
    return WrongState(reservation);
  }
  if (auto unknown = NotInReservation(reservation, seat_nos)) return unknown;
  Refusal refusal;
  if (!confirmed && !seat_nos.empty() && seat_nos.size() < reservation.seats.size()) {
    refusal.code = "reservation_state";
    refusal.detail = "seats that are HELD can be given up together only";
    return refusal;
  }
  if (!confirmed || by_operator || now <= policy.deadline) return std::nullopt;
  // Nobody asked the show, because it was HELD a moment ago.
  if (policy.deadline == Timestamp()) return WrongState(reservation);
  refusal.code = "cancel_deadline_passed";
  refusal.detail = fmt::format("it could be cancelled until {}", ToRfc3339(policy.deadline));
  return refusal;
}

bool IsWritten(const Change& change, const Reservation& stored) {
  const Reservation& written = change.reservation;
  return !change.lease_only && stored.version == written.version && stored.state == written.state &&
         stored.saga.id == written.saga.id && stored.saga.epoch == written.saga.epoch &&
         stored.saga.owner == written.saga.owner && stored.saga.status == written.saga.status &&
         stored.saga.undoing == written.saga.undoing && stored.saga.tries == written.saga.tries;
}

Keys KeysOf(std::span<const Command> commands) {
  Keys keys;
  for (const Command& command : commands) {
    if (const auto* reserve = std::get_if<BeginReserve>(&command)) {
      keys.requests.push_back(reserve->key);
    } else if (const auto* refuse = std::get_if<RefuseReserve>(&command)) {
      keys.requests.push_back(refuse->key);
    } else if (const auto* on = std::get_if<BeginOn>(&command)) {
      keys.requests.push_back(on->key);
      keys.reservations.push_back(on->reservation_id);
      if (HasFee(on->cancel_policy)) keys.fee_shows.push_back(on->show_id);
    } else if (const auto* offer = std::get_if<BeginOffer>(&command)) {
      keys.reservations.push_back(offer->reservation->id);
    } else if (const auto* end = std::get_if<BeginEndForShow>(&command)) {
      keys.reservations.push_back(end->reservation_id);
    } else if (const auto* resolve = std::get_if<Resolve>(&command)) {
      keys.reservations.push_back(resolve->reservation_id);
    } else if (const auto* claim = std::get_if<Claim>(&command)) {
      keys.due_limit = std::max<size_t>(keys.due_limit, claim->limit);
      for (const auto& [id, taken] : claim->unsure) keys.reservations.push_back(id);
    }
  }
  SortUnique(keys.reservations);
  SortUnique(keys.requests);
  SortUnique(keys.fee_shows);
  return keys;
}

Decided Decide(const Rows& rows, std::span<const Command> commands, Timestamp now, const Policy& policy) {
  return Decider(rows, commands, now, policy).Take();
}

}  // namespace boxoffice::reservation
