#include "services/reservation/store_factory.h"

#include "platform/module/store_url.h"
#include "platform/outbox/postgres.h"
#include "services/reservation/store_postgres.h"
#include "services/reservation/store_show_postgres.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> reservation_sqlite_schema();
std::span<const Migration> reservation_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::reservation {

Result<OpenedStores> OpenStores(std::string_view url, Random& random) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    const auto file = folder / "reservation.db";
    opened.outbox = [file] { return outbox::OpenSqliteTable(file); };
    BOXOFFICE_ASSIGN(opened.store, SqliteStore::Open(file, random));
    BOXOFFICE_ASSIGN(opened.reader, SqliteReader::Open(file));
    BOXOFFICE_ASSIGN(opened.shows, SqliteShowStore::Open(file));
    BOXOFFICE_ASSIGN(opened.show_reader, SqliteShowReader::Open(file));
    return opened;
  }
  if (module::IsPostgres(url)) {
    const sql::pg::Config config{.url = std::string(url), .application_name = "boxoffice-reservation"};
    BOXOFFICE_ASSIGN(PostgresStores postgres, OpenPostgres(config, random));
    BOXOFFICE_ASSIGN(PostgresShowStores shows, OpenPostgresShows(config));
    OpenedStores opened;
    opened.store = std::move(postgres.store);
    opened.reader = std::move(postgres.reader);
    opened.clock = std::move(postgres.clock);
    opened.shows = std::move(shows.store);
    opened.show_reader = std::move(shows.reader);
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
  return module::SqlRows("reservation", sql::reservation_sqlite_schema(), sql::reservation_postgres_schema(),
                         {"reservation", "show_work", "outbox", "outbox_batch"});
}

}  // namespace boxoffice::reservation
