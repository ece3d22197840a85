// Who is let in when there is more to do than a bound allows: new work is turned away first, so that what was
// begun can be finished or undone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "platform/obs/span_context.h"

namespace boxoffice::resilience {

enum class Priority : uint8_t {
  kNormal,     // new work
  kFinishing,  // finishes what was begun (a confirmation, a compensation), or lets go on what waits
};

// How much of `bound` work of this priority may fill: all of it, or four fifths. A bound of less than five
// has no share to keep.
[[nodiscard]] constexpr size_t BoundFor(Priority priority, size_t bound) {
  return priority == Priority::kFinishing ? bound : bound - bound / 5;
}

// Whether one more is let in where `in_use` are in already.
[[nodiscard]] constexpr bool Admits(Priority priority, size_t in_use, size_t bound) {
  return in_use < BoundFor(priority, bound);
}

// What whoever queues a command knows of it besides its content.
struct Terms {
  Priority priority = Priority::kNormal;
  // When its caller stops waiting. What has certainly not been started by then is dropped.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  // The span that it is a part of; none, unless that is sampled.
  obs::SpanContext trace{};
};

}  // namespace boxoffice::resilience
