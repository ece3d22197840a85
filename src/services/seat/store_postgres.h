// The seat service's store in a PostgreSQL database of its own, shared by all replicas of the service.
#pragma once

#include <chrono>
#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "platform/sql/postgres_clock.h"
#include "services/seat/store.h"

namespace boxoffice::seat {

struct PostgresStores {
  // Deadlines are judged by the database's clock: the service gets this one. The stores correct it with each
  // load.
  std::unique_ptr<sql::pg::ServerClock> clock;
  Stores stores;
};

// Connects and brings the schema up to date; a connection for each store. A load is one round trip, a save
// two. The stores of one call are one replica: what they save is no news to it, unless the end of a commit is
// unknown. `random` makes the events'
// ids and must outlive the stores. Errors: database_unavailable, schema_newer, schema_foreign. Save also says
// transaction_conflict (kUnavailable: nothing was done) and commit_unknown (kUnknown). News is kept for
// `news_kept` at least, longer than it is told: whoever was last told a minute ago reads everything anew.
[[nodiscard]] Result<PostgresStores> OpenPostgres(const sql::pg::Config& config, Random& random,
                                                  milliseconds news_kept = std::chrono::minutes(2));

}  // namespace boxoffice::seat
