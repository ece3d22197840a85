#include <array>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::outbox {

int PartitionOf(std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: std::hash may differ from program to program
  for (const char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  // Short keys differ in the low bits only; murmur's finalizer spreads them.
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  return static_cast<int>(hash % kPartitions);
}

Result<void> CheckSchema(sql::Database& database) {
  constexpr std::array<std::string_view, 9> kColumns = {"seq",  "partition",   "event_id", "topic",  "key",
                                                        "type", "traceparent", "body",     "time_ms"};
  sql::Statement find = database.Prepare("SELECT 1 FROM pragma_table_info('outbox') WHERE name = ?1");
  for (const std::string_view column : kColumns) {
    find.Bind(column);
    BOXOFFICE_ASSIGN(const bool found, find.Step());
    find.Reset();
    if (!found)
      return Fail(Code::kInternal, "outbox_schema", fmt::format("the table outbox lacks {}", column));
  }
  return {};
}

Writer::Writer(sql::Database& database)
    : insert_(database.Prepare(
          "INSERT INTO outbox(partition, event_id, topic, key, type, traceparent, body, time_ms) "
          "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")) {}

Result<void> CheckEvents(std::span<const bus::Event> events) {
  for (const bus::Event& event : events) {
    CHECK(!event.id.IsNil() && !event.topic.empty(), "an event has an id and a topic: {}", event.type);
    if (event.body.size() > bus::kMaxBodyBytes) {
      return Fail(Code::kInvalidArgument, "event_too_large",
                  fmt::format("{} has {} bytes", event.type, event.body.size()));
    }
  }
  return {};
}

Result<void> Writer::Append(std::span<const bus::Event> events) {
  BOXOFFICE_TRY(CheckEvents(events));
  for (const bus::Event& event : events) {
    insert_
        .Bind(PartitionOf(event.key), event.id, event.topic, std::nullopt, event.type, event.traceparent,
              std::nullopt, ToUnixMs(event.time))
        .BindBlob(4, event.key)
        .BindBlob(7, event.body);
    BOXOFFICE_TRY(insert_.Run());
  }
  return {};
}

}  // namespace boxoffice::outbox
