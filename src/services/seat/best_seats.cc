#include "services/seat/best_seats.h"

#include <algorithm>

namespace boxoffice::seat {

FreeSeats::FreeSeats(std::shared_ptr<const Layout> layout)
    : layout_(std::move(layout)), free_(layout_->capacity(), 1), rows_(layout_->rows.size()) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = layout_->rows[i];
    uint32_t category = layout_->seats[row.first_seat].category;
    for (uint32_t s = 0; s < row.seats; ++s) {
      if (layout_->seats[row.first_seat + s].category != category) category = kMixed;
    }
    rows_[i] = {row.seats, row.seats, category};
  }
}

void FreeSeats::Set(SeatNo seat_no, bool free) {
  uint8_t& now = free_[seat_no - 1];
  if (now == static_cast<uint8_t>(free)) return;
  now = static_cast<uint8_t>(free);
  const uint32_t row = layout_->At(seat_no).row;
  rows_[row].longest_run = kStale;
  if (free) {
    ++rows_[row].free;
    first_free_row_ = std::min(first_free_row_, row);
  } else {
    --rows_[row].free;
  }
}

Proposal FreeSeats::Choose(uint32_t count, std::string_view section, std::string_view category) const {
  Proposal proposal;
  const auto wish = Understand(count, section, category, proposal);
  if (!wish) return proposal;
  proposal.status = Proposal::Status::kFound;
  for (uint32_t row = wish->first_row; row < wish->end_row; ++row) {
    if (TakeRun(row, *wish, proposal.seats)) return proposal;
  }
  for (const Section& one : layout_->sections) {
    const uint32_t end = std::min(one.first_row + one.rows, wish->end_row);
    for (uint32_t row = std::max(one.first_row, wish->first_row); row < end; ++row) {
      TakeAny(row, *wish, proposal.seats);
      if (proposal.seats.size() == count) return proposal;
    }
    proposal.seats.clear();
  }
  for (uint32_t row = wish->first_row; row < wish->end_row; ++row) {
    TakeAny(row, *wish, proposal.seats);
    if (proposal.seats.size() == count) return proposal;
  }
  return {Proposal::Status::kNotEnough, {}};
}

std::optional<FreeSeats::Wish> FreeSeats::Understand(uint32_t count, std::string_view section,
                                                     std::string_view category, Proposal& refused) const {
  Wish wish{count, 0, static_cast<uint32_t>(layout_->rows.size()), std::nullopt};
  if (!section.empty()) {
    const auto found = layout_->FindSection(section);
    if (!found) {
      refused.status = Proposal::Status::kSectionUnknown;
      return std::nullopt;
    }
    wish.first_row = layout_->sections[*found].first_row;
    wish.end_row = wish.first_row + layout_->sections[*found].rows;
  }
  if (!category.empty()) {
    wish.category = layout_->FindCategory(category);
    if (!wish.category) {
      refused.status = Proposal::Status::kCategoryUnknown;
      return std::nullopt;
    }
  }
  while (first_free_row_ < rows_.size() && rows_[first_free_row_].free == 0) ++first_free_row_;
  wish.first_row = std::max(wish.first_row, first_free_row_);
  return wish;
}

bool FreeSeats::MayHave(uint32_t row, const Wish& wish) const {
  const RowFigures& figures = rows_[row];
  return figures.free > 0 &&
         (!wish.category || figures.category == kMixed || figures.category == *wish.category);
}

bool FreeSeats::Fits(uint32_t index, const Wish& wish) const {
  return free_[index] != 0 && (!wish.category || layout_->seats[index].category == *wish.category);
}

uint32_t FreeSeats::LongestRun(uint32_t row) const {
  RowFigures& figures = rows_[row];
  if (figures.longest_run != kStale) return figures.longest_run;
  const Row& seats = layout_->rows[row];
  uint32_t run = 0;
  figures.longest_run = 0;
  for (uint32_t i = seats.first_seat; i < seats.first_seat + seats.seats; ++i) {
    run = free_[i] != 0 ? run + 1 : 0;
    figures.longest_run = std::max(figures.longest_run, run);
  }
  return figures.longest_run;
}

bool FreeSeats::TakeRun(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const {
  if (!MayHave(row, wish) || rows_[row].free < wish.count || LongestRun(row) < wish.count) return false;
  const Row& all = layout_->rows[row];
  uint32_t run = 0;
  for (uint32_t i = all.first_seat; i < all.first_seat + all.seats; ++i) {
    run = Fits(i, wish) ? run + 1 : 0;
    if (run < wish.count) continue;
    for (uint32_t seat = i + 1 - wish.count; seat <= i; ++seat) seats.push_back(seat + 1);
    return true;
  }
  return false;
}

void FreeSeats::TakeAny(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const {
  if (!MayHave(row, wish)) return;
  const Row& all = layout_->rows[row];
  for (uint32_t i = all.first_seat; i < all.first_seat + all.seats && seats.size() < wish.count; ++i) {
    if (Fits(i, wish)) seats.push_back(i + 1);
  }
}

}  // namespace boxoffice::seat
