// What a scenario reads from /metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace boxoffice::bench {

struct HistogramTotals {
  double sum = 0;
  double count = 0;
  [[nodiscard]] double Mean() const { return count == 0 ? 0 : sum / count; }
};

// Σ and count of every series of the histogram `name` in Prometheus' text format, by the value of their label
// `label`.
[[nodiscard]] std::map<std::string, HistogramTotals> ReadHistograms(std::string_view text,
                                                                    std::string_view name,
                                                                    std::string_view label);

// What was observed between two readings; series without an observation are left out.
[[nodiscard]] std::map<std::string, HistogramTotals> Between(
    const std::map<std::string, HistogramTotals>& before,
    const std::map<std::string, HistogramTotals>& after);

// The bound of the bucket that holds the quantile (0 to 1) of what all series of the histogram `name`
// together observed between two readings; 0: nothing was, infinity: it is above the last bound.
[[nodiscard]] double QuantileBetween(std::string_view before, std::string_view after, std::string_view name,
                                     double quantile);

}  // namespace boxoffice::bench
