#include "platform/bus/consume.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/obs/log.h"
#include "platform/obs/span.h"

namespace boxoffice::bus {
namespace {

// What a trace shows of one record that a consumer was given at `start`, whose group has its name; `error` is
// null if it had its effect. One that failed is shown also where its trace is not sampled.
void Trace(const Record& record, size_t batch, std::string_view group, obs::SpanTime start,
           const Error* error) {
  const Event& event = record.event;
  const obs::SpanContext parent =
      error == nullptr ? obs::ParseIfSampled(event.traceparent) : obs::ParseSpanContext(event.traceparent);
  if (!parent) return;
  obs::Span span;
  span.context = obs::ChildOf(parent);
  span.parent = parent.span;
  span.kind = obs::SpanKind::kConsumer;
  span.service = group;
  span.name = fmt::format("process {}", event.topic);
  span.start = start;
  span.end = obs::SpanNow();
  span.attributes = {{"messaging.system", obs::BusSystem()},
                     {"messaging.operation.type", std::string("process")},
                     {"messaging.operation.name", std::string("process")},
                     {"messaging.destination.name", event.topic},
                     {"messaging.destination.partition.id", fmt::format("{}", record.partition)},
                     {"messaging.consumer.group.name", std::string(group)},
                     {"messaging.message.id", event.id.ToString()},
                     {"messaging.batch.message_count", static_cast<int64_t>(batch)},
                     {"cloudevents.event_type", event.type}};
  if (error != nullptr) span.Fail(error->reason);
  obs::Record(std::move(span));
}

void Trace(std::span<const Record> records, const Consumed& consumed, std::string_view group,
           obs::SpanTime start) {
  for (size_t i = 0; i < consumed.done; ++i) Trace(records[i], records.size(), group, start, nullptr);
  if (consumed.done < records.size())
    Trace(records[consumed.done], records.size(), group, start, &consumed.error);
}

}  // namespace

// A throw says nothing of which record it was: then they are given one by one.
Consumed ConsumeGuarded(const Bus::Consume& consume, std::span<const Record> records,
                        std::string_view group) {
  Error error;
  const bool traced = obs::TracingOn();
  const obs::SpanTime start = traced ? obs::SpanNow() : obs::SpanTime();
  try {
    Consumed consumed = consume(records);
    CHECK(consumed.done <= records.size(), "{} consumed more than it was given", group);
    if (traced) Trace(records, consumed, group, start);
    return consumed;
  } catch (const std::exception& e) {
    error = {Code::kInternal, "exception", e.what()};
  }
  if (records.size() == 1) {
    if (traced) Trace(records[0], 1, group, start, &error);
    return {0, error};
  }
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
            {"event_id", event.id.ToString()},
            {"reason", error.reason},
            {"detail", error.detail}},
           event.traceparent);
}

void LogDeadLetter(std::string_view group, int64_t id, const Event& event, const Error& error) {
  obs::Log(obs::Level::kError, "dead_letter",
           {{"group", group},
            {"id", id},
            {"type", event.type},
            {"event_id", event.id.ToString()},
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
