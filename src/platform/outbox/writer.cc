#include <array>

#include <fmt/format.h>

#include "platform/outbox/outbox.h"
#include "platform/outbox/packed_row.h"

namespace boxoffice::outbox {

namespace {

Result<void> CheckTable(sql::Database& database, std::string_view table,
                        std::span<const std::string_view> columns) {
  sql::Statement find = database.Prepare("SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2");
  for (const std::string_view column : columns) {
    find.Bind(table, column);
    BOXOFFICE_ASSIGN(const bool found, find.Step());
    find.Reset();
    if (!found)
      return Fail(Code::kInternal, "outbox_schema", fmt::format("the table {} lacks {}", table, column));
  }
  return {};
}

}  // namespace

Result<void> CheckSchema(sql::Database& database) {
  constexpr std::array<std::string_view, 8> kOld = {"seq",  "event_id",    "topic", "key",
                                                    "type", "traceparent", "body",  "time_ms"};
  constexpr std::array<std::string_view, 4> kNew = {"seq", "events", "oldest_ms", "body"};
  BOXOFFICE_TRY(CheckTable(database, "outbox", kOld));
  return CheckTable(database, "outbox_batch", kNew);
}

Writer::Writer(sql::Database& database)
    : insert_(database.Prepare("INSERT INTO outbox_batch(events, oldest_ms, body) VALUES(?1, ?2, ?3)")) {}

Result<void> Writer::Append(std::span<const bus::Event> events) {
  BOXOFFICE_TRY(bus::CheckEvents(events));
  for (const PackedRow& row : Pack(events)) {
    insert_.Bind(row.events, ToUnixMs(row.oldest)).BindBlob(3, row.body);
    BOXOFFICE_TRY(insert_.Run());
  }
  return {};
}

}  // namespace boxoffice::outbox
