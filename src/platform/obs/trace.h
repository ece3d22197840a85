// W3C Trace Context: the "traceparent" that travels with a request through every service and event.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"

namespace boxoffice::obs {

// A new sampled root: "00-<32 hex>-<16 hex>-01".
[[nodiscard]] std::string NewTraceparent(Random& random);
// Whether `text` is a version 00 traceparent with non-zero ids.
[[nodiscard]] bool IsTraceparent(std::string_view text);
// The 32 hex digits of the trace; empty if `traceparent` is none.
[[nodiscard]] std::string_view TraceId(std::string_view traceparent);

}  // namespace boxoffice::obs
