// Row 7: 10,000 buyers want the same seat; one gets it, and the others are told so fast.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "bench/rows.h"

namespace boxoffice::bench {
namespace {

constexpr int kRaces = 5;  // by turns with empty answers: a race is over in less than a second

}  // namespace

Result<RowResult> RunRaceRow(RowContext& context) {
  ScenarioOptions options = context.embedded;
  options.buyers = 0;
  RowResult row;
  row.name = "race";
  std::vector<double> to_empty;
  std::vector<double> winners;
  BOXOFFICE_ASSIGN(double before, MeasureEmpty(options));
  for (int i = 1; i <= kRaces; ++i) {
    BOXOFFICE_ASSIGN(const Measurement measured, RunRace(options));
    BOXOFFICE_ASSIGN(const double after, MeasureEmpty(options));
    AddMeasurement(row, fmt::format("race_{}", i), measured);
    const double losers_per_s =
        static_cast<double>(measured.RefusedCount()) / std::max(1e-9, measured.Seconds());
    row.figures[fmt::format("race_{}_empty_per_s", i)] = (before + after) / 2;
    row.figures[fmt::format("race_{}_losers_per_s", i)] = losers_per_s;
    to_empty.push_back(2 * losers_per_s / std::max(1.0, before + after));
    winners.push_back(static_cast<double>(measured.confirmed));
    before = after;
  }
  row.targets = {{"7  losers to empty answers", MedianOf(to_empty), 0.5, true, "×"},
                 {"7  no more than one winner", std::ranges::max(winners), 1, false, ""},
                 {"7  one winner", std::ranges::min(winners), 1, true, ""}};
  return row;
}

}  // namespace boxoffice::bench
