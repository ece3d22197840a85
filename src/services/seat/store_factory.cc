#include "services/seat/store_factory.h"

#include "platform/module/store_url.h"
#include "services/seat/store_sqlite.h"

namespace boxoffice::seat {

Result<OpenedStores> OpenStores(std::string_view url, Random& random) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    opened.outbox = folder / "seat.db";
    BOXOFFICE_ASSIGN(opened.commands, OpenSqliteStore(opened.outbox, random));
    BOXOFFICE_ASSIGN(opened.requests, OpenSqliteStore(opened.outbox, random));
    return opened;
  }
  return module::NoStoreFor(url, "sqlite:DIR");
}

Result<void> MigrateStores(std::string_view url) {
  SeededRandom random(SystemSeed());
  BOXOFFICE_TRY(OpenStores(url, random));
  return {};
}

}  // namespace boxoffice::seat
