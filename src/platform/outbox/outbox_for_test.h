// What the tests of the outbox share: events, and a bus that shows what was published.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/bus.h"
#include "testing/fake_bus.h"

namespace boxoffice::outbox {

inline bus::Event MakeEvent(Random& random, std::string key, std::string body) {
  const Timestamp now = SystemClock().Now();
  return {EventId::Make(now, random),
          "seat",
          std::move(key),
          "seat.held",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          std::move(body),
          now};
}

inline std::vector<std::string> Bodies(const std::vector<bus::Event>& events) {
  std::vector<std::string> bodies;
  for (const bus::Event& event : events) bodies.push_back(event.body);
  return bodies;
}

// A bus that keeps what it takes, and fails or hangs when told to. Thread-safe.
class FakeBus final : public testbed::FakeBus {
 public:
  Result<void> Publish(std::span<const bus::Event> events) override {
    std::unique_lock lock(mutex_);
    ++attempts_;
    changed_.wait(lock, [this] { return !hanging_; });
    if (failing_) return Fail(Code::kUnavailable, "down");
    events_.insert(events_.end(), events.begin(), events.end());
    changed_.notify_all();
    return {};
  }
  void SetFailing(bool failing) {
    const std::scoped_lock lock(mutex_);
    failing_ = failing;
  }
  // Keeps whoever publishes waiting, as if that process had stopped.
  void SetHanging(bool hanging) {
    const std::scoped_lock lock(mutex_);
    hanging_ = hanging;
    changed_.notify_all();
  }
  // What it has taken, once that is `count` events, or after 10 s.
  std::vector<bus::Event> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return events_.size() >= count; });
    return events_;
  }
  void WaitForAttempts(int count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      {
        const std::scoped_lock lock(mutex_);
        if (attempts_ >= count) return;
      }
      std::this_thread::yield();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bus::Event> events_;
  bool failing_ = false;
  bool hanging_ = false;
  int attempts_ = 0;
};

}  // namespace boxoffice::outbox
