#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "services/reservation/saga/definition.h"

namespace boxoffice::reservation {
namespace {

using Answer = asio::awaitable<StepResult>;

// Whoever is in goes on while the queue is down: whoever holds seats has been let in, and stays bound to the
// place in the queue by the saga of the hold; of whoever does not, the token says until when she is in.
Answer VerifyQueue(StepContext& c) {
  Reservation& r = c.reservation;
  if (!r.bound_saga.IsNil() || r.from_waitlist) co_return StepResult();
  StepResult result = co_await c.participants.BindQueue(r);
  // The error stays with it, for the timeline.
  if (MayComeRight(result.kind) && r.saga.started_at < r.active_until) result.kind = StepResult::Kind::kDone;
  if (result.kind == StepResult::Kind::kDone) r.bound_saga = r.saga.id;
  co_return result;
}
// Leaves this saga's tombstone; and where the hold goes too, frees what its saga has bound and this one has
// not taken over.
Answer UnbindQueue(StepContext& c) {
  const Reservation& r = c.reservation;
  if (r.from_waitlist) co_return StepResult();  // it passed no queue
  StepResult result = co_await c.participants.UnbindQueue(r, r.saga.id);
  const bool hold_goes =
      r.saga.undone_state != State::kHeld && !r.bound_saga.IsNil() && r.bound_saga != r.saga.id;
  if (result.kind == StepResult::Kind::kDone && hold_goes)
    result = co_await c.participants.UnbindQueue(r, r.bound_saga);
  co_return result;
}
// Of a hold that ends: what an earlier saga has bound.
Answer UnbindHold(StepContext& c) {
  if (c.reservation.from_waitlist) co_return StepResult();
  StepResult result = co_await c.participants.UnbindQueue(c.reservation, c.reservation.bound_saga);
  co_return result;
}
// The buyer may think for as long as the show's hold time says.
Answer HoldSeats(StepContext& c) { return c.participants.HoldSeats(c.reservation, Timestamp()); }
// Whoever is offered seats may not be looking.
Answer HoldOffer(StepContext& c) {
  return c.participants.HoldSeats(c.reservation, c.reservation.saga.started_at + c.policy.offer_time);
}
// Before money moves, the hold is made to outlast the saga. One that had lapsed is made anew, perhaps at
// another price than the buyer was told: not at a higher one.
Answer ExtendHold(StepContext& c) {
  Reservation& r = c.reservation;
  const std::vector<Seat> told = r.seats;
  const int64_t told_amount = r.amount;
  const Timestamp told_until = r.hold_expires_at;
  StepResult result = co_await c.participants.HoldSeats(r, r.saga.deadline + c.policy.hold_slack);
  // What the saga needs is none of the buyer's time: else one refused payment after the other would hold on.
  if (told_until != Timestamp()) r.hold_expires_at = told_until;
  if (result.kind == StepResult::Kind::kDone && !told.empty() && r.amount > told_amount) {
    result.kind = StepResult::Kind::kRefused;
    result.refusal = Refusal{.code = "price_changed", .needed = r.amount};
    r.seats = told;
    r.amount = told_amount;
  }
  co_return result;
}
Answer ReleaseSeats(StepContext& c) { return c.participants.ReleaseSeats(c.reservation); }
Answer DebitWallet(StepContext& c) { return c.participants.DebitWallet(c.reservation); }
Answer RefundWallet(StepContext& c) {
  if (MUTANT("saga_no_refund")) return c.participants.CompleteQueue(c.reservation);
  return c.participants.RefundWallet(c.reservation, c.reservation.saga.id);
}
Answer ApprovePayment(StepContext& c) { return c.participants.ApprovePayment(c.reservation); }
Answer CancelPayment(StepContext& c) {
  if (MUTANT("saga_no_payment_cancel")) return c.participants.CompleteQueue(c.reservation);
  return c.participants.CancelPayment(c.reservation, c.reservation.saga.attempt);
}
Answer ConfirmSeats(StepContext& c) {
  if (MUTANT("saga_skip_confirm_seats")) return c.participants.CompleteQueue(c.reservation);
  return c.participants.ConfirmSeats(c.reservation);
}
// Of a confirmed reservation: what an earlier saga took.
Answer CancelPaid(StepContext& c) {
  return c.participants.CancelPayment(c.reservation, c.reservation.paid_attempt);
}
Answer RefundPaid(StepContext& c) {
  return c.participants.RefundWallet(c.reservation, c.reservation.paid_saga);
}

// What the saga gives back; nothing may be left to give back after the fee.
Answer RefundPartOfPayment(StepContext& c) {
  const int64_t amount = c.reservation.returned.value().amount;
  if (amount == 0) co_return StepResult();
  co_return co_await c.participants.RefundPartOfPayment(c.reservation, amount);
}
Answer RefundPartOfDebit(StepContext& c) {
  const int64_t amount = c.reservation.returned.value().amount;
  if (amount == 0) co_return StepResult();
  co_return co_await c.participants.RefundPartOfDebit(c.reservation, amount);
}
Answer ReleaseReturned(StepContext& c) {
  return c.participants.ReleaseOnly(c.reservation, SeatNumbers(c.reservation.returned.value().seats));
}
// The amount stays what was paid until the saga ends, so that each run finds the same difference.
Answer MoveSeats(StepContext& c) {
  Reservation& r = c.reservation;
  StepResult result = co_await c.participants.MoveSeats(r);
  if (result.kind == StepResult::Kind::kDone) {
    r.returned.value().amount = std::max<int64_t>(r.amount - PriceOf(r.move.seats), 0);
  }
  co_return result;
}
// A move that was refused is not done later, by a duplicate that was on its way when the seats became free.
Answer LeaveTombstone(StepContext& c) { return c.participants.ReleaseOnly(c.reservation, {}); }

// The seats that ConfirmSeats sold are freed by the undo of hold-seats, once the money is back.
constexpr Action kUndoneByRelease = kNothingToUndo;

const SagaDefinition kHoldSeats{
    "hold",
    kDefinitionVersion,
    {
        {"verify-queue", VerifyQueue, UnbindQueue, OnRefusal::kUndoAll, /*is_hold=*/false,
         /*gives_back=*/false},
        {"hold-seats", HoldSeats, ReleaseSeats, OnRefusal::kUndoAll, /*is_hold=*/true},
    },
    State::kHeld,
    State::kReleased,
    /*can_undo=*/true};

const SagaDefinition kReserveAndPay{
    "one_shot",
    kDefinitionVersion,
    {
        {"verify-queue", VerifyQueue, UnbindQueue, OnRefusal::kUndoAll, /*is_hold=*/false,
         /*gives_back=*/false},
        {"hold-seats", ExtendHold, ReleaseSeats, OnRefusal::kUndoAll, /*is_hold=*/true},
        {"debit-wallet", DebitWallet, RefundWallet},
        {"approve-payment", ApprovePayment, CancelPayment, OnRefusal::kGrace},
        {"confirm-seats", ConfirmSeats, kUndoneByRelease},
    },
    State::kConfirmed,
    State::kFailed,
    /*can_undo=*/true};

const SagaDefinition kConfirmReservation{
    "confirm",
    kDefinitionVersion,
    {
        {"verify-queue", VerifyQueue, UnbindQueue, OnRefusal::kKeepHold, /*is_hold=*/false,
         /*gives_back=*/false},
        {"hold-seats", ExtendHold, ReleaseSeats, OnRefusal::kUndoAll, /*is_hold=*/true},
        {"debit-wallet", DebitWallet, RefundWallet, OnRefusal::kKeepHold},
        {"approve-payment", ApprovePayment, CancelPayment, OnRefusal::kGrace},
        {"confirm-seats", ConfirmSeats, kUndoneByRelease},
    },
    State::kConfirmed,
    State::kFailed,
    /*can_undo=*/true};

const SagaDefinition kCancelReservation{"cancel",
                                        kDefinitionVersion,
                                        {
                                            {"cancel-payment", CancelPaid, kNothingToUndo},
                                            {"refund-wallet", RefundPaid, kNothingToUndo},
                                            {"release-seats", ReleaseSeats, kNothingToUndo},
                                        },
                                        State::kCancelled,
                                        State::kCancelled,
                                        /*can_undo=*/false};

// CONFIRMED with the seats that are left; none are: CANCELLED, and a fee is kept (Settle).
const SagaDefinition kCancelSeats{"cancel_seats",
                                  kNewestDefinitionVersion,
                                  {
                                      {"refund-payment", RefundPartOfPayment, kNothingToUndo},
                                      {"refund-wallet", RefundPartOfDebit, kNothingToUndo},
                                      {"release-seats", ReleaseReturned, kNothingToUndo},
                                  },
                                  State::kConfirmed,
                                  State::kConfirmed,
                                  /*can_undo=*/false};

// The seats first: they can be refused, and the money can't.
const SagaDefinition kMoveSeats{"move",
                                kNewestDefinitionVersion,
                                {
                                    {"move-seats", MoveSeats, LeaveTombstone, OnRefusal::kEndThere},
                                    {"refund-payment", RefundPartOfPayment, kNothingToUndo},
                                    {"refund-wallet", RefundPartOfDebit, kNothingToUndo},
                                },
                                State::kConfirmed,
                                State::kConfirmed,
                                /*can_undo=*/false};

const SagaDefinition kReleaseHold{"release",
                                  kDefinitionVersion,
                                  {
                                      {"release-seats", ReleaseSeats, kNothingToUndo},
                                      {"unbind-queue", UnbindHold, kNothingToUndo},
                                  },
                                  State::kReleased,
                                  State::kReleased,
                                  /*can_undo=*/false};

const SagaDefinition kExpireHold{"expire",
                                 kDefinitionVersion,
                                 {
                                     {"release-seats", ReleaseSeats, kNothingToUndo},
                                     {"unbind-queue", UnbindHold, kNothingToUndo},
                                 },
                                 State::kExpired,
                                 State::kExpired,
                                 /*can_undo=*/false};

// Seats that became free, for whoever is next on the waitlist, who confirms or cancels as with any hold.
const SagaDefinition kOfferSeats{
    "offer",
    kNewestDefinitionVersion,
    {
        {"hold-seats", HoldOffer, ReleaseSeats, OnRefusal::kUndoAll, /*is_hold=*/true},
    },
    State::kHeld,
    State::kReleased,
    /*can_undo=*/true};

}  // namespace

asio::awaitable<StepResult> HoldForGrace(StepContext& context) {
  Reservation& r = context.reservation;
  // Of seats that are held and paid at once, hold_expires_at tells what this saga has taken.
  const bool held_before = r.saga.kind == SagaKind::kConfirm;
  const Timestamp until = std::max(held_before ? r.hold_expires_at : Timestamp(), context.now + r.grace);
  StepResult result = co_await context.participants.HoldSeats(r, until);
  r.hold_expires_at = std::min(r.hold_expires_at, until);
  co_return result;
}

asio::awaitable<StepResult> KeepSeats(StepContext& context) {
  return context.participants.KeepSeats(context.reservation);
}

const SagaDefinition& DefinitionOf(SagaKind kind) {
  switch (kind) {
    case SagaKind::kHold:
      return kHoldSeats;
    case SagaKind::kOneShot:
      return kReserveAndPay;
    case SagaKind::kConfirm:
      return kConfirmReservation;
    case SagaKind::kCancel:
      return kCancelReservation;
    case SagaKind::kRelease:
      return kReleaseHold;
    case SagaKind::kExpire:
      return kExpireHold;
    case SagaKind::kOffer:
      return kOfferSeats;
    case SagaKind::kCancelSeats:
      return kCancelSeats;
    case SagaKind::kMove:
      return kMoveSeats;
    case SagaKind::kUnknown:
      break;
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

std::string_view KindName(StepResult::Kind kind) {
  switch (kind) {
    case StepResult::Kind::kDone:
      return "done";
    case StepResult::Kind::kRefused:
      return "refused";
    case StepResult::Kind::kAborted:
      return "aborted";
    case StepResult::Kind::kMismatch:
      return "mismatch";
    case StepResult::Kind::kUnavailable:
      return "unavailable";
    case StepResult::Kind::kUnknown:
      return "unknown";
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

std::string_view ReasonOf(const StepResult& result) {
  return result.refusal ? result.refusal->code : result.error.reason;
}

Error ErrorOfSeat(const Error& error) {
  if (error.code == Code::kNotFound) return error;
  return {Code::kUnavailable, "seat_unavailable", error.reason + ": " + error.detail};
}

bool MayComeRight(StepResult::Kind kind) {
  return kind == StepResult::Kind::kUnavailable || kind == StepResult::Kind::kUnknown;
}

}  // namespace boxoffice::reservation
