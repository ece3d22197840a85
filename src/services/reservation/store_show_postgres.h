// The store of work on whole shows, on PostgreSQL: in the reservations' database, which replicas share.
#pragma once

#include <memory>

#include "platform/sql/postgres.h"
#include "services/reservation/show_store.h"

namespace boxoffice::reservation {

struct PostgresShowStores {
  std::unique_ptr<ShowStore> store;
  std::unique_ptr<ShowReader> reader;
};
// Connects to a database that OpenPostgres has migrated. Errors: database_unavailable.
[[nodiscard]] Result<PostgresShowStores> OpenPostgresShows(const sql::pg::Config& config);

}  // namespace boxoffice::reservation
