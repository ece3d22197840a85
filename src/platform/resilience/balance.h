// Which of several replicas gets the next command.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace boxoffice::resilience {

struct Candidate {
  bool usable = false;   // reachable, its breaker lets calls out, and no other is preferred
  size_t in_flight = 0;  // commands that it has not answered
};

inline constexpr size_t kNobody = std::numeric_limits<size_t>::max();

// The index of the candidate to take, or kNobody. Stays with `current` until that has `slack` more in flight
// than the least busy one: what is sent in one go then travels in one message, and still nobody gets more
// than `slack` ahead.
[[nodiscard]] constexpr size_t Choose(std::span<const Candidate> candidates, size_t current, size_t slack) {
  size_t least = kNobody;
  for (size_t i = 0; i < candidates.size(); ++i) {
    // Equals are taken from the current one on, so that callers who lose theirs don't all go to the first.
    const size_t at = (current + i) % candidates.size();
    if (candidates[at].usable && (least == kNobody || candidates[at].in_flight < candidates[least].in_flight))
      least = at;
  }
  if (least == kNobody || current >= candidates.size() || !candidates[current].usable) return least;
  return candidates[current].in_flight > candidates[least].in_flight + slack ? least : current;
}

}  // namespace boxoffice::resilience
