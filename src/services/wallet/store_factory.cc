#include "services/wallet/store_factory.h"

#include "platform/module/store_url.h"
#include "platform/outbox/postgres.h"
#include "services/wallet/store_postgres.h"
#include "services/wallet/store_sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> wallet_sqlite_schema();
std::span<const Migration> wallet_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::wallet {

Result<OpenedStores> OpenStores(std::string_view url) {
  if (const auto folder = module::SqliteFolder(url); !folder.empty()) {
    OpenedStores opened;
    const auto file = folder / "wallet.db";
    opened.outbox = [file] { return outbox::OpenSqliteTable(file); };
    BOXOFFICE_ASSIGN(opened.stores, OpenSqlite(file));
    return opened;
  }
  if (module::IsPostgres(url)) {
    const sql::pg::Config config{.url = std::string(url), .application_name = "boxoffice-wallet"};
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
  return module::SqlRows("wallet", sql::wallet_sqlite_schema(), sql::wallet_postgres_schema(),
                         {"outbox", "outbox_batch"});
}

}  // namespace boxoffice::wallet
