// A hall's seating plan as it was drawn, and how it becomes the layout of a show. Where it is read from is
// other files' matter (plan_*.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "services/seat/layout.h"

namespace boxoffice::seat {

// So that the sum of a hold stays an amount.
inline constexpr int64_t kMaxPrice = kMaxAmount / static_cast<int64_t>(kMaxSeatsPerHold);
inline constexpr size_t kMaxPlanName = 100;  // bytes of a name of a zone, row, category or of a seat's number

struct PlanSeat {
  std::string guid;  // unique in the plan
  std::string number;
  std::string category;
  double x = 0;  // in the plane of the whole plan, in its own unit: -1,000,000 to 1,000,000
  double y = 0;
  bool accessible = false;   // for a wheelchair
  std::string companion_of;  // the guid of the accessible seat that it is beside; empty: of none
};
struct PlanRow {
  std::string name;
  std::vector<PlanSeat> seats;
};
struct PlanZone {
  std::string name;  // may be empty or repeated
  std::vector<PlanRow> rows;
};
struct PlanCategory {
  std::string name;
  std::string color;
};
struct SeatingPlan {
  std::string name;
  std::vector<PlanCategory> categories;
  std::vector<PlanZone> zones;
};

// What keeps a text from being a name in a plan, as "is empty"; empty: nothing does. Control characters do
// something on a terminal, and PostgreSQL can't store a NUL byte.
[[nodiscard]] std::string NameFault(std::string_view name);

// Prices by category, in minor units.
using Prices = std::map<std::string, int64_t, std::less<>>;

// The layout of a show after `plan`. Zones become sections; an unnamed zone is called "Zone <n>", and a name
// that is repeated within its parent gets " (2)", " (3)" …, so that labels are unique. Rows without seats are
// left out. Errors (kInvalidArgument), with the JSON path of what is wrong in the detail:
//   seating_plan_invalid: no zone, no seat, more than kMaxSeats, a repeated category or seat_guid, a name
//     that has a fault (NameFault), a place out of its range, a seat of an unknown category, two seats of
//     one label, a companion of what is no accessible seat;
//   price_invalid: a category without a price, a price of an unknown category, or outside 1 … kMaxPrice.
[[nodiscard]] Result<Layout> MakeLayout(const SeatingPlan& plan, const Prices& prices);

}  // namespace boxoffice::seat
