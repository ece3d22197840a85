#include "services/reservation/store_memory.h"

#include <algorithm>

namespace boxoffice::reservation {

Result<Rows> MemoryStore::Load(const Keys& keys, Timestamp now) {
  Rows rows;
  for (const ReservationId& id : keys.reservations) {
    if (const auto found = reservations_.find(id); found != reservations_.end())
      rows.reservations.insert(*found);
  }
  for (const RequestKey& key : keys.requests) {
    if (const auto found = requests_.find(key); found != requests_.end()) rows.requests.insert(*found);
  }
  if (keys.due_limit == 0) return rows;
  for (const auto& [id, reservation] : reservations_) {
    const bool known = reservation.saga.definition_version <= kNewestDefinitionVersion;
    if (known && reservation.due_at && *reservation.due_at <= now) rows.due.push_back(reservation);
  }
  std::ranges::stable_sort(rows.due, {}, [](const Reservation& r) { return *r.due_at; });
  if (rows.due.size() > keys.due_limit) rows.due.resize(keys.due_limit);
  return rows;
}

Result<std::vector<bool>> MemoryStore::Save(std::span<const Change> changes) {
  std::vector<bool> saved;
  for (const Change& change : changes) {
    const auto found = reservations_.find(change.reservation->id);
    const bool exists = found != reservations_.end();
    if (change.lease_only) {
      const bool owned = exists && found->second.saga.epoch == change.expected_epoch &&
                         found->second.saga.status == SagaStatus::kRunning;
      if (owned) found->second.due_at = change.reservation->due_at;
      saved.push_back(owned);
      continue;
    }
    const bool as_expected = change.expected_version == 0
                                 ? !exists
                                 : exists && found->second.version == change.expected_version &&
                                       found->second.saga.epoch == change.expected_epoch;
    if (as_expected && !MayBegin(change)) {
      saved.push_back(false);
      continue;
    }
    saved.push_back(as_expected);
    if (!as_expected) continue;
    reservations_[change.reservation->id] = change.reservation;
    if (!change.event.empty()) events_.push_back(change.event);
    if (!change.request) continue;
    const RequestRecord& request = *change.request;
    const auto known = requests_.find(request.key);
    if (!change.answers) {
      requests_[request.key] = request;
    } else if (known != requests_.end() && known->second.saga_id == request.saga_id) {
      known->second.answer = Answer{change.reservation, change.reservation->failure};
    }
  }
  return saved;
}

// Whether the request's key is as it was when it was decided.
bool MemoryStore::MayBegin(const Change& change) const {
  if (!change.request || change.answers) return true;
  const auto known = requests_.find(change.request->key);
  return known == requests_.end() ? change.replaces.IsNil() : known->second.saga_id == change.replaces;
}

Result<Forgotten> MemoryStore::ForgetRequests(Timestamp before, int64_t limit) {
  Forgotten forgotten;
  for (auto it = requests_.begin(); it != requests_.end() && forgotten.count < limit;) {
    if (it->second.answer && it->second.created_at < before) {
      it = requests_.erase(it);
      ++forgotten.count;
    } else {
      ++it;
    }
  }
  forgotten.more = forgotten.count == limit;
  return forgotten;
}

}  // namespace boxoffice::reservation
