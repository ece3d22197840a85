// A run: rounds of faults under load, each with a quiet end in which all is checked.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "chaos/report.h"
#include "chaos/stage.h"

namespace boxoffice::chaos {

struct RunOptions {
  double minutes = 5;
  std::vector<Kind> kinds;
  uint64_t seed = 1;
  double rate_per_s = 25;
  int faults_per_round = 4;
};

// Until the time is over, a violation is found, or `wait`, which is called all the time, says false. `tell`
// hears what happens. `stage` is as Stage::Start gave it. Error: show (it can't be made).
[[nodiscard]] Result<RunReport> Run(Stage& stage, const auth::TokenIssuer& issuer, const RunOptions& options,
                                    const std::filesystem::path& data, const Cluster::Wait& wait,
                                    const std::function<void(const std::string&)>& tell);

}  // namespace boxoffice::chaos
