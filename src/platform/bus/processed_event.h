// What makes a consumer's effect happen once: the ids of the events that it has had, in its own database,
// written in the transaction of the effect.
//
// Old ids are forgotten (forgetting.h says when). From then on the time of an id answers for them: what is
// below the consumer's horizon has had its effect. The horizon is a row among the ids, of a name that no
// consumer has and with the first id that is not below it; so a version that knows no horizon works on the
// same table, and whoever drops the ids, or moves them to another database, does the same to it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {

// The table, for the consumer's own migration.
inline constexpr std::string_view kProcessedEventSchema =
    "CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id BLOB NOT NULL, "
    "PRIMARY KEY(consumer, event_id)) STRICT, WITHOUT ROWID;";

// Whose name the row of the horizon has.
[[nodiscard]] inline std::string HorizonOf(std::string_view consumer) {
  return std::string(consumer) + "/horizon";
}

// The lowest id of this millisecond: all that were made before are lower, as ids are in the order of making.
[[nodiscard]] inline EventId FirstEventAt(Timestamp time) {
  std::string bytes(16, '\0');
  const auto ms = static_cast<uint64_t>(ToUnixMs(time));
  for (size_t i = 0; i < 6; ++i) bytes[5 - i] = static_cast<char>(ms >> (8 * i));
  return *EventId::FromBytes(bytes);
}

// Belongs to the caller's connection and thread. Errors of all: database_unavailable.
class ProcessedEvents {
 public:
  ProcessedEvents(sql::Database& database, std::string consumer)
      : database_(database),
        consumer_(std::move(consumer)),
        horizon_(HorizonOf(consumer_)),
        insert_(database.Prepare("INSERT INTO processed_event SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM "
                                 "processed_event WHERE consumer = ?3 AND event_id > ?2) ON CONFLICT DO "
                                 "NOTHING")),
        find_(database.Prepare("SELECT EXISTS (SELECT 1 FROM processed_event WHERE consumer = ?1 AND "
                               "event_id = ?2) OR EXISTS (SELECT 1 FROM processed_event WHERE consumer = ?3 "
                               "AND event_id > ?2)")) {}

  // Records the event, inside the caller's transaction. True: it is new, so its effect belongs into this
  // transaction. False: it has had its effect.
  [[nodiscard]] Result<bool> MarkNew(const EventId& event) {
    insert_.Bind(consumer_, event, horizon_);
    BOXOFFICE_TRY(insert_.Run());
    return database_.changes() == 1;
  }

  // For each id whether its event has had its effect: it is on record, or below the horizon.
  [[nodiscard]] Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) {
    std::vector<bool> processed;
    processed.reserve(ids.size());
    for (const EventId& id : ids) {
      find_.Bind(consumer_, id, horizon_);
      BOXOFFICE_ASSIGN(const bool found, find_.Step());
      CHECK(found);
      processed.push_back(find_.Int(0) != 0);
      find_.Reset();
    }
    return processed;
  }

  // Raises the horizon to `before`, unless it is higher, and deletes up to `limit` ids below `before`; inside
  // the caller's transaction. Returns how many: fewer than `limit` only where there are no more. Again: the
  // next ones.
  [[nodiscard]] Result<size_t> Forget(Timestamp before, size_t limit) {
    const EventId first = FirstEventAt(before);
    sql::Statement raise = database_.Prepare(
        "INSERT INTO processed_event SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM processed_event WHERE "
        "consumer = ?1 AND event_id >= ?2)");
    BOXOFFICE_TRY(raise.Bind(horizon_, first).Run());
    sql::Statement tidy =
        database_.Prepare("DELETE FROM processed_event WHERE consumer = ?1 AND event_id < ?2");
    BOXOFFICE_TRY(tidy.Bind(horizon_, first).Run());
    sql::Statement erase = database_.Prepare(
        "DELETE FROM processed_event WHERE consumer = ?1 AND event_id IN (SELECT event_id FROM "
        "processed_event WHERE consumer = ?1 AND event_id < ?2 ORDER BY event_id LIMIT ?3)");
    BOXOFFICE_TRY(erase.Bind(consumer_, first, limit).Run());
    return static_cast<size_t>(database_.changes());
  }

 private:
  sql::Database& database_;
  const std::string consumer_;
  const std::string horizon_;
  sql::Statement insert_;
  sql::Statement find_;
};

}  // namespace boxoffice::bus
