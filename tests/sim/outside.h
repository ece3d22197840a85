// What is outside of Boxoffice's cores: the event bus's log, outboxes, and an acquirer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
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

// The acquirer's own books: at most one payment per key, durable, and it never errs.
class Acquirer {
 public:
  struct Account {
    bool approved = false;
    bool declined = false;
    bool cancelled = false;
    int64_t amount = 0;
    std::map<std::string, int64_t> refunds;  // by their keys
    [[nodiscard]] int64_t Kept() const {
      if (!approved || cancelled) return 0;
      int64_t kept = amount;
      for (const auto& [key, part] : refunds) kept -= part;
      return kept;
    }
  };
  // By the idempotency key, "<reservation>/<attempt>".
  std::map<std::string, Account> accounts;
  int64_t away_until_us = 0;  // until then nobody hears an answer, and some are not heard
};

}  // namespace boxoffice::sim
