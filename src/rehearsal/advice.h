// What a rehearsal teaches: how exactly the queue admitted, and what rate and cap to give it on the day.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace boxoffice::rehearsal {

// One second of a rehearsal. What the system says is as of its end, -1 where it was not asked or did not
// answer.
struct Second {
  double at_s = 0;  // since the opening, at its end
  // By the system: the queue (for operators), and the seats.
  int64_t waiting = -1;
  int64_t active = -1;
  int64_t admitted = -1;  // ever
  int64_t free = -1;
  int64_t held = -1;
  int64_t sold = -1;
  double rate_per_s = 0;  // that it shall admit, at most
  int64_t active_cap = 0;
  bool open = true;  // the queue admits
  // By the buyers, within the second.
  uint64_t answered = 0;
  uint64_t overloaded = 0;  // 429, 503 and other faults, and no answer
  // Holds and payments that were answered; one that was answered 202, once its outcome is known or late.
  uint64_t judged = 0;
  uint64_t slow = 0;       // of them, later than the limit
  uint64_t served = 0;     // buyers who were in and have finished, by buying or otherwise: IsServed
  uint64_t confirmed = 0;  // reservations
  // By the buyers, at its end.
  uint64_t arrived = 0;
  uint64_t ended = 0;
};

// How exactly the queue admitted while it was the rate that limited it: somebody waited and the cap was not
// reached.
struct Admission {
  double seconds = 0;  // for so long; 0: never, and there is nothing to judge
  double target_per_s = 0;
  double measured_per_s = 0;
  int64_t most_active = 0;
  int64_t active_cap = 0;     // as it was last told
  bool cap_exceeded = false;  // somebody was let in past it; one that is lowered ends nobody's session
  double at_cap_seconds = 0;  // it was the cap that limited it
  [[nodiscard]] double Accuracy() const { return target_per_s <= 0 ? 0 : measured_per_s / target_per_s; }
};
[[nodiscard]] Admission JudgeAdmission(std::span<const Second> seconds);

// Of the capacity that was rehearsed, so much is to be used: the rest is for what was not rehearsed.
inline constexpr double kUsedCapacity = 0.75;

struct Advice {
  // The most buyers who were served a second, over kCapacitySeconds in a row in which it went well and seats
  // were free: at most 0.1 % of the answers said that the system is busy, and at most 1 % of holds and
  // payments were slow. 0: there were no such seconds. Where no seat is free, those who are in find nothing
  // and go, which is much less work than a purchase.
  double capacity_per_s = 0;
  // The most sessions that were active throughout such seconds, each of which had answers to holds or
  // payments. 0: not known.
  int64_t capacity_active = 0;
  bool limit_seen = false;  // there were seconds that did not go well: the capacity is not only a lower bound
  double rate_per_s = 0;    // kUsedCapacity of them, and rate ≤ cap
  int64_t active_cap = 0;
};
inline constexpr size_t kCapacitySeconds = 5;
[[nodiscard]] bool WentWell(const Second& second);
[[nodiscard]] Advice Advise(std::span<const Second> seconds);
// Whole sentences.
[[nodiscard]] std::string Explain(const Advice& advice);

}  // namespace boxoffice::rehearsal
