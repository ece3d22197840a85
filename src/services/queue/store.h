// What the waiting room asks of a database.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "services/queue/queue_rules.h"
#include "services/queue/session.h"
#include "services/queue/show_queue.h"

namespace boxoffice::queue {

// Another writer was there first: these shows are not as they were loaded, and nothing of them was saved, nor
// will be until VisitLive has shown them again.
struct Saved {
  std::vector<int64_t> moved_shows;  // empty: all is saved
};

struct Purged {
  int64_t rows = 0;   // that went
  bool more = false;  // shows of this round are left
};
inline constexpr size_t kPurgedAtOnce = 20;  // shows

// Blocks; belongs to one thread at a time. Every method may fail with database_unavailable (kUnavailable:
// nothing was done).
class Store {
 public:
  virtual ~Store() = default;
  // Walks all shows, then all sessions that are WAITING, ACTIVE or EXPIRED while bound, by (show, sequence).
  [[nodiscard]] virtual Result<void> VisitLive(const std::function<void(Show)>& on_show,
                                               const std::function<void(Session)>& on_session) = 0;
  // Reads what `keys` (sorted) name; what is not stored is left out. Sorted as the keys.
  [[nodiscard]] virtual Result<Found> Load(const Keys& keys) = 0;
  // Saves what is durable of `changes`, and raises the version of each show in it, if the show has the
  // version that it was loaded with. Of a session it may leave alone the parts that did not change: by the
  // version they are stored as they were loaded. All or nothing of a show with its sagas; where one has
  // moved, other shows may be saved or not, so that all commands are decided again. After success it survives
  // what the store does: a loss of power (SQLite), a crash of the server (Redis). kUnknown: it may be saved,
  // or a part of it.
  [[nodiscard]] virtual Result<Saved> Save(const Changes& changes) = 0;
  // Deletes, of each show's `limit` (at least 1) oldest sessions (in Redis those count, too, that have gone
  // by themselves), those that ended and joined before `before`, and, of the `limit` oldest sagas, the
  // records made before it. Of a few shows only (kPurgedAtOnce, and none more once `limit` rows have gone),
  // as batches wait meanwhile: the next call goes on with the next ones, and begins anew when all had their
  // turn.
  [[nodiscard]] virtual Result<Purged> Purge(Timestamp before, int64_t limit) = 0;
};

// What is stored of a show, for the auditor and for moving it: beside the store, so that reading never waits
// for a batch. Belongs to one thread at a time.
class History {
 public:
  virtual ~History() = default;
  // All shows, by id. Errors: database_unavailable.
  [[nodiscard]] virtual Result<std::vector<Show>> Shows() = 0;
  // At most `limit` sessions with a sequence above `after`, by sequence. Errors: database_unavailable.
  [[nodiscard]] virtual Result<std::vector<Session>> Sessions(int64_t show_id, uint64_t after,
                                                              int64_t limit) = 0;
  // At most `limit` records of sagas with an id above `after`, by id. Errors: database_unavailable.
  [[nodiscard]] virtual Result<std::vector<SagaRecord>> Sagas(int64_t show_id, SagaId after,
                                                              int64_t limit) = 0;
  // From now on, until its end, tells what is stored now, all of a show as of one moment, whatever is saved
  // meanwhile; call it once. Errors: database_unavailable; schema_newer, schema_older.
  [[nodiscard]] virtual Result<void> Freeze() = 0;
};

// How often whoever leads renews the lead in the time of a lease.
inline constexpr int kRenewals = 5;

// Which of the processes on one store serves, for presence, renewals and the bucket of a show are in the
// memory of one: a lease, by the clock of the store. Belongs to one thread at a time. Every method may fail
// with database_unavailable: it may have been done; ask again.
class Leadership {
 public:
  // By this machine's steady clock.
  using Moment = std::chrono::steady_clock::time_point;

  virtual ~Leadership() = default;
  // Takes the lead, if nobody has it, or this process has. Until when nobody else can; nullopt: another
  // process leads.
  [[nodiscard]] virtual Result<std::optional<Moment>> Take() = 0;
  // Prolongs it, if nobody else has had it since Take. nullopt: it is not ours any more, and what is in
  // memory may not be what is true.
  [[nodiscard]] virtual Result<std::optional<Moment>> Renew() = 0;
  // Gives it up, so that another process need not wait for the end of the lease. Not ours: no effect.
  [[nodiscard]] virtual Result<void> Release() = 0;
};

// All sides.
struct Stores {
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
  std::unique_ptr<Leadership> leadership;
};

}  // namespace boxoffice::queue
