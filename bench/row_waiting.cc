// Rows 4, 5 and 6: a million people in one line.
#include <fmt/format.h>

#include "bench/rows.h"
#include "bench/waiting.h"

namespace boxoffice::bench {
namespace {

constexpr int kSeconds = 5;           // of each kind of request, and of empty answers with it
constexpr size_t kConnections = 512;  // of the empty answers, too

}  // namespace

Result<RowResult> RunWaitingRow(RowContext& context) {
  ScenarioOptions options = context.embedded;
  options.seconds = kSeconds;
  options.connections = kConnections;
  options.buyers = 0;  // a million
  BOXOFFICE_ASSIGN(const WaitingMeasurement measured, RunWaiting(options));
  RowResult row;
  row.name = "waiting";
  std::map<std::string, double> to_empty;
  uint64_t requests = 0;
  for (const WaitingPhase& phase : measured.phases) {
    to_empty[phase.name] = phase.ToEmpty();
    requests += phase.requests;
    if (phase.errors > 0) row.errors[phase.name] = phase.errors;
    row.figures[fmt::format("{}_per_s", phase.name)] = phase.PerSecond();
    row.figures[fmt::format("{}_p99_ms", phase.name)] = Millis(phase.latency.Percentile(0.99));
  }
  row.targets = {{"4  polls to empty answers", to_empty["poll after the draw"], 0.7, true, "×"},
                 {"5  joins to empty answers", to_empty["join"], 0.6, true, "×"},
                 {"6  memory of each who waits", measured.bytes_each, 100, false, "B"},
                 {"6  round of admission", measured.round_ms, 50, false, "ms"}};
  row.error_rate =
      static_cast<double>(measured.Errors()) / static_cast<double>(std::max<uint64_t>(1, requests));
  if (!measured.audit.ok) row.audit = measured.audit.json;
  return row;
}

}  // namespace boxoffice::bench
