#include "rehearsal/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace boxoffice::rehearsal {

// Values below 64 have a bucket each; from there on every power of two is cut into 64.
size_t Histogram::BucketOf(uint64_t value) {
  if (value < (1U << kSubBits)) return value;
  const int shift = std::bit_width(value) - 1 - kSubBits;
  return (static_cast<size_t>(shift) << kSubBits) + (value >> shift);
}

uint64_t Histogram::LastOf(size_t bucket) {
  if (bucket < (2U << kSubBits)) return bucket;
  const size_t shift = (bucket >> kSubBits) - 1;
  const uint64_t first = (bucket - (shift << kSubBits)) << shift;
  return first + (uint64_t{1} << shift) - 1;
}

void Histogram::Record(Duration value) {
  constexpr uint64_t kLargest = (uint64_t{1} << kMaxBits) - 1;
  const uint64_t ns = std::min(static_cast<uint64_t>(std::max<int64_t>(value.count(), 0)), kLargest);
  ++buckets_[BucketOf(ns)];
  ++count_;
  sum_ns_ += ns;
  max_ = std::max(max_, Duration(ns));
}

Histogram::Duration Histogram::mean() const { return Duration(count_ == 0 ? 0 : sum_ns_ / count_); }

Histogram::Duration Histogram::Percentile(double fraction) const {
  if (count_ == 0) return Duration(0);
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(Duration(LastOf(i)), max_);
  }
  return max_;
}

}  // namespace boxoffice::rehearsal
