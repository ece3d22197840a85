// Row 9: an open loop at 80 % of what a closed one reaches.
#include <algorithm>

#include <fmt/format.h>

#include "bench/rows.h"

namespace boxoffice::bench {
namespace {

constexpr int kSeconds = 8;
constexpr double kLoad = 0.8;
constexpr size_t kConnections = 2'000;  // so that nobody waits for one

}  // namespace

Result<RowResult> RunOpenLoopRow(RowContext& context) {
  RowResult row;
  row.name = "open-loop";
  for (const Form& form : BothForms(context)) {
    BOXOFFICE_ASSIGN(const Offered offered, RunOffered(form, kLoad, kSeconds, kConnections, 1.2));
    AddMeasurement(row, form.name, offered.measured);
    row.figures[fmt::format("{}_offered_per_s", form.name)] = offered.options.offered_per_s;
    const double p50 = row.figures[fmt::format("{}_p50_ms", form.name)];
    row.targets.push_back({fmt::format("9  p99 to p50 at 80 %, {}", form.name),
                           row.figures[fmt::format("{}_p99_ms", form.name)] / std::max(1e-3, p50), 10, false,
                           "×"});
  }
  return row;
}

}  // namespace boxoffice::bench
