#include "platform/archive/bus_events.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace boxoffice::archive {
namespace {

constexpr size_t kPage = 500;

Table EventTable() {
  return {"event", {"topic", "event_id", "key", "type", "traceparent", "body", "time_ms"}};
}

Row ToRow(const bus::Event& event) {
  return {event.topic, std::string(event.id.bytes()), event.key, event.type, event.traceparent,
          event.body,  ToUnixMs(event.time)};
}

std::unexpected<Error> Malformed(std::string detail) {
  return Fail(Code::kInvalidArgument, "archive_schema", std::move(detail));
}

Result<bus::Event> ToEvent(const Row& row) {
  if (row.size() != EventTable().columns.size()) return Malformed("an event has other columns");
  const auto text = [&row](size_t i) {
    const auto* value = std::get_if<std::string>(&row[i]);
    return value != nullptr ? *value : std::string();
  };
  const auto id = EventId::FromBytes(text(1));
  const auto* time = std::get_if<int64_t>(&row[6]);
  if (!id || time == nullptr || text(0).empty())
    return Malformed("an event without an id, a topic or a time");
  return bus::Event{*id, text(0), text(2), text(3), text(4), text(5), FromUnixMs(*time)};
}

// Calls `take` with each event that comes.
class EventSink final : public Sink {
 public:
  using Take = std::function<Result<void>(bus::Event)>;
  explicit EventSink(Take take) : take_(std::move(take)) {}
  Result<void> Begin(const Table& table) override {
    if (table != EventTable())
      return Malformed(fmt::format("there is no such table {} of events", table.name));
    return {};
  }
  Result<void> Add(std::span<const Row> rows) override {
    for (const Row& row : rows) {
      BOXOFFICE_ASSIGN(bus::Event event, ToEvent(row));
      BOXOFFICE_TRY(take_(std::move(event)));
    }
    return {};
  }

 private:
  const Take take_;
};

// How often each event is on the bus: an event may have been published twice.
using Counts = std::unordered_map<EventId, int64_t>;

Result<Counts> CountEvents(bus::Bus& bus, std::span<const std::string> topics) {
  Counts counts;
  EventSink counting([&](const bus::Event& event) {
    ++counts[event.id];
    return Result<void>();
  });
  BOXOFFICE_TRY(DumpEvents(bus, topics, counting));
  return counts;
}

// Takes one away, if there is one.
bool TakeOne(Counts& counts, const EventId& id) {
  const auto found = counts.find(id);
  if (found == counts.end()) return false;
  if (--found->second == 0) counts.erase(found);
  return true;
}

}  // namespace

Result<void> DumpEvents(bus::Bus& bus, std::span<const std::string> topics, Sink& sink) {
  BOXOFFICE_TRY(sink.Begin(EventTable()));
  Portions portions(sink);
  for (const std::string& topic : topics) {
    bus::Position after;
    while (true) {
      BOXOFFICE_ASSIGN(const bus::Page page, bus.Read(topic, after, kPage));
      if (page.records.empty()) break;
      for (const bus::Record& record : page.records) BOXOFFICE_TRY(portions.Add(ToRow(record.event)));
      after = page.next;
    }
  }
  return portions.Flush();
}

Result<void> DumpEventsUpTo(bus::Bus& bus, const bus::Ends& ends, Sink& sink) {
  BOXOFFICE_TRY(sink.Begin(EventTable()));
  Portions portions(sink);
  for (const auto& [topic, partitions] : ends) {
    bus::Position after;
    std::vector<int64_t> read(partitions.size(), 0);  // up to which offset, of each partition
    const auto all_read = [&] { return std::ranges::equal(read, partitions, std::ranges::greater_equal()); };
    while (!all_read()) {
      BOXOFFICE_ASSIGN(const bus::Page page, bus.Read(topic, after, kPage));
      if (page.records.empty()) break;
      for (const bus::Record& record : page.records) {
        const auto partition = static_cast<size_t>(record.partition);
        if (partition >= partitions.size()) continue;  // one that was made meanwhile
        read[partition] = record.offset + 1;
        if (record.offset < partitions[partition]) BOXOFFICE_TRY(portions.Add(ToRow(record.event)));
      }
      after = page.next;
    }
  }
  return portions.Flush();
}

Result<void> LoadEvents(bus::Bus& bus, std::span<const std::string> topics, const Dump& from) {
  BOXOFFICE_ASSIGN(const Counts there, CountEvents(bus, topics));
  Counts left = there;
  EventSink looking([&](const bus::Event& event) -> Result<void> {
    if (std::ranges::find(topics, event.topic) == topics.end())
      return Malformed(fmt::format("there is no topic {}", event.topic));
    TakeOne(left, event.id);
    return {};
  });
  BOXOFFICE_TRY(from(looking));
  if (!left.empty()) {
    return Fail(Code::kConflict, "target_not_empty",
                fmt::format("the bus has {} events that are not in the archive", left.size()));
  }
  left = there;
  std::vector<bus::Event> events;
  EventSink publishing([&](bus::Event event) -> Result<void> {
    if (TakeOne(left, event.id)) return {};
    events.push_back(std::move(event));
    if (events.size() < kPage) return {};
    BOXOFFICE_TRY(bus.Publish(events));
    events.clear();
    return {};
  });
  BOXOFFICE_TRY(from(publishing));
  if (!events.empty()) BOXOFFICE_TRY(bus.Publish(events));
  return {};
}

}  // namespace boxoffice::archive
