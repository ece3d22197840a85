// The reservation store in a PostgreSQL database of its own, shared by all replicas of the service.
#pragma once

#include <memory>

#include "base/random.h"
#include "platform/sql/postgres_clock.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

struct PostgresStores {
  // Leases, due times and deadlines are judged by the database's clock: the service gets this one. The store
  // corrects it with each load.
  std::unique_ptr<sql::pg::ServerClock> clock;
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
};

// Connects and brings the schema up to date. Store and reader have a connection each. A load is one round
// trip; a save is one, or two with requests or events, and is tried anew without a change of which another
// replica was first with a part. `random` makes the events' ids and must outlive the store. Errors:
// database_unavailable, schema_newer, schema_foreign. Save also says transaction_conflict (kUnavailable:
// nothing was done) and commit_unknown (kUnknown).
[[nodiscard]] Result<PostgresStores> OpenPostgres(const sql::pg::Config& config, Random& random);

}  // namespace boxoffice::reservation
