#include "services/relay/store_factory.h"

#include "platform/module/store_url.h"
#include "services/relay/store_postgres.h"
#include "services/relay/store_sqlite.h"

namespace boxoffice::relay {

Result<std::unique_ptr<Store>> OpenStore(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty())
    return OpenSqliteStore(folder / "relay.db");
  if (module::IsPostgres(url))
    return OpenPostgresStore({.url = std::string(url), .application_name = "boxoffice-relay"});
  return module::NoStoreFor(url, "sqlite:DIR or postgresql://USER@HOST/DATABASE");
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStore(url));
  return {};
}

}  // namespace boxoffice::relay
