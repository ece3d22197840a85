// What a service's store holds, as rows that can go into the store of another system, of whatever kind.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/archive/snapshot.h"
#include "platform/sql/migration.h"

namespace boxoffice::module {

struct StoreRows {
  // Of the form of the rows: an archive of another version is refused. 0: nothing travels, because the
  // service has no store, or its store is made anew from the events.
  int64_t version = 0;
  // All that the store holds. No process of the service runs meanwhile. Errors: store_url, and the store's.
  std::function<Result<void>(std::string_view store_url, archive::Sink& sink)> dump;
  // The same as of one moment, while the service runs. Errors: store_url, no_store, and the store's.
  std::function<Result<std::unique_ptr<archive::Snapshot>>(std::string_view store_url)> snapshot;
  // Puts it into a store that holds nothing yet: all or nothing, but for what the store says of that.
  std::function<Result<void>(std::string_view store_url, const archive::Dump& from)> load;
};

// Of a service that keeps its data in DIR/SERVICE.db (SQLite), or in a PostgreSQL database: the tables and
// columns of its SQLite schema, whose number of migrations is the version. The migrations live as long as the
// program. `held`: see archive::OpenPostgresSnapshot.
[[nodiscard]] StoreRows SqlRows(std::string service, std::span<const sql::Migration> sqlite,
                                std::span<const sql::Migration> postgres, std::vector<std::string> held);

}  // namespace boxoffice::module
