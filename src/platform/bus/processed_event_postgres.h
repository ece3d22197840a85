// What makes a consumer's effect happen once, in PostgreSQL: a whole batch of events is marked by one
// statement, in the transaction of their effects. See processed_event.h.
#pragma once

#include <set>
#include <span>
#include <string_view>

#include "base/id.h"
#include "platform/sql/postgres.h"

namespace boxoffice::bus {

// The table, for the consumer's own migration.
inline constexpr std::string_view kProcessedEventPostgresSchema =
    "CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id UUID NOT NULL, PRIMARY KEY(consumer, "
    "event_id));";

// Adds to `batch` the statement that records `events`; a repeat within it counts once. Returns its place
// among the results, for NewOf. It runs first in the transaction: another that records the same event waits
// there for this one's end.
inline size_t AddMark(sql::pg::Batch& batch, std::string_view consumer, std::span<const EventId> events) {
  return batch.Add(
      "INSERT INTO processed_event SELECT $1, id FROM unnest($2) i(id) ORDER BY id ON CONFLICT DO NOTHING "
      "RETURNING event_id",
      consumer, sql::pg::Column(events));
}

// The events that are new, so that their effects belong into this transaction; the others have had theirs.
[[nodiscard]] inline std::set<EventId> NewOf(const sql::pg::Rows& marked) {
  std::set<EventId> events;
  for (const sql::pg::Row row : marked) events.insert(row.Id<EventId>(0));
  return events;
}

}  // namespace boxoffice::bus
