// The scenarios: each starts a fresh system, prepares it, measures, and ends in the audit.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bench/measurement.h"

namespace boxoffice::bench {

// How a buyer of a sale says which seats.
enum class Choice { kOwnSeats, kBestAvailable };

struct ScenarioOptions {
  std::filesystem::path program;    // the `boxoffice` that is measured
  std::filesystem::path data_root;  // where the system's folder is made; on the disk that is measured
  int seconds = 10;
  size_t connections = 256;
  size_t buyers = 0;   // 0: of a sale seconds × 12,000, of a race 10,000
  uint32_t seats = 1;  // per reservation, 1 to 8
  Choice choice = Choice::kOwnSeats;
  double offered_per_s =
      0;  // of a sale: an open loop, with latencies from when each was due; 0: a closed one
  std::vector<std::string> arguments;  // of `boxoffice up`, besides: "--scaled"
  std::vector<std::pair<std::string, std::string>>
      environment;  // of the system, besides that of this process
};

// One-shot reservations, each by a buyer of its own, over `connections` in a closed loop, until `seconds`
// have passed or every buyer has bought.
[[nodiscard]] Result<Measurement> RunSale(const ScenarioOptions& options);
// Answers a second of our own server's empty handler, over the same connections, for two seconds.
[[nodiscard]] Result<double> MeasureEmpty(const ScenarioOptions& options);
// All buyers want the same one seat.
[[nodiscard]] Result<Measurement> RunRace(const ScenarioOptions& options);

}  // namespace boxoffice::bench
