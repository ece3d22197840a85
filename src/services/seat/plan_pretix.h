// Reads pretix's seating-plan JSON (pretix/pretix, src/pretix/static/seating/seating-plan.schema.json).
#pragma once

#include <string_view>

#include "base/result.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {

inline constexpr size_t kMaxPlanBytes = 48 << 20;

// Parses the JSON and its shape; MakeLayout judges the content. A seat's place is the sum of its own, its
// row's and its zone's position; a position that is missing is the parent's. Members that are not needed
// (areas, size, shapes of newer editors) are skipped, as is a byte order mark. Errors (kInvalidArgument,
// seating_plan_invalid): longer than kMaxPlanBytes, broken JSON (detail: "line 3, column 14: …"), a member
// that is missing or of another type (detail: "zones[0].rows[2]: …").
[[nodiscard]] Result<SeatingPlan> ParsePretixPlan(std::string_view json);

}  // namespace boxoffice::seat
