// The relay's store in a PostgreSQL database, which several replicas of the relay share.
#pragma once

#include <memory>

#include "platform/sql/postgres.h"
#include "services/relay/store.h"

namespace boxoffice::relay {

// For how long a delivery is its replica's, once `Due` has given it out; by the database's clock. Longer than
// an attempt may take, and shorter than the wait for a delivery whose replica has died is to be.
inline constexpr milliseconds kClaimLease{90'000};

// Connects and brings the schema up to date. One connection. What `Due` has given out belongs to this store
// until it is updated, the lease ends or the store closes: of replicas that look at once, one gets it. A
// replica that sleeps through the end of its lease and then says that its attempt failed is too late; that it
// succeeded counts. Errors: database_unavailable, schema_newer, schema_foreign. Calls that write also say
// commit_unknown (kUnknown): they may be repeated.
[[nodiscard]] Result<std::unique_ptr<Store>> OpenPostgresStore(const sql::pg::Config& config,
                                                               milliseconds lease = kClaimLease);

}  // namespace boxoffice::relay
