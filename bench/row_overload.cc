// Row 10: twice what it can do is offered. What is sold must not fall, and who is not served is told so
// early.
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
    BOXOFFICE_ASSIGN(const Offered offered, RunOffered(form, kLoad, kSeconds, kConnections, 1.1));
    AddMeasurement(row, form.name, offered.measured, "overloaded");
    row.figures[fmt::format("{}_offered_per_s", form.name)] = offered.options.offered_per_s;
    row.figures[fmt::format("{}_connections", form.name)] = static_cast<double>(offered.options.connections);
    row.targets.push_back({fmt::format("10 sold at twice the load to the peak, {}", form.name),
                           row.figures[fmt::format("{}_confirmed_per_s", form.name)] / offered.saturation,
                           0.9, true, "×"});
  }
  return row;
}

}  // namespace boxoffice::bench
