// How events stand in the outbox: several in one row, as a row costs what it costs, and its content next to
// nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"

namespace boxoffice::outbox {

// What a row holds at most, unless a single event is larger: then it is alone. A page of PostgreSQL holds
// that much without moving anything elsewhere (the table's toast_tuple_target).
inline constexpr size_t kMaxRowBytes = 8'000;

struct PackedRow {
  int64_t events = 0;
  Timestamp oldest = Timestamp::max();  // when the first of them was made
  // A byte that is 1, for this form; then for each event its id (16 bytes), its time (milliseconds, 8 bytes),
  // and topic, key, type, traceparent and body, each behind its length (4 bytes). Numbers are big-endian, as
  // PostgreSQL's int4send and int8send write them: the trigger of kOutboxPostgresSchema packs, too.
  std::string body;
};

// In the order of `events`; no events: no rows.
[[nodiscard]] std::vector<PackedRow> Pack(std::span<const bus::Event> events);

// Puts the `count` events of a row at events[first] and behind it; `events` grows as needed. Error:
// outbox_row_damaged (kInternal): it holds something else; what then stands there is of no use.
[[nodiscard]] Result<void> Unpack(std::string_view body, size_t count, std::vector<bus::Event>& events,
                                  size_t first);

}  // namespace boxoffice::outbox
