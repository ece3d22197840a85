#include "services/reservation/waitlist.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"

namespace boxoffice::reservation {
namespace {

constexpr uint32_t kMaxSeats = 8;

// Of seat `index`, so that the marks of a set's seats make the set's (splitmix64).
uint64_t MarkOf(size_t index) {
  uint64_t mark = (uint64_t{index} + 1) * 0x9e3779b97f4a7c15;
  mark = (mark ^ (mark >> 30)) * 0xbf58476d1ce4e5b9;
  mark = (mark ^ (mark >> 27)) * 0x94d049bb133111eb;
  return mark ^ (mark >> 31);
}

// Whatever seats are free, and whichever replica of the seat service is asked.
bool IsPersonal(std::string_view code) {
  return code == "seat_limit" || code == "too_many_seats" || code == "no_seats" ||
         code == "section_unknown" || code == "category_unknown";
}

}  // namespace

FreeSeats::FreeSeats(const Hall& hall) : hall_(hall) {
  auto last = kinds_.end();  // neighbours are mostly of one kind
  for (size_t i = 0; i < hall_.free.size(); ++i) {
    if (!hall_.free[i]) continue;
    ++count_;
    mark_ ^= MarkOf(i);
    const HallSeat& seat = (*hall_.seats)[i];
    const Kind kind{seat.section, seat.category, seat.price};
    if (last == kinds_.end() || last->first != kind) last = kinds_.try_emplace(kind, 0).first;
    if (seat.ordinary) ++last->second;
  }
}

bool FreeSeats::HasSection(std::string_view name) const {
  return std::ranges::any_of(kinds_, [name](const auto& of) { return std::get<0>(of.first) == name; });
}

bool FreeSeats::HasCategory(std::string_view name) const {
  return std::ranges::any_of(kinds_, [name](const auto& of) { return std::get<1>(of.first) == name; });
}

bool FreeSeats::Fits(const Kind& kind, const SeatChoice& wish) {
  const auto& [section, category, price] = kind;
  return (wish.section.empty() || wish.section == section) &&
         (wish.category.empty() || wish.category == category) &&
         (wish.max_price == 0 || price <= wish.max_price);
}

size_t FreeSeats::Count(const SeatChoice& wish) const {
  size_t count = 0;
  for (const auto& [kind, free] : kinds_) {
    if (Fits(kind, wish)) count += free;
  }
  return count;
}

std::optional<int64_t> FreeSeats::LeastPrice(const SeatChoice& wish) const {
  std::map<int64_t, size_t> by_price;
  for (const auto& [kind, free] : kinds_) {
    if (Fits(kind, wish)) by_price[std::get<int64_t>(kind)] += free;
  }
  size_t count = 0;
  for (const auto& [price, free] : by_price) {
    count += free;
    if (count >= wish.best_count) return price;
  }
  return std::nullopt;
}

std::vector<SeatChoice> FreeSeats::Servable(std::span<const SeatChoice> wishes) const {
  std::vector<SeatChoice> servable;
  for (const SeatChoice& wish : wishes) {
    const auto price = LeastPrice(wish);
    if (!price) continue;
    servable.push_back(wish);
    servable.back().max_price = *price;
  }
  return servable;
}

void FreeSeats::Take(std::span<const Seat> seats) {
  for (const Seat& taken : seats) {
    const size_t i = size_t{taken.seat_no} - 1;  // 0: none of the hall's
    if (i >= hall_.free.size() || !hall_.free[i]) continue;
    hall_.free[i] = false;
    --count_;
    mark_ ^= MarkOf(i);
    const HallSeat& seat = (*hall_.seats)[i];
    if (!seat.ordinary) continue;
    const auto kind = kinds_.find({seat.section, seat.category, seat.price});
    if (--kind->second == 0) kinds_.erase(kind);
  }
}

HallCounts::HallCounts(const Hall& hall)
    : all({hall.seats, std::vector<bool>(hall.seats->size(), true)}), free(hall) {}

std::optional<Error> CheckWish(const SeatChoice& wish, const ShowView& show, const HallCounts& hall) {
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
  if (!wish.section.empty() && !hall.all.HasSection(wish.section)) {
    return refuse(Code::kInvalidArgument, "section_unknown",
                  fmt::format("the show has no section {}", wish.section));
  }
  if (!wish.category.empty() && !hall.all.HasCategory(wish.category)) {
    return refuse(Code::kInvalidArgument, "category_unknown",
                  fmt::format("the show has no category {}", wish.category));
  }
  if (wish.best_count > show.seat_limit) {
    return refuse(Code::kConflict, "seat_limit",
                  fmt::format("a buyer can have {} seats of this show", show.seat_limit));
  }
  if (!hall.all.CanServe(wish)) {
    return refuse(Code::kConflict, "not_enough_seats",
                  fmt::format("the show has {} seats like that", hall.all.Count(wish)));
  }
  if (show.waitlist_first) return std::nullopt;
  if (hall.free.CanServe(wish)) {
    return refuse(Code::kConflict, "not_sold_out",
                  fmt::format("{} seats for that are free: buy them now", hall.free.Count(wish)));
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
      // A refused payment may have kept the seats for longer than they were offered.
      if (!rests || (entry.state == EntryState::kOffered && entry.offered_until == offer.hold_expires_at))
        return std::nullopt;
      next.state = EntryState::kOffered;
      next.offered_until = offer.hold_expires_at;
      return next;
    case State::kConfirmed:
    case State::kCancelling:
    case State::kCancelled:
      next.state = EntryState::kAccepted;
      return next;
    case State::kExpired:
      if (MUTANT("waitlist_forgets_lapsed")) return std::nullopt;
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
    next.state = MUTANT("waitlist_refused_is_out") ? EntryState::kLapsed : EntryState::kWaiting;
    next.reservation = ReservationId();
    return next;
  }
  next.state = IsEndedByShow(offer) ? EntryState::kLapsed : EntryState::kLeft;
  next.ended_because = IsEndedByShow(offer) ? kShowCancelled : "declined";
  return next;
}

bool IsEnding(const Reservation& offer, Timestamp now) {
  if (offer.state == State::kCompensating) return true;
  if (offer.state != State::kHeld) return false;
  if (offer.saga.status == SagaStatus::kDone) return offer.hold_expires_at <= now;
  return offer.saga.kind == SagaKind::kRelease || offer.saga.kind == SagaKind::kExpire;
}

bool KeepsSeats(bool somebody_waits, bool serves_somebody, const FreeSeats& free) {
  if (MUTANT("waitlist_keeps_nothing")) return false;
  return free.none() ? somebody_waits : serves_somebody;
}

void RefusalNotes::See(int64_t show_id, const FreeSeats& free, Timestamp now) {
  const auto [seen, is_new] = shows_.try_emplace(show_id);
  OfShow& notes = seen->second;
  std::erase_if(notes.personal, [now](const auto& of) { return now - of.second >= kPersonalRefusal; });
  if (!is_new && notes.mark == free.mark()) return;
  notes.mark = free.mark();
  notes.places.clear();
  const std::vector<bool>& is_free = free.hall().free;
  notes.since.resize(is_free.size());
  for (size_t i = 0; i < is_free.size(); ++i) {
    if (!is_free[i]) notes.since[i].reset();
    if (is_free[i] && !notes.since[i]) notes.since[i] = now;
  }
}

// With the seats alone of which every replica must have heard.
bool RefusalNotes::CouldServe(const OfShow& notes, const SeatChoice& wish, const FreeSeats& free,
                              Timestamp now, milliseconds lag) {
  Hall heard_of = free.hall();
  for (size_t i = 0; i < heard_of.free.size(); ++i) {
    const bool young = heard_of.free[i] && now - notes.since[i].value_or(now) < lag;
    if (young) heard_of.free[i] = false;
  }
  return FreeSeats(heard_of).CanServe(wish);
}

void RefusalNotes::Note(const WaitlistEntry& entry, std::string_view code, const FreeSeats& free,
                        Timestamp now, milliseconds lag) {
  See(entry.show_id, free, now);  // an offer before this one may have taken some
  OfShow& notes = shows_[entry.show_id];
  if (IsPersonal(code)) {
    notes.personal[entry.place] = now;
  } else if (CouldServe(notes, entry.wish, free, now, lag) || MUTANT("waitlist_passes_over_at_once")) {
    notes.places.insert(entry.place);
  }
}

bool RefusalNotes::WasRefused(const WaitlistEntry& entry, const FreeSeats& free) const {
  const auto found = shows_.find(entry.show_id);
  if (found == shows_.end()) return false;
  const OfShow& notes = found->second;
  return notes.personal.contains(entry.place) ||
         (notes.mark == free.mark() && notes.places.contains(entry.place));
}

bool RefusalNotes::HasPersonal(int64_t show_id) const {
  const auto notes = shows_.find(show_id);
  return notes != shows_.end() && !notes->second.personal.empty();
}

size_t RefusalNotes::size() const {
  size_t size = 0;
  for (const auto& [show_id, notes] : shows_) size += notes.places.size() + notes.personal.size();
  return size;
}

}  // namespace boxoffice::reservation
