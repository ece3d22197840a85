// Payment's store in a PostgreSQL database of its own.
#pragma once

#include "platform/sql/postgres.h"
#include "services/payment/store.h"

namespace boxoffice::payment {

// Connects and brings the schema up to date. The store and the reader have a connection each. A load is one
// round trip, a save two. Errors: database_unavailable, schema_newer, schema_foreign. The store's Save also
// says transaction_conflict (kUnavailable: nothing was done) and commit_unknown (kUnknown).
[[nodiscard]] Result<Stores> OpenPostgres(const sql::pg::Config& config);

}  // namespace boxoffice::payment
