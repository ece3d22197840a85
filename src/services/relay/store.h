// What the relay asks of storage.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/relay/delivery.h"
#include "services/relay/target.h"

namespace boxoffice::relay {

// A delivery with all that is sent.
struct Outgoing {
  Delivery delivery;
  InboxEvent event;
};

struct DeliveryQuery {
  int64_t target_id = 0;       // 0: of all
  std::optional<State> state;  // nullopt: any
  int64_t before_id = 0;       // 0: from the newest
  size_t limit = 0;
  std::optional<EventId> event_id;  // nullopt: of all
};

// Deliveries of these targets that were made in this range of time.
struct RangeQuery {
  std::vector<int64_t> target_ids;  // sorted
  Timestamp from{};
  Timestamp until = Timestamp::max();  // not included
  size_t limit = 0;                    // of a page
};

// What a page of Hasten came to.
struct Hastened {
  size_t pending = 0;  // of the whole range; with `more`: that this page has made due
  bool more = false;   // the page was full: a repeat may find more
};

// Of a call that forgets.
struct Forgotten {
  size_t count = 0;
  bool more = false;  // a repeat may find more
};

// Not thread-safe. Each call that writes is one transaction. Errors of all: database_unavailable.
class Store {
 public:
  virtual ~Store() = default;
  // All, also deleted ones, by id.
  [[nodiscard]] virtual Result<std::vector<Target>> LoadTargets() = 0;
  // Gives it an id. A second one with the operation key: constraint.
  [[nodiscard]] virtual Result<int64_t> InsertTarget(const Target& target) = 0;
  // It wins over all changes that were not seen, and counts the version up. Again: no effect.
  [[nodiscard]] virtual Result<void> DeleteTarget(int64_t target_id) = 0;
  // Saves all that can change of a target which still has this version, and counts the version up; but not
  // paused_until, which ends if it gets another URL, or was or becomes disabled. Another version, or deleted:
  // constraint, and nothing is done.
  [[nodiscard]] virtual Result<void> ChangeTarget(const Target& target) = 0;
  // Of a target that is disabled or deleted, up to `limit` pending deliveries become dead with that error,
  // and end at `now`; of each key the last ones first, so that what is left of it still has one with the
  // turn, unless it was replayed behind a later one. Returns how many: fewer than `limit`, none is left. Of
  // any other target: nothing is done.
  [[nodiscard]] virtual Result<size_t> GiveUp(int64_t target_id, std::string_view why, Timestamp now,
                                              size_t limit) = 0;
  // The target is left alone until then, or longer if that was said before. At a URL that it has no more, or
  // disabled: nothing is done. The version stays.
  [[nodiscard]] virtual Result<void> Pause(int64_t target_id, const std::string& url, Timestamp until) = 0;

  // For each id whether its event was accepted before: also where it is forgotten.
  [[nodiscard]] virtual Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) = 0;
  // Those of `keys` that have a pending delivery.
  [[nodiscard]] virtual Result<std::set<TargetKey>> Waiting(const std::set<TargetKey>& keys) = 0;
  // Adds events and deliveries; the events are processed from then on. Those that another replica has
  // processed meanwhile, or that a target has another version than the one that chose them: constraint, and
  // nothing is added. So is a test whose target another replica has taken away.
  [[nodiscard]] virtual Result<void> Insert(const Accepted& accepted) = 0;

  // Gives out, to be sent, up to `limit` pending deliveries of a target that are due at `now`, the longest
  // due first; none that is `under_way`, and none of a target that is disabled or deleted. Where several
  // replicas share what is stored, none that another is sending; what is given out is this one's until it is
  // updated, or too old (store_postgres.h). With a `rate_per_s` other than 0, each takes a turn (throttle.h),
  // and only as many are given out as have one.
  [[nodiscard]] virtual Result<std::vector<Outgoing>> Due(int64_t target_id, Timestamp now, size_t limit,
                                                          const std::set<int64_t>& under_way,
                                                          double rate_per_s) = 0;
  // When the next pending delivery of the target is due, if any.
  [[nodiscard]] virtual Result<std::optional<Timestamp>> NextDue(int64_t target_id) = 0;
  // Saves deliveries after an attempt: a success unless one was told before; anything else only where the
  // delivery is pending with one attempt less, for an attempt that began before it was given up or replayed
  // says nothing of it now. What is not pending by this has ended at `now`; where it was pending before, and
  // had its turn (next_attempt_at), the next one of its target and key that waits becomes due at `now`: of
  // those that are pending, one has it. Again: no effect.
  [[nodiscard]] virtual Result<void> Update(std::span<const Delivery> deliveries, Timestamp now) = 0;

  // Makes dead deliveries pending, with all their attempts anew; those that are not dead stay as they are. Of
  // each target and key the first is due at `now`, unless one is pending already; the others wait behind it
  // in their order. One of a target that is disabled or deleted stays dead. Of those that are pending then,
  // the one that has the turn of its target and key is due at `now` at the latest, and the pauses of their
  // targets end. Returns how many were dead.
  [[nodiscard]] virtual Result<size_t> Replay(std::span<const int64_t> ids, Timestamp now) = 0;
  // The same for all that are pending of a range: up to the query's limit (1 or more) are made due at a time,
  // and the pauses end with the last page. One that has failed again meanwhile is made due again.
  [[nodiscard]] virtual Result<Hastened> Hasten(const RangeQuery& query, Timestamp now) = 0;
  // The dead ones of a range, the oldest first.
  [[nodiscard]] virtual Result<std::vector<Delivery>> ListDead(const RangeQuery& query) = 0;

  [[nodiscard]] virtual Result<std::optional<Delivery>> Find(int64_t delivery_id) = 0;
  // The event of a delivery.
  [[nodiscard]] virtual Result<std::optional<InboxEvent>> FindEvent(const EventId& id) = 0;
  // The newest first.
  [[nodiscard]] virtual Result<std::vector<Delivery>> List(const DeliveryQuery& query) = 0;
  // Removes up to `limit` deliveries that are not pending and have ended, the last time, before `before`, and
  // events that no delivery names any more. Returns how many deliveries.
  [[nodiscard]] virtual Result<size_t> Prune(Timestamp before, size_t limit) = 0;
  // All events whose ids were made before `before` count as processed from now on, for good (a lower `before`
  // later on: no effect on that); up to `limit` of their ids are forgotten. When that is right says
  // platform/bus/forgetting.h.
  [[nodiscard]] virtual Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) = 0;
};

}  // namespace boxoffice::relay
