#include "rehearsal/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace boxoffice::rehearsal {
namespace {

// The sessions that were active in each second of the window. 0: not known, or they did not buy.
int64_t ActiveThroughout(std::span<const Second> window) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t fewest = kNone;
  for (const Second& second : window) {
    if (second.judged == 0) return 0;
    if (second.active >= 0) fewest = std::min(fewest, second.active);
  }
  return fewest == kNone ? 0 : fewest;
}

// Whether the queue let somebody in past its cap. With more than that are those who were in before it was
// lowered, and they only become fewer.
bool ExceedsCap(std::span<const Second> seconds) {
  const Second* before = nullptr;  // the last in which the queue told of itself
  for (const Second& second : seconds) {
    if (second.active < 0) continue;
    if (before != nullptr && before->active_cap == second.active_cap &&
        second.active > std::max(second.active_cap, before->active))
      return true;
    before = &second;
  }
  return false;
}

}  // namespace

Admission JudgeAdmission(std::span<const Second> seconds) {
  Admission admission;
  int64_t admitted = 0;
  double target = 0;
  for (const Second& second : seconds) {
    admission.most_active = std::max(admission.most_active, second.active);
    if (second.active >= 0) admission.active_cap = second.active_cap;
  }
  admission.cap_exceeded = ExceedsCap(seconds);
  for (size_t i = 1; i < seconds.size(); ++i) {
    const Second& before = seconds[i - 1];
    const Second& after = seconds[i];
    if (before.admitted < 0 || after.admitted < 0 || !before.open || !after.open) continue;
    const double took = after.at_s - before.at_s;
    if (before.waiting <= 0 || after.waiting <= 0) continue;
    if (before.active >= before.active_cap || after.active >= after.active_cap) {
      admission.at_cap_seconds += took;
      continue;
    }
    if (before.rate_per_s != after.rate_per_s) continue;  // somebody has just changed it
    admission.seconds += took;
    admitted += after.admitted - before.admitted;
    target += after.rate_per_s * took;
  }
  if (admission.seconds > 0) {
    admission.target_per_s = target / admission.seconds;
    admission.measured_per_s = static_cast<double>(admitted) / admission.seconds;
  }
  return admission;
}

bool WentWell(const Second& second) {
  return second.overloaded * 1'000 <= second.answered && second.slow * 100 <= second.judged;
}

Advice Advise(std::span<const Second> seconds) {
  Advice advice;
  size_t in_a_row = 0;  // that count
  int64_t free = -1;    // as it was last told
  for (size_t i = 0; i < seconds.size(); ++i) {
    const bool well = WentWell(seconds[i]);
    if (!well) advice.limit_seen = true;
    if (seconds[i].free >= 0) free = seconds[i].free;
    in_a_row = well && free != 0 ? in_a_row + 1 : 0;
    if (in_a_row < kCapacitySeconds) continue;
    const auto window = seconds.subspan(i + 1 - kCapacitySeconds, kCapacitySeconds);
    advice.capacity_active = std::max(advice.capacity_active, ActiveThroughout(window));
    uint64_t served = 0;
    for (const Second& second : window) served += second.served;
    // The first of the window begins where the second before it ended.
    const double from = i + 1 == kCapacitySeconds ? 0 : seconds[i - kCapacitySeconds].at_s;
    const double took = window.back().at_s - from;
    if (took > 0) advice.capacity_per_s = std::max(advice.capacity_per_s, static_cast<double>(served) / took);
  }
  advice.active_cap = static_cast<int64_t>(kUsedCapacity * static_cast<double>(advice.capacity_active));
  advice.rate_per_s = std::floor(kUsedCapacity * advice.capacity_per_s * 10) / 10;  // as the queue takes it
  if (advice.active_cap > 0)
    advice.rate_per_s = std::min(advice.rate_per_s, static_cast<double>(advice.active_cap));
  return advice;
}

std::string Explain(const Advice& advice) {
  if (advice.capacity_per_s <= 0)
    return fmt::format(
        "no advice: there were no {} seconds in a row that went well and in which seats were free and buyers "
        "were served; rehearse with more seats, or a lower rate",
        kCapacitySeconds);
  std::string text = fmt::format("rate {:.1f}/s", advice.rate_per_s);
  if (advice.active_cap > 0) text += fmt::format(", cap {}", advice.active_cap);
  text += fmt::format(" ({:.0f} % of the {:.1f} buyers/s", kUsedCapacity * 100, advice.capacity_per_s);
  if (advice.capacity_active > 0) text += fmt::format(" and {} active", advice.capacity_active);
  text += advice.limit_seen
              ? " that were served well)"
              : " that were served, all of them well: the limit was not reached; for more, rehearse "
                "with more seats and buyers, and a higher rate and cap)";
  return text;
}

}  // namespace boxoffice::rehearsal
