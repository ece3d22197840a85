// Chooses seats for parties with somebody in a wheelchair.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "services/seat/best_seats.h"

namespace boxoffice::seat {
namespace {

// Up to `count` of these: the nearest to the point, nearest first; of equals, those that came first.
std::vector<SeatNo> NearestOf(const Layout& layout, Point point, std::span<const SeatNo> seats,
                              size_t count) {
  std::vector<std::pair<double, size_t>> nearest;  // distance, place among `seats`
  nearest.reserve(seats.size());
  for (size_t i = 0; i < seats.size(); ++i) {
    const Point at = layout.PlaceOf(seats[i]);
    nearest.emplace_back(std::hypot(at.x - point.x, at.y - point.y), i);
  }
  count = std::min(count, nearest.size());
  std::ranges::partial_sort(nearest, nearest.begin() + static_cast<ptrdiff_t>(count));
  std::vector<SeatNo> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back(seats[nearest[i].second]);
  return chosen;
}

}  // namespace

bool FreeSeats::Suits(uint32_t index, const Wish& wish) const {
  if (special_free_[index] == 0) return false;
  const Seat& seat = layout_->seats[index];
  return seat.row >= wish.first_row && seat.row < wish.end_row &&
         (!wish.category || seat.category == *wish.category) &&
         (wish.max_price == 0 || layout_->PriceOf(index + 1) <= wish.max_price);
}

// In the order of preference.
std::vector<SeatNo> FreeSeats::FreeAccessible(const Wish& wish) const {
  std::vector<SeatNo> seats;
  for (const SeatNo seat_no : layout_->accessible) {
    if (Suits(seat_no - 1, wish)) seats.push_back(seat_no);
  }
  if (!layout_->stage) return seats;
  return NearestOf(*layout_, *layout_->stage, seats, seats.size());
}

std::vector<SeatNo> FreeSeats::FreeCompanionsOf(SeatNo accessible, const Wish& wish) const {
  std::vector<SeatNo> seats;
  for (const Companion& one : std::ranges::equal_range(companions_, accessible, {}, &Companion::of)) {
    if (Suits(one.seat_no - 1, wish)) seats.push_back(one.seat_no);
  }
  return seats;
}

// This accessible seat, the nearest others to it, and then companions' seats of each in turn, as far as there
// are any; sorted.
std::vector<SeatNo> FreeSeats::PartyAround(SeatNo first, std::span<const SeatNo> accessible,
                                           const BestAvailable& asked, const Wish& wish) const {
  std::vector<SeatNo> party = NearestOf(*layout_, layout_->PlaceOf(first), accessible, asked.accessible);
  // It is one of them, also where more than these stand at one point.
  std::erase(party, first);
  party.insert(party.begin(), first);
  party.resize(asked.accessible);
  std::vector<std::vector<SeatNo>> companions;
  for (const SeatNo seat_no : party) {
    companions.push_back(
        NearestOf(*layout_, layout_->PlaceOf(seat_no), FreeCompanionsOf(seat_no, wish), asked.count));
  }
  for (size_t turn = 0; turn < kMaxSeatsPerHold; ++turn) {
    for (const std::vector<SeatNo>& of_one : companions) {
      if (party.size() < asked.count && turn < of_one.size()) party.push_back(of_one[turn]);
    }
  }
  std::ranges::sort(party);
  return party;
}

// Up to so many that are free for everybody: the nearest to the point, which is near this row, nearest first;
// of equals, the first in the plan.
std::vector<SeatNo> FreeSeats::NearestOrdinary(Point point, uint32_t from_row, size_t count,
                                               const Wish& wish) const {
  std::vector<std::pair<double, SeatNo>> nearest;
  for (const uint32_t row : RowsAround(from_row)) {
    if (!IsWanted(row, wish)) continue;
    if (nearest.size() == count && LeastDistanceTo(point, row) > nearest.back().first) continue;
    const Row& seats = layout_->rows[row];
    for (uint32_t i = seats.first_seat; i < seats.first_seat + seats.seats; ++i) {
      if (Fits(i, wish)) nearest.emplace_back(DistanceTo(point, i), i + 1);
    }
    std::ranges::sort(nearest);
    nearest.resize(std::min(count, nearest.size()));
  }
  std::vector<SeatNo> chosen;
  for (const auto& [distance, seat_no] : nearest) chosen.push_back(seat_no);
  return chosen;
}

// Whoever of the party finds no companion's seat sits as near as can be: on an ordinary seat, else on
// another's companion's. False: there are not enough.
bool FreeSeats::FillUp(const BestAvailable& asked, const Wish& wish, std::vector<SeatNo>& party) const {
  if (party.size() >= asked.count) return party.size() == asked.count;
  const Point middle = MiddleOf(party);
  const auto add = [&party](std::span<const SeatNo> more) {
    party.insert(party.end(), more.begin(), more.end());
  };
  add(NearestOrdinary(middle, layout_->At(party.front()).row, asked.count - party.size(), wish));
  if (party.size() < asked.count) {
    std::vector<SeatNo> companions;
    for (const Companion& one : layout_->companions) {
      const bool is_theirs = std::ranges::find(party, one.seat_no) != party.end();
      if (Suits(one.seat_no - 1, wish) && !is_theirs) companions.push_back(one.seat_no);
    }
    add(NearestOf(*layout_, middle, companions, asked.count - party.size()));
  }
  std::ranges::sort(party);
  return party.size() == asked.count;
}

Proposal FreeSeats::ChooseAccessible(const BestAvailable& asked, const Wish& wish) const {
  const std::vector<SeatNo> accessible = FreeAccessible(wish);
  if (accessible.size() < asked.accessible) return {Proposal::Status::kNotEnough, {}};
  std::vector<size_t> companions;  // how many each has
  for (const SeatNo seat_no : accessible) companions.push_back(FreeCompanionsOf(seat_no, wish).size());
  std::vector<size_t> most = companions;
  const auto others = most.begin() + (asked.accessible - 1);
  std::ranges::partial_sort(most, others, std::greater<>());
  const size_t of_others = std::accumulate(most.begin(), others, size_t{0});
  std::vector<SeatNo> best;
  for (size_t i = 0; i < accessible.size(); ++i) {
    // A party around it, which is dear to put together, has this many at most.
    const size_t at_most = std::min<size_t>(asked.count, asked.accessible + companions[i] + of_others);
    if (at_most <= best.size()) continue;
    std::vector<SeatNo> party = PartyAround(accessible[i], accessible, asked, wish);
    if (party.size() > best.size()) best = std::move(party);
  }
  if (!FillUp(asked, wish, best)) return {Proposal::Status::kNotEnough, {}};
  return {Proposal::Status::kFound, std::move(best)};
}

}  // namespace boxoffice::seat
