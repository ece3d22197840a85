// Metrics, in the shapes that Prometheus reads. A name is registered once; asking again gives the same
// object, which lives as long as the registry. Updating is lock-free; all is thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace boxoffice::obs {

// Only grows. Its name ends in _total.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations in buckets with inclusive upper bounds.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);  // below 0 it is 0: clocks are set back, and a sum must not fall
  [[nodiscard]] uint64_t count() const;
  [[nodiscard]] double sum() const { return sum_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }
  // Observations in bucket i (not cumulative); i == bounds().size() is the one without a bound.
  [[nodiscard]] uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> buckets_;
  std::atomic<double> sum_{0};
};

// Bounds for seconds (0.1 ms to 10 s) and for batch sizes (1 to 4096).
[[nodiscard]] std::vector<double> SecondsBounds();
[[nodiscard]] std::vector<double> SizeBounds();

using Labels = std::vector<std::pair<std::string, std::string>>;

class Registry {
 public:
  // `help` counts at the first call for a name. A name keeps its kind (a second kind is a bug).
  Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& GetHistogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                          const Labels& labels = {});
  // A gauge that is computed when it is read, by whoever renders. `read` must be thread-safe, may use the
  // registry, and must outlive the registry's use.
  void AddCallback(std::string_view name, std::string_view help, const Labels& labels,
                   std::function<double()> read);
  // The same for what only grows.
  void AddCounterCallback(std::string_view name, std::string_view help, const Labels& labels,
                          std::function<double()> read);
  // Forgets a series, so that labels which come and go (shows) stay bounded. Whoever does must be the only
  // one who holds it. Again: no effect.
  void Remove(std::string_view name, const Labels& labels);

  // Prometheus text exposition format 0.0.4, in the order of names.
  [[nodiscard]] std::string Render() const;

 private:
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> callback;
  };
  struct Family {
    std::string help;
    std::string type;
    std::map<std::string, Series> series;  // by rendered labels
  };
  [[nodiscard]] std::map<std::pair<std::string, std::string>, double> ReadCallbacks() const;
  Series& Find(std::string_view name, std::string_view help, std::string_view type, const Labels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace boxoffice::obs
