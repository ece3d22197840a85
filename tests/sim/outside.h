// What is outside of Boxoffice's cores: the event bus's log, and outboxes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "platform/bus/bus.h"

namespace boxoffice::sim {

// The rows of a service's outbox in its database.
struct Outbox {
  std::map<int64_t, bus::Event> rows;
  int64_t last_seq = 0;
  const void* owner = nullptr;  // of the lease, in which one replica publishes
  int64_t leased_until_us = 0;
  void Add(bus::Event event) { rows.emplace(++last_seq, std::move(event)); }
};

// Durable.
class SimBus {
 public:
  void Append(std::span<const bus::Event> events) { log_.insert(log_.end(), events.begin(), events.end()); }
  [[nodiscard]] const std::vector<bus::Event>& log() const { return log_; }

 private:
  std::vector<bus::Event> log_;
};

}  // namespace boxoffice::sim
