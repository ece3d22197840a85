// When a consumer may forget the ids of events that it has had (processed_event.h), and still take each event
// once. Without it that table grows for ever.
//
// The rule: once the horizon is at H, an event whose id was made before H and is not on record counts as had.
// That must be so for each event that can still come:
// - It was consumed and comes again: right. It can, for as long as the log is kept: from its beginning, when
//   the group's place was lost or the log was moved to another bus.
// - It is on the bus, but was not consumed: the group was behind, or has set it aside. So H is raised only
//   from a moment at which the group was not behind, and only after a time in which none of its keys was seen
//   to be dead: what was being tried again at that moment has ended by then.
// - It comes to the bus only after that moment. A publisher gives no event an id that is older than
//   kOldestPublished (outbox/late_events.h), however long the event had to wait; so it lies above H, which
//   stays kLeastKept behind that moment. The difference is for clocks that differ.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/obs/metrics.h"

namespace boxoffice::bus {

// No event is published with an id that was made longer ago.
inline constexpr std::chrono::hours kOldestPublished{7 * 24};
// How long ids are kept: the default, and the least that is safe.
inline constexpr std::chrono::hours kKept{90 * 24};
inline constexpr std::chrono::hours kLeastKept{14 * 24};
static_assert(kLeastKept >= 2 * kOldestPublished);

// Errors: config (kInvalidArgument: less than kLeastKept), naming the key.
[[nodiscard]] Result<void> CheckKept(milliseconds kept);

// A look at a group.
struct ForgettingLook {
  Timestamp at{};
  int64_t lag = 0;
  bool set_aside = false;  // a key of the group waits in the dead letters, or it can't be told
};

// Decides, and nothing else: no I/O, no clock. Not thread-safe.
class ForgettingRule {
 public:
  explicit ForgettingRule(milliseconds kept) : kept_(kept) {}
  // Given looks in their order: where the horizon may be from now on; nullopt: where it is.
  [[nodiscard]] std::optional<Timestamp> After(const ForgettingLook& look);
  // A look that failed tells nothing, so that what was seen before is not enough any more.
  void AfterFailure() { caught_up_.reset(); }

  // Whatever was being tried again has succeeded or is dead after this (five tries within a minute).
  static constexpr std::chrono::hours kSettling{1};

 private:
  const milliseconds kept_;
  // When the group was seen not to be behind, with no dead letters at that look and all since.
  std::optional<Timestamp> caught_up_;
};

// Of a call that forgets.
struct Forgotten {
  size_t count = 0;
  bool more = false;  // it may find more at once
};

// Looks at a group, and has its ids forgotten, on a thread of its own. Thread-safe.
class Forgetter {
 public:
  // Raises the horizon, unless it is higher, and deletes some ids below it: a short transaction.
  using Forget = std::function<Result<Forgotten>(Timestamp before)>;
  // All that is referred to must outlive it.
  Forgetter(std::string group, std::vector<std::string> topics, milliseconds kept, Bus& bus,
            const Clock& clock, obs::Registry& metrics, Forget forget);
  ~Forgetter();
  void Start();
  // Ends it after the transaction that is under way. Again: no effect.
  void Stop();
  // Instead of Start: one look, and all that follows from it. Errors: of the bus, and of `forget`.
  [[nodiscard]] Result<void> LookAndForget();

 private:
  void Loop();
  [[nodiscard]] Result<ForgettingLook> Look();
  // False: stopping.
  [[nodiscard]] bool Wait(milliseconds time);

  const std::string group_;
  const std::vector<std::string> topics_;
  Bus& bus_;
  const Clock& clock_;
  obs::Counter& forgotten_;
  const Forget forget_;
  ForgettingRule rule_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

// Has `service` forget, by its ForgetProcessed; it must outlive what is returned. The core of a service knows
// no bus, so its answer is of a type of its own.
template <typename Service>
[[nodiscard]] Forgetter::Forget ForgetIn(Service& service) {
  return [&service](Timestamp before) -> Result<Forgotten> {
    BOXOFFICE_ASSIGN(const auto forgotten, service.ForgetProcessed(before));
    return Forgotten{forgotten.count, forgotten.more};
  };
}

}  // namespace boxoffice::bus
