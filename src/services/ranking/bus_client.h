// The ranking at the bus: what records mean to it.
#pragma once

#include <atomic>
#include <optional>
#include <span>

#include "base/result.h"
#include "platform/bus/bus.h"
#include "services/ranking/service.h"

namespace boxoffice::ranking {

// What a record says to the ranking; nullopt: nothing. Errors: event_malformed (kInvalidArgument: the event's
// fault: its body can't be read, or names a show, a time, an amount or a currency that can be none).
[[nodiscard]] Result<std::optional<Event>> ToEvent(const bus::Record& record);

// Counts a delivery. Before a malformed event, it counts what came before and stops there.
[[nodiscard]] bus::Consumed Consume(RankingService& service, std::span<const bus::Record> records);

// Counts the whole log: of each topic up to where it ends when that is reached, as the group consumes what
// comes later. Where the bus does not give the log's beginning, nothing has happened: what was counted stays.
// Once all has been forgotten, `from` is kWhatIsThere, so that a repeat after an error goes on.
// Malformed events are left out (they are parked in the dead letters). Ends early, with error stopped, when
// `stopping` is set. The group must not be subscribed here meanwhile.
[[nodiscard]] Result<void> RebuildFromLog(RankingService& service, RankingService::From& from, bus::Bus& bus,
                                          const std::atomic<bool>& stopping);

// Whose events count.
[[nodiscard]] const std::vector<std::string>& ConsumedTopics();

// Delivers events to the service until the bus's Unsubscribe(kGroup).
inline constexpr char kGroup[] = "ranking";
[[nodiscard]] Result<void> Subscribe(RankingService& service, bus::Bus& bus);

}  // namespace boxoffice::ranking
