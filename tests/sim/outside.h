// What is outside of Boxoffice's cores: the event bus's log, and outboxes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "platform/bus/bus.h"
#include "sim/scheduler.h"

namespace boxoffice::sim {

// The rows of a service's outbox in its database.
struct Outbox {
  std::map<int64_t, bus::Event> rows;
  std::shared_ptr<const Life> owner;  // of the lease, in which one replica publishes
  int64_t leased_until_us = 0;

  // As a sequence does, which gives a number before the transaction commits: by chance others have committed
  // since with higher ones. But none of the same key, whose writers take turns at its aggregate's row.
  void Add(bus::Event event, Rng& rng) {
    while (rng.Chance(20)) begun_.insert(++last_seq_);
    int64_t& last_of_key = last_of_keys_[event.key];
    const auto earlier = begun_.upper_bound(last_of_key);
    const bool is_late = earlier != begun_.end() && rng.Chance(50);
    last_of_key = is_late ? *earlier : ++last_seq_;
    if (is_late) begun_.erase(earlier);
    rows.emplace(last_of_key, std::move(event));
  }

 private:
  int64_t last_seq_ = 0;
  std::set<int64_t> begun_;  // of transactions that have not committed; some never will
  std::map<std::string, int64_t> last_of_keys_;
};

// Durable.
class SimBus {
 public:
  void Append(std::span<const bus::Event> events) { log_.insert(log_.end(), events.begin(), events.end()); }
  // What was sent long ago, and what others have published meanwhile.
  void AppendLate(std::span<const bus::Event> events) {
    for (const bus::Event& event : events)
      overtaken_ += std::ranges::find(log_, event.id, &bus::Event::id) == log_.end() ? 0 : 1;
    Append(events);
  }
  [[nodiscard]] const std::vector<bus::Event>& log() const { return log_; }
  // Events that came late, and that another publisher had published meanwhile.
  [[nodiscard]] size_t overtaken() const { return overtaken_; }

 private:
  std::vector<bus::Event> log_;
  size_t overtaken_ = 0;
};

}  // namespace boxoffice::sim
