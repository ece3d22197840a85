// What is done to the running system, and when: a plan that a seed gives.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace boxoffice::chaos {

enum class Kind {
  kKill,          // kill -9 of one or both replicas of a service; they are started again
  kStop,          // SIGSTOP, and SIGCONT, of one or both, also past their leases
  kRoll,          // both replicas are told to go, one after the other, as a deployment does it
  kPostgresKill,  // kill -9 of the server
  kPostgresStop,  // SIGSTOP of it and all that it has started
  kRedisKill,
  kRedisStop,
  kKafkaKill,
  kKafkaStop,
  kLatency,    // on the way from a service to another, or to its store
  kReset,      // connections on it break, again and again
  kPartition,  // nothing comes through on it, in one direction or both
  kDisk,       // a server's disk is full
  kClock,      // a process's wall clock jumps, and back
};
inline constexpr Kind kAllKinds[] = {
    Kind::kKill,      Kind::kStop,      Kind::kRoll,      Kind::kPostgresKill, Kind::kPostgresStop,
    Kind::kRedisKill, Kind::kRedisStop, Kind::kKafkaKill, Kind::kKafkaStop,    Kind::kLatency,
    Kind::kReset,     Kind::kPartition, Kind::kDisk,      Kind::kClock};
[[nodiscard]] std::string_view KindName(Kind kind);  // as --faults has it: "postgres-kill"
[[nodiscard]] std::optional<Kind> ParseKind(std::string_view name);

struct Planned {
  Kind kind = Kind::kKill;
  milliseconds begin{0};  // since the slot's
  milliseconds duration{0};
  uint64_t draw = 0;  // which target, and how
};

// Faults that overlap; their beginnings count from the slot's.
using Slot = std::vector<Planned>;

// What the rounds of a run do. Each kind comes as often as any other.
class Plan {
 public:
  // `kinds`: at least one.
  Plan(std::vector<Kind> kinds, uint64_t seed) : kinds_(std::move(kinds)), random_(seed) {}
  // So many faults; most by themselves, some with one that overlaps.
  [[nodiscard]] std::vector<Slot> NextRound(int faults);

 private:
  [[nodiscard]] Planned Draw();
  std::vector<Kind> kinds_;
  std::vector<Kind> bag_;  // what is left of this turn
  SeededRandom random_;
};

}  // namespace boxoffice::chaos
