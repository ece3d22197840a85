// Chooses seats for parties with somebody in a wheelchair.
#include <algorithm>
#include <cmath>

#include "services/seat/best_seats.h"

namespace boxoffice::seat {
namespace {

Point MiddleOf(const Layout& layout, std::span<const SeatNo> seats) {
  Point middle;
  for (const SeatNo seat_no : seats) {
    const Point at = layout.PlaceOf(seat_no);
    middle.x += at.x / static_cast<double>(seats.size());
    middle.y += at.y / static_cast<double>(seats.size());
  }
  return middle;
}

// The first `count` of these are the nearest to the point then, nearest first; of equals, those that came
// first.
void SortNearest(const Layout& layout, Point point, std::vector<SeatNo>& seats) {
  std::ranges::stable_sort(seats, {}, [&](SeatNo seat_no) {
    const Point at = layout.PlaceOf(seat_no);
    return std::hypot(at.x - point.x, at.y - point.y);
  });
}

}  // namespace

bool FreeSeats::Suits(uint32_t index, const Wish& wish) const {
  const Seat& seat = layout_->seats[index];
  return seat.row >= wish.first_row && seat.row < wish.end_row &&
         (!wish.category || seat.category == *wish.category) &&
         (wish.max_price == 0 || layout_->PriceOf(index + 1) <= wish.max_price);
}

// In the order of preference.
std::vector<SeatNo> FreeSeats::FreeAccessible(const Wish& wish) const {
  std::vector<SeatNo> seats;
  for (const SeatNo seat_no : layout_->accessible) {
    if (special_free_[seat_no - 1] != 0 && Suits(seat_no - 1, wish)) seats.push_back(seat_no);
  }
  if (layout_->stage) SortNearest(*layout_, *layout_->stage, seats);
  return seats;
}

// This accessible seat, the nearest others to it, and then companions' seats of each in turn, as far as there
// are any; sorted.
std::vector<SeatNo> FreeSeats::PartyAround(SeatNo first, std::vector<SeatNo> accessible,
                                           const BestAvailable& asked, const Wish& wish) const {
  SortNearest(*layout_, layout_->PlaceOf(first), accessible);
  accessible.resize(asked.accessible);
  std::vector<std::vector<SeatNo>> companions;
  for (const SeatNo seat_no : accessible) {
    std::vector<SeatNo>& of_one = companions.emplace_back();
    for (const Companion& one : layout_->companions) {
      const bool is_free = special_free_[one.seat_no - 1] != 0 && Suits(one.seat_no - 1, wish);
      if (one.of == seat_no && is_free) of_one.push_back(one.seat_no);
    }
    SortNearest(*layout_, layout_->PlaceOf(seat_no), of_one);
  }
  std::vector<SeatNo> party = accessible;
  for (size_t turn = 0; turn < kMaxSeatsPerHold; ++turn) {
    for (const std::vector<SeatNo>& of_one : companions) {
      if (party.size() < asked.count && turn < of_one.size()) party.push_back(of_one[turn]);
    }
  }
  std::ranges::sort(party);
  return party;
}

// Whoever of the party finds no companion's seat sits as near as can be: on an ordinary seat, else on
// another's companion's. False: there are not enough.
bool FreeSeats::FillUp(const BestAvailable& asked, const Wish& wish, std::vector<SeatNo>& party) const {
  const Point middle = MiddleOf(*layout_, party);
  std::vector<SeatNo> ordinary;
  for (uint32_t i = 0; i < free_.size(); ++i) {
    if (free_[i] != 0 && Suits(i, wish)) ordinary.push_back(i + 1);
  }
  std::vector<SeatNo> companions;
  for (const Companion& one : layout_->companions) {
    const bool is_free = special_free_[one.seat_no - 1] != 0 && Suits(one.seat_no - 1, wish);
    if (is_free && !std::ranges::binary_search(party, one.seat_no)) companions.push_back(one.seat_no);
  }
  for (std::vector<SeatNo>* seats : {&ordinary, &companions}) {
    SortNearest(*layout_, middle, *seats);
    for (const SeatNo seat_no : *seats) {
      if (party.size() < asked.count) party.push_back(seat_no);
    }
  }
  std::ranges::sort(party);
  return party.size() == asked.count;
}

Proposal FreeSeats::ChooseAccessible(const BestAvailable& asked, const Wish& wish) const {
  const std::vector<SeatNo> accessible = FreeAccessible(wish);
  if (accessible.size() < asked.accessible) return {Proposal::Status::kNotEnough, {}};
  std::vector<SeatNo> best;
  for (const SeatNo first : accessible) {
    std::vector<SeatNo> party = PartyAround(first, accessible, asked, wish);
    if (party.size() > best.size()) best = std::move(party);
    if (best.size() == asked.count) break;
  }
  if (!FillUp(asked, wish, best)) return {Proposal::Status::kNotEnough, {}};
  return {Proposal::Status::kFound, std::move(best)};
}

}  // namespace boxoffice::seat
