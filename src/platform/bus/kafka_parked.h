// The keys of one partition that a group has set aside, with their events: what the group's dead-letter topic
// says, folded. For the Kafka bus's own files.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "platform/bus/kafka_record.h"

namespace boxoffice::bus::kafka {

// What an event that is set aside counts for in memory: its key and its body.
[[nodiscard]] inline size_t SizeOf(const Event& event) { return event.key.size() + event.body.size(); }

// A value: no I/O, no clock. Not thread-safe.
class ParkedKeys {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // The events of a key in the order of their offsets; never empty. The first is the one that failed.
  struct Key {
    std::map<int64_t, ParkedEvent> events;
    Time due{};  // not before; once due, the first event is given to the consumer again
    [[nodiscard]] const ParkedEvent& first() const { return events.begin()->second; }
    [[nodiscard]] bool dead() const { return first().state == ParkedState::kDead; }
  };

  // Adds an event, or replaces the one with its offset; a key that is new, or whose first event is replaced,
  // is due at once.
  void Put(ParkedEvent event);
  // Removes the event with that offset, and the key with its last one. Unknown: no effect.
  void Erase(int64_t offset);
  void SetDue(const std::string& key, Time due);

  // Null: the key flows. Valid until the next change.
  [[nodiscard]] const Key* Find(const std::string& key) const;
  // Whether the event has had its turn: it stands among its key's events, or would stand before the last of
  // them.
  [[nodiscard]] bool Knows(const std::string& key, int64_t offset) const;

  // By their offsets, whatever their keys. Valid until the next change.
  [[nodiscard]] std::vector<const ParkedEvent*> InOrder() const;
  // The same events in the same order, at offsets below 0, where no event of a log ever stands.
  [[nodiscard]] ParkedKeys BeforeTheLog() const;

  // Keys that are not dead and due at `now`.
  [[nodiscard]] std::vector<std::string> Due(Time now) const;
  // When the next one that is not dead is due.
  [[nodiscard]] std::optional<Time> NextDue() const;
  [[nodiscard]] const std::map<std::string, Key>& keys() const { return keys_; }
  // SizeOf all events.
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  std::map<std::string, Key> keys_;
  std::map<int64_t, std::string> key_of_;  // by offset
  size_t bytes_ = 0;
};

}  // namespace boxoffice::bus::kafka
