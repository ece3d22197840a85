#include "services/relay/delivery.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace boxoffice::relay {

using namespace std::chrono_literals;

std::string_view StateName(State state) {
  switch (state) {
    case State::kPending:
      return "pending";
    case State::kDelivered:
      return "delivered";
    case State::kDead:
      return "dead";
  }
  return "";
}

std::optional<State> ParseState(std::string_view name) {
  for (const State state : {State::kPending, State::kDelivered, State::kDead}) {
    if (StateName(state) == name) return state;
  }
  return std::nullopt;
}

Accepted Accept(std::span<const InboxEvent> fresh, std::span<const Target> targets,
                const std::set<TargetKey>& waiting, Timestamp now) {
  Accepted accepted;
  std::set<TargetKey> ahead = waiting;
  for (const InboxEvent& event : fresh) {
    bool matched = false;
    for (const Target& target : targets) {
      if (!Matches(target, event.type, event.show_id, event.time)) continue;
      matched = true;
      accepted.target_versions.emplace(target.id, target.version);
      Delivery& delivery = accepted.deliveries.emplace_back();
      delivery.target_id = target.id;
      delivery.event_id = event.id;
      delivery.event_type = event.type;
      delivery.key = event.key;
      delivery.created_at = now;
      const bool first = ahead.emplace(target.id, event.key).second;
      if (first) delivery.next_attempt_at = now;
    }
    if (matched) accepted.events.push_back(event);
  }
  return accepted;
}

std::string_view WhyNotReplayed(const Delivery& delivery, const Target* target) {
  if (delivery.state == State::kDelivered) return "not_dead";
  if (delivery.state == State::kPending) return "";
  return target == nullptr || target->deleted || !target->enabled ? "target_disabled" : "";
}

std::optional<milliseconds> RetryDelay(int attempts, double jitter) {
  static constexpr std::array<milliseconds, 9> kDelays = {5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
  if (attempts < 1 || attempts > static_cast<int>(kDelays.size())) return std::nullopt;
  const auto delay = static_cast<double>(kDelays[static_cast<size_t>(attempts - 1)].count());
  return milliseconds(static_cast<int64_t>(delay * (0.9 + 0.2 * jitter)));
}

milliseconds PauseAfter(const Answer& answer) {
  if (answer.status != kTooManyRequests && answer.status != kServiceUnavailable) return 0ms;
  return std::clamp<milliseconds>(answer.retry_after.value_or(0ms), 0ms, kMaxPause);
}

Delivery AfterAttempt(Delivery delivery, const Answer& answer, Timestamp now, double jitter) {
  ++delivery.attempts;
  delivery.last_status = answer.status;
  delivery.last_error = answer.error.substr(0, kMaxErrorBytes);
  delivery.next_attempt_at.reset();
  if (answer.status >= 200 && answer.status < 300) {
    delivery.state = State::kDelivered;
    delivery.delivered_at = now;
    return delivery;
  }
  const bool last = answer.status == kGone || delivery.event_type == kTestType;
  const std::optional<milliseconds> delay = last ? std::nullopt : RetryDelay(delivery.attempts, jitter);
  if (delay) {
    delivery.next_attempt_at = now + std::max(*delay, PauseAfter(answer));
  } else {
    delivery.state = State::kDead;
  }
  return delivery;
}

}  // namespace boxoffice::relay
