#include "services/relay/service.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace boxoffice::relay {
namespace {

constexpr char kDeletedTarget[] = "target_deleted";
constexpr char kDisabledTarget[] = "target_disabled";

}  // namespace

RelayService::RelayService(std::unique_ptr<Store> store, const Clock& clock, Random& random,
                           MakeSecret make_secret)
    : store_(std::move(store)), clock_(clock), random_(random), make_secret_(std::move(make_secret)) {}

Result<void> RelayService::Load() {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  return {};
}

Target* RelayService::FindTarget(int64_t id) {
  const auto it = std::ranges::lower_bound(targets_, id, {}, &Target::id);
  return it != targets_.end() && it->id == id ? &*it : nullptr;
}

double RelayService::Jitter() { return static_cast<double>(random_.Below(1'000'000)) / 1e6; }

Result<Target> RelayService::CreateTarget(const std::string& operation_key, const std::string& url,
                                          std::vector<std::string> event_types) {
  if (operation_key.empty() || operation_key.size() > kMaxOperationKeyBytes) {
    return Fail(Code::kInvalidArgument, "invalid_argument", "operation_key: 1 to 128 bytes");
  }
  BOXOFFICE_TRY(CheckUrl(url));
  BOXOFFICE_ASSIGN(event_types, CheckEventTypes(std::move(event_types)));
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const std::optional<Target> made, FindMade(operation_key, url, event_types));
  if (made) return *made;
  if (std::ranges::count(targets_, false, &Target::deleted) >= static_cast<ptrdiff_t>(kMaxTargets)) {
    return Fail(Code::kResourceExhausted, "too_many_targets", "delete one first");
  }
  Target target;
  target.operation_key = operation_key;
  target.url = url;
  target.event_types = std::move(event_types);
  target.secret = make_secret_();
  CHECK(target.secret.size() == kSecretBytes);
  target.created_at = clock_.Now();
  const Result<int64_t> id = store_->InsertTarget(target);
  if (!id && id.error().reason == "constraint") {  // another replica has just made it
    BOXOFFICE_ASSIGN(const std::optional<Target> theirs, FindMade(operation_key, url, event_types));
    if (theirs) return *theirs;
  }
  BOXOFFICE_ASSIGN(target.id, id);
  targets_.push_back(target);
  return target;
}

Result<std::optional<Target>> RelayService::FindMade(const std::string& operation_key, const std::string& url,
                                                     const std::vector<std::string>& event_types) {
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  const auto made = std::ranges::find(targets_, operation_key, &Target::operation_key);
  if (made == targets_.end()) return std::nullopt;
  if (made->url == url && made->event_types == event_types) return *made;
  return Fail(Code::kConflict, "mismatch", "operation_key: it made another target");
}

Result<void> RelayService::DeleteTarget(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  Target* target = FindTarget(id);
  if (target == nullptr) return Fail(Code::kNotFound, "not_found", "no target " + std::to_string(id));
  if (target->deleted) return {};
  Target changed = *target;
  changed.deleted = true;
  BOXOFFICE_TRY(store_->UpdateTarget(changed, kDeletedTarget));
  *target = std::move(changed);
  return {};
}

std::vector<Target> RelayService::ListTargets(int64_t after_id, size_t limit) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Target> listed;
  for (const Target& target : targets_) {
    if (listed.size() == limit) break;
    if (target.id > after_id && !target.deleted) listed.push_back(target);
  }
  return listed;
}

bool RelayService::Wants(std::string_view type) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::any_of(targets_, [&](const Target& target) { return relay::Wants(target, type); });
}

Result<bool> RelayService::AcceptEvents(std::span<const InboxEvent> events) {
  const std::scoped_lock lock(mutex_);
  Result<bool> added = DecideAndInsert(events);
  if (!added && added.error().reason == "constraint") {  // another replica was first: what it did is seen now
    BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
    added = DecideAndInsert(events);
  }
  // Done, perhaps, or overtaken again: either shows when they come again.
  if (!added && (added.error().code == Code::kConflict || added.error().code == Code::kUnknown)) {
    added.error().code = Code::kUnavailable;
  }
  return added;
}

Result<bool> RelayService::DecideAndInsert(std::span<const InboxEvent> events) {
  std::vector<EventId> ids;
  ids.reserve(events.size());
  for (const InboxEvent& event : events) ids.push_back(event.id);
  BOXOFFICE_ASSIGN(const std::vector<bool> processed, store_->AreProcessed(ids));
  std::vector<InboxEvent> fresh;
  std::unordered_set<EventId> seen;  // an event can be in a batch twice
  std::set<TargetKey> keys;
  for (size_t i = 0; i < events.size(); ++i) {
    if (processed[i] || !seen.insert(events[i].id).second) continue;
    fresh.push_back(events[i]);
    for (const Target& target : targets_) {
      if (Matches(target, events[i].type, events[i].time)) keys.emplace(target.id, events[i].key);
    }
  }
  if (keys.empty()) return false;
  BOXOFFICE_ASSIGN(const std::set<TargetKey> waiting, store_->Waiting(keys));
  BOXOFFICE_TRY(store_->Insert(Accept(fresh, targets_, waiting, clock_.Now())));
  return true;
}

Result<std::vector<Delivery>> RelayService::ListDeliveries(const DeliveryQuery& query) {
  const std::scoped_lock lock(mutex_);
  return store_->List(query);
}

Result<Delivery> RelayService::ReplayDelivery(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  BOXOFFICE_ASSIGN(std::optional<Delivery> found, store_->Find(id));
  if (!found) return Fail(Code::kNotFound, "not_found", "no delivery " + std::to_string(id));
  if (found->state == State::kPending) return *found;
  if (found->state == State::kDelivered) return Fail(Code::kConflict, "not_dead", "it was delivered");
  const Target* target = FindTarget(found->target_id);
  if (target == nullptr || target->deleted || !target->enabled) {
    return Fail(Code::kConflict, "target_disabled", "its target takes nothing any more");
  }
  const Timestamp now = clock_.Now();
  found->state = State::kPending;
  found->attempts = 0;
  found->next_attempt_at = now;
  BOXOFFICE_TRY(store_->Update(std::span(&*found, 1), now));
  return *found;
}

Result<std::vector<Attempt>> RelayService::Due(int64_t target_id, size_t limit,
                                               const std::set<int64_t>& under_way) {
  const std::scoped_lock lock(mutex_);
  const Target* target = FindTarget(target_id);
  std::vector<Attempt> attempts;
  if (target == nullptr || target->deleted || !target->enabled) return attempts;
  BOXOFFICE_ASSIGN(std::vector<Outgoing> due, store_->Due(target_id, clock_.Now(), limit, under_way));
  for (Outgoing& outgoing : due) {
    attempts.push_back(
        {std::move(outgoing.delivery), std::move(outgoing.event), target->url, target->secret});
  }
  return attempts;
}

Result<std::optional<Timestamp>> RelayService::NextDue(int64_t target_id) {
  const std::scoped_lock lock(mutex_);
  return store_->NextDue(target_id);
}

std::vector<int64_t> RelayService::EnabledTargets() const {
  const std::scoped_lock lock(mutex_);
  std::vector<int64_t> ids;
  for (const Target& target : targets_) {
    if (target.enabled && !target.deleted) ids.push_back(target.id);
  }
  return ids;
}

Result<void> RelayService::Record(std::span<const AttemptResult> results) {
  const std::scoped_lock lock(mutex_);
  const Timestamp now = clock_.Now();
  std::vector<Delivery> changed;
  std::set<int64_t> gone;
  for (const AttemptResult& result : results) {
    Delivery after = AfterAttempt(result.delivery, result.answer, now, Jitter());
    if (DisablesTarget(result.answer)) gone.insert(after.target_id);
    const Target* target = FindTarget(after.target_id);
    const bool given_up = target == nullptr || target->deleted || !target->enabled;
    if (!given_up || after.state == State::kDelivered) changed.push_back(std::move(after));
  }
  BOXOFFICE_TRY(store_->Update(changed, now));
  for (const int64_t id : gone) {
    Target* target = FindTarget(id);
    if (target == nullptr || target->deleted || !target->enabled) continue;
    Target disabled = *target;
    disabled.enabled = false;
    disabled.disabled_reason = "it answered 410 Gone";
    BOXOFFICE_TRY(store_->UpdateTarget(disabled, kDisabledTarget));
    *target = std::move(disabled);
  }
  return {};
}

Result<size_t> RelayService::Prune() {
  const std::scoped_lock lock(mutex_);
  return store_->Prune(clock_.Now() - kLogAge, kPruneBatch);
}

}  // namespace boxoffice::relay
