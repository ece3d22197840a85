#include "services/queue/store_factory.h"

#include <chrono>
#include <utility>

#include "platform/module/store_url.h"
#include "services/queue/store_redis.h"
#include "services/queue/store_rows.h"
#include "services/queue/store_sqlite.h"

namespace boxoffice::queue {
namespace {

constexpr std::string_view kKnown = "sqlite:DIR, redis://HOST:PORT or redis+cluster://HOST:PORT,HOST:PORT";

}  // namespace

Result<Stores> OpenStores(std::string_view url, milliseconds lease) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) return OpenSqlite(folder / "queue.db");
  if (module::IsRedis(url)) return OpenRedis(url, {}, lease);
  return module::NoStoreFor(url, kKnown);
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
  rows.snapshot = [](std::string_view url) -> Result<std::unique_ptr<archive::Snapshot>> {
    if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
      BOXOFFICE_ASSIGN(auto history, OpenSqliteHistory(folder / "queue.db"));
      return SnapshotOf(std::move(history));
    }
    if (!module::IsRedis(url)) return module::NoStoreFor(url, kKnown);
    // Of a show with millions of people, a copy takes longer than any other command.
    constexpr redis::Options kPatient{.command_timeout = std::chrono::seconds(30)};
    BOXOFFICE_ASSIGN(Stores stores, OpenRedis(url, kPatient));
    return SnapshotOf(std::move(stores.history));
  };
  rows.load = [](std::string_view url, const archive::Dump& from) -> Result<void> {
    BOXOFFICE_ASSIGN(Stores stores, OpenStores(url, kLeaderLease));
    return LoadRows(stores, from);
  };
  return rows;
}

}  // namespace boxoffice::queue
