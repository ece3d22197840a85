#include "services/reservation/show_book.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"

namespace boxoffice::reservation {
namespace {

constexpr std::string_view kLeftByHerself = "left";  // else she declined an offer

EntryKey KeyOf(const WaitlistEntry& entry) { return {entry.show_id, entry.place}; }

bool HasLeft(const WaitlistEntry& entry) {
  return entry.state == EntryState::kLeft && entry.ended_because == kLeftByHerself;
}

// Decides a batch on its own copy of the rows.
class ShowDecider {
 public:
  ShowDecider(const ShowRows& rows, Timestamp now, const Policy& policy)
      : loaded_(rows), works_(rows.works), entries_(rows.entries), now_(now), policy_(policy) {
    for (const auto& [key, entry] : entries_) NoteMember(entry);
  }

  ShowOutcome On(const BeginCancellation& command) {
    ShowWork& work = WorkOf({command.show_id, WorkKind::kCancellation});
    const bool begins = work.version == 0 || work.cancellation.state == CancellationState::kRefused;
    if (!begins) return work;
    work.cancellation = {};
    work.cancellation.reason = command.reason;
    work.cancellation.operator_id = command.operator_id;
    work.cancellation.started_at = now_;
    work.tries = 0;
    work.due_at = now_;
    return Touch(work);
  }

  ShowOutcome On(const JoinWaitlist& command) {
    if (command.ended) End(*command.ended);
    const auto member = members_.find({command.show_id, command.user_id});
    if (member != members_.end() && !MUTANT("waitlist_second_place")) {
      const WaitlistEntry& entry = entries_.at(member->second);
      if (entry.wish == command.wish) return entry;
      return Error{Code::kConflict, "waitlist_other_wish",
                   "you are on this show's waitlist with another wish: leave it first"};
    }
    if (!command.wish_checked) {
      return Error{Code::kUnavailable, "waitlist_offer_ending", "the place that you had has just ended"};
    }
    // The show's row gives the places, so that two replicas never give the same one.
    ShowWork& work = WorkOf({command.show_id, WorkKind::kWaitlist});
    WaitlistEntry entry;
    entry.show_id = command.show_id;
    entry.place = ++work.places;
    entry.user_id = command.user_id;
    entry.wish = command.wish;
    entry.joined_at = now_;
    // Whoever works on it now looks again when done: see KeepWork.
    if (!work.due_at || work.owner.empty()) work.due_at = now_;
    Touch(work);
    NoteMember(entry);
    return Touch(entries_[KeyOf(entry)] = entry);
  }

  ShowOutcome On(const LeaveWaitlist& command) {
    if (command.ended) End(*command.ended);
    // Its COMMIT was done, though nobody knew.
    const auto known = entries_.find({command.show_id, command.place});
    if (known != entries_.end() && known->second.user_id == command.user_id && HasLeft(known->second))
      return known->second;
    const auto member = members_.find({command.show_id, command.user_id});
    if (member == members_.end()) {
      return Error{Code::kNotFound, "not_on_waitlist", "you are not on this show's waitlist"};
    }
    WaitlistEntry& entry = entries_.at(member->second);
    if (!entry.reservation.IsNil() && !MUTANT("waitlist_leave_offered")) {
      return Error{Code::kConflict, "waitlist_offered",
                   "seats are held for you, or just being sought: decline by cancelling that reservation"};
    }
    entry.state = EntryState::kLeft;
    entry.ended_because = kLeftByHerself;
    members_.erase(member);
    return Touch(entry);
  }

  ShowOutcome On(const ClaimWork& command) {
    ClaimedWork claimed;
    auto left = command.limits;
    for (const auto& [key, epoch] : command.unsure) {
      ShowWork* work = OwnedBy(key, epoch);
      const bool is_own = work != nullptr && work->owner == command.owner;
      if (!is_own || left[key.kind] == 0) continue;
      --left[key.kind];
      work->due_at = now_ + policy_.lease;
      claimed.works.push_back(Touch(*work));
    }
    for (const WorkKey& key : loaded_.due) {
      ShowWork& work = works_.at(key);
      const bool due = work.due_at && *work.due_at <= now_;  // an earlier command may have moved it
      if (!due || left[key.kind] == 0) continue;
      --left[key.kind];
      ++work.epoch;
      work.owner = command.owner;
      work.due_at = now_ + policy_.lease;
      claimed.works.push_back(Touch(work));
    }
    return claimed;
  }

  ShowOutcome On(const RenewWork& command) {
    ShowWork* work = OwnedBy(command.key, command.epoch);
    if (work == nullptr) return StaleWork{};
    work->due_at = now_ + policy_.lease;
    return Touch(*work);
  }

  ShowOutcome On(const KeepWork& command) {
    ShowWork* work = OwnedBy(command.work.key, command.work.epoch);
    if (work == nullptr) return StaleWork{};
    for (const WaitlistEntry& entry : command.entries) {
      const auto found = entries_.find(KeyOf(entry));
      const bool moved = found == entries_.end() || found->second.version != entry.version;
      if (moved && !MUTANT("waitlist_keep_moved")) return StaleWork{};
    }
    KeptWork kept;
    for (const WaitlistEntry& entry : command.entries) {
      WaitlistEntry& row = entries_.at(KeyOf(entry));
      if (!IsOpen(entry.state)) members_.erase({entry.show_id, entry.user_id});
      row = entry;
      kept.entries.push_back(Touch(row));
    }
    const bool joined_meanwhile = work->places != command.work.places;
    work->cancellation = command.work.cancellation;
    work->tries = command.work.tries;
    work->due_at = command.keep_lease ? now_ + policy_.lease : command.work.due_at;
    if (!command.keep_lease) work->owner.clear();
    // Nobody who joined in the meantime is left without somebody who looks.
    if (!command.keep_lease && joined_meanwhile) work->due_at = now_;
    kept.work = Touch(*work);
    return kept;
  }

  ShowChanges TakeChanges() {
    ShowChanges changes;
    for (const WorkKey& key : touched_works_) {
      const auto found = loaded_.works.find(key);
      const uint64_t expected = found == loaded_.works.end() ? 0 : found->second.version;
      changes.works.push_back({works_.at(key), expected});
    }
    for (const EntryKey& key : touched_entries_) {
      const auto found = loaded_.entries.find(key);
      const uint64_t expected = found == loaded_.entries.end() ? 0 : found->second.version;
      changes.entries.push_back({entries_.at(key), expected});
    }
    return changes;
  }

 private:
  ShowWork& WorkOf(const WorkKey& key) {
    ShowWork& work = works_[key];
    work.key = key;
    return work;
  }
  // Whoever has claimed it since has another epoch.
  ShowWork* OwnedBy(const WorkKey& key, uint64_t epoch) {
    const auto found = works_.find(key);
    const bool owned = found != works_.end() && !found->second.owner.empty() &&
                       (found->second.epoch == epoch || MUTANT("waitlist_ignore_epoch"));
    return owned ? &found->second : nullptr;
  }
  const ShowWork& Touch(ShowWork& work) {
    ++work.version;
    touched_works_.insert(work.key);
    return work;
  }
  const WaitlistEntry& Touch(WaitlistEntry& entry) {
    ++entry.version;
    entry.updated_at = now_;
    touched_entries_.insert(KeyOf(entry));
    return entry;
  }
  // What has moved since it was seen stays as it is now.
  void End(const WaitlistEntry& ended) {
    const auto found = entries_.find(KeyOf(ended));
    if (found == entries_.end() || found->second.version != ended.version) return;
    members_.erase({ended.show_id, ended.user_id});
    found->second = ended;
    Touch(found->second);
  }
  void NoteMember(const WaitlistEntry& entry) {
    if (IsOpen(entry.state)) members_[{entry.show_id, entry.user_id}] = KeyOf(entry);
  }

  const ShowRows& loaded_;
  std::map<WorkKey, ShowWork> works_;
  std::map<EntryKey, WaitlistEntry> entries_;
  std::map<MemberKey, EntryKey> members_;  // of open entries
  std::set<WorkKey> touched_works_;
  std::set<EntryKey> touched_entries_;
  const Timestamp now_;
  const Policy& policy_;
};

// Adds the keys of a command.
struct KeyCollector {
  ShowKeys& keys;
  void operator()(const BeginCancellation& command) const {
    keys.works.insert({command.show_id, WorkKind::kCancellation});
  }
  void operator()(const JoinWaitlist& command) const {
    keys.works.insert({command.show_id, WorkKind::kWaitlist});
    keys.members.insert({command.show_id, command.user_id});
  }
  void operator()(const LeaveWaitlist& command) const {
    keys.entries.insert({command.show_id, command.place});
    keys.members.insert({command.show_id, command.user_id});
  }
  void operator()(const ClaimWork& command) const {
    for (const auto& [kind, limit] : command.limits) {
      uint32_t& most = keys.due_limits[kind];
      most = std::max(most, limit);
    }
    for (const auto& [key, epoch] : command.unsure) keys.works.insert(key);
  }
  void operator()(const RenewWork& command) const { keys.works.insert(command.key); }
  void operator()(const KeepWork& command) const {
    keys.works.insert(command.work.key);
    for (const WaitlistEntry& entry : command.entries) keys.entries.insert(KeyOf(entry));
  }
};

}  // namespace

ShowKeys KeysOf(std::span<const ShowCommand> commands) {
  ShowKeys keys;
  for (const ShowCommand& command : commands) std::visit(KeyCollector{keys}, command);
  return keys;
}

ShowDecision Decide(const ShowRows& rows, std::span<const ShowCommand> commands, Timestamp now,
                    const Policy& policy) {
  ShowDecider decider(rows, now, policy);
  ShowDecision decision;
  for (const ShowCommand& command : commands) {
    decision.outcomes.push_back(std::visit([&](const auto& one) { return decider.On(one); }, command));
  }
  decision.changes = decider.TakeChanges();
  return decision;
}

}  // namespace boxoffice::reservation
