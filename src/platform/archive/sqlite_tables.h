// All rows of a SQLite database, read and written; and the form in which a service's rows travel.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/sql/migration.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::archive {

// What a column of the travelling form holds, besides NULL.
enum class ColumnType { kInt, kDouble, kText, kBytes };

struct TableForm {
  Table table;
  std::vector<ColumnType> types;  // of the columns
};

// The tables that these migrations make in SQLite, in the order of their making: what a table refers to comes
// before it.
[[nodiscard]] Result<std::vector<TableForm>> FormOf(std::span<const sql::Migration> sqlite_migrations);

// That a database has the schema that these migrations make. Errors: schema_newer, schema_older (kConflict).
[[nodiscard]] Result<void> CheckVersion(int64_t version, std::span<const sql::Migration> migrations);

// Checks what comes against a form.
class FormCheck {
 public:
  explicit FormCheck(std::vector<TableForm> form) : form_(std::move(form)) {}
  // The table of that name. Error: archive_schema (kInvalidArgument), where it is missing or has other
  // columns.
  [[nodiscard]] Result<const TableForm*> Find(const Table& table) const;
  // Error: archive_schema.
  [[nodiscard]] static Result<void> Check(const TableForm& form, std::span<const Row> rows);

 private:
  std::vector<TableForm> form_;
};

// Gives all rows of the database to `sink`, as of one moment. Its schema is brought up to date before, and
// its file made if it is missing. Errors: database_unavailable, schema_newer, and those of the sink.
[[nodiscard]] Result<void> DumpSqlite(const std::filesystem::path& file,
                                      std::span<const sql::Migration> migrations, Sink& sink);

// Puts all rows of `from` into the database, in one transaction. Errors: those of DumpSqlite; archive_schema;
// constraint (a row is there already).
[[nodiscard]] Result<void> LoadSqlite(const std::filesystem::path& file,
                                      std::span<const sql::Migration> migrations, const Dump& from);

// Gives one table's rows to the sink, under the name of `as`. `quoted` is the table's name in SQL.
[[nodiscard]] Result<void> DumpTable(const sql::Database& database, std::string_view quoted, const Table& as,
                                     Sink& sink);

// "name" for SQL.
[[nodiscard]] std::string Quoted(std::string_view name);

// Inserts rows into one table of a database. Belongs to its thread.
class TableWriter {
 public:
  // `quoted` as for DumpTable. A text goes in as text where `types` says so, else as a blob.
  TableWriter(const sql::Database& database, std::string_view quoted, const Table& table,
              std::vector<ColumnType> types);
  // Errors: database_unavailable, constraint.
  [[nodiscard]] Result<void> Add(std::span<const Row> rows);

 private:
  sql::Statement insert_;
  std::vector<ColumnType> types_;
};

}  // namespace boxoffice::archive
