#include "services/ranking/store_factory.h"

#include "platform/module/store_url.h"
#include "services/ranking/store_redis.h"
#include "services/ranking/store_sqlite.h"

namespace boxoffice::ranking {

Result<std::unique_ptr<Store>> OpenStore(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty())
    return OpenSqliteStore(folder / "ranking.db");
  if (module::IsRedis(url)) return OpenRedisStore(url);
  return module::NoStoreFor(url, "sqlite:DIR, redis://HOST:PORT or redis+cluster://HOST:PORT,HOST:PORT");
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStore(url));
  return {};
}

}  // namespace boxoffice::ranking
