// The relay at the bus: what is sent of an event.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "platform/bus/bus.h"
#include "services/relay/service.h"

namespace boxoffice::relay {

// An event as it is kept: its body is the JSON {"type", "timestamp", "data": {…}} with all that it says: ids,
// numbers and states, nothing personal beyond the user's id; names and forms are those of
// docs/reference/events.md. Errors: event_malformed (kInvalidArgument), also for a type that is not among
// EventTypes().
[[nodiscard]] Result<InboxEvent> ToInboxEvent(const bus::Event& event);

// Takes what some target wants into the inbox, and calls `accepted` if there was any. Before a malformed
// event, it takes what came before and stops there.
[[nodiscard]] bus::Consumed Consume(RelayService& service, std::span<const bus::Record> records,
                                    const std::function<void()>& accepted);

// Whose events are sent.
[[nodiscard]] const std::vector<std::string>& ConsumedTopics();

// Delivers events to the service until the bus's Unsubscribe(kGroup).
inline constexpr char kGroup[] = "relay";
[[nodiscard]] Result<void> Subscribe(RelayService& service, bus::Bus& bus, std::function<void()> accepted);

}  // namespace boxoffice::relay
