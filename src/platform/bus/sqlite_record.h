// How a row of the log becomes a record; for the embedded bus's own files.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {

// Of `log l JOIN topic t`, the first columns of a row.
inline constexpr std::string_view kRecordColumns =
    "l.offset, t.name, l.event_id, l.key, l.type, l.traceparent, l.body, l.time_ms";
inline constexpr int kRecordColumnCount = 8;

[[nodiscard]] inline Record ReadRecord(const sql::Statement& row) {
  Record record;
  record.offset = row.Int(0);
  record.event.topic = row.Text(1);
  const std::optional<EventId> id = EventId::FromBytes(row.Text(2));
  CHECK(id.has_value(), "the log holds event ids of 16 bytes");
  record.event.id = *id;
  record.event.key = row.Text(3);
  record.event.type = row.Text(4);
  record.event.traceparent = row.Text(5);
  record.event.body = row.Text(6);
  record.event.time = FromUnixMs(row.Int(7));
  return record;
}

// All rows of a statement that is bound.
[[nodiscard]] inline Result<std::vector<Record>> ReadRecords(sql::Statement& rows) {
  std::vector<Record> records;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, rows.Step());
    if (!more) return records;
    records.push_back(ReadRecord(rows));
  }
}

}  // namespace boxoffice::bus
