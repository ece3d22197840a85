#include "platform/module/store_rows.h"

#include <filesystem>
#include <utility>

#include "platform/archive/postgres_tables.h"
#include "platform/archive/sqlite_snapshot.h"
#include "platform/archive/sqlite_tables.h"
#include "platform/module/store_url.h"

namespace boxoffice::module {

StoreRows SqlRows(std::string service, std::span<const sql::Migration> sqlite,
                  std::span<const sql::Migration> postgres, std::vector<std::string> held) {
  const auto source = [=](std::string_view url) {
    return archive::PostgresSource{std::string(url), service, postgres, sqlite};
  };
  const auto file = [=](const std::filesystem::path& folder) { return folder / (service + ".db"); };
  StoreRows rows;
  rows.version = sqlite.back().version;
  rows.dump = [=](std::string_view url, archive::Sink& sink) -> Result<void> {
    if (const auto folder = SqliteFolder(url); !folder.empty())
      return archive::DumpSqlite(file(folder), sqlite, sink);
    if (IsPostgres(url)) return archive::DumpPostgres(source(url), sink);
    return NoStoreFor(url, kSqlForms);
  };
  rows.snapshot = [=](std::string_view url) -> Result<std::unique_ptr<archive::Snapshot>> {
    if (const auto folder = SqliteFolder(url); !folder.empty())
      return archive::OpenSqliteSnapshot(file(folder), sqlite);
    if (IsPostgres(url)) return archive::OpenPostgresSnapshot(source(url), held);
    return NoStoreFor(url, kSqlForms);
  };
  rows.load = [=](std::string_view url, const archive::Dump& from) -> Result<void> {
    if (const auto folder = SqliteFolder(url); !folder.empty())
      return archive::LoadSqlite(file(folder), sqlite, from);
    if (IsPostgres(url)) return archive::LoadPostgres(source(url), from);
    return NoStoreFor(url, kSqlForms);
  };
  return rows;
}

}  // namespace boxoffice::module
