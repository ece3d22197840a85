#include "services/relay/service.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/sort_unique.h"
#include "platform/obs/log.h"

namespace boxoffice::relay {
namespace {

constexpr char kDeletedTarget[] = "target_deleted";
constexpr char kDisabledTarget[] = "target_disabled";

Result<void> CheckOperationKey(const std::string& key) {
  if (!key.empty() && key.size() <= kMaxOperationKeyBytes) return {};
  return Fail(Code::kInvalidArgument, "invalid_argument",
              fmt::format("operation_key: 1 to {} bytes", kMaxOperationKeyBytes));
}

// What the key has made is another thing than what it is asked for now.
std::unexpected<Error> Reused() {
  return Fail(Code::kConflict, "operation_key_reused", "the key was used for another request");
}

// Whether a rotation with the key of the last one asks for the same. Of one whose content was not kept, the
// key says all: what is kept then, if anything, is of another key.
bool IsRepeat(const Target& target, std::string_view operation_key, milliseconds keep_old) {
  const std::string_view kept = target.rotation_content;
  const bool is_of_key = kept.substr(kept.find(' ') + 1) == operation_key;
  return !is_of_key || kept == RotationContent(operation_key, keep_old);
}

std::unexpected<Error> NoTarget(int64_t id) {
  return Fail(Code::kNotFound, "target_not_found", fmt::format("no target {}", id));
}

std::unexpected<Error> NoDelivery(int64_t id) {
  return Fail(Code::kNotFound, "delivery_not_found", fmt::format("no delivery {}", id));
}

std::unexpected<Error> Disabled() {
  return Fail(Code::kConflict, kDisabledTarget, "the target takes nothing: it is disabled or deleted");
}

}  // namespace

RelayService::RelayService(std::unique_ptr<Store> store, const Clock& clock, Random& random,
                           MakeSecret make_secret, AddressPolicy addresses, milliseconds log_age)
    : store_(std::move(store)),
      clock_(clock),
      random_(random),
      make_secret_(std::move(make_secret)),
      addresses_(std::move(addresses)),
      log_age_(log_age) {}

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

Result<Target> RelayService::CreateTarget(const std::string& operation_key, Target choices) {
  BOXOFFICE_TRY(CheckOperationKey(operation_key));
  BOXOFFICE_TRY(CheckChoices(choices, addresses_));
  Target target;
  target.operation_key = operation_key;
  target.url = std::move(choices.url);
  target.event_types = std::move(choices.event_types);
  target.show_ids = std::move(choices.show_ids);
  target.payload = choices.payload;
  target.rate_per_s = choices.rate_per_s;
  target.creation_content = ContentOf(target);
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const std::optional<Target> made, FindMade(target));
  if (made) return *made;
  if (std::ranges::count(targets_, false, &Target::deleted) >= static_cast<ptrdiff_t>(kMaxTargets)) {
    return Fail(Code::kConflict, "too_many_targets", "delete one first");
  }
  target.secret = make_secret_();
  CHECK(target.secret.size() == kSecretBytes);
  target.created_at = clock_.Now();
  const Result<int64_t> id = store_->InsertTarget(target);
  if (!id && id.error().reason == "constraint") {  // another replica has just made it
    BOXOFFICE_ASSIGN(const std::optional<Target> theirs, FindMade(target));
    if (theirs) return *theirs;
  }
  BOXOFFICE_ASSIGN(target.id, id);
  targets_.push_back(target);
  return target;
}

Result<std::optional<Target>> RelayService::FindMade(const Target& wanted) {
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  const auto made = std::ranges::find(targets_, wanted.operation_key, &Target::operation_key);
  if (made == targets_.end()) return std::nullopt;
  // What it is now may be another's change; only of one whose content was not kept there is nothing better.
  const std::string asked = made->creation_content.empty() ? ContentOf(*made) : made->creation_content;
  if (asked != wanted.creation_content) return Reused();
  if (made->deleted) return Fail(Code::kConflict, kDeletedTarget, "the key made a target that was deleted");
  return *made;
}

Result<Target*> RelayService::FindLive(int64_t id) {
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  Target* target = FindTarget(id);
  if (target != nullptr && !target->deleted) return target;
  return NoTarget(id);
}

Result<Target> RelayService::SaveChange(int64_t id, const Make& make) {
  for (int tries = 1;; ++tries) {
    BOXOFFICE_ASSIGN(Target * target, FindLive(id));
    BOXOFFICE_ASSIGN(Target changed, make(*target));
    if (changed == *target) return changed;
    // Or what is to be dead would be sent. Nothing becomes pending in between.
    if (!target->enabled && changed.enabled) {
      BOXOFFICE_ASSIGN(const bool more, GiveUpSome(*target));
      if (more) return Fail(Code::kUnavailable, "contention", "what was pending is still being given up");
    }
    const Result<void> saved = store_->ChangeTarget(changed);
    if (!saved && saved.error().reason == "constraint") {
      if (tries < kMaxTries) continue;  // another replica was first: on top of what it did
      return Fail(Code::kUnavailable, "contention", "others change the target");
    }
    BOXOFFICE_TRY(saved);
    ++changed.version;
    *target = changed;
    return changed;
  }
}

Result<Target> RelayService::ChangeTarget(int64_t id, const TargetChange& change) {
  const std::scoped_lock lock(mutex_);
  return SaveChange(id,
                    [&](const Target& target) { return Change(target, change, addresses_, clock_.Now()); });
}

Result<Target> RelayService::RotateSecret(const std::string& operation_key, int64_t id,
                                          milliseconds keep_old) {
  BOXOFFICE_TRY(CheckOperationKey(operation_key));
  if (keep_old < milliseconds(0) || keep_old > kMaxKeepOld) {
    return Fail(Code::kInvalidArgument, "invalid_argument", "keep_old_s: 0 to 604800");
  }
  const std::scoped_lock lock(mutex_);
  return SaveChange(id, [&](const Target& target) -> Result<Target> {
    if (target.rotation_key == operation_key) {
      if (!IsRepeat(target, operation_key, keep_old)) return Reused();
      return target;
    }
    if (keep_old > milliseconds(0) && !target.old_secret.empty() && clock_.Now() < target.old_secret_until) {
      return Fail(Code::kConflict, "rotation_under_way",
                  fmt::format("the secret before counts until {}: wait, or end it at once with keep_old_s 0",
                              ToRfc3339(target.old_secret_until)));
    }
    return Rotate(target, operation_key, make_secret_(), keep_old, clock_.Now());
  });
}

Result<Delivery> RelayService::TestTarget(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const Target* target, FindLive(id));
  if (!target->enabled) return Disabled();
  const Timestamp now = clock_.Now();
  InboxEvent event;
  event.id = EventId::Make(now, random_);
  event.topic = "relay";
  event.key = event.id.ToString();  // it waits behind nothing
  event.type = kTestType;
  event.time = now;
  event.body = fmt::format(R"({{"type":"{}","timestamp":"{}","data":{{"target_id":"{}"}}}})", kTestType,
                           ToRfc3339(now), id);
  Delivery delivery;
  delivery.target_id = id;
  delivery.event_id = event.id;
  delivery.event_type = event.type;
  delivery.key = event.key;
  delivery.created_at = now;
  delivery.next_attempt_at = std::max(now, target->paused_until);
  const Result<void> inserted = store_->Insert({{event}, {delivery}});
  // The event is new: so another replica has just taken the target away.
  if (!inserted && inserted.error().reason == "constraint") {
    BOXOFFICE_TRY(FindLive(id));
    return Disabled();
  }
  BOXOFFICE_TRY(inserted);
  BOXOFFICE_ASSIGN(const std::vector<Delivery> made, store_->List({.limit = 1, .event_id = event.id}));
  CHECK(made.size() == 1);
  return made.front();
}

Result<void> RelayService::DeleteTarget(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  Target* target = FindTarget(id);
  if (target == nullptr) return NoTarget(id);
  if (target->deleted) return {};
  BOXOFFICE_TRY(store_->DeleteTarget(id));
  target->deleted = true;
  ++target->version;
  return {};
}

Result<bool> RelayService::GiveUpSome(const Target& target) {
  BOXOFFICE_ASSIGN(const size_t given_up,
                   store_->GiveUp(target.id, target.deleted ? kDeletedTarget : kDisabledTarget, clock_.Now(),
                                  kGiveUpBatch));
  if (given_up == kGiveUpBatch) return true;
  finished_[target.id] = target.version;
  return false;
}

const Target* RelayService::FindUnfinished() const {
  const auto it = std::ranges::find_if(targets_, [this](const Target& target) {
    if (target.enabled && !target.deleted) return false;
    const auto finished = finished_.find(target.id);
    return finished == finished_.end() || finished->second != target.version;
  });
  return it == targets_.end() ? nullptr : &*it;
}

Result<bool> RelayService::GiveUp() {
  const std::scoped_lock lock(mutex_);
  const Target* target = FindUnfinished();
  if (target == nullptr) return false;
  BOXOFFICE_TRY(GiveUpSome(*target));
  return FindUnfinished() != nullptr;
}

Result<std::vector<Target>> RelayService::ListTargets(int64_t after_id, size_t limit) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());  // another replica may have changed one
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
      if (Matches(target, events[i].type, events[i].show_id, events[i].time))
        keys.emplace(target.id, events[i].key);
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

Result<DeliveryWithBody> RelayService::GetDelivery(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const std::optional<Delivery> found, store_->Find(id));
  if (!found) return NoDelivery(id);
  BOXOFFICE_ASSIGN(std::optional<InboxEvent> event, store_->FindEvent(found->event_id));
  const Target* target = FindTarget(found->target_id);
  DeliveryWithBody whole{*found, event ? std::move(event->body) : "", Payload::kFull};
  if (target != nullptr) whole.payload = target->payload;
  return whole;
}

Result<Delivery> RelayService::ReplayDelivery(int64_t id) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  BOXOFFICE_ASSIGN(const std::optional<Delivery> found, store_->Find(id));
  if (!found) return NoDelivery(id);
  const std::string_view why_not = WhyNotReplayed(*found, FindTarget(found->target_id));
  if (why_not == kDisabledTarget) return Disabled();
  if (!why_not.empty()) return Fail(Code::kConflict, std::string(why_not), "it was delivered");
  BOXOFFICE_TRY(store_->Replay(std::span(&id, 1), clock_.Now()));
  BOXOFFICE_ASSIGN(const std::optional<Delivery> replayed, store_->Find(id));
  if (!replayed) return NoDelivery(id);
  return *replayed;
}

Result<Replayed> RelayService::ReplayDeliveries(const ReplayRequest& request) {
  if (request.ids.size() > kMaxReplayIds) {
    return Fail(Code::kInvalidArgument, "invalid_argument", "ids: at most 200");
  }
  const bool has_range =
      request.target_id != 0 || request.from != Timestamp() || request.until != Timestamp::max();
  if (!request.ids.empty() && has_range) {
    return Fail(Code::kInvalidArgument, "invalid_argument",
                "ids: give them alone, without target_id, from and until");
  }
  if (request.from >= request.until) {
    return Fail(Code::kInvalidArgument, "invalid_argument", "until: must be after from");
  }
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(targets_, store_->LoadTargets());
  return request.ids.empty() ? ReplayRange(request) : ReplayNamed(request.ids);
}

Result<Replayed> RelayService::ReplayNamed(const std::vector<int64_t>& ids) {
  Replayed replayed;
  std::vector<int64_t> good;
  for (const int64_t id : ids) {
    BOXOFFICE_ASSIGN(const std::optional<Delivery> found, store_->Find(id));
    const std::string_view why_not =
        found ? WhyNotReplayed(*found, FindTarget(found->target_id)) : "delivery_not_found";
    if (why_not.empty()) {
      good.push_back(id);
    } else {
      replayed.refused.push_back({id, std::string(why_not)});
    }
  }
  SortUnique(good);
  BOXOFFICE_ASSIGN(replayed.count, store_->Replay(good, clock_.Now()));
  replayed.pending = good.size();
  return replayed;
}

Result<Replayed> RelayService::ReplayRange(const ReplayRequest& request) {
  RangeQuery query{{}, request.from, request.until, kReplayBatch};
  if (request.target_id == 0) {
    for (const Target& target : targets_) {
      if (target.enabled && !target.deleted) query.target_ids.push_back(target.id);
    }
  } else {
    const Target* target = FindTarget(request.target_id);
    if (target == nullptr || target->deleted) return NoTarget(request.target_id);
    if (!target->enabled) return Disabled();
    query.target_ids.push_back(target->id);
  }
  BOXOFFICE_ASSIGN(const std::vector<Delivery> dead, store_->ListDead(query));
  std::vector<int64_t> ids;
  ids.reserve(dead.size());
  for (const Delivery& delivery : dead) ids.push_back(delivery.id);
  Replayed replayed;
  BOXOFFICE_ASSIGN(replayed.count, store_->Replay(ids, clock_.Now()));
  // None replayed: a target was disabled meanwhile. Asking again would find the same.
  replayed.more = dead.size() == kReplayBatch && replayed.count > 0;
  // What is pending of the range is looked at once none is dead.
  if (replayed.more) {
    replayed.pending = replayed.count;
  } else {
    BOXOFFICE_ASSIGN(const Hastened hastened, store_->Hasten(query, clock_.Now()));
    replayed.pending = hastened.pending;
    replayed.more = hastened.more;
  }
  return replayed;
}

Result<std::vector<Attempt>> RelayService::Due(int64_t target_id, size_t limit,
                                               const std::set<int64_t>& under_way) {
  const std::scoped_lock lock(mutex_);
  const Target* target = FindTarget(target_id);
  std::vector<Attempt> attempts;
  if (target == nullptr || target->deleted || !target->enabled) return attempts;
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(std::vector<Outgoing> due,
                   store_->Due(target_id, now, limit, under_way, target->rate_per_s));
  const std::string old_secret = now < target->old_secret_until ? target->old_secret : std::string();
  for (Outgoing& outgoing : due) {
    attempts.push_back({std::move(outgoing.delivery), std::move(outgoing.event), target->url, target->secret,
                        old_secret, target->payload});
  }
  return attempts;
}

Result<std::optional<Timestamp>> RelayService::NextDue(int64_t target_id) {
  const std::scoped_lock lock(mutex_);
  return store_->NextDue(target_id);
}

std::vector<ActiveTarget> RelayService::EnabledTargets() const {
  const std::scoped_lock lock(mutex_);
  std::vector<ActiveTarget> active;
  for (const Target& target : targets_) {
    if (target.enabled && !target.deleted && !gone_.contains({target.id, target.url}))
      active.push_back({target.id, target.rate_per_s, target.paused_until});
  }
  return active;
}

Result<void> RelayService::Record(std::span<const AttemptResult> results) {
  const std::scoped_lock lock(mutex_);
  const Timestamp now = clock_.Now();
  std::vector<Delivery> changed;
  std::set<std::pair<int64_t, std::string>> gone;  // target, URL
  for (const AttemptResult& result : results) {
    Delivery after = AfterAttempt(result.delivery, result.answer, now, Jitter());
    if (DisablesTarget(result.answer)) gone.emplace(after.target_id, result.url);
    const Target* target = FindTarget(after.target_id);
    const bool given_up = target == nullptr || target->deleted || !target->enabled;
    if (!given_up || after.state == State::kDelivered) changed.push_back(std::move(after));
  }
  BOXOFFICE_TRY(store_->Update(changed, now));
  BOXOFFICE_TRY(SavePauses(results, now));
  gone_.merge(gone);
  return {};
}

Result<void> RelayService::DisableGone() {
  const std::scoped_lock lock(mutex_);
  Result<void> all;
  for (auto it = gone_.begin(); it != gone_.end();) {
    // On top of what is stored, for another replica may have changed the URL.
    bool disables = false;
    const auto disable = [&](const Target& target) -> Result<Target> {
      Target disabled = target;
      disables = target.enabled && target.url == it->second;
      if (!disables) return disabled;
      disabled.enabled = false;
      disabled.disabled_reason = fmt::format("it answered 410 Gone, {}", ToRfc3339(clock_.Now()));
      return disabled;
    };
    const Result<Target> saved = SaveChange(it->first, disable);
    if (!saved && saved.error().code != Code::kNotFound) {
      all = std::unexpected(saved.error());
      ++it;
      continue;
    }
    // What happens until it is enabled again is never sent to it: somebody should know.
    if (saved && disables) {
      obs::Log(obs::Level::kWarning, "relay_target_disabled",
               {{"target_id", saved->id}, {"reason", saved->disabled_reason}});
    }
    it = gone_.erase(it);
  }
  return all;
}

Result<void> RelayService::SavePauses(std::span<const AttemptResult> results, Timestamp now) {
  std::map<std::pair<int64_t, std::string>, milliseconds> pauses;  // target and the URL that asked
  for (const AttemptResult& result : results) {
    const milliseconds pause = PauseAfter(result.answer);
    if (pause == milliseconds(0)) continue;
    milliseconds& longest = pauses[{result.delivery.target_id, result.url}];
    longest = std::max(longest, pause);
  }
  for (const auto& [asked, pause] : pauses) {
    BOXOFFICE_TRY(store_->Pause(asked.first, asked.second, now + pause));
  }
  return {};
}

Result<size_t> RelayService::Prune() {
  const std::scoped_lock lock(mutex_);
  return store_->Prune(clock_.Now() - log_age_, kPruneBatch);
}

Result<Forgotten> RelayService::ForgetProcessed(Timestamp before) {
  const std::scoped_lock lock(mutex_);
  return store_->ForgetProcessed(before, kPruneBatch);
}

}  // namespace boxoffice::relay
