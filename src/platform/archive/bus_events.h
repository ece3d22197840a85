// The events of a bus, read and written: as rows of one table.
//
// A new bus has no groups, so its consumers begin at its first event and drop, by their ids, the events that
// they have had (platform/bus/processed_event.h). What they had not consumed yet, or had set aside, comes to
// them again.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/bus/bus.h"
#include "platform/bus/bus_factory.h"

namespace boxoffice::archive {

inline constexpr int kBusEventsVersion = 1;

// Gives all events of the topics to `sink`, one topic after the other, those of a key in their order. Errors:
// of the bus, and of the sink.
[[nodiscard]] Result<void> DumpEvents(bus::Bus& bus, std::span<const std::string> topics, Sink& sink);

// The same of the events before `ends`, whatever is published meanwhile. Topics that `ends` does not name are
// left out.
[[nodiscard]] Result<void> DumpEventsUpTo(bus::Bus& bus, const bus::Ends& ends, Sink& sink);

// Publishes the events of `from` that are not on the bus yet, those of a key in their order: a repeat after a
// failure goes on where it stopped, and after a success has no effect. `from` gives the events of a topic
// together, as DumpEvents does: so a repeat holds only that topic's ids, some 17 bytes for each event that
// the bus has of it. Errors: target_not_empty (kConflict: the topics hold events that are not of `from`; then
// nothing is published), archive_schema (also: a topic that is not in `topics`, or whose events stand apart),
// and those of the bus.
[[nodiscard]] Result<void> LoadEvents(bus::Bus& bus, std::span<const std::string> topics, const Dump& from);

}  // namespace boxoffice::archive
