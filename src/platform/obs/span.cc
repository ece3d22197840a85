#include "platform/obs/span.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace boxoffice::obs {
namespace {

// Read on every thread that records; written only while nobody does, or to what is read atomically.
struct Settings {
  std::atomic<uint64_t> sampled_below{0};  // a trace is sampled if the low half of its id, shifted, is below
  std::atomic<int64_t> slow_ns{0};
  std::string store;
  std::string bus;
};

Settings& TheSettings() {
  static auto* const settings = new Settings();  // never destroyed: threads may record to the very end
  return *settings;
}

// Ids of others may be random in their low 56 bits only (W3C Trace Context, level 2).
constexpr int kRandomBits = 56;

}  // namespace

SpanTime SpanNow() {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

SpanTime ToSpanTime(std::chrono::steady_clock::time_point time) {
  return SpanNow() - (std::chrono::steady_clock::now() - time);
}

void Span::Fail(std::string reason) {
  failed = true;
  attributes.push_back({"error.type", reason});
  error = std::move(reason);
}

Kept WhyKept(const SpanContext& context, bool failed, std::chrono::nanoseconds took) {
  if (context.sampled) return Kept::kSampled;
  if (failed) return Kept::kError;
  return took.count() > TheSettings().slow_ns.load(std::memory_order_relaxed) ? Kept::kSlow : Kept::kNo;
}

void Record(Span span) {
  const Kept why = WhyKept(span.context, span.failed, span.end - span.start);
  RecordAs(why, std::move(span));
}

void RecordAs(Kept kept, Span span) {
  if (!TracingOn() || !span.context || kept == Kept::kNo) return;
  if (kept != Kept::kSampled)
    span.attributes.push_back({"boxoffice.kept", std::string(kept == Kept::kError ? "error" : "slow")});
  ProcessSpans().Push(std::move(span));
}

void StartTracing(const TracingConfig& config) {
  CHECK(config.ratio >= 0 && config.ratio <= 1, "a ratio of {}", config.ratio);
  Settings& settings = TheSettings();
  settings.sampled_below =
      static_cast<uint64_t>(config.ratio * static_cast<double>(uint64_t{1} << kRandomBits));
  settings.slow_ns = std::chrono::nanoseconds(config.slow).count();
  settings.store = config.store;
  settings.bus = config.bus;
  ProcessSpans().SetLimit(config.queue_size, config.dropped);
  internal::tracing_on = true;
}

void StopTracing() {
  internal::tracing_on = false;
  TheSettings().sampled_below = 0;
  ProcessSpans().SetLimit(0, nullptr);
}

bool IsSampledByRatio(uint64_t trace_low) {
  constexpr uint64_t kMask = (uint64_t{1} << kRandomBits) - 1;
  return (trace_low & kMask) < TheSettings().sampled_below.load(std::memory_order_relaxed);
}

const std::string& StoreSystem() { return TheSettings().store; }
const std::string& BusSystem() { return TheSettings().bus; }

void SpanQueue::Push(Span span) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (spans_.size() >= limit_) {
      if (dropped_ != nullptr) dropped_->Add();
      return;
    }
    spans_.push_back(std::move(span));
    wake = spans_.size() == enough_;
  }
  if (wake) wake_.notify_one();
}

std::vector<Span> SpanQueue::Take(std::chrono::milliseconds longest, size_t enough) {
  std::unique_lock lock(mutex_);
  enough_ = std::max<size_t>(1, std::min(enough, limit_));
  wake_.wait_for(lock, longest, [this] { return interrupted_ || spans_.size() >= enough_; });
  enough_ = 0;
  interrupted_ = false;
  return std::exchange(spans_, {});
}

void SpanQueue::Interrupt() {
  {
    const std::scoped_lock lock(mutex_);
    interrupted_ = true;
  }
  wake_.notify_one();
}

void SpanQueue::SetLimit(size_t limit, Counter* dropped) {
  const std::scoped_lock lock(mutex_);
  limit_ = limit;
  dropped_ = dropped;
}

SpanQueue& ProcessSpans() {
  static auto* const spans = new SpanQueue();  // never destroyed, as the settings
  return *spans;
}

}  // namespace boxoffice::obs
