// What makes a consumer's effect happen once, in PostgreSQL: a whole batch of events is marked by one
// statement, in the transaction of their effects. See processed_event.h, also for what the horizon is.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"
#include "platform/bus/processed_event.h"
#include "platform/sql/postgres.h"

namespace boxoffice::bus {

// The table, for the consumer's own migration.
inline constexpr std::string_view kProcessedEventPostgresSchema =
    "CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id UUID NOT NULL, PRIMARY KEY(consumer, "
    "event_id));";

// The first id that is not below the horizon; NULL: there is none. Found once for a statement, and by the
// index whatever the planner knows of the table, as a look for each id might not be.
#define BOXOFFICE_PG_HORIZON \
  "(SELECT event_id FROM processed_event WHERE consumer = $3 ORDER BY event_id DESC LIMIT 1)"

// Adds to `batch` the statement that records `events`; a repeat within it counts once. Returns its place
// among the results: a row with the id of each that is new, so that its effect belongs into this transaction;
// the others have had theirs. It runs first in the transaction: another that records the same event waits
// there for this one's end.
inline size_t AddMark(sql::pg::Batch& batch, std::string_view consumer, std::span<const EventId> events) {
  return batch.Add(
      "INSERT INTO processed_event SELECT $1, id FROM (SELECT unnest($2) AS id) i WHERE (id "
      "< " BOXOFFICE_PG_HORIZON ") IS NOT TRUE ORDER BY id ON CONFLICT DO NOTHING RETURNING event_id",
      consumer, sql::pg::Column(events), HorizonOf(consumer));
}

// Adds the statement that finds those of `events` that have had their effect: they are on record, or below
// the horizon. Returns its place among the results, each a row with an id.
inline size_t AddProcessed(sql::pg::Batch& batch, std::string_view consumer,
                           std::span<const EventId> events) {
  // In one statement, so that it sees an id go and the horizon rise at once. By a value rather than EXISTS,
  // for which the server may read all that are on record.
  return batch.Add(
      "SELECT id FROM (SELECT unnest($2) AS id) i WHERE (SELECT true FROM processed_event "
      "WHERE consumer = $1 AND event_id = id) OR id < " BOXOFFICE_PG_HORIZON,
      consumer, sql::pg::Column(events), HorizonOf(consumer));
}

// Adds the statements that raise the horizon to `before`, unless it is higher, and delete up to `limit` ids
// below `before`: for one transaction. Returns the place of the deleted ones among the results, a row each:
// fewer than `limit` where there are no more, or another replica is deleting them.
inline size_t AddForget(sql::pg::Batch& batch, std::string_view consumer, Timestamp before, size_t limit) {
  const EventId first = FirstEventAt(before);
  batch.Add(
      "INSERT INTO processed_event SELECT $1, $2 WHERE ($2 < (SELECT event_id FROM processed_event WHERE "
      "consumer = $1 ORDER BY event_id DESC LIMIT 1)) IS NOT TRUE ON CONFLICT DO NOTHING",
      HorizonOf(consumer), first);
  constexpr std::string_view kDelete =
      "DELETE FROM processed_event WHERE consumer = $1 AND event_id = ANY(ARRAY(SELECT event_id FROM "
      "processed_event WHERE consumer = $1 AND event_id < $2 ORDER BY event_id LIMIT $3 FOR UPDATE SKIP "
      "LOCKED)) RETURNING event_id";
  batch.Add(kDelete, HorizonOf(consumer), first, limit);
  return batch.Add(kDelete, consumer, first, limit);
}

#undef BOXOFFICE_PG_HORIZON

}  // namespace boxoffice::bus
