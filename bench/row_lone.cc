// Row 8: one reservation under way, in each form.
#include <fmt/format.h>

#include "bench/rows.h"

namespace boxoffice::bench {
namespace {

constexpr int kSeconds = 5;
constexpr size_t kBuyers = 10'000;  // more than one connection can serve in that time

}  // namespace

Result<RowResult> RunLoneRow(RowContext& context) {
  RowResult row;
  row.name = "lone";
  for (const Form& form : BothForms(context)) {
    ScenarioOptions options = *form.options;
    options.connections = 1;
    options.seconds = kSeconds;
    options.buyers = kBuyers;
    BOXOFFICE_ASSIGN(const Measurement measured, RunSale(options));
    AddMeasurement(row, form.name, measured);
    row.targets.push_back({fmt::format("8  a lone reservation {}, p50", form.name),
                           row.figures[fmt::format("{}_p50_ms", form.name)],
                           form.name == "scaled" ? 10.0 : 5.0, false, "ms"});
  }
  return row;
}

}  // namespace boxoffice::bench
