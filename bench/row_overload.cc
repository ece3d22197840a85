// Row 10: twice what it can do is offered. What is sold must not fall, and who is not served is told so
// early.
#include <algorithm>

#include <fmt/format.h>

#include "bench/rows.h"

namespace boxoffice::bench {
namespace {

constexpr int kSeconds = 6;
constexpr double kLoad = 2;
constexpr size_t kConnections = 9'000;  // more than the gateway lets in at once

}  // namespace

Result<RowResult> RunOverloadRow(RowContext& context) {
  RowResult row;
  row.name = "overload";
  for (const Form& form : BothForms(context)) {
    BOXOFFICE_ASSIGN(const double saturation, SaturationOf(form));
    ScenarioOptions options = *form.options;
    options.connections = std::min(kConnections, RaiseFileLimit(2 * kConnections) / 2);
    options.seconds = kSeconds;
    options.offered_per_s = kLoad * saturation;
    options.buyers = static_cast<size_t>(options.offered_per_s * kSeconds * 1.1);
    BOXOFFICE_ASSIGN(const Measurement measured, RunSale(options));
    AddMeasurement(row, form.name, measured, "overloaded");
    row.figures[fmt::format("{}_offered_per_s", form.name)] = options.offered_per_s;
    row.figures[fmt::format("{}_connections", form.name)] = static_cast<double>(options.connections);
    row.targets.push_back({fmt::format("10 sold at twice the load to the peak, {}", form.name),
                           row.figures[fmt::format("{}_confirmed_per_s", form.name)] / saturation, 0.9, true,
                           "×"});
  }
  return row;
}

}  // namespace boxoffice::bench
