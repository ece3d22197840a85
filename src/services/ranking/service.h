// Counts events, each once, and answers from memory.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/ranking/ranking.h"
#include "services/ranking/store.h"

namespace boxoffice::ranking {

struct Ranking {
  std::vector<Row> rows;
  Timestamp as_of{};  // time of the newest event that was counted
};

struct Audit {
  std::map<int64_t, Tally> shows;
  uint64_t processed = 0;
  bool rebuilding = false;  // they are not yet those of the whole log
};

struct Status {
  bool rebuilding = false;
  uint64_t processed = 0;
  Timestamp as_of{};
  Timestamp rebuilt_at{};  // when the last rebuild ended; 1970: never
};

// Thread-safe; answers never wait for the store. Invariant: what is in memory is what the store held at the
// last Load, Refresh or Rebuild, with the rows that this process has saved since. So where it is the only
// process on its store, it is what the store holds.
class RankingService {
 public:
  RankingService(std::unique_ptr<Store> store, const Clock& clock);

  // Reads what the store holds; before anything else. Errors: database_unavailable.
  [[nodiscard]] Result<void> Load();

  // Counts those of `events` that have not been counted yet, in one transaction. Again: no effect. Errors:
  // database_unavailable (nothing was counted, or a commit was: repeat), moved (nothing was counted: other
  // processes saved each time).
  [[nodiscard]] Result<void> Count(std::span<const Event> events);

  // Takes over what other processes on this store have counted meanwhile. Errors: database_unavailable
  // (memory stays as it was).
  [[nodiscard]] Result<void> Refresh();
  // The same, to be called now and then; no effect for 20 times as long as the last whole load of a refresh
  // took (a minute at most; five seconds after one that failed), as Redis answers nobody else during one.
  [[nodiscard]] Result<void> RefreshIfDue();

  // See Store: of some ids at a time.
  [[nodiscard]] Result<Forgotten> ForgetProcessed(Timestamp before);

  // Up to `limit` rows; see Rank in ranking.h.
  [[nodiscard]] Ranking Get(Order order, Window window, size_t limit) const;
  [[nodiscard]] Audit GetAudit() const;
  [[nodiscard]] Status GetStatus() const;

  // Whether the counts are not yet those of the whole log: the store is new, or a rebuild did not end.
  [[nodiscard]] bool NeedsRebuild() const;
  // Counts what `next` gives, until that is nothing; first it forgets what is to be forgotten. An error of
  // `next` or of the store ends it; the rebuild is then still needed, also after a restart. Several processes
  // may do so at the same time.
  using Next = std::function<Result<std::vector<Event>>()>;
  enum class From {
    kNothing,      // forgets all before
    kWhatIsThere,  // what was counted stays, as of a rebuild that did not end, or of a new store
  };
  [[nodiscard]] Result<void> Rebuild(From from, const Next& next);

 private:
  [[nodiscard]] Result<void> RefreshLocked();
  [[nodiscard]] Result<void> TryToCount(std::span<const Event> events);
  void Take(Loaded loaded);
  const std::unique_ptr<Store> store_;
  const Clock& clock_;
  std::mutex counting_;    // of the store; held while counting, never while answering
  Timestamp loaded_at_{};  // the last refresh that loaded, or failed
  milliseconds pause_{};   // of RefreshIfDue, from then on
  mutable std::mutex mutex_;
  State state_;
  bool rebuilding_ = false;
  Timestamp rebuilt_at_{};
};

}  // namespace boxoffice::ranking
