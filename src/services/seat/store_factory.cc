#include "services/seat/store_factory.h"

#include "platform/module/store_url.h"
#include "services/seat/store_sqlite.h"

namespace boxoffice::seat {

Result<OpenedStores> OpenStores(std::string_view url, Random& random) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    const auto file = folder / "seat.db";
    opened.outbox = [file] { return outbox::OpenSqliteTable(file); };
    BOXOFFICE_ASSIGN(opened.commands, OpenSqliteStore(file, random));
    BOXOFFICE_ASSIGN(opened.requests, OpenSqliteStore(file, random));
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
