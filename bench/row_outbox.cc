// Row 12: how long an event waits for the bus at half load. The upper bound of the bucket of /metrics that
// holds the quantile, so the truth is less.
#include <fmt/format.h>

#include "bench/rows.h"

namespace boxoffice::bench {
namespace {

constexpr int kSeconds = 6;
constexpr double kLoad = 0.5;

}  // namespace

Result<RowResult> RunOutboxRow(RowContext& context) {
  RowResult row;
  row.name = "outbox";
  const Form form = BothForms(context).back();  // embedded: its /metrics are those of all services
  BOXOFFICE_ASSIGN(const double saturation, SaturationOf(form));
  ScenarioOptions options = *form.options;
  options.seconds = kSeconds;
  options.offered_per_s = kLoad * saturation;
  options.buyers = static_cast<size_t>(options.offered_per_s * kSeconds * 1.2);
  BOXOFFICE_ASSIGN(const Measurement measured, RunSale(options));
  AddMeasurement(row, form.name, measured);
  row.figures["outbox_lag_p99_at_most_ms"] = measured.outbox_lag_p99_s * 1'000;
  row.targets.push_back(
      {"12 from commit to the bus at half load, p99", measured.outbox_lag_p99_s * 1'000, 100, false, "ms"});
  row.note = "to the bus's acceptance: a consumer of the same process is woken then";
  return row;
}

}  // namespace boxoffice::bench
