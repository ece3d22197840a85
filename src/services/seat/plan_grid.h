// Makes a seating plan of equal rows, for halls that nobody has drawn.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {

inline constexpr uint32_t kMaxGridRows = 1'000;   // of a section
inline constexpr uint32_t kMaxGridSeats = 1'000;  // of a row
inline constexpr size_t kMaxGridSections = 200;

struct GridSection {
  std::string name;
  uint32_t rows = 0;           // named 1, 2, …
  uint32_t seats_per_row = 0;  // numbered 1, 2, …
  std::string category;
  uint32_t accessible = 0;  // seats 1, 3, 5, … of the first row, the one after each being its companion's
};

// Sections one behind the other, each a unit apart; rows and seats a unit apart, and centred on x = 0, the
// first row at y = 1: a stage at (0, 0) is in front of its middle. Errors (kInvalidArgument,
// seating_plan_invalid), naming the member ("grid[1].rows: …"): no section, more than there may be, a name
// with a fault (NameFault), a number that is out of range, more accessible seats and companions than the row
// has, more than kMaxSeats in all.
[[nodiscard]] Result<SeatingPlan> MakeGridPlan(std::span<const GridSection> sections);

}  // namespace boxoffice::seat
