// Opens the reservation service's stores by the scheme of a URL: one of the three factories in which embedded
// and scaled processes differ. No other place of this service tells one store from another.
//
//   sqlite:DIR                           reservation.db in that folder
//   postgresql://USER@HOST/DATABASE …    a database of its own, which replicas share
#pragma once

#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "platform/module/store_rows.h"
#include "platform/outbox/outbox.h"
#include "services/reservation/show_store.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

struct OpenedStores {
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
  std::unique_ptr<ShowStore> shows;
  std::unique_ptr<ShowReader> show_reader;
  // By which the data's deadlines are judged: that of its owner. Null: the process'.
  std::unique_ptr<Clock> clock;
  outbox::OpenTable outbox;  // of the same database
};
// Opens both with their schema up to date. `random` makes the events' ids and must outlive them. Errors:
// store_url (kInvalidArgument: no URL of those above), and the store's own: database_unavailable,
// schema_newer.
[[nodiscard]] Result<OpenedStores> OpenStores(std::string_view url, Random& random);

// Brings the schema up to date. Again: no effect. Errors: as OpenStores.
[[nodiscard]] Result<void> MigrateStores(std::string_view url);

// All that either store holds, to be moved to the other.
[[nodiscard]] module::StoreRows MovedRows();

}  // namespace boxoffice::reservation
