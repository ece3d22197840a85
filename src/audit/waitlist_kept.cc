#include "audit/waitlist_kept.h"

#include <algorithm>

#include <fmt/format.h>

namespace boxoffice::audit {
namespace {

std::string PlaceId(const PlaceFact& place) { return fmt::format("place:{}/{}", place.show_id, place.place); }

// Whether the place says what has become of its offer.
bool IsTrueOf(PlaceState state, const ReservationFact& offer) {
  switch (offer.state) {
    case State::kHeld:
      return state == PlaceState::kOffered;
    case State::kConfirmed:
    case State::kCancelled:
      return state == PlaceState::kAccepted;
    case State::kExpired:
    case State::kFailed:
      return state == PlaceState::kLapsed;
    case State::kReleased:
      // One that got no seats is given up, and its place waits again.
      return offer.saga_kind != "offer" && !IsOpen(state) && state != PlaceState::kAccepted;
    case State::kConfirming:
    case State::kCompensating:
    case State::kCancelling:
      break;  // no state to rest in
  }
  return true;
}

}  // namespace

void CheckPlaces(const Case& facts, Timestamp now, const Bounds& bounds, std::vector<Violation>& violations) {
  const auto add = [&](std::string detail, const PlaceFact* place) {
    std::vector<std::string> ids{"reservation:" + facts.id.ToString()};
    if (place != nullptr) ids.push_back(PlaceId(*place));
    violations.push_back({Invariant::kWaitlistKept, std::move(ids), std::move(detail)});
  };
  if (facts.reservation && facts.reservation->saga_status != SagaStatus::kDone) return;
  const bool offered = std::ranges::any_of(facts.events, [](const EventFact& event) {
    return event.from_waitlist && event.type == EventType::kHeld;  // another got no seats
  });
  if (offered && facts.places.empty())
    add("its seats were offered to somebody on a waitlist, and no place there has it", nullptr);
  if (facts.places.size() > 1) {
    add(fmt::format("it is offered to {} places on a waitlist", facts.places.size()), facts.places.data());
  }
  for (const PlaceFact& place : facts.places) {
    // What the next look will say.
    Timestamp changed_at = place.updated_at;
    if (facts.reservation) changed_at = std::max(changed_at, facts.reservation->updated_at);
    const bool may_come = IsOpen(place.state) && now - changed_at <= bounds.look_at_waitlist;
    if (!facts.reservation) {
      // The place names its offer before that is begun.
      if (place.state != PlaceState::kWaiting || !may_come)
        add(fmt::format("a place on a waitlist that is {} has an offer that does not exist",
                        StateName(place.state)),
            &place);
      continue;
    }
    const ReservationFact& offer = *facts.reservation;
    if (place.show_id != offer.show_id || place.user_hash != UserHash(offer.user_id))
      add("it is the offer of another buyer's place on a waitlist", &place);
    if (!may_come && !IsTrueOf(place.state, offer))
      add(fmt::format("{}, and its place on the waitlist is {}", StateName(offer.state),
                      StateName(place.state)),
          &place);
  }
}

void CheckWaitlists(const Facts& facts, Timestamp now, const Bounds& bounds,
                    std::vector<Violation>& violations) {
  for (const WaitlistFact& waitlist : facts.waitlists) {
    const std::string id = fmt::format("show:{}", waitlist.show_id);
    for (const auto& [user, places] : waitlist.open_of_user) {
      violations.push_back({Invariant::kWaitlistKept,
                            {id, "user:" + user},
                            fmt::format("a user has {} places on its waitlist", places)});
    }
    const bool looked_at = now - waitlist.changed_at > bounds.look_at_waitlist;
    if (waitlist.kept && waitlist.open == 0 && looked_at) {
      violations.push_back(
          {Invariant::kWaitlistKept, {id}, "free seats are kept for its waitlist, and nobody is on it"});
    }
  }
}

}  // namespace boxoffice::audit
