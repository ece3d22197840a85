// Spans: what took how long, and within what. A span is recorded once, when it has ended, and waits in a
// bounded queue of the process for whoever sends it on (platform/otlp). Recording never blocks and never
// fails: where the queue is full, the span is dropped and counted.
//
// Which spans are kept: those of traces that are sampled, as the traceparent says (decided where the trace
// began: by whoever called us, or else by a ratio); and of all others those that ended in an error or took
// long. All names, kinds and attributes are those of OpenTelemetry's semantic conventions where these have
// some; docs/tracing.md lists them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "platform/obs/metrics.h"
#include "platform/obs/span_context.h"

namespace boxoffice::obs {

using SpanTime = std::chrono::sys_time<std::chrono::nanoseconds>;
[[nodiscard]] SpanTime SpanNow();
// A moment of the steady clock, by what the system's clock says now.
[[nodiscard]] SpanTime ToSpanTime(std::chrono::steady_clock::time_point time);

enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3, kProducer = 4, kConsumer = 5 };

struct Attribute {
  std::string_view key;  // of a literal
  std::variant<int64_t, std::string> value;
};

struct Span {
  SpanContext context;
  uint64_t parent = 0;  // the span that it is a part of; 0: it begins its trace
  SpanKind kind = SpanKind::kInternal;
  std::string service;  // whose: the resource's service.name
  std::string name;
  SpanTime start{};
  SpanTime end{};
  bool failed = false;
  std::string error;  // of one that failed: its reason, stable
  std::vector<Attribute> attributes;
  std::vector<SpanContext> links;

  // It failed, for this reason. Once.
  void Fail(std::string reason);
};

// Why a span is kept, if it is.
enum class Kept : uint8_t { kNo, kSampled, kError, kSlow };
// Of a span of this trace, as it ended.
[[nodiscard]] Kept WhyKept(const SpanContext& context, bool failed, std::chrono::nanoseconds took);

// Queues the span if it is to be kept; one that is though its trace is not sampled says why (boxoffice.kept).
// A span without a context, or while tracing is off: no effect. Thread-safe.
void Record(Span span);
// The same where the caller knows why.
void RecordAs(Kept why, Span span);

struct TracingConfig {
  double ratio = 0.01;                    // of new traces that are sampled, 0 to 1
  std::chrono::milliseconds slow{1'000};  // what takes longer is kept
  size_t queue_size = 8'192;              // spans that wait; further ones are dropped
  std::string store;                      // db.system.name of the process' stores, as their URLs' scheme says
  std::string bus;                        // messaging.system, the same of the bus
  Counter* dropped = nullptr;             // counts them; outlives StopTracing
};

// Spans are recorded from now on, until StopTracing. Again: with the new configuration.
void StartTracing(const TracingConfig& config);
void StopTracing();
[[nodiscard]] bool IsSampledByRatio(uint64_t trace_low);
[[nodiscard]] const std::string& StoreSystem();  // of the configuration; so is the next
[[nodiscard]] const std::string& BusSystem();

// What waits to be sent. Thread-safe, and never waits but in Take.
class SpanQueue {
 public:
  // How many may wait, from now on; what is pushed beyond is dropped, and counted by `dropped`, if there is
  // one.
  void SetLimit(size_t limit, Counter* dropped);
  void Push(Span span);
  // All that waits, after `longest`, or once there are `enough`, or at Interrupt.
  [[nodiscard]] std::vector<Span> Take(std::chrono::milliseconds longest, size_t enough);
  // Ends the Take that waits, or the next one.
  void Interrupt();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Span> spans_;
  size_t limit_ = 0;
  Counter* dropped_ = nullptr;
  size_t enough_ = 0;  // of the Take that waits; 0: none does
  bool interrupted_ = false;
};

// Where Record puts them.
[[nodiscard]] SpanQueue& ProcessSpans();

}  // namespace boxoffice::obs
