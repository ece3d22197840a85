#include "audit/facts.h"

namespace boxoffice::audit {

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
  return "";
}

std::string_view StateName(PlaceState state) {
  switch (state) {
    case PlaceState::kWaiting:
      return "WAITING";
    case PlaceState::kOffered:
      return "OFFERED";
    case PlaceState::kAccepted:
      return "ACCEPTED";
    case PlaceState::kLapsed:
      return "LAPSED";
    case PlaceState::kLeft:
      return "LEFT";
  }
  return "";
}

std::string_view EventTypeName(EventType type) {
  switch (type) {
    case EventType::kHeld:
      return "reservation.held";
    case EventType::kConfirmed:
      return "reservation.confirmed";
    case EventType::kFailed:
      return "reservation.failed";
    case EventType::kCancelled:
      return "reservation.cancelled";
    case EventType::kExpired:
      return "reservation.expired";
    case EventType::kReleased:
      return "reservation.released";
    case EventType::kSeatsCancelled:
      return "reservation.seats_cancelled";
    case EventType::kMoved:
      return "reservation.moved";
  }
  return "";
}

}  // namespace boxoffice::audit
