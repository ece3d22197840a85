#include "services/relay/store_memory.h"

#include <algorithm>
#include <iterator>

#include "services/relay/throttle.h"

namespace boxoffice::relay {
namespace {

bool IsOf(const RangeQuery& query, const Delivery& delivery) {
  return delivery.created_at >= query.from && delivery.created_at < query.until &&
         std::ranges::binary_search(query.target_ids, delivery.target_id);
}

}  // namespace

Result<std::vector<Target>> MemoryStore::LoadTargets() { return targets_; }

Result<int64_t> MemoryStore::InsertTarget(const Target& target) {
  if (std::ranges::find(targets_, target.operation_key, &Target::operation_key) != targets_.end()) {
    return Fail(Code::kConflict, "constraint", "operation_key");
  }
  targets_.push_back(target);
  targets_.back().id = static_cast<int64_t>(targets_.size());
  return targets_.back().id;
}

Result<void> MemoryStore::DeleteTarget(int64_t target_id) {
  const auto it = std::ranges::find(targets_, target_id, &Target::id);
  if (it == targets_.end() || it->deleted) return {};
  it->deleted = true;
  ++it->version;
  return {};
}

Result<void> MemoryStore::ChangeTarget(const Target& target) {
  const auto it = std::ranges::find(targets_, target.id, &Target::id);
  if (it == targets_.end() || it->deleted || it->version != target.version) {
    return Fail(Code::kConflict, "constraint", "version");
  }
  const bool paused = it->enabled && target.enabled && it->url == target.url;
  const Timestamp paused_until = paused ? it->paused_until : Timestamp();
  *it = target;
  it->paused_until = paused_until;
  ++it->version;
  return {};
}

Result<void> MemoryStore::Pause(int64_t target_id, const std::string& url, Timestamp until) {
  const auto it = std::ranges::find(targets_, target_id, &Target::id);
  if (it == targets_.end() || !it->enabled || it->url != url) return {};
  it->paused_until = std::max(it->paused_until, until);
  return {};
}

bool MemoryStore::TakesNothing(int64_t target_id) const {
  const auto it = std::ranges::find(targets_, target_id, &Target::id);
  return it != targets_.end() && (it->deleted || !it->enabled);
}

Result<size_t> MemoryStore::GiveUp(int64_t target_id, std::string_view why, Timestamp now, size_t limit) {
  if (!TakesNothing(target_id)) return 0;
  size_t given_up = 0;
  for (auto it = deliveries_.rbegin(); it != deliveries_.rend() && given_up < limit; ++it) {
    Delivery& delivery = it->second;
    if (delivery.target_id != target_id || delivery.state != State::kPending) continue;
    delivery.state = State::kDead;
    delivery.next_attempt_at.reset();
    delivery.last_error = why;
    ended_at_[delivery.id] = now;
    ++given_up;
  }
  return given_up;
}

Result<std::vector<bool>> MemoryStore::AreProcessed(std::span<const EventId> ids) {
  std::vector<bool> processed;
  std::ranges::transform(ids, std::back_inserter(processed), [this](const EventId& id) {
    return processed_.contains(id) || id.uuid().Time() < processed_before_;
  });
  return processed;
}

Result<std::set<TargetKey>> MemoryStore::Waiting(const std::set<TargetKey>& keys) {
  std::set<TargetKey> waiting;
  for (const auto& [id, delivery] : deliveries_) {
    const TargetKey key(delivery.target_id, delivery.key);
    if (delivery.state == State::kPending && keys.contains(key)) waiting.insert(key);
  }
  return waiting;
}

Result<void> MemoryStore::Insert(const Accepted& accepted) {
  for (const auto& [target_id, version] : accepted.target_versions) {
    const auto it = std::ranges::find(targets_, target_id, &Target::id);
    if (it == targets_.end() || it->version != version)
      return Fail(Code::kConflict, "constraint", "a target was changed meanwhile");
  }
  for (const InboxEvent& event : accepted.events) {
    if (processed_.contains(event.id) || event.id.uuid().Time() < processed_before_)
      return Fail(Code::kConflict, "constraint", "processed before");
  }
  for (const InboxEvent& event : accepted.events) {
    processed_.insert(event.id);
    events_.emplace(event.id, event);
  }
  for (Delivery delivery : accepted.deliveries) {
    delivery.id = ++last_delivery_;
    deliveries_.emplace(delivery.id, std::move(delivery));
  }
  return {};
}

Result<std::vector<Outgoing>> MemoryStore::Due(int64_t target_id, Timestamp now, size_t limit,
                                               const std::set<int64_t>& under_way, double rate_per_s) {
  std::vector<Outgoing> due;
  if (TakesNothing(target_id)) return due;
  if (rate_per_s > 0) limit = std::min(limit, TurnsNow(turns_us_[target_id], now, rate_per_s));
  for (const auto& [id, delivery] : deliveries_) {
    if (delivery.target_id == target_id && delivery.state == State::kPending && delivery.next_attempt_at &&
        *delivery.next_attempt_at <= now && !under_way.contains(id)) {
      due.push_back({delivery, events_.at(delivery.event_id)});
    }
  }
  std::ranges::stable_sort(due, {},
                           [](const Outgoing& outgoing) { return *outgoing.delivery.next_attempt_at; });
  if (due.size() > limit) due.erase(due.begin() + static_cast<ptrdiff_t>(limit), due.end());
  if (rate_per_s > 0) turns_us_[target_id] = TurnAfter(turns_us_[target_id], now, rate_per_s, due.size());
  return due;
}

Result<std::optional<Timestamp>> MemoryStore::NextDue(int64_t target_id) {
  std::optional<Timestamp> next;
  for (const auto& [id, delivery] : deliveries_) {
    if (delivery.target_id != target_id || delivery.state != State::kPending || !delivery.next_attempt_at)
      continue;
    if (!next || *delivery.next_attempt_at < *next) next = delivery.next_attempt_at;
  }
  return next;
}

Result<void> MemoryStore::Update(std::span<const Delivery> deliveries, Timestamp now) {
  for (const Delivery& delivery : deliveries) {
    const auto stored = deliveries_.find(delivery.id);
    if (stored == deliveries_.end() || stored->second.state == State::kDelivered) continue;
    const bool is_of_now =
        stored->second.state == State::kPending && stored->second.attempts == delivery.attempts - 1;
    if (delivery.state != State::kDelivered && !is_of_now) continue;
    const bool had_turn = stored->second.state == State::kPending && stored->second.next_attempt_at;
    stored->second = delivery;
    if (delivery.state != State::kPending) ended_at_[delivery.id] = now;
    if (delivery.state == State::kPending || !had_turn) continue;
    const auto first = std::ranges::find_if(deliveries_, [&](const auto& entry) {
      const Delivery& other = entry.second;
      return other.state == State::kPending && other.target_id == delivery.target_id &&
             other.key == delivery.key;
    });
    if (first != deliveries_.end() && !first->second.next_attempt_at) first->second.next_attempt_at = now;
  }
  return {};
}

Result<size_t> MemoryStore::Replay(std::span<const int64_t> ids, Timestamp now) {
  size_t replayed = 0;
  for (const int64_t id : std::set<int64_t>(ids.begin(), ids.end())) {
    const auto it = deliveries_.find(id);
    if (it == deliveries_.end() || it->second.state != State::kDead) continue;
    Delivery& delivery = it->second;
    const auto target = std::ranges::find(targets_, delivery.target_id, &Target::id);
    if (target == targets_.end() || !target->enabled || target->deleted) continue;
    const bool waits = !Waiting({{delivery.target_id, delivery.key}})->empty();
    delivery.state = State::kPending;
    delivery.attempts = 0;
    delivery.next_attempt_at = waits ? std::nullopt : std::optional(now);
    ++replayed;
  }
  for (const int64_t id : ids) {
    const auto it = deliveries_.find(id);
    if (it != deliveries_.end() && it->second.state == State::kPending)
      MakeDue({it->second.target_id, it->second.key}, now);
  }
  return replayed;
}

Result<Hastened> MemoryStore::Hasten(const RangeQuery& query, Timestamp now) {
  std::set<TargetKey> keys;  // of the range
  size_t pending = 0;
  for (const auto& [id, delivery] : deliveries_) {
    if (delivery.state != State::kPending || !IsOf(query, delivery)) continue;
    keys.emplace(delivery.target_id, delivery.key);
    ++pending;
  }
  size_t moved = 0;
  for (auto& [id, delivery] : deliveries_) {
    const bool waits = delivery.state == State::kPending && delivery.next_attempt_at > now;
    if (!waits || !keys.contains({delivery.target_id, delivery.key})) continue;
    delivery.next_attempt_at = now;
    if (++moved == query.limit) return Hastened{moved, true};
  }
  for (const TargetKey& key : keys) MakeDue(key, now);
  return Hastened{pending, false};
}

void MemoryStore::MakeDue(const TargetKey& key, Timestamp now) {
  for (auto& [id, delivery] : deliveries_) {
    const bool has_turn = delivery.state == State::kPending && delivery.next_attempt_at;
    if (!has_turn || TargetKey(delivery.target_id, delivery.key) != key) continue;
    delivery.next_attempt_at = std::min(*delivery.next_attempt_at, now);
  }
  const auto target = std::ranges::find(targets_, key.first, &Target::id);
  if (target != targets_.end()) target->paused_until = {};
}

Result<std::vector<Delivery>> MemoryStore::ListDead(const RangeQuery& query) {
  std::vector<Delivery> dead;
  for (const auto& [id, delivery] : deliveries_) {
    if (dead.size() == query.limit) break;
    if (delivery.state == State::kDead && IsOf(query, delivery)) dead.push_back(delivery);
  }
  return dead;
}

Result<std::optional<InboxEvent>> MemoryStore::FindEvent(const EventId& id) {
  const auto it = events_.find(id);
  return it == events_.end() ? std::nullopt : std::optional(it->second);
}

Result<std::optional<Delivery>> MemoryStore::Find(int64_t delivery_id) {
  const auto it = deliveries_.find(delivery_id);
  return it == deliveries_.end() ? std::nullopt : std::optional(it->second);
}

Result<std::vector<Delivery>> MemoryStore::List(const DeliveryQuery& query) {
  std::vector<Delivery> listed;
  for (auto it = deliveries_.rbegin(); it != deliveries_.rend() && listed.size() < query.limit; ++it) {
    const Delivery& delivery = it->second;
    if ((query.target_id != 0 && delivery.target_id != query.target_id) ||
        (query.state && delivery.state != *query.state) ||
        (query.before_id != 0 && delivery.id >= query.before_id) ||
        (query.event_id && delivery.event_id != *query.event_id)) {
      continue;
    }
    listed.push_back(delivery);
  }
  return listed;
}

Result<size_t> MemoryStore::Prune(Timestamp before, size_t limit) {
  size_t pruned = 0;
  for (auto it = deliveries_.begin(); it != deliveries_.end() && pruned < limit;) {
    if (it->second.state == State::kPending || ended_at_.at(it->first) >= before) {
      ++it;
      continue;
    }
    ended_at_.erase(it->first);
    it = deliveries_.erase(it);
    ++pruned;
  }
  std::erase_if(events_, [this](const auto& event) {
    return std::ranges::none_of(
        deliveries_, [&](const auto& delivery) { return delivery.second.event_id == event.first; });
  });
  return pruned;
}

Result<Forgotten> MemoryStore::ForgetProcessed(Timestamp before, size_t limit) {
  processed_before_ = std::max(processed_before_, before);
  Forgotten forgotten;
  while (!processed_.empty() && processed_.begin()->uuid().Time() < before && forgotten.count < limit) {
    processed_.erase(processed_.begin());
    ++forgotten.count;
  }
  forgotten.more = forgotten.count == limit;
  return forgotten;
}

}  // namespace boxoffice::relay
