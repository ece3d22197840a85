// The wallet's store in one SQLite file.
#pragma once

#include <filesystem>

#include "services/wallet/store.h"

namespace boxoffice::wallet {

// Opens or creates `file` and brings its schema up to date. The store and the reader have a connection each.
// Errors: database_unavailable, schema_newer.
[[nodiscard]] Result<Stores> OpenSqlite(const std::filesystem::path& file);

}  // namespace boxoffice::wallet
