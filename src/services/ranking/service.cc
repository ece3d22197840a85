#include "services/ranking/service.h"

#include <unordered_set>
#include <utility>

namespace boxoffice::ranking {
namespace {

// Each time that another process was first it has counted something; so this is a lot of company.
constexpr int kMaxTries = 20;
constexpr size_t kForgetAtOnce = 1'000;

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
  BOXOFFICE_ASSIGN(std::optional<Loaded> loaded, store_->LoadIfMoved());
  if (loaded) Take(*std::move(loaded));
  return {};
}

Result<void> RankingService::Count(std::span<const Event> events) {
  const std::scoped_lock counting(counting_);
  for (int tries = 1;; ++tries) {
    Result<void> counted = TryToCount(events);
    // constraint: another process has made the store forget up to an event's time since it was looked for.
    // The next look finds it counted; nothing is wrong with the event, nor with those beside it.
    const bool again =
        !counted && (counted.error().reason == "moved" || counted.error().reason == "constraint");
    if (!again || tries == kMaxTries) return counted;
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
  // Only this function changes the state, under `counting_`, so it can be read here without the lock of
  // answers.
  const State changed = Decide(state_, fresh);
  if (auto saved = store_->Save(changed, ids, OldestHour(now)); !saved) {
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
  // Before anything is forgotten: while the log can't be read, what was counted stays.
  BOXOFFICE_ASSIGN(std::vector<Event> events, next());
  if (from == From::kWhatIsThere) {
    const std::scoped_lock counting(counting_);
    BOXOFFICE_TRY(store_->ResumeRebuild());
  } else {
    const std::scoped_lock counting(counting_);
    BOXOFFICE_TRY(store_->BeginRebuild());
    const std::scoped_lock lock(mutex_);
    state_ = State();
    rebuilding_ = true;
  }
  while (!events.empty()) {
    BOXOFFICE_TRY(Count(events));
    BOXOFFICE_ASSIGN(events, next());
  }
  const std::scoped_lock counting(counting_);
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const bool ended, store_->EndRebuild(now));
  if (!ended) {
    // Another process has ended it, or has begun anew, which is for that one to end: the store says which.
    BOXOFFICE_ASSIGN(Loaded loaded, store_->Load());
    Take(std::move(loaded));
    return {};
  }
  const std::scoped_lock lock(mutex_);
  rebuilt_at_ = now;
  rebuilding_ = false;
  return {};
}

}  // namespace boxoffice::ranking
