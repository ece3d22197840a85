#include "services/reservation/reservation.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/mutant.h"

namespace boxoffice::reservation {
namespace {

struct Edge {
  State from;
  State to;
};
// Design §5, and docs/adr/0010: CANCELLING → CONFIRMED with the seats that are left. HELD → HELD is a hold
// that got its seats, or a confirmation that was refused before money moved; CONFIRMED → CONFIRMED a move.
constexpr std::array kEdges = {
    Edge{State::kHeld, State::kConfirming},         Edge{State::kHeld, State::kExpired},
    Edge{State::kHeld, State::kReleased},           Edge{State::kConfirming, State::kConfirmed},
    Edge{State::kConfirming, State::kCompensating}, Edge{State::kCompensating, State::kFailed},
    Edge{State::kCompensating, State::kHeld},       Edge{State::kConfirmed, State::kCancelling},
    Edge{State::kCancelling, State::kCancelled},    Edge{State::kCancelling, State::kConfirmed},
};

// Refusals that say what is so, not what was busy a moment ago: their answers are final (peers.md).
constexpr std::array<std::string_view, 2> kReplayedRefusals = {"balance_too_low", "payment_declined"};

}  // namespace

std::string_view StateName(State state) {
  switch (state) {
    case State::kHeld:
      return "HELD";
    case State::kConfirming:
      return "CONFIRMING";
    case State::kConfirmed:
      return "CONFIRMED";
    case State::kCompensating:
      return "COMPENSATING";
    case State::kFailed:
      return "FAILED";
    case State::kCancelling:
      return "CANCELLING";
    case State::kCancelled:
      return "CANCELLED";
    case State::kExpired:
      return "EXPIRED";
    case State::kReleased:
      return "RELEASED";
  }
  CHECK(false, "state {}", static_cast<int>(state));
}

bool CanMove(State from, State to) {
  return from == to ||
         std::ranges::any_of(kEdges, [&](const Edge& edge) { return edge.from == from && edge.to == to; });
}

bool IsEnd(State state) {
  return state == State::kFailed || state == State::kCancelled || state == State::kExpired ||
         state == State::kReleased;
}

bool IsEndedByShow(const Reservation& reservation) {
  return reservation.failure && reservation.failure->code == kShowCancelled;
}

std::string_view KindName(SagaKind kind) {
  switch (kind) {
    case SagaKind::kHold:
      return "hold";
    case SagaKind::kOneShot:
      return "one_shot";
    case SagaKind::kConfirm:
      return "confirm";
    case SagaKind::kCancel:
      return "cancel";
    case SagaKind::kRelease:
      return "release";
    case SagaKind::kExpire:
      return "expire";
    case SagaKind::kOffer:
      return "offer";
    case SagaKind::kCancelSeats:
      return "cancel_seats";
    case SagaKind::kMove:
      return "move";
    case SagaKind::kUnknown:
      return "unknown";
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

bool IsPurchase(SagaKind kind) { return kind == SagaKind::kOneShot || kind == SagaKind::kConfirm; }

int DefinitionVersionOf(SagaKind kind) {
  const bool later = kind == SagaKind::kCancelSeats || kind == SagaKind::kMove || kind == SagaKind::kOffer;
  return later ? kNewestDefinitionVersion : kDefinitionVersion;
}

std::string_view StatusName(SagaStatus status) {
  switch (status) {
    case SagaStatus::kRunning:
      return "running";
    case SagaStatus::kDone:
      return "done";
    case SagaStatus::kParked:
      return "parked";
  }
  CHECK(false, "status {}", static_cast<int>(status));
}

std::vector<uint32_t> SeatNumbers(const Reservation& reservation) {
  return reservation.seats.empty() ? reservation.choice.seat_nos : SeatNumbers(reservation.seats);
}

std::vector<uint32_t> SeatNumbers(const std::vector<Seat>& seats) {
  std::vector<uint32_t> numbers;
  numbers.reserve(seats.size());
  for (const Seat& seat : seats) numbers.push_back(seat.seat_no);
  return numbers;
}

int64_t PriceOf(const std::vector<Seat>& seats) {
  int64_t sum = 0;
  for (const Seat& seat : seats) sum += seat.price;
  return sum;
}

Return ReturnOf(const Reservation& reservation, const std::vector<uint32_t>& seat_nos,
                const CancelPolicy& policy) {
  Return returned;
  for (const Seat& seat : reservation.seats) {
    if (!seat_nos.empty() && std::ranges::find(seat_nos, seat.seat_no) == seat_nos.end()) continue;
    int64_t fee = policy.fee_per_seat + seat.price * policy.fee_percent / 100;
    if (MUTANT("reservation_fee_twice")) fee *= 2;
    fee = std::min(seat.price, fee);
    returned.seats.push_back(seat);
    returned.fee += fee;
    returned.amount += seat.price - fee;
  }
  return returned;
}

void Settle(Reservation& reservation, State done) {
  const Saga& saga = reservation.saga;
  reservation.state = done;
  // Why it ended is told to whoever did not ask for it.
  if (!IsEndedByShow(reservation)) reservation.failure.reset();
  if (IsPurchase(saga.kind)) {
    reservation.paid_saga = saga.id;
    reservation.paid_attempt = saga.attempt;
  } else if (saga.kind == SagaKind::kCancelSeats) {
    const Return& returned = reservation.returned.value();
    reservation.fees += returned.fee;
    // What is CANCELLED keeps the list of what it had, as it does without a fee.
    if (returned.seats.size() == reservation.seats.size()) {
      reservation.state = State::kCancelled;
      return;
    }
    std::erase_if(reservation.seats, [&](const Seat& seat) {
      return std::ranges::find(returned.seats, seat) != returned.seats.end();
    });
    reservation.amount = PriceOf(reservation.seats);
  } else if (saga.kind == SagaKind::kMove) {
    reservation.seats = reservation.move.seats;
    reservation.amount = PriceOf(reservation.seats);
  }
}

void AddToTimeline(Saga& saga, TimelineEntry&& entry) {
  if (saga.timeline.size() >= kMaxTimeline) {
    saga.timeline.erase(saga.timeline.begin() + static_cast<ptrdiff_t>(kMaxTimeline / 2));
  }
  saga.timeline.push_back(std::move(entry));
}

bool IsReplayed(const std::optional<Refusal>& refusal) {
  return !refusal.has_value() ||
         std::ranges::find(kReplayedRefusals, refusal->code) != kReplayedRefusals.end();
}

}  // namespace boxoffice::reservation
