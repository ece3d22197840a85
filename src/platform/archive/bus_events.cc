#include "platform/archive/bus_events.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <set>
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

// Which events of a dump are on the bus: by their ids, of one topic at a time, as the dump has them.
class OnBus {
 public:
  OnBus(bus::Bus& bus, std::span<const std::string> topics)
      : bus_(bus), to_come_(topics.begin(), topics.end()) {}

  // Whether the bus has it: as often as it stands there, as an event may have been published twice.
  Result<bool> Take(const bus::Event& event) {
    if (event.topic != topic_) BOXOFFICE_TRY(Begin(event.topic));
    const auto [first, last] = std::ranges::equal_range(ids_, event.id);
    const auto taken = taken_.begin() + (first - ids_.begin());
    const auto free = std::find(taken, taken + (last - first), false);
    if (free == taken + (last - first)) return false;
    *free = true;
    --left_;
    return true;
  }
  // How many the bus has that were not taken, in all topics.
  Result<int64_t> Left() {
    while (!to_come_.empty()) BOXOFFICE_TRY(Begin(*to_come_.begin()));
    return left_;
  }

 private:
  Result<void> Begin(std::string topic) {
    if (to_come_.erase(topic) == 0)
      return Malformed(fmt::format("there is no topic {}, or its events do not stand together", topic));
    topic_ = std::move(topic);
    ids_.clear();
    EventSink reading([this](const bus::Event& event) {
      ids_.push_back(event.id);
      return Result<void>();
    });
    BOXOFFICE_TRY(DumpEvents(bus_, {&topic_, 1}, reading));
    std::ranges::sort(ids_);
    taken_.assign(ids_.size(), false);
    left_ += static_cast<int64_t>(ids_.size());
    return {};
  }

  bus::Bus& bus_;
  std::set<std::string> to_come_;
  std::string topic_;
  std::deque<EventId> ids_;  // sorted; grows without a copy, as there may be 100 million
  std::vector<bool> taken_;
  int64_t left_ = 0;
};

// Error: target_not_empty.
Result<void> RefuseOthers(bus::Bus& bus, std::span<const std::string> topics, const Dump& from) {
  OnBus on_bus(bus, topics);
  EventSink looking([&](const bus::Event& event) -> Result<void> {
    BOXOFFICE_TRY(on_bus.Take(event));
    return {};
  });
  BOXOFFICE_TRY(from(looking));
  BOXOFFICE_ASSIGN(const int64_t left, on_bus.Left());
  if (left == 0) return {};
  return Fail(Code::kConflict, "target_not_empty",
              fmt::format("the bus has {} events that are not in the archive", left));
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
  BOXOFFICE_TRY(RefuseOthers(bus, topics, from));
  OnBus on_bus(bus, topics);
  std::vector<bus::Event> events;
  EventSink publishing([&](bus::Event event) -> Result<void> {
    BOXOFFICE_ASSIGN(const bool there, on_bus.Take(event));
    if (there) return {};
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
