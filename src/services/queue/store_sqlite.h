// The waiting room's store on SQLite.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Opens or creates the file and brings its schema up to date; the history has a connection of its own.
// Errors: database_unavailable, schema_newer.
[[nodiscard]] Result<Stores> OpenSqlite(const std::filesystem::path& file);

// The history alone, of a file that a process may be working with: nothing is migrated. Errors: no_store
// (kNotFound), database_unavailable, schema_newer, schema_older.
[[nodiscard]] Result<std::unique_ptr<History>> OpenSqliteHistory(const std::filesystem::path& file);

}  // namespace boxoffice::queue
