// The layout of a show by rows and columns, for whoever draws it: a thirtieth of the list of its seats on the
// wire.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "boxoffice/seat/v1/seat.pb.h"

namespace boxoffice::gateway {

// The members sections, prices, rows, exceptions, accessible and companions of a SeatMap in
// openapi/boxoffice.yaml, from an answer with a layout: JSON text without the braces around them.
[[nodiscard]] std::string RenderRows(const seat::v1::SeatMap& map);

// Whole numbers on a line: the one at i is floor(first + i × step + 1/2).
struct Line {
  double first = 0;
  double step = 0;
};
// The line on which all of `places` lie exactly, with the fewest decimals found; `liked` is the step that is
// tried first, so that parallel rows have the same. nullopt: there is none, or they are not whole.
[[nodiscard]] std::optional<Line> FitLine(std::span<const double> places, double liked);

}  // namespace boxoffice::gateway
