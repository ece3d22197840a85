// Payment's store in one SQLite file.
#pragma once

#include <filesystem>

#include "services/payment/store.h"

namespace boxoffice::payment {

// Opens or creates `file` and brings its schema up to date. The store and the reader have a connection each.
// Errors: database_unavailable, schema_newer.
[[nodiscard]] Result<Stores> OpenSqlite(const std::filesystem::path& file);

}  // namespace boxoffice::payment
