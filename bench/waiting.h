// The scenario of a long line: a million people join one show's queue before its sale, ask for their place,
// are drawn and admitted, against an empty answer of the same server. As a machine's speed drifts, each kind
// of request is asked in slices between slices of empty answers. Ends in the audit.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/generator.h"
#include "bench/scenario.h"

namespace boxoffice::bench {

// One kind of request, in a closed loop.
struct WaitingPhase {
  std::string name;
  uint64_t requests = 0;
  uint64_t errors = 0;
  std::chrono::nanoseconds elapsed{0};
  Histogram latency;
  CpuTime system_cpu{0};
  std::vector<double> to_empty;  // the rate of each slice by the mean of the empty ones before and after it
  [[nodiscard]] double PerSecond() const;
  [[nodiscard]] double ToEmpty() const;  // the median; 1 for the empty answer itself
};

struct WaitingMeasurement {
  size_t buyers = 0;
  size_t connections = 0;
  std::vector<WaitingPhase> phases;  // the empty answer last
  double bytes_each = 0;             // by which the system's memory grew, caches of the store and all
  double draw_ms = 0;                // from asking for the opening to its answer
  double round_ms = 0;               // of admission while the rest waits: the mean transaction of the queue
  AuditVerdict audit;
  [[nodiscard]] uint64_t Errors() const;
};

// `options.buyers` join (0: 1,000,000); what is asked again and again is asked for `options.seconds`, and as
// much of empty answers with each. Errors: as RunSale.
[[nodiscard]] Result<WaitingMeasurement> RunWaiting(const ScenarioOptions& options);

[[nodiscard]] std::string RenderTable(const WaitingMeasurement& measurement);
[[nodiscard]] std::string RenderJson(const WaitingMeasurement& measurement);

}  // namespace boxoffice::bench
