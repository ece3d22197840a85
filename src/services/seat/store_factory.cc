#include "services/seat/store_factory.h"

#include "platform/module/store_url.h"
#include "platform/outbox/postgres.h"
#include "services/seat/store_postgres.h"
#include "services/seat/store_sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> seat_sqlite_schema();
std::span<const Migration> seat_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::seat {

Result<OpenedStores> OpenStores(std::string_view url, Random& random) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    const auto file = folder / "seat.db";
    opened.outbox = [file] { return outbox::OpenSqliteTable(file); };
    BOXOFFICE_ASSIGN(opened.stores.commands, OpenSqliteStore(file, random));
    BOXOFFICE_ASSIGN(opened.stores.requests, OpenSqliteStore(file, random));
    BOXOFFICE_ASSIGN(opened.stores.news, OpenSqliteStore(file, random));
    return opened;
  }
  if (module::IsPostgres(url)) {
    const sql::pg::Config config{.url = std::string(url), .application_name = "boxoffice-seat"};
    BOXOFFICE_ASSIGN(PostgresStores postgres, OpenPostgres(config, random));
    OpenedStores opened;
    opened.stores = std::move(postgres.stores);
    opened.clock = std::move(postgres.clock);
    opened.outbox = [config] { return outbox::OpenPostgresTable(config); };
    return opened;
  }
  return module::NoStoreFor(url, module::kSqlForms);
}

Result<void> MigrateStores(std::string_view url) {
  SeededRandom random(SystemSeed());
  BOXOFFICE_TRY(OpenStores(url, random));
  return {};
}

module::StoreRows MovedRows() {
  return module::SqlRows("seat", sql::seat_sqlite_schema(), sql::seat_postgres_schema(),
                         {"outbox", "outbox_batch"});
}

}  // namespace boxoffice::seat
