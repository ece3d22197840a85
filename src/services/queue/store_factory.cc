#include "services/queue/store_factory.h"

#include "platform/module/store_url.h"
#include "services/queue/store_sqlite.h"

namespace boxoffice::queue {

Result<Stores> OpenStores(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) return OpenSqlite(folder / "queue.db");
  return module::NoStoreFor(url, "sqlite:DIR");
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStores(url));
  return {};
}

}  // namespace boxoffice::queue
