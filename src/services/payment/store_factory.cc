#include "services/payment/store_factory.h"

#include "platform/module/store_url.h"
#include "platform/outbox/postgres.h"
#include "services/payment/store_postgres.h"
#include "services/payment/store_sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> payment_sqlite_schema();
std::span<const Migration> payment_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::payment {

Result<OpenedStores> OpenStores(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    const auto file = folder / "payment.db";
    opened.outbox = [file] { return outbox::OpenSqliteTable(file); };
    BOXOFFICE_ASSIGN(opened.stores, OpenSqlite(file));
    return opened;
  }
  if (module::IsPostgres(url)) {
    const sql::pg::Config config{.url = std::string(url), .application_name = "boxoffice-payment"};
    OpenedStores opened;
    opened.outbox = [config] { return outbox::OpenPostgresTable(config); };
    BOXOFFICE_ASSIGN(opened.stores, OpenPostgres(config));
    return opened;
  }
  return module::NoStoreFor(url, module::kSqlForms);
}

Result<void> MigrateStores(std::string_view url) {
  BOXOFFICE_TRY(OpenStores(url));
  return {};
}

module::StoreRows MovedRows() {
  return module::SqlRows("payment", sql::payment_sqlite_schema(), sql::payment_postgres_schema(),
                         {"outbox", "outbox_batch"});
}

}  // namespace boxoffice::payment
