#include "services/queue/store_factory.h"

#include "platform/module/store_url.h"
#include "services/queue/store_redis.h"
#include "services/queue/store_rows.h"
#include "services/queue/store_sqlite.h"

namespace boxoffice::queue {

Result<Stores> OpenStores(std::string_view url, milliseconds lease) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) return OpenSqlite(folder / "queue.db");
  if (module::IsRedis(url)) return OpenRedis(url, {}, lease);
  return module::NoStoreFor(url, "sqlite:DIR, redis://HOST:PORT or redis+cluster://HOST:PORT,HOST:PORT");
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStores(url, kLeaderLease));
  return {};
}

module::StoreRows MovedRows() {
  module::StoreRows rows;
  rows.version = kRowsVersion;
  rows.dump = [](std::string_view url, archive::Sink& sink) -> Result<void> {
    BOXOFFICE_ASSIGN(Stores stores, OpenStores(url, kLeaderLease));
    return DumpRows(stores, sink);
  };
  rows.load = [](std::string_view url, const archive::Dump& from) -> Result<void> {
    BOXOFFICE_ASSIGN(Stores stores, OpenStores(url, kLeaderLease));
    return LoadRows(stores, from);
  };
  return rows;
}

}  // namespace boxoffice::queue
