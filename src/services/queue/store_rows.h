// All that the waiting room stores, as rows, from any of its stores and into any. Who waits keeps the place
// and the token.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/archive/snapshot.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Of the form of the rows.
inline constexpr int64_t kRowsVersion = 2;

// Gives all shows, sessions and sagas to `sink`, on another thread. Errors: store_in_use (kConflict: a
// process serves on this store, and did for 8 s, or may have begun to meanwhile), database_unavailable, and
// those of the sink.
[[nodiscard]] Result<void> DumpRows(Stores& stores, archive::Sink& sink);

// The same of one moment, while a process serves. Its hold keeps nobody from anything: it chooses the moment,
// which is before that of the stores that are held after it. So what a backup has lost of the waiting room is
// what a Redis that fails over loses.
[[nodiscard]] std::unique_ptr<archive::Snapshot> SnapshotOf(std::unique_ptr<History> history);

// Saves all rows of `from` into stores that hold none. Of a show with up to 20,000 sessions all or nothing;
// after an error some of the rest may be there. `from` runs on another thread. Errors: store_in_use (as
// above), archive_schema, target_not_empty (kConflict), database_unavailable, and those of `from`.
[[nodiscard]] Result<void> LoadRows(Stores& stores, const archive::Dump& from);

}  // namespace boxoffice::queue
