// Chooses the best seats that are free. The plan's order is the order of preference: earlier rows first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "services/seat/layout.h"

namespace boxoffice::seat {

// What is proposed to a buyer who named no seats. kNone: nothing yet.
struct Proposal {
  enum class Status { kNone, kFound, kNotEnough, kSectionUnknown, kCategoryUnknown };
  Status status = Status::kNone;
  std::vector<SeatNo> seats;  // sorted; with kFound
};

// Which seats of a show are free, kept so that a choice costs a look at each row's figures rather than at
// each seat: a few µs with 50,000 seats. Not thread-safe.
class FreeSeats {
 public:
  // All are free.
  explicit FreeSeats(std::shared_ptr<const Layout> layout);

  void Set(SeatNo seat_no, bool free);
  [[nodiscard]] bool IsFree(SeatNo seat_no) const { return free_[seat_no - 1] != 0; }

  // `count` (≥ 1) seats, of a section and a category if these are named: next to each other in one row, else
  // in one section, else anywhere. kNotEnough only if fewer than `count` are free.
  [[nodiscard]] Proposal Choose(uint32_t count, std::string_view section, std::string_view category) const;

 private:
  static constexpr uint32_t kMixed = UINT32_MAX;
  static constexpr uint32_t kStale = UINT32_MAX;
  struct RowFigures {
    uint32_t free = 0;
    uint32_t longest_run = 0;  // kStale: count again
    uint32_t category = 0;     // kMixed: several
  };
  struct Wish {
    uint32_t count = 0;
    uint32_t first_row = 0;
    uint32_t end_row = 0;
    std::optional<uint32_t> category;
  };

  [[nodiscard]] std::optional<Wish> Understand(uint32_t count, std::string_view section,
                                               std::string_view category, Proposal& refused) const;
  [[nodiscard]] bool MayHave(uint32_t row, const Wish& wish) const;
  [[nodiscard]] bool Fits(uint32_t index, const Wish& wish) const;
  [[nodiscard]] uint32_t LongestRun(uint32_t row) const;
  [[nodiscard]] bool TakeRun(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const;
  void TakeAny(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const;

  std::shared_ptr<const Layout> layout_;
  std::vector<uint8_t> free_;  // by seat_no - 1
  // Figures that are counted when they are asked for.
  mutable std::vector<RowFigures> rows_;
  mutable uint32_t first_free_row_ = 0;  // no row before it has a free seat
};

}  // namespace boxoffice::seat
