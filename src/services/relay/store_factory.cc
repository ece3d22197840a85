#include "services/relay/store_factory.h"

#include "platform/module/store_url.h"
#include "services/relay/store_postgres.h"
#include "services/relay/store_sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> relay_sqlite_schema();
std::span<const Migration> relay_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::relay {

Result<std::unique_ptr<Store>> OpenStore(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty())
    return OpenSqliteStore(folder / "relay.db");
  if (module::IsPostgres(url))
    return OpenPostgresStore({.url = std::string(url), .application_name = "boxoffice-relay"});
  return module::NoStoreFor(url, module::kSqlForms);
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStore(url));
  return {};
}

module::StoreRows MovedRows() {
  return module::SqlRows("relay", sql::relay_sqlite_schema(), sql::relay_postgres_schema(), {});
}

}  // namespace boxoffice::relay
