// What a message that arrives from a partition is, beside those that have arrived before. For the Kafka bus's
// own files.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/bus/bus.h"

namespace boxoffice::bus::kafka {

// How far a group's process has got in a partition. A value.
struct Progress {
  int64_t next = 0;     // the first record that is neither consumed nor parked
  int64_t arrived = 0;  // records below are consumed, parked or pending
};

enum class Arrival {
  kNext,     // what was to come
  kAgain,    // it waits to be consumed already: no effect
  kExpired,  // what stood before it was deleted unread
  kBack,     // the log has lost its end, or is another one: it begins anew
};

// Adds the event of the message at `offset` to `pending`, the records of all partitions that wait to be
// consumed, and moves `progress` of its partition. `event` is left empty; an error: it is none of ours. After
// kBack, nothing waits of that partition from `offset` on but this event: what did comes again, if the log
// still has it.
[[nodiscard]] Arrival Arrive(std::string_view topic, int32_t partition, int64_t offset, Result<Record>& event,
                             Progress& progress, std::vector<Record>& pending);

}  // namespace boxoffice::bus::kafka
