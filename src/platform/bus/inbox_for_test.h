// What the tests of the buses share: events, consumers that collect or fail, and waiting.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/bus.h"
#include "testing/wait.h"

namespace boxoffice::bus {

// Collects what a group was given, and waits for it. Thread-safe.
class Inbox {
 public:
  void Add(std::span<const Record> records) {
    const std::scoped_lock lock(mutex_);
    for (const Record& record : records) {
      bodies_.push_back(record.event.body);
      by_key_[record.event.key].push_back(record.event.body);
    }
    changed_.notify_all();
  }
  // Returns what there is after a minute, if it is less.
  std::vector<std::string> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return bodies_.size() >= count; });
    return bodies_;
  }
  std::vector<std::string> Of(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    return by_key_[key];
  }
  Bus::Consume Consume() {
    return [this](std::span<const Record> records) {
      Add(records);
      return Consumed{records.size(), {}};
    };
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> bodies_;
  std::map<std::string, std::vector<std::string>> by_key_;
};

using testbed::Eventually;

// How far the group g is behind.
inline Result<int64_t> LagOf(Bus& bus, const std::string& topic = "seat") {
  return bus.Lag("g", {&topic, 1});
}

inline std::vector<DeadLetter> WaitForDeadLetters(Bus& bus, size_t count) {
  std::vector<DeadLetter> letters;
  Eventually([&] {
    letters = bus.DeadLetters(100).value_or(std::vector<DeadLetter>());
    return letters.size() == count;
  });
  return letters;
}

// Fails on bodies that `poison` names while `broken`, with an error that is the event's fault.
inline Bus::Consume FailOn(Inbox& inbox, std::shared_ptr<std::atomic<bool>> broken, std::string poison) {
  return [&inbox, broken = std::move(broken), poison = std::move(poison)](std::span<const Record> records) {
    for (size_t i = 0; i < records.size(); ++i) {
      if (*broken && records[i].event.body == poison) return Consumed{i, {Code::kInternal, "poison", "no"}};
      inbox.Add(records.subspan(i, 1));
    }
    return Consumed{records.size(), {}};
  };
}

class EventMaker {
 public:
  Event Make(std::string key, std::string body, std::string topic = "seat") {
    return {EventId::Make(clock_.Now(), random_),
            std::move(topic),
            std::move(key),
            "seat.held",
            "",
            std::move(body),
            clock_.Now()};
  }

 private:
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
};

}  // namespace boxoffice::bus
