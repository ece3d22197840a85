// W3C Trace Context: which span something belongs to. It travels with a request through every service and
// event as a "traceparent": "00-<32 hex: the trace>-<16 hex: the span>-<2 hex: flags>".
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace boxoffice::obs {

// A span of a trace. Without one (`span` is 0): nothing is traced.
struct SpanContext {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span = 0;
  bool sampled = false;  // as decided at the trace's beginning (W3C's flag)

  [[nodiscard]] explicit operator bool() const { return span != 0; }
  bool operator==(const SpanContext&) const = default;
};

namespace internal {
inline std::atomic<bool> tracing_on{false};
}

// Whether spans are recorded in this process (StartTracing in span.h). While they are not, this branch is all
// that tracing costs.
[[nodiscard]] inline bool TracingOn() { return internal::tracing_on.load(std::memory_order_relaxed); }

// What a traceparent says; none, where it is not one of version 00 with ids that are not zero.
[[nodiscard]] SpanContext ParseSpanContext(std::string_view traceparent);
// The same of one that is sampled; none of all others, at the cost of looking at its flag.
[[nodiscard]] SpanContext ParseIfSampled(std::string_view traceparent);
[[nodiscard]] bool IsSampled(std::string_view traceparent);
// The 32 hex digits of its trace; empty if it is none.
[[nodiscard]] std::string_view TraceId(std::string_view traceparent);

// "00-<trace>-<span>-01", or -00. The second writes over `out`, whose memory it keeps.
[[nodiscard]] std::string ToTraceparent(const SpanContext& context);
void WriteTraceparent(const SpanContext& context, std::string& out);

// Random, never 0. Not for secrets.
[[nodiscard]] uint64_t NewSpanId();
// The `ordinal`-th span below `parent`: the same each time, so that it need not be kept.
[[nodiscard]] uint64_t DeriveSpanId(uint64_t parent, uint64_t ordinal);
// A new span of the same trace.
[[nodiscard]] SpanContext ChildOf(const SpanContext& parent);
// The first span of a new trace, which is sampled by the ratio that StartTracing was given; not, while
// tracing is off.
[[nodiscard]] SpanContext NewTrace();

}  // namespace boxoffice::obs
