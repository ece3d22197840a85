#include "services/relay/dispatcher.h"

#include <algorithm>
#include <utility>

namespace boxoffice::relay {
namespace {

// When a target with a bound may have its next turn: a tenth of a second's turns gather.
milliseconds NextLook(double rate_per_s) {
  return std::clamp(milliseconds(static_cast<int64_t>(1'000 / rate_per_s)), milliseconds(50),
                    milliseconds(1'000));
}

// When a delivery that is due at `due` may be sent: not before the end of a pause, nor before a turn.
Timestamp MayBeSentAt(const ActiveTarget& target, Timestamp due, Timestamp now) {
  const Timestamp at = std::max(due, target.paused_until);
  return at <= now && target.rate_per_s > 0 ? now + NextLook(target.rate_per_s) : at;
}

std::optional<Timestamp> Earliest(const std::vector<Timestamp>& times) {
  if (times.empty()) return std::nullopt;
  return std::ranges::min(times);
}

}  // namespace

Dispatcher::Dispatcher(RelayService& service, Sender& sender, const Clock& clock, DispatchLimits limits,
                       std::function<void()> wake)
    : service_(service), sender_(sender), clock_(clock), limits_(limits), wake_(std::move(wake)) {}

Result<std::optional<Timestamp>> Dispatcher::Round() {
  // What failed for one target is told in the end, after the others had their turn.
  const Result<void> recorded = RecordEnded();
  BOXOFFICE_TRY(service_.Load());
  const Result<void> started = StartDue();
  const Result<bool> given_up = service_.GiveUp();
  BOXOFFICE_TRY(recorded);
  BOXOFFICE_TRY(started);
  BOXOFFICE_ASSIGN(const bool more_to_give_up, given_up);
  const Timestamp now = clock_.Now();
  if (more_to_give_up) return now;
  BOXOFFICE_ASSIGN(std::vector<Timestamp> times, SendTimes(now));
  // What may be sent already is in flight, or waits for a place, and the end of an attempt will call.
  std::erase_if(times, [now](Timestamp at) { return at <= now; });
  return Earliest(times);
}

Result<std::optional<Timestamp>> Dispatcher::NextDue() const {
  BOXOFFICE_ASSIGN(const std::vector<Timestamp> times, SendTimes(clock_.Now()));
  return Earliest(times);
}

Result<std::vector<Timestamp>> Dispatcher::SendTimes(Timestamp now) const {
  std::vector<Timestamp> times;
  for (const ActiveTarget& target : service_.EnabledTargets()) {
    BOXOFFICE_ASSIGN(const std::optional<Timestamp> due, service_.NextDue(target.id));
    if (due) times.push_back(MayBeSentAt(target, *due, now));
  }
  return times;
}

size_t Dispatcher::in_flight() const {
  const std::scoped_lock lock(mutex_);
  size_t count = 0;
  for (const auto& [target, deliveries] : in_flight_) count += deliveries.size();
  return count;
}

Result<void> Dispatcher::RecordEnded() {
  std::vector<AttemptResult> ended;
  {
    const std::scoped_lock lock(mutex_);
    ended = ended_;
  }
  if (!ended.empty()) {
    BOXOFFICE_TRY(service_.Record(ended));
    const std::scoped_lock lock(mutex_);
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<ptrdiff_t>(ended.size()));
    for (const AttemptResult& result : ended) in_flight_[result.delivery.target_id].erase(result.delivery.id);
  }
  return service_.DisableGone();
}

// Ends with the first failure, as the next ones might take long as well; the target of the last one comes
// last, so that it is in the way of none.
Result<void> Dispatcher::StartDue() {
  std::vector<ActiveTarget> targets = service_.EnabledTargets();
  const auto next = std::ranges::upper_bound(targets, failed_target_, {}, &ActiveTarget::id);
  std::ranges::rotate(targets, next);
  failed_target_ = 0;
  for (const ActiveTarget& target : targets) {
    const Result<void> started = StartDueOf(target);
    if (started) continue;
    failed_target_ = target.id;
    return started;
  }
  return {};
}

Result<void> Dispatcher::StartDueOf(const ActiveTarget& target) {
  if (target.paused_until > clock_.Now()) return {};
  std::set<int64_t> busy;
  {
    const std::scoped_lock lock(mutex_);
    busy = in_flight_[target.id];
  }
  if (busy.size() >= limits_.in_flight_per_target) return {};
  // Those in flight are still due in the store.
  BOXOFFICE_ASSIGN(const std::vector<Attempt> due,
                   service_.Due(target.id, limits_.in_flight_per_target - busy.size(), busy));
  for (const Attempt& attempt : due) {
    {
      const std::scoped_lock lock(mutex_);
      in_flight_[target.id].insert(attempt.delivery.id);
    }
    const auto done = [this, delivery = attempt.delivery, url = attempt.url](Answer answer) {
      {
        const std::scoped_lock lock(mutex_);
        ended_.push_back({delivery, std::move(answer), url});
      }
      wake_();
    };
    sender_.Send(attempt, clock_.Now(), done);
  }
  return {};
}

}  // namespace boxoffice::relay
