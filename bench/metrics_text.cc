#include "bench/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace boxoffice::bench {
namespace {

// The value of `label` in `{a="x",b="y"}`; empty if it has none.
std::string LabelValue(std::string_view labels, std::string_view label) {
  const std::string key = fmt::format("{}=\"", label);
  const size_t start = labels.find(key);
  if (start == std::string_view::npos) return {};
  const std::string_view rest = labels.substr(start + key.size());
  return std::string(rest.substr(0, rest.find('"')));
}

// How often each bucket's bound was not exceeded, over all series.
std::map<double, double> ReadBuckets(std::string_view text, std::string_view name) {
  std::map<double, double> buckets;
  const std::string start = fmt::format("{}_bucket{{", name);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(start)) continue;
    const size_t space = line.rfind(' ');
    const std::string bound = LabelValue(line.substr(0, space), "le");
    double le = std::numeric_limits<double>::infinity();
    double count = 0;
    if (bound != "+Inf") std::from_chars(bound.data(), bound.data() + bound.size(), le);
    std::from_chars(line.data() + space + 1, line.data() + line.size(), count);
    buckets[le] += count;
  }
  return buckets;
}

}  // namespace

double QuantileBetween(std::string_view before, std::string_view after, std::string_view name,
                       double quantile) {
  const auto earlier = ReadBuckets(before, name);
  auto buckets = ReadBuckets(after, name);
  for (const auto& [le, count] : earlier) buckets[le] -= count;
  if (buckets.empty() || buckets.rbegin()->second <= 0) return 0;
  const double wanted = quantile * buckets.rbegin()->second;
  for (const auto& [le, count] : buckets) {
    if (count >= wanted) return le;
  }
  return buckets.rbegin()->first;
}

std::map<std::string, HistogramTotals> ReadHistograms(std::string_view text, std::string_view name,
                                                      std::string_view label) {
  std::map<std::string, HistogramTotals> found;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(name)) continue;
    const std::string_view rest = line.substr(name.size());
    const bool is_sum = rest.starts_with("_sum");
    if (!is_sum && !rest.starts_with("_count")) continue;
    const size_t space = line.rfind(' ');
    if (space == std::string_view::npos) continue;
    double value = 0;
    std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
    HistogramTotals& totals = found[LabelValue(line.substr(0, space), label)];
    (is_sum ? totals.sum : totals.count) += value;
  }
  return found;
}

std::map<std::string, HistogramTotals> Between(const std::map<std::string, HistogramTotals>& before,
                                               const std::map<std::string, HistogramTotals>& after) {
  std::map<std::string, HistogramTotals> observed;
  for (const auto& [label, totals] : after) {
    const auto earlier = before.find(label);
    const HistogramTotals base = earlier == before.end() ? HistogramTotals{} : earlier->second;
    if (totals.count > base.count) observed[label] = {totals.sum - base.sum, totals.count - base.count};
  }
  return observed;
}

}  // namespace boxoffice::bench
