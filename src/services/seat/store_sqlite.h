// The seat service's store in SQLite (schema/). Each store is a connection of its own.
#pragma once

#include <filesystem>
#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "services/seat/store.h"

namespace boxoffice::seat {

// Opens the database and brings its schema up to date. `random` makes the events' ids and must outlive the
// store. Errors: database_unavailable, schema_newer.
[[nodiscard]] Result<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file,
                                                             Random& random);

}  // namespace boxoffice::seat
