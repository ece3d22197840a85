// Latencies, counted in buckets whose width is at most 1/64 of their value (log-linear, as HdrHistogram does
// it): a percentile is within 1.6 % of the truth, at any size of the sample.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace boxoffice::rehearsal {

[[nodiscard]] inline double Millis(std::chrono::nanoseconds value) {
  return std::chrono::duration<double, std::milli>(value).count();
}

// Not thread-safe.
class Histogram {
 public:
  using Duration = std::chrono::nanoseconds;

  // Negative counts as 0; over about 18 minutes as that.
  void Record(Duration value);
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] Duration max() const { return max_; }
  [[nodiscard]] Duration mean() const;
  // The value that `fraction` (0 to 1) of the sample does not exceed, rounded up to its bucket's end but
  // never above the maximum; 0 without a sample.
  [[nodiscard]] Duration Percentile(double fraction) const;

 private:
  static constexpr int kSubBits = 6;  // 64 buckets to each power of two
  static constexpr int kMaxBits = 40;
  static constexpr size_t kBuckets = (kMaxBits - kSubBits + 1) << kSubBits;
  static size_t BucketOf(uint64_t value);
  static uint64_t LastOf(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  Duration max_{0};
};

}  // namespace boxoffice::rehearsal
