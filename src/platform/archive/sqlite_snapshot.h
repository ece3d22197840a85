// One moment of a SQLite database that a process is working with.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "platform/archive/snapshot.h"
#include "platform/sql/migration.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::archive {

// Errors: no_store (kNotFound: there is no such file), database_unavailable.
[[nodiscard]] Result<std::unique_ptr<Snapshot>> OpenSqliteSnapshot(
    const std::filesystem::path& file, std::span<const sql::Migration> migrations);

// Begins a transaction that reads, which lasts until the connection ends: it sees the database as it is now.
// Errors: database_unavailable; schema_newer, schema_older (kConflict: the database has another schema than
// these migrations make).
[[nodiscard]] Result<void> BeginMoment(sql::Database& database, std::span<const sql::Migration> migrations);

// The bytes of a whole database, as of one moment, while a process works with it: SQLite's VACUUM INTO.
// Errors: database_unavailable, and archive_unwritable where `scratch`, a file that is made and removed,
// can't be written.
[[nodiscard]] Result<std::string> CopyOfDatabase(const std::filesystem::path& file,
                                                 const std::filesystem::path& scratch);

}  // namespace boxoffice::archive
