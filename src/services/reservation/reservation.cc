#include "services/reservation/reservation.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace boxoffice::reservation {
namespace {

struct Edge {
  State from;
  State to;
};
// Design §5. HELD → HELD is a hold that got its seats, or a confirmation that was refused before money moved.
constexpr std::array kEdges = {
    Edge{State::kHeld, State::kConfirming},         Edge{State::kHeld, State::kExpired},
    Edge{State::kHeld, State::kReleased},           Edge{State::kConfirming, State::kConfirmed},
    Edge{State::kConfirming, State::kCompensating}, Edge{State::kCompensating, State::kFailed},
    Edge{State::kCompensating, State::kHeld},       Edge{State::kConfirmed, State::kCancelling},
    Edge{State::kCancelling, State::kCancelled},
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
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
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
  if (reservation.seats.empty()) return reservation.choice.seat_nos;
  std::vector<uint32_t> numbers;
  numbers.reserve(reservation.seats.size());
  for (const Seat& seat : reservation.seats) numbers.push_back(seat.seat_no);
  return numbers;
}

void AddToTimeline(Saga& saga, TimelineEntry entry) {
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
