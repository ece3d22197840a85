// Opens the waiting room's stores by the scheme of a URL: one of the three factories in which embedded and
// scaled processes differ. No other place of this service tells one store from another.
//
//   sqlite:DIR                                      queue.db in that folder
//   redis://HOST:PORT, redis+cluster://HOST:PORT,…  Redis, or a cluster of it
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "platform/module/store_rows.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Opens them with their schema up to date. `lease`: see Leadership; where one process can have the store,
// there is none. Errors: store_url (kInvalidArgument: no URL of those above), and the store's own:
// database_unavailable, schema_newer.
[[nodiscard]] Result<Stores> OpenStores(std::string_view url, milliseconds lease);

// Brings the schema up to date. Again: no effect. Errors: as OpenStores.
[[nodiscard]] Result<void> MigrateStores(std::string_view url);

// All that any of the stores holds, to be moved to another (store_rows.h).
[[nodiscard]] module::StoreRows MovedRows();

}  // namespace boxoffice::queue
