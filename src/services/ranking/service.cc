#include "services/ranking/service.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/mutant.h"

namespace boxoffice::ranking {
namespace {

// Each time that another process was first it has counted something; so this is a lot of company.
constexpr int kMaxTries = 20;
constexpr size_t kForgetAtOnce = 1'000;
// What a whole load takes counts so many times, in time until the next: of a store that other services share,
// processes that follow each other keep no more than a small part for themselves.
constexpr int kLoadWeighs = 20;
constexpr milliseconds kLongestPause{60'000};  // also where the clock was put forward during a load
// After one that failed, mostly for want of a store: what is counted may be missing in memory until the next.
constexpr milliseconds kLongestAfterFailure{5'000};

// Another process was first: nothing was done, and the next try begins from what that one has saved.
// constraint: it has counted an event, or has made the store forget up to the event's time, since that was
// looked for. The next look finds it counted; nothing is wrong with the event, nor with those beside it.
bool IsOutrun(const Error& error) { return error.reason == "moved" || error.reason == "constraint"; }

}  // namespace

RankingService::RankingService(std::unique_ptr<Store> store, const Clock& clock)
    : store_(std::move(store)), clock_(clock) {}

Result<void> RankingService::Load() {
  const std::scoped_lock counting(counting_);
  BOXOFFICE_ASSIGN(Loaded loaded, store_->Load());
  Take(std::move(loaded));
  return {};
}

void RankingService::Take(Loaded loaded) {
  const std::scoped_lock lock(mutex_);
  state_ = std::move(loaded.state);
  rebuilding_ = loaded.rebuilding;
  rebuilt_at_ = loaded.rebuilt_at;
}

Result<void> RankingService::Refresh() {
  const std::scoped_lock counting(counting_);
  return RefreshLocked();
}

Result<void> RankingService::RefreshIfDue() {
  const std::scoped_lock counting(counting_);
  const Timestamp now = clock_.Now();
  const bool due = now < loaded_at_ || now >= loaded_at_ + pause_;  // before: the clock was put back
  return due ? RefreshLocked() : Result<void>();
}

Result<void> RankingService::RefreshLocked() {
  const Timestamp began = clock_.Now();
  Result<std::optional<Loaded>> loaded = store_->LoadIfMoved();
  if (loaded && !*loaded) return {};
  // One that failed may have cost the store as much.
  loaded_at_ = clock_.Now();
  const milliseconds longest = loaded ? kLongestPause : kLongestAfterFailure;
  pause_ = std::clamp(kLoadWeighs * (loaded_at_ - began), milliseconds(0), longest);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  Take(**std::move(loaded));
  return {};
}

Result<void> RankingService::Count(std::span<const Event> events) {
  const std::scoped_lock counting(counting_);
  for (int tries = 1;; ++tries) {
    Result<void> counted = TryToCount(events);
    if (counted || !IsOutrun(counted.error()) || tries == kMaxTries) return counted;
  }
}

Result<void> RankingService::TryToCount(std::span<const Event> events) {
  std::vector<EventId> ids;
  ids.reserve(events.size());
  for (const Event& event : events) ids.push_back(event.id);
  BOXOFFICE_ASSIGN(const std::vector<bool> processed, store_->AreProcessed(ids));
  std::vector<Event> fresh;
  std::unordered_set<EventId> seen;  // an event can be in a batch twice
  ids.clear();
  for (size_t i = 0; i < events.size(); ++i) {
    if (processed[i] || !seen.insert(events[i].id).second) continue;
    fresh.push_back(events[i]);
    ids.push_back(events[i].id);
  }
  if (fresh.empty()) return {};
  const Timestamp now = clock_.Now();
  // Not from memory, which lacks what other processes have saved since the last Refresh.
  BOXOFFICE_ASSIGN(const State rows, store_->LoadRows(KeysOf(fresh)));
  const State changed = Decide(rows, fresh);
  if (MUTANT("consumer_marks_first")) {
    BOXOFFICE_TRY(store_->Save(Decide(rows, {}), std::exchange(ids, {}), OldestHour(now)));
  }
  if (auto saved = store_->Save(changed, ids, OldestHour(now)); !saved) {
    if (IsOutrun(saved.error())) return saved;
    // The commit may have been done all the same: what holds is in the store.
    BOXOFFICE_ASSIGN(Loaded loaded, store_->Load());
    Take(std::move(loaded));
    return std::unexpected(saved.error());
  }
  const std::scoped_lock lock(mutex_);
  Overlay(state_, changed);
  Forget(state_, now);
  return {};
}

Result<Forgotten> RankingService::ForgetProcessed(Timestamp before) {
  const std::scoped_lock counting(counting_);
  return store_->ForgetProcessed(before, kForgetAtOnce);
}

Ranking RankingService::Get(Order order, Window window, size_t limit) const {
  const std::scoped_lock lock(mutex_);
  return {Rank(state_, order, window, limit, clock_.Now()), state_.as_of};
}

Audit RankingService::GetAudit() const {
  const std::scoped_lock lock(mutex_);
  return {state_.shows, state_.processed, rebuilding_};
}

Status RankingService::GetStatus() const {
  const std::scoped_lock lock(mutex_);
  return {rebuilding_, state_.processed, state_.as_of, rebuilt_at_};
}

bool RankingService::NeedsRebuild() const {
  const std::scoped_lock lock(mutex_);
  return rebuilding_;
}

Result<void> RankingService::Rebuild(From from, const Next& next) {
  {
    const std::scoped_lock counting(counting_);
    if (from == From::kWhatIsThere) {
      BOXOFFICE_TRY(store_->ResumeRebuild());
    } else {
      BOXOFFICE_TRY(store_->BeginRebuild());
      const std::scoped_lock lock(mutex_);
      state_ = State();
      rebuilding_ = true;
    }
  }
  while (true) {
    BOXOFFICE_ASSIGN(const std::vector<Event> events, next());
    if (events.empty()) break;
    BOXOFFICE_TRY(Count(events));
  }
  const std::scoped_lock counting(counting_);
  BOXOFFICE_TRY(store_->EndRebuild(clock_.Now()));
  // Other processes may have counted as well, may have ended it, or have begun anew, which is for them to
  // end: what holds is in the store.
  BOXOFFICE_ASSIGN(Loaded loaded, store_->Load());
  Take(std::move(loaded));
  return {};
}

}  // namespace boxoffice::ranking
