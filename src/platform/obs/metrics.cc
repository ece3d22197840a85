#include "platform/obs/metrics.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::obs {
namespace {

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string RenderLabels(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    fmt::format_to(std::back_inserter(out), "{}{}=\"{}\"", out.empty() ? "" : ",", name, Escape(value));
  }
  return out;
}

std::string Braced(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

void RenderHistogram(std::string& out, std::string_view name, std::string_view labels,
                     const Histogram& histogram) {
  auto sink = std::back_inserter(out);
  uint64_t cumulative = 0;
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    cumulative += histogram.bucket(i);
    fmt::format_to(sink, "{}_bucket{} {}\n", name,
                   Braced(labels, fmt::format("le=\"{}\"", histogram.bounds()[i])), cumulative);
  }
  cumulative += histogram.bucket(histogram.bounds().size());
  fmt::format_to(sink, "{}_bucket{} {}\n", name, Braced(labels, "le=\"+Inf\""), cumulative);
  fmt::format_to(sink, "{}_sum{} {}\n{}_count{} {}\n", name, Braced(labels), histogram.sum(), name,
                 Braced(labels), cumulative);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), buckets_(bounds_.size() + 1) {
  CHECK(std::ranges::is_sorted(bounds_));
}

void Histogram::Observe(double value) {
  value = std::max(value, 0.0);
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

std::vector<double> SecondsBounds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

std::vector<double> SizeBounds() { return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}; }

Registry::Series& Registry::Find(std::string_view name, std::string_view help, std::string_view type,
                                 const Labels& labels) {
  auto [family, added] = families_.try_emplace(std::string(name));
  if (added) {
    family->second.help = help;
    family->second.type = type;
  }
  CHECK(family->second.type == type, "metric {} is a {}, not a {}", name, family->second.type, type);
  return family->second.series[RenderLabels(labels)];
}

Counter& Registry::GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = Find(name, help, "counter", labels);
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Registry::GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = Find(name, help, "gauge", labels);
  if (!series.gauge) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Registry::GetHistogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                                  const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = Find(name, help, "histogram", labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(std::move(bounds));
  return *series.histogram;
}

void Registry::AddCallback(std::string_view name, std::string_view help, const Labels& labels,
                           std::function<double()> read) {
  const std::scoped_lock lock(mutex_);
  Find(name, help, "gauge", labels).callback = std::move(read);
}

void Registry::AddCounterCallback(std::string_view name, std::string_view help, const Labels& labels,
                                  std::function<double()> read) {
  const std::scoped_lock lock(mutex_);
  Find(name, help, "counter", labels).callback = std::move(read);
}

void Registry::Remove(std::string_view name, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  const auto family = families_.find(name);
  if (family == families_.end()) return;
  family->second.series.erase(RenderLabels(labels));
  if (family->second.series.empty()) families_.erase(family);
}

// Without the lock: what is asked may wait for a lock of its own, whose holder may be asking the registry.
std::map<std::pair<std::string, std::string>, double> Registry::ReadCallbacks() const {
  std::map<std::pair<std::string, std::string>, std::function<double()>> callbacks;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, family] : families_) {
      for (const auto& [labels, series] : family.series) {
        if (series.callback) callbacks.emplace(std::pair(name, labels), series.callback);
      }
    }
  }
  std::map<std::pair<std::string, std::string>, double> values;
  for (const auto& [series, read] : callbacks) values.emplace(series, read());
  return values;
}

std::string Registry::Render() const {
  const auto values = ReadCallbacks();
  const std::scoped_lock lock(mutex_);
  std::string out;
  auto sink = std::back_inserter(out);
  for (const auto& [name, family] : families_) {
    fmt::format_to(sink, "# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const auto& [labels, series] : family.series) {
      if (series.counter) fmt::format_to(sink, "{}{} {}\n", name, Braced(labels), series.counter->value());
      if (series.gauge) fmt::format_to(sink, "{}{} {}\n", name, Braced(labels), series.gauge->value());
      const auto value = values.find({name, labels});
      if (value != values.end()) fmt::format_to(sink, "{}{} {}\n", name, Braced(labels), value->second);
      if (series.histogram) RenderHistogram(out, name, labels, *series.histogram);
    }
  }
  return out;
}

}  // namespace boxoffice::obs
