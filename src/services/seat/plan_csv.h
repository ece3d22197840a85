// Reads a seating plan from CSV (RFC 4180), as spreadsheets write it.
#pragma once

#include <string_view>

#include "base/result.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {

// The first line names the columns, in any order: section, row, number, category, and if wanted x and y (both
// or neither), accessible (yes or no, also true, false, 1, 0; empty: no) and companion_of (the number of an
// accessible seat in the same row; empty: of none). Each further line is a seat; sections, rows and seats
// stand in the order in which they first come. Spaces around a field and empty lines don't count; a byte
// order mark is skipped. Errors (kInvalidArgument, seating_plan_invalid), with the line that is wrong
// ("seating_csv: line 7: …"): longer than kMaxPlanBytes, a quote that is not closed, a column that is
// missing, unknown or there twice, a line with more or fewer fields, an empty field of the first six, a mark
// that is wrong, a coordinate that is no number, a seat that is there twice, no seat, more than kMaxSeats.
[[nodiscard]] Result<SeatingPlan> ParseCsvPlan(std::string_view csv);

}  // namespace boxoffice::seat
