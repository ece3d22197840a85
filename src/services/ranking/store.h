// What the ranking asks of storage.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "services/ranking/ranking.h"

namespace boxoffice::ranking {

struct Loaded {
  State state;
  bool rebuilding = false;  // a new store too: what it holds is not yet the fold of the log
  Timestamp rebuilt_at{};   // when the last rebuild ended
  bool operator==(const Loaded&) const = default;
};

// Of a call that forgets.
struct Forgotten {
  size_t count = 0;
  bool more = false;  // a repeat may find more
};

// Not thread-safe. Errors of all: database_unavailable; whether it was done is then not known, and it is
// repeated.
class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<Loaded> Load() = 0;
  // Load, if another process has saved since this store's last Load; nullopt: none has.
  [[nodiscard]] virtual Result<std::optional<Loaded>> LoadIfMoved() = 0;
  // The rows of `keys`, of which there is one of each at least, as far as there are any; and `processed` and
  // `as_of` of the whole.
  [[nodiscard]] virtual Result<State> LoadRows(const Keys& keys) = 0;
  // For each id whether its event has been counted: also where it is forgotten.
  [[nodiscard]] virtual Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) = 0;
  // One transaction: `changed` rows take the place of the old ones, `counted` (none of them processed) are
  // processed, hours before `oldest` are dropped. A processed id: constraint, and nothing is done.
  // moved (kUnavailable): another process has saved since this store's last Load, LoadRows or Save; nothing
  // is done, and the rows have to be loaded again.
  [[nodiscard]] virtual Result<void> Save(const State& changed, std::span<const EventId> counted,
                                          Hour oldest) = 0;
  // All events whose ids were made before `before` count as processed from now on, until the next
  // BeginRebuild (a lower `before` later on: no effect on that); some of their ids, about `limit`, are
  // forgotten. When that is right says platform/bus/forgetting.h. While the store is rebuilding: no effect.
  [[nodiscard]] virtual Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) = 0;
  // Drops all, also which events were processed; the store is rebuilding from then on, also after a crash.
  [[nodiscard]] virtual Result<void> BeginRebuild() = 0;
  // Goes on with a rebuild that was begun, by whichever process, and did not end; or with that of a new
  // store.
  [[nodiscard]] virtual Result<void> ResumeRebuild() = 0;
  // All was counted since this store's last Begin or Resume. Where another process has begun anew since, the
  // store stays rebuilding: that is for it to end, and false is returned.
  [[nodiscard]] virtual Result<bool> EndRebuild(Timestamp now) = 0;
};

}  // namespace boxoffice::ranking
