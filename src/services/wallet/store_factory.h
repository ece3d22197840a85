// Opens the wallet's stores by the scheme of a URL: one of the three factories in which embedded and scaled
// processes differ. No other place of this service tells one store from another.
//
//   sqlite:DIR                           wallet.db in that folder
//   postgresql://USER@HOST/DATABASE …    a database of its own, which replicas share
#pragma once

#include <string_view>

#include "base/result.h"
#include "platform/module/store_rows.h"
#include "platform/outbox/outbox.h"
#include "services/wallet/store.h"

namespace boxoffice::wallet {

struct OpenedStores {
  Stores stores;
  outbox::OpenTable outbox;  // of the same database
};
// Opens them with their schema up to date. Errors: store_url (kInvalidArgument: no URL of those above), and
// the store's own: database_unavailable, schema_newer.
[[nodiscard]] Result<OpenedStores> OpenStores(std::string_view url);

// Brings the schema up to date. Again: no effect. Errors: as OpenStores.
[[nodiscard]] Result<void> MigrateStores(std::string_view url);

// All that either store holds, to be moved to the other.
[[nodiscard]] module::StoreRows MovedRows();

}  // namespace boxoffice::wallet
