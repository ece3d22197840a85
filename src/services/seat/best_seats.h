// Chooses the best seats that are free. Seats are preferred in the plan's order (earlier rows first), or the
// nearer to the stage the better, where the layout says where that is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/seat/layout.h"

namespace boxoffice::seat {

// What a buyer wants who names no seats.
struct BestAvailable {
  uint32_t count = 0;
  std::string section;    // empty: any
  std::string category;   // empty: any
  int64_t max_price = 0;  // of each seat; 0: any
  // So many of them for wheelchairs, and the others as near, companions' seats first.
  uint32_t accessible = 0;
  bool operator==(const BestAvailable&) const = default;
};

// How close the seats of a party are; each rung is worse than the one before it.
enum class Rung : uint8_t {
  kRow,           // next to each other
  kAdjacentRows,  // next to each other in two rows, one behind the other, so that the two groups touch
  kSection,
  kAnywhere,
};
// Stable: "row", "adjacent_rows", "section", "anywhere".
[[nodiscard]] std::string_view RungName(Rung rung);
// The best rung that is true of these seats, which there are: sorted, at least one.
[[nodiscard]] Rung RungOf(const Layout& layout, std::span<const SeatNo> seats);

// What is proposed to a buyer who named no seats. kNone: nothing yet.
struct Proposal {
  enum class Status { kNone, kFound, kNotEnough, kSectionUnknown, kCategoryUnknown };
  Status status = Status::kNone;
  std::vector<SeatNo> seats;  // sorted; with kFound
};

// Which seats of a show are free, kept so that a choice costs a look at each row's figures rather than at
// each seat, also where it finds nothing: a few µs, and some tens at most, with 100,000 seats; for a party
// with a need, and 1,000 accessible seats, 0.2 ms. Not thread-safe.
class FreeSeats {
 public:
  // All are free.
  explicit FreeSeats(std::shared_ptr<const Layout> layout);

  void Set(SeatNo seat_no, bool free);
  // The same layout with other prices.
  void SetPrices(std::shared_ptr<const Layout> layout);
  [[nodiscard]] bool IsFree(SeatNo seat_no) const {
    return free_[seat_no - 1] != 0 || (!special_free_.empty() && special_free_[seat_no - 1] != 0);
  }

  // Free seats by the best rung on which there are `wish.count` (≥ 1); on one rung, those that are preferred:
  // for the stage, those whose distances to it add up to the least. With `avoid_orphans`, seats in one row
  // are first looked for where they leave no seat over alone. kNotEnough only if fewer are free. Accessible
  // seats and their companions' are for wishes that ask for accessible ones; these get those with the most
  // companions' seats, and where that is not enough what is nearest.
  [[nodiscard]] Proposal Choose(const BestAvailable& wish, bool avoid_orphans = false) const;

  // As many free seats as these are, which there are: next to each other and nearest to them; else by the
  // next rungs. Empty if fewer are free.
  [[nodiscard]] std::vector<SeatNo> Nearest(std::span<const SeatNo> seats, bool avoid_orphans) const;

  // Free seats that would have no free neighbour any more if these were taken, and have one now; sorted.
  [[nodiscard]] std::vector<SeatNo> OrphansOf(std::span<const SeatNo> seats) const;
  // Whether so many can sit next to each other in this section and leave nobody's seat over alone.
  [[nodiscard]] bool CanAvoidOrphans(uint32_t count, uint32_t section) const;

 private:
  static constexpr uint32_t kStale = UINT32_MAX;
  struct RowFigures {
    uint32_t free = 0;
    // Of its free seats, so that a row is not looked through for what is sold out in it.
    uint32_t longest_run = kStale;  // kStale: these three are to be found out again
    uint64_t categories = 0;        // a bit for each; those that are 64 apart share one
    int64_t least_price = 0;
    // Where its seats are.
    Point least{};
    Point most{};
  };
  struct Wish {
    uint32_t count = 0;
    uint32_t first_row = 0;
    uint32_t end_row = 0;
    std::optional<uint32_t> category;
    int64_t max_price = 0;
    bool avoid_orphans = false;
  };
  // The seats next to each other that are nearest to a point, as far as was looked.
  struct NearestRun {
    double distance = 0;  // their sum
    uint32_t first = 0;   // index of a seat
    bool found = false;
  };

  void MeasureRows();
  void OrderRows();
  void SetSpecialApart();
  [[nodiscard]] std::optional<Wish> Understand(const BestAvailable& asked, Proposal& refused) const;
  [[nodiscard]] bool IsWanted(uint32_t row, const Wish& wish) const;
  [[nodiscard]] bool Fits(uint32_t index, const Wish& wish) const;
  [[nodiscard]] const RowFigures& FiguresOf(uint32_t row) const;
  [[nodiscard]] bool LeavesOrphan(uint32_t first, const Wish& wish) const;
  [[nodiscard]] std::vector<uint32_t> RunsFrom(uint32_t row, const Wish& wish) const;

  // For parties with a need.
  [[nodiscard]] Proposal ChooseAccessible(const BestAvailable& asked, const Wish& wish) const;
  // Of an accessible or a companion's seat: it is free, and as is wished.
  [[nodiscard]] bool Suits(uint32_t index, const Wish& wish) const;
  [[nodiscard]] std::vector<SeatNo> FreeAccessible(const Wish& wish) const;
  [[nodiscard]] std::vector<SeatNo> FreeCompanionsOf(SeatNo accessible, const Wish& wish) const;
  [[nodiscard]] std::vector<SeatNo> PartyAround(SeatNo first, std::span<const SeatNo> accessible,
                                                const BestAvailable& asked, const Wish& wish) const;
  [[nodiscard]] std::vector<SeatNo> NearestOrdinary(Point point, uint32_t from_row, size_t count,
                                                    const Wish& wish) const;
  [[nodiscard]] bool FillUp(const BestAvailable& asked, const Wish& wish, std::vector<SeatNo>& party) const;

  // Each takes a rung, and tells whether it has found all.
  [[nodiscard]] bool TakeInRow(const Wish& wish, std::vector<SeatNo>& seats) const;
  [[nodiscard]] bool TakeBelowRow(const Wish& wish, std::vector<SeatNo>& seats) const;
  [[nodiscard]] bool TakeFirstRun(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const;
  [[nodiscard]] bool TakeTwoRows(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const;
  void TakeAny(uint32_t row, const Wish& wish, std::vector<SeatNo>& seats) const;

  [[nodiscard]] std::vector<uint32_t> RowsAround(uint32_t row) const;
  [[nodiscard]] Point MiddleOf(std::span<const SeatNo> seats) const;
  [[nodiscard]] double DistanceTo(Point point, uint32_t index) const;
  [[nodiscard]] double LeastDistanceTo(Point point, uint32_t row) const;
  void LookForRun(uint32_t row, const Wish& wish, Point point, NearestRun& best) const;
  static void AddRun(uint32_t first, uint32_t count, std::vector<SeatNo>& seats);

  std::shared_ptr<const Layout> layout_;
  std::vector<uint8_t> free_;  // by seat_no - 1; never an accessible or a companion's seat
  uint32_t all_free_;          // how many
  // Of accessible and companions' seats; all empty if there are none.
  std::vector<uint8_t> special_;
  std::vector<uint8_t> special_free_;
  std::vector<Companion> companions_;  // by whose they are
  // Figures that are counted when they are asked for.
  mutable std::vector<RowFigures> rows_;
  std::vector<uint32_t> order_;                  // rows, preferred ones first
  std::vector<uint32_t> rank_;                   // of a row in it
  std::vector<std::vector<uint32_t>> sections_;  // rows of each, in that order; preferred sections first
  mutable uint32_t first_free_rank_ = 0;         // no row before it has a free seat
};

}  // namespace boxoffice::seat
