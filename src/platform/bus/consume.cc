#include "platform/bus/consume.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/obs/log.h"

namespace boxoffice::bus {

// A throw says nothing of which record it was: then they are given one by one.
Consumed ConsumeGuarded(const Bus::Consume& consume, std::span<const Record> records,
                        std::string_view group) {
  Error error;
  try {
    Consumed consumed = consume(records);
    CHECK(consumed.done <= records.size(), "{} consumed more than it was given", group);
    return consumed;
  } catch (const std::exception& e) {
    error = {Code::kInternal, "exception", e.what()};
  }
  if (records.size() == 1) return {0, error};
  for (size_t i = 0; i < records.size(); ++i) {
    Consumed consumed = ConsumeGuarded(consume, records.subspan(i, 1), group);
    if (consumed.done == 0) return {i, std::move(consumed.error)};
  }
  return {records.size(), {}};
}

milliseconds RetryBackoff(int failures, milliseconds first, milliseconds longest) {
  constexpr int kMaxDoublings = 20;
  return std::min(first * (int64_t{1} << std::clamp(failures - 1, 0, kMaxDoublings)), longest);
}

void LogConsumeFailed(std::string_view group, const Event& event, const Error& error) {
  obs::Log(obs::Level::kWarning, "consume_failed",
           {{"group", group},
            {"type", event.type},
            {"event", event.id.ToString()},
            {"reason", error.reason},
            {"detail", error.detail}},
           event.traceparent);
}

void LogDeadLetter(std::string_view group, int64_t id, const Event& event, const Error& error) {
  obs::Log(obs::Level::kError, "dead_letter",
           {{"group", group},
            {"id", id},
            {"type", event.type},
            {"event", event.id.ToString()},
            {"reason", error.reason},
            {"detail", error.detail}},
           event.traceparent);
}

Result<void> CheckEvents(std::span<const Event> events) {
  for (const Event& event : events) {
    CHECK(!event.id.IsNil() && !event.topic.empty(), "an event has an id and a topic: {}", event.type);
    if (event.body.size() > kMaxBodyBytes) {
      return Fail(Code::kInvalidArgument, "event_too_large",
                  fmt::format("{} has {} bytes", event.type, event.body.size()));
    }
  }
  return {};
}

}  // namespace boxoffice::bus
