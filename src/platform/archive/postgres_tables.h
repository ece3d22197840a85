// All rows of a service's PostgreSQL database, read and written in the form in which they travel: that of
// its SQLite schema (sqlite_tables.h).
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/archive/snapshot.h"
#include "platform/sql/migration.h"

namespace boxoffice::archive {

struct PostgresSource {
  std::string url;
  std::string service;                         // whose schema it is
  std::span<const sql::Migration> migrations;  // of PostgreSQL
  std::span<const sql::Migration> form;        // of SQLite: the tables and columns that travel
  // Of each statement that reads or loads rows. The first rows may stand behind all the pages of a table that
  // has become empty at its beginning, as those do from which old rows are deleted.
  std::chrono::milliseconds statement_timeout{std::chrono::minutes(10)};
};

// Gives all rows to `sink`, as of one moment. The schema is brought up to date before. Errors: store_in_use
// (kConflict: services are connected to the database, and were for 5 s), those of sql::pg::Connection,
// schema_newer, schema_foreign, and those of the sink.
[[nodiscard]] Result<void> DumpPostgres(const PostgresSource& source, Sink& sink);

// Puts all rows of `from` into the database, in one transaction. Errors: those of DumpPostgres;
// archive_schema; constraint (a row is there already); invalid_value; commit_unknown (kUnknown: they are
// there, or not).
[[nodiscard]] Result<void> LoadPostgres(const PostgresSource& source, const Dump& from);

// One moment of a database that services work with. `held` are the tables that a hold keeps from being
// written to, in the order in which the service's transactions come to them, so that nobody waits for whom he
// keeps waiting. Errors: as of DumpPostgres; no_store (kNotFound: the database was never migrated).
[[nodiscard]] Result<std::unique_ptr<Snapshot>> OpenPostgresSnapshot(const PostgresSource& source,
                                                                     std::vector<std::string> held);

}  // namespace boxoffice::archive
