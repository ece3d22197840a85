// The waiting room's commands: a batch is loaded, decided, saved in one transaction, and only then true in
// memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/health.h"
#include "platform/obs/metrics.h"
#include "services/queue/queue_rules.h"
#include "services/queue/show_queue.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Counts the shows that a store had lost, and that were put back.
[[nodiscard]] obs::Counter& PutBackCounter(obs::Registry& metrics);

// Thread-safe, but for Load. The room belongs to the executor's thread; others see the views that it
// publishes.
class Service {
 public:
  using Executor = batch::Executor<Command, Outcome>;
  using Done = Executor::Done;

  // Whether no other process can be serving this store. Thread-safe; empty: none ever can.
  using Leads = std::function<bool()>;

  // `store`, `clock` and `metrics` outlive it.
  Service(Store& store, const Clock& clock, obs::Registry& metrics, batch::Limits limits, Leads leads = {},
          uint64_t max_places = kMaxPlaces);

  // Fills memory from the store; once, before the first Submit. Everybody waiting counts as seen now, and
  // whoever is ACTIVE as active now. Of the shows that were `known` before, those that the store has lost are
  // put back, and a draw that it has lost is made again, before anybody can join (loading.h); so it is with
  // every later loading. Errors: database_unavailable; contention (another process wrote meanwhile: again).
  [[nodiscard]] Result<void> Load(const std::vector<Show>& known = {});

  // Runs a command, and calls `done` once with its outcome when that is durable. Errors: overloaded,
  // stopping, contention, not_leading (not done), database_unavailable. Commands may be repeated at any time.
  void Submit(Command command, Done done, resilience::Terms terms = {}) {
    executor_.Submit(std::move(command), std::move(done), terms);
  }
  // A round of admission. It is refused last: as new work it would be turned away with those who come, and
  // the line stand still while too many do.
  void SubmitTick(Done done) {
    Submit(Tick{}, std::move(done), {.priority = resilience::Priority::kFinishing});
  }
  // An edge has asked for the heads, and so it can tell who is there. Thread-safe.
  void NoteEdge() { edge_asked_ms_.store(ToUnixMs(clock_.Now()), std::memory_order_relaxed); }
  // Refuses new commands and runs what waits. Again: no effect.
  void Stop() { executor_.Stop(); }

  // Every queue as of its last change, or of the last tick; by show id.
  [[nodiscard]] std::vector<QueueView> Views() const;
  // What has come to look different since a moment, so that who asks often need not hear again of every show
  // that ever was.
  struct Moment {
    uint64_t epoch = 0;  // never 0; another one after each loading, which may have lost shows
    uint64_t revision = 0;
  };
  struct Heads {
    Moment at;
    std::vector<QueueView> views;  // by show id; all of them, if `since` is of another epoch
  };
  [[nodiscard]] Heads HeadsSince(const Moment& since) const;
  // Whether what Views says is true: another process may have done more meanwhile.
  [[nodiscard]] bool leads() const { return !leads_ || leads_(); }
  // Whether the last batch met a store that works.
  [[nodiscard]] bool store_works() const { return health_.works(); }

 private:
  using Outcomes = std::vector<std::optional<Outcome>>;
  Result<WaitingRoom> ReadRoom(Timestamp now);
  Result<void> LoadAt(Timestamp now, const std::vector<Show>& known);
  Result<void> NotePutBack(const Changes& lost, const Saved& saved);
  Result<Outcomes> Run(std::span<const Command> commands);
  void FollowClock(Timestamp now);
  [[nodiscard]] bool NobodyCanBeSeen(std::span<const Command> commands, Timestamp now);
  Result<Outcomes> LoadDecideSave(std::span<const Command> commands, Timestamp now);
  void NoteLoading(Timestamp now);
  [[nodiscard]] std::vector<Loading> LoadingsOf(int64_t show_id) const;
  void NoteDepartures(const ShowChange& change, Timestamp now);
  [[nodiscard]] QueueView ViewAt(const ShowQueue& queue, Timestamp now);
  void PublishLocked(const ShowQueue& queue, Timestamp now);
  void Publish(const Changes& changes, Timestamp now);
  void PublishAll(Timestamp now);
  void Purge(Timestamp now);

  Store& store_;
  const Clock& clock_;
  const Leads leads_;
  const uint64_t max_places_;
  obs::Counter& purged_;
  obs::Counter& put_back_;
  WaitingRoom room_;
  // Memory may differ from the store: another process wrote, or a commit's result is unknown.
  bool stale_ = false;
  struct Departure {
    Timestamp at;
    uint64_t sequence;
  };
  std::unordered_map<int64_t, std::deque<Departure>> departures_;  // by show; the oldest first
  Timestamp loaded_at_;
  std::unordered_map<int64_t, std::vector<Loading>> loadings_;  // of each show that was stored then
  Timestamp purge_at_;
  bool purging_ = false;  // a round over all shows is under way
  Timestamp latest_;      // that the clock has shown
  std::atomic<int64_t> edge_asked_ms_{0};
  Timestamp edges_seen_at_;  // zero: none has asked for the heads yet, and nobody has come by one
  mutable std::mutex views_mutex_;
  struct Published {
    QueueView view;
    uint64_t revision = 0;  // with which it came to look like this
  };
  std::unordered_map<int64_t, Published> views_;
  Moment moment_;
  batch::StoreHealth health_;
  Executor executor_;  // last: its thread uses all of the above
};

}  // namespace boxoffice::queue
