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
    const auto found = requests_.find(key);
    if (found == requests_.end()) continue;
    RequestRecord& request = rows.requests.insert(*found).first->second;
    if (!request.answer) request.answer = AnswerOf(request);
  }
  for (const int64_t show_id : keys.fee_shows) {
    if (IsCancelled(show_id)) rows.cancelled_shows.push_back(show_id);
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
    if (change.answered) {
      const auto known = requests_.find(change.answered->key);
      if (known != requests_.end() && known->second.saga_id == change.answered->saga_id &&
          !known->second.answer)
        known->second.answer = AnswerOf(known->second);
    }
    reservations_[change.reservation->id] = change.reservation;
    if (!change.event.empty()) events_.push_back(change.event);
    if (change.request) requests_[change.request->key] = *change.request;
  }
  return saved;
}

std::optional<Answer> MemoryStore::AnswerOf(const RequestRecord& request) const {
  const auto found = reservations_.find(request.reservation_id);
  if (found == reservations_.end() || found->second.saga.status != SagaStatus::kDone) return std::nullopt;
  return Answer{found->second, found->second.failure};
}

// Whether the request's key, and what its show keeps, is as it was when it was decided.
bool MemoryStore::MayBegin(const Change& change) const {
  if (!change.request) return true;
  if (change.takes_fee && IsCancelled(change.reservation->show_id)) return false;
  const auto known = requests_.find(change.request->key);
  return known == requests_.end() ? change.replaces.IsNil() : known->second.saga_id == change.replaces;
}

Result<Forgotten> MemoryStore::ForgetRequests(Timestamp before, int64_t limit) {
  Forgotten forgotten;
  for (auto it = requests_.begin(); it != requests_.end() && forgotten.count < limit;) {
    const bool has_answer = it->second.answer || AnswerOf(it->second);
    if (has_answer && it->second.created_at < before) {
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
