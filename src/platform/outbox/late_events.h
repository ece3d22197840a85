// Events that waited in an outbox for days: nobody can tell from their ids any more whether they were
// published before, as consumers forget old ids (platform/bus/forgetting.h), and a publisher that died after
// the bus had taken them, and before it had deleted their rows, left them behind. The bus's log can tell.
#pragma once

#include <memory>

#include "base/clock.h"
#include "platform/bus/bus.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::outbox {

// The same outbox, but for the events whose ids were made longer ago than bus::kOldestPublished. Of these,
// Read deletes those that are on the bus (by key, type, time and body, as its id may be another), and gives
// the others the time of today in their ids, which is not stored: read again, they are looked for again. Of a
// batch that is deleted whole, Read goes on with the next one. The log is read once for all that waited, and
// anew after a failure to publish. `bus` and `clock` must outlive it. Errors of Read: also those of the bus's
// Read.
[[nodiscard]] std::unique_ptr<Table> RenewLateEvents(std::unique_ptr<Table> table, bus::Bus& bus,
                                                     const Clock& clock);

}  // namespace boxoffice::outbox
