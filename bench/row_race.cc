// Row 7: 10,000 buyers want the same seat; one gets it, and the others are told so fast.
#include "bench/rows.h"

namespace boxoffice::bench {

Result<RowResult> RunRaceRow(RowContext& context) {
  ScenarioOptions options = context.embedded;
  options.buyers = 0;
  BOXOFFICE_ASSIGN(const double empty, MeasureEmpty(options));
  BOXOFFICE_ASSIGN(const Measurement measured, RunRace(options));
  RowResult row;
  row.name = "race";
  AddMeasurement(row, "race", measured);
  uint64_t losers = 0;
  for (const auto& [code, count] : measured.refused) losers += count;
  const double losers_per_s = static_cast<double>(losers) / std::max(1e-9, measured.Seconds());
  row.figures["empty_per_s"] = empty;
  row.figures["losers_per_s"] = losers_per_s;
  row.targets = {{"7  losers to empty answers", losers_per_s / std::max(1.0, empty), 0.5, true, "×"},
                 {"7  no more than one winner", static_cast<double>(measured.confirmed), 1, false, ""},
                 {"7  one winner", static_cast<double>(measured.confirmed), 1, true, ""}};
  return row;
}

}  // namespace boxoffice::bench
