#include "services/reservation/waitlist.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::reservation {
namespace {

constexpr uint32_t kMaxSeats = 8;

bool Fits(const HallSeat& seat, const SeatChoice& wish) {
  return seat.ordinary && (wish.section.empty() || wish.section == seat.section) &&
         (wish.category.empty() || wish.category == seat.category) &&
         (wish.max_price == 0 || seat.price <= wish.max_price);
}

}  // namespace

size_t CountFree(const Hall& hall, const SeatChoice& wish) {
  size_t count = 0;
  for (size_t i = 0; i < hall.free.size(); ++i) {
    if (hall.free[i] && Fits((*hall.seats)[i], wish)) ++count;
  }
  return count;
}

void TakeSeats(Hall& hall, std::span<const Seat> seats) {
  for (const Seat& seat : seats) {
    if (seat.seat_no >= 1 && seat.seat_no <= hall.free.size()) hall.free[seat.seat_no - 1] = false;
  }
}

std::optional<Error> CheckWish(const SeatChoice& wish, const ShowView& show, const Hall& hall) {
  const auto refuse = [](Code code, std::string_view reason, std::string detail) {
    return Error{code, std::string(reason), std::move(detail)};
  };
  if (wish.best_count < 1) return refuse(Code::kInvalidArgument, "no_seats", "count is 1 to 8");
  if (wish.best_count > kMaxSeats) return refuse(Code::kInvalidArgument, "too_many_seats", "at most 8");
  if (show.phase == ShowPhase::kDraft) return refuse(Code::kNotFound, "show_not_found", {});
  if (show.phase == ShowPhase::kCancelled) return refuse(Code::kConflict, kShowCancelled, {});
  if (show.phase != ShowPhase::kOnSale && show.phase != ShowPhase::kSoldOut) {
    return refuse(Code::kConflict, "show_not_on_sale", "one waits for seats of a show that is on sale");
  }
  const auto& seats = *hall.seats;
  const bool section_known =
      wish.section.empty() || std::ranges::find(seats, wish.section, &HallSeat::section) != seats.end();
  if (!section_known) {
    return refuse(Code::kInvalidArgument, "section_unknown",
                  fmt::format("the show has no section {}", wish.section));
  }
  const bool category_known =
      wish.category.empty() || std::ranges::find(seats, wish.category, &HallSeat::category) != seats.end();
  if (!category_known) {
    return refuse(Code::kInvalidArgument, "category_unknown",
                  fmt::format("the show has no category {}", wish.category));
  }
  if (wish.best_count > show.seat_limit) {
    return refuse(Code::kConflict, "seat_limit",
                  fmt::format("a buyer can have {} seats of this show", show.seat_limit));
  }
  if (!show.waitlist_first && CanServe(hall, wish)) {
    return refuse(Code::kConflict, "not_sold_out",
                  fmt::format("{} seats for that are free: buy them now", CountFree(hall, wish)));
  }
  return std::nullopt;
}

std::string_view EndOfWaiting(ShowPhase phase) {
  if (phase == ShowPhase::kCancelled) return kShowCancelled;
  return phase == ShowPhase::kPast ? "sale_ended" : "";
}

std::optional<WaitlistEntry> Settle(const WaitlistEntry& entry, const Reservation& offer) {
  CHECK(entry.reservation == offer.id);
  WaitlistEntry next = entry;
  const bool rests = offer.saga.status == SagaStatus::kDone;
  switch (offer.state) {
    case State::kConfirming:
    case State::kCompensating:
      return std::nullopt;
    case State::kHeld:
      if (!rests || entry.state == EntryState::kOffered) return std::nullopt;
      next.state = EntryState::kOffered;
      next.offered_until = offer.hold_expires_at;
      return next;
    case State::kConfirmed:
    case State::kCancelling:
    case State::kCancelled:
      next.state = EntryState::kAccepted;
      return next;
    case State::kExpired:
      next.state = EntryState::kLapsed;
      next.ended_because = "offer_lapsed";
      return next;
    case State::kFailed:
      next.state = EntryState::kLapsed;
      next.ended_because = offer.failure ? offer.failure->code : "payment_declined";
      return next;
    case State::kReleased:
      break;
  }
  if (offer.saga.kind == SagaKind::kOffer) {  // it got no seats
    next.state = EntryState::kWaiting;
    next.reservation = ReservationId();
    return next;
  }
  next.state = IsEndedByShow(offer) ? EntryState::kLapsed : EntryState::kLeft;
  next.ended_because = IsEndedByShow(offer) ? kShowCancelled : "declined";
  return next;
}

bool KeepsSeats(std::span<const WaitlistEntry> waiting, const Hall& hall) {
  if (waiting.empty()) return false;
  if (std::ranges::none_of(hall.free, [](bool free) { return free; })) return true;
  return std::ranges::any_of(waiting, [&](const WaitlistEntry& entry) { return CanServe(hall, entry.wish); });
}

}  // namespace boxoffice::reservation
