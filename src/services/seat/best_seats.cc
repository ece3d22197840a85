#include "services/seat/best_seats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/sort_unique.h"

namespace boxoffice::seat {
namespace {

// Rows of different lengths stand centred behind each other; in half seats from the middle, so that it is a
// whole number.
int64_t ColumnOf(const Row& row, uint32_t place) {
  return 2 * static_cast<int64_t>(place) - (static_cast<int64_t>(row.seats) - 1);
}
// Two groups in rows behind each other, by their first and last columns: someone sits behind someone, or
// beside that.
bool Touch(int64_t first, int64_t last, int64_t other_first, int64_t other_last) {
  return other_first <= last + 2 && other_last >= first - 2;
}

uint64_t BitOf(uint32_t category) { return uint64_t{1} << (category % 64); }

bool IsRun(std::span<const SeatNo> seats) { return seats.back() - seats.front() + 1 == seats.size(); }

bool InAdjacentRows(const Layout& layout, std::span<const SeatNo> seats) {
  const uint32_t front = layout.At(seats.front()).row;
  const uint32_t back = layout.At(seats.back()).row;
  if (back != front + 1 || layout.rows[front].section != layout.rows[back].section) return false;
  const auto split =
      std::ranges::find_if(seats, [&](SeatNo seat_no) { return layout.At(seat_no).row == back; });
  const std::span<const SeatNo> first(seats.begin(), split);
  const std::span<const SeatNo> second(split, seats.end());
  if (!IsRun(first) || !IsRun(second)) return false;
  const auto column = [&](SeatNo seat_no) {
    const Row& row = layout.RowOf(seat_no);
    return ColumnOf(row, seat_no - 1 - row.first_seat);
  };
  return Touch(column(first.front()), column(first.back()), column(second.front()), column(second.back()));
}

}  // namespace

std::string_view RungName(Rung rung) {
  switch (rung) {
    case Rung::kRow:
      return "row";
    case Rung::kAdjacentRows:
      return "adjacent_rows";
    case Rung::kSection:
      return "section";
    case Rung::kAnywhere:
      return "anywhere";
  }
  return "";
}

Rung RungOf(const Layout& layout, std::span<const SeatNo> seats) {
  const uint32_t row = layout.At(seats.front()).row;
  if (layout.At(seats.back()).row == row && IsRun(seats)) return Rung::kRow;
  if (InAdjacentRows(layout, seats)) return Rung::kAdjacentRows;
  const uint32_t section = layout.rows[row].section;
  const bool together =
      std::ranges::all_of(seats, [&](SeatNo seat_no) { return layout.RowOf(seat_no).section == section; });
  return together ? Rung::kSection : Rung::kAnywhere;
}

FreeSeats::FreeSeats(std::shared_ptr<const Layout> layout)
    : layout_(std::move(layout)),
      free_(layout_->capacity(), 1),
      all_free_(layout_->capacity()),
      rows_(layout_->rows.size()) {
  MeasureRows();
  OrderRows();
  SetSpecialApart();
}

void FreeSeats::MeasureRows() {
  constexpr double kFar = std::numeric_limits<double>::max();
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = layout_->rows[i];
    RowFigures& figures = rows_[i];
    figures = {row.seats, kStale, 0, 0, {kFar, kFar}, {-kFar, -kFar}};
    for (uint32_t s = row.first_seat; s < row.first_seat + row.seats; ++s) {
      const Point at = layout_->PlaceOf(s + 1);
      figures.least = {std::min(figures.least.x, at.x), std::min(figures.least.y, at.y)};
      figures.most = {std::max(figures.most.x, at.x), std::max(figures.most.y, at.y)};
    }
  }
}

void FreeSeats::SetSpecialApart() {
  if (layout_->accessible.empty()) return;
  std::vector<SeatNo> seats = layout_->accessible;
  for (const Companion& one : layout_->companions) seats.push_back(one.seat_no);
  for (const SeatNo seat_no : seats) Set(seat_no, false);
  special_.resize(free_.size());
  special_free_.resize(free_.size());
  for (const SeatNo seat_no : seats) special_[seat_no - 1] = special_free_[seat_no - 1] = 1;
  companions_ = layout_->companions;
  std::ranges::stable_sort(companions_, {}, &Companion::of);
}

void FreeSeats::OrderRows() {
  order_.resize(rows_.size());
  std::iota(order_.begin(), order_.end(), 0);
  if (layout_->stage) {
    std::ranges::stable_sort(order_, {},
                             [this](uint32_t row) { return LeastDistanceTo(*layout_->stage, row); });
  }
  rank_.resize(order_.size());
  std::vector<uint32_t> place_of_section(layout_->sections.size(), kStale);
  for (uint32_t rank = 0; rank < order_.size(); ++rank) {
    const uint32_t row = order_[rank];
    rank_[row] = rank;
    uint32_t& place = place_of_section[layout_->rows[row].section];
    if (place == kStale) {
      place = static_cast<uint32_t>(sections_.size());
      sections_.emplace_back();
    }
    sections_[place].push_back(row);
  }
}

void FreeSeats::Set(SeatNo seat_no, bool free) {
  if (!special_.empty() && special_[seat_no - 1] != 0) {
    special_free_[seat_no - 1] = static_cast<uint8_t>(free);
    return;
  }
  uint8_t& now = free_[seat_no - 1];
  if (now == static_cast<uint8_t>(free)) return;
  now = static_cast<uint8_t>(free);
  const uint32_t row = layout_->At(seat_no).row;
  rows_[row].longest_run = kStale;
  if (free) {
    ++rows_[row].free;
    ++all_free_;
    first_free_rank_ = std::min(first_free_rank_, rank_[row]);
  } else {
    --rows_[row].free;
    --all_free_;
  }
}

void FreeSeats::SetPrices(std::shared_ptr<const Layout> layout) {
  layout_ = std::move(layout);
  for (RowFigures& figures : rows_) figures.longest_run = kStale;
}

Proposal FreeSeats::Choose(const BestAvailable& wish, bool avoid_orphans) const {
  Proposal proposal;
  auto understood = Understand(wish, proposal);
  if (!understood) return proposal;
  if (wish.accessible > 0) return ChooseAccessible(wish, *understood);
  if (all_free_ < wish.count) return {Proposal::Status::kNotEnough, {}};
  proposal.status = Proposal::Status::kFound;
  understood->avoid_orphans = avoid_orphans;
  if (avoid_orphans && TakeInRow(*understood, proposal.seats)) return proposal;
  // A party that can't but leave one over still sits together.
  understood->avoid_orphans = false;
  if (TakeInRow(*understood, proposal.seats)) return proposal;
  if (TakeBelowRow(*understood, proposal.seats)) return proposal;
  return {Proposal::Status::kNotEnough, {}};
}

std::optional<FreeSeats::Wish> FreeSeats::Understand(const BestAvailable& asked, Proposal& refused) const {
  Wish wish;
  wish.count = asked.count;
  wish.end_row = static_cast<uint32_t>(layout_->rows.size());
  wish.max_price = asked.max_price;
  if (!asked.section.empty()) {
    const auto found = layout_->FindSection(asked.section);
    if (!found) {
      refused.status = Proposal::Status::kSectionUnknown;
      return std::nullopt;
    }
    wish.first_row = layout_->sections[*found].first_row;
    wish.end_row = wish.first_row + layout_->sections[*found].rows;
  }
  if (!asked.category.empty()) {
    wish.category = layout_->FindCategory(asked.category);
    if (!wish.category) {
      refused.status = Proposal::Status::kCategoryUnknown;
      return std::nullopt;
    }
  }
  while (first_free_rank_ < order_.size() && rows_[order_[first_free_rank_]].free == 0) ++first_free_rank_;
  return wish;
}

bool FreeSeats::TakeInRow(const Wish& wish, std::vector<SeatNo>& seats) const {
  NearestRun best;
  for (uint32_t rank = first_free_rank_; rank < order_.size(); ++rank) {
    const uint32_t row = order_[rank];
    if (!layout_->stage) {
      if (TakeFirstRun(row, wish, seats)) return true;
      continue;
    }
    // Rows come by their nearest seats, so none after this one can have a nearer run.
    if (best.found && LeastDistanceTo(*layout_->stage, row) * wish.count >= best.distance) break;
    LookForRun(row, wish, *layout_->stage, best);
  }
  if (best.found) AddRun(best.first, wish.count, seats);
  return best.found;
}

bool FreeSeats::TakeBelowRow(const Wish& wish, std::vector<SeatNo>& seats) const {
  for (uint32_t rank = first_free_rank_; wish.count > 1 && rank < order_.size(); ++rank) {
    if (TakeTwoRows(order_[rank], wish, seats)) return true;
  }
  for (const std::vector<uint32_t>& section : sections_) {
    for (const uint32_t row : section) {
      TakeAny(row, wish, seats);
      if (seats.size() < wish.count) continue;
      std::ranges::sort(seats);
      return true;
    }
    seats.clear();
  }
  for (uint32_t rank = first_free_rank_; rank < order_.size(); ++rank) {
    TakeAny(order_[rank], wish, seats);
    if (seats.size() < wish.count) continue;
    std::ranges::sort(seats);
    return true;
  }
  seats.clear();
  return false;
}

std::vector<SeatNo> FreeSeats::Nearest(std::span<const SeatNo> seats, bool avoid_orphans) const {
  if (all_free_ < seats.size()) return {};
  const Point middle = MiddleOf(seats);
  BestAvailable asked;
  asked.count = static_cast<uint32_t>(seats.size());
  Proposal proposal;
  Wish wish = Understand(asked, proposal).value_or(Wish{});
  const uint32_t own = layout_->At(seats.front()).row;
  for (const bool avoid : {avoid_orphans, false}) {
    wish.avoid_orphans = avoid;
    // Where it is most likely, so that most rows are out of the question.
    NearestRun near;
    for (const uint32_t row : RowsAround(own)) {
      LookForRun(row, wish, middle, near);
      if (near.found) break;
    }
    // Of equals the own row's, else the first.
    NearestRun best;
    LookForRun(own, wish, middle, best);
    for (uint32_t row = 0; near.found && row < rows_.size(); ++row) {
      if (rows_[row].free < wish.count) continue;
      const double least = LeastDistanceTo(middle, row) * wish.count;
      // The near one's own row is no further away than it is, but for what is lost in adding up.
      const bool is_further = least > near.distance && row != layout_->seats[near.first].row;
      if (is_further || (best.found && least >= best.distance)) continue;
      LookForRun(row, wish, middle, best);
    }
    if (best.found) {
      AddRun(best.first, wish.count, proposal.seats);
      return proposal.seats;
    }
    if (!avoid_orphans) break;
  }
  (void)TakeBelowRow(wish, proposal.seats);
  return proposal.seats;
}

std::vector<SeatNo> FreeSeats::OrphansOf(std::span<const SeatNo> seats) const {
  const auto is_free_then = [&](const Row& row, int64_t index) {
    return index >= row.first_seat && index < int64_t{row.first_seat} + row.seats &&
           free_[static_cast<size_t>(index)] != 0 &&
           std::ranges::find(seats, static_cast<SeatNo>(index + 1)) == seats.end();
  };
  std::vector<SeatNo> orphans;
  for (const SeatNo seat_no : seats) {
    const Row& row = layout_->RowOf(seat_no);
    for (const int64_t index : {int64_t{seat_no} - 2, int64_t{seat_no}}) {
      if (!is_free_then(row, index) || is_free_then(row, index - 1) || is_free_then(row, index + 1)) continue;
      orphans.push_back(static_cast<SeatNo>(index + 1));
    }
  }
  SortUnique(orphans);
  return orphans;
}

bool FreeSeats::CanAvoidOrphans(uint32_t count, uint32_t section) const {
  Wish wish;
  wish.count = count;
  wish.avoid_orphans = true;
  wish.first_row = layout_->sections[section].first_row;
  wish.end_row = wish.first_row + layout_->sections[section].rows;
  for (uint32_t row = wish.first_row; row < wish.end_row; ++row) {
    if (std::vector<SeatNo> seats; TakeFirstRun(row, wish, seats)) return true;
  }
  return false;
}

bool FreeSeats::IsWanted(uint32_t row, const Wish& wish) const {
  if (row < wish.first_row || row >= wish.end_row || rows_[row].free == 0) return false;
  if (wish.category && (FiguresOf(row).categories & BitOf(*wish.category)) == 0) return false;
  return wish.max_price == 0 || FiguresOf(row).least_price <= wish.max_price;
}

bool FreeSeats::Fits(uint32_t index, const Wish& wish) const {
  if (free_[index] == 0) return false;
  return (!wish.category || layout_->seats[index].category == *wish.category) &&
         (wish.max_price == 0 || layout_->PriceOf(index + 1) <= wish.max_price);
}

const FreeSeats::RowFigures& FreeSeats::FiguresOf(uint32_t row) const {
  RowFigures& figures = rows_[row];
  if (figures.longest_run != kStale) return figures;
  const Row& seats = layout_->rows[row];
  uint32_t run = 0;
  figures.longest_run = 0;
  figures.categories = 0;
  figures.least_price = std::numeric_limits<int64_t>::max();
  for (uint32_t i = seats.first_seat; i < seats.first_seat + seats.seats; ++i) {
    run = free_[i] != 0 ? run + 1 : 0;
    if (run == 0) continue;
    figures.longest_run = std::max(figures.longest_run, run);
    figures.categories |= BitOf(layout_->seats[i].category);
    figures.least_price = std::min(figures.least_price, layout_->PriceOf(i + 1));
  }
  return figures;
}

// Of free seats of one row from this one on.
bool FreeSeats::LeavesOrphan(uint32_t first, const Wish& wish) const {
  const Row& row = layout_->rows[layout_->seats[first].row];
  const uint32_t end = row.first_seat + row.seats;
  const auto is_free = [&](uint32_t index) {
    return index >= row.first_seat && index < end && free_[index] != 0;
  };
  const uint32_t after = first + wish.count;
  const bool before =
      first > row.first_seat && is_free(first - 1) && (first - 1 == row.first_seat || !is_free(first - 2));
  return before || (is_free(after) && !is_free(after + 1));
}

bool FreeSeats::TakeFirstRun(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const {
  if (!IsWanted(row, wish) || rows_[row].free < wish.count || FiguresOf(row).longest_run < wish.count)
    return false;
  const Row& all = layout_->rows[row];
  uint32_t run = 0;
  for (uint32_t i = all.first_seat; i < all.first_seat + all.seats; ++i) {
    run = Fits(i, wish) ? run + 1 : 0;
    if (run < wish.count) continue;
    const uint32_t first = i + 1 - wish.count;
    if (wish.avoid_orphans && LeavesOrphan(first, wish)) continue;
    AddRun(first, wish.count, seats);
    return true;
  }
  return false;
}

// By place in the row: how many seats that fit are next to each other from there on.
std::vector<uint32_t> FreeSeats::RunsFrom(uint32_t row, const Wish& wish) const {
  const Row& all = layout_->rows[row];
  std::vector<uint32_t> runs(all.seats + 1, 0);
  for (uint32_t place = all.seats; place-- > 0;) {
    runs[place] = Fits(all.first_seat + place, wish) ? runs[place + 1] + 1 : 0;
  }
  return runs;
}

// Halves as even as can be, so that nobody sits alone if that can be avoided; of these, those that are most
// exactly behind each other.
bool FreeSeats::TakeTwoRows(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const {
  const uint32_t behind = row + 1;
  if (behind >= rows_.size() || layout_->rows[row].section != layout_->rows[behind].section) return false;
  if (!IsWanted(row, wish) || !IsWanted(behind, wish)) return false;
  if (FiguresOf(row).longest_run + FiguresOf(behind).longest_run < wish.count) return false;
  const Row& front_row = layout_->rows[row];
  const Row& back_row = layout_->rows[behind];
  const std::vector<uint32_t> front_runs = RunsFrom(row, wish);
  const std::vector<uint32_t> back_runs = RunsFrom(behind, wish);
  for (uint32_t half = 2 * (wish.count / 2); half-- > 0;) {
    // From the even split outwards, either part in front.
    const uint32_t smaller = half / 2 + 1;
    const uint32_t front = half % 2 != 0 ? wish.count - smaller : smaller;
    const uint32_t back = wish.count - front;
    int64_t best = std::numeric_limits<int64_t>::max();
    std::pair<uint32_t, uint32_t> chosen;
    for (uint32_t i = 0; i + front <= front_row.seats; ++i) {
      if (front_runs[i] < front) continue;
      const int64_t first = ColumnOf(front_row, i);
      const int64_t last = ColumnOf(front_row, i + front - 1);
      for (uint32_t j = 0; j + back <= back_row.seats; ++j) {
        const int64_t other_first = ColumnOf(back_row, j);
        const int64_t other_last = ColumnOf(back_row, j + back - 1);
        if (other_first > last + 2) break;
        if (back_runs[j] < back || !Touch(first, last, other_first, other_last)) continue;
        const int64_t apart = std::abs(first + last - other_first - other_last);
        if (apart >= best) continue;
        best = apart;
        chosen = {front_row.first_seat + i, back_row.first_seat + j};
      }
    }
    if (best == std::numeric_limits<int64_t>::max()) continue;
    AddRun(chosen.first, front, seats);
    AddRun(chosen.second, back, seats);
    return true;
  }
  return false;
}

void FreeSeats::TakeAny(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const {
  if (!IsWanted(row, wish)) return;
  const Row& all = layout_->rows[row];
  std::vector<uint32_t> fitting;
  for (uint32_t i = all.first_seat; i < all.first_seat + all.seats; ++i) {
    if (Fits(i, wish)) fitting.push_back(i);
  }
  if (layout_->stage) {
    std::ranges::stable_sort(fitting, {},
                             [this](uint32_t index) { return DistanceTo(*layout_->stage, index); });
  }
  for (const uint32_t index : fitting) {
    if (seats.size() == wish.count) return;
    seats.push_back(index + 1);
  }
}

// All rows: this one, then those in front of it and behind it in turn.
std::vector<uint32_t> FreeSeats::RowsAround(uint32_t row) const {
  std::vector<uint32_t> rows = {row};
  rows.reserve(rows_.size());
  for (uint32_t away = 1; rows.size() < rows_.size(); ++away) {
    if (away <= row) rows.push_back(row - away);
    if (row + away < rows_.size()) rows.push_back(row + away);
  }
  return rows;
}

Point FreeSeats::MiddleOf(std::span<const SeatNo> seats) const {
  Point middle;
  for (const SeatNo seat_no : seats) {
    const Point at = layout_->PlaceOf(seat_no);
    middle.x += at.x / static_cast<double>(seats.size());
    middle.y += at.y / static_cast<double>(seats.size());
  }
  return middle;
}

double FreeSeats::DistanceTo(Point point, uint32_t index) const {
  const Point at = layout_->PlaceOf(index + 1);
  return std::hypot(at.x - point.x, at.y - point.y);
}

double FreeSeats::LeastDistanceTo(Point point, uint32_t row) const {
  const RowFigures& figures = rows_[row];
  return std::hypot(point.x - std::clamp(point.x, figures.least.x, figures.most.x),
                    point.y - std::clamp(point.y, figures.least.y, figures.most.y));
}

void FreeSeats::LookForRun(uint32_t row, const Wish& wish, Point point, NearestRun& best) const {
  if (!IsWanted(row, wish) || rows_[row].free < wish.count || FiguresOf(row).longest_run < wish.count) return;
  const Row& all = layout_->rows[row];
  uint32_t run = 0;
  double distance = 0;  // of the last `count` seats of the run
  for (uint32_t i = all.first_seat; i < all.first_seat + all.seats; ++i) {
    if (!Fits(i, wish)) {
      run = 0;
      distance = 0;
      continue;
    }
    distance += DistanceTo(point, i);
    if (++run < wish.count) continue;
    if (run > wish.count) distance -= DistanceTo(point, i - wish.count);
    const uint32_t first = i + 1 - wish.count;
    if (best.found && distance >= best.distance) continue;
    if (wish.avoid_orphans && LeavesOrphan(first, wish)) continue;
    best = {distance, first, true};
  }
}

void FreeSeats::AddRun(uint32_t first, uint32_t count, std::vector<SeatNo>& seats) {
  for (uint32_t i = 0; i < count; ++i) seats.push_back(first + i + 1);
}

}  // namespace boxoffice::seat
