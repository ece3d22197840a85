// Which fault meets which point of a run. A point is what a process does that others, or its disk, can see: a
// call, a commit, a publication, a reply. Points are numbered in the order in which they are reached, so that
// a run and its faults are named by numbers.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scheduler.h"

namespace boxoffice::sim {

enum class PointKind { kCall, kCommit, kPublish, kReply };
enum class Fault {
  kNone,
  kCrashBefore,
  kCrashAfter,  // done, and nobody is told
  kReplyLost,   // done, and whoever asked knows nothing
  kDelayed,     // done past every deadline; of a commit: the process stands still for longer than its lease
  kDuplicated,  // a message comes twice, the second time late; a commit is lost, and nobody knows
  kNotDone,     // and whoever asked knows
  kRefused,     // the participant refuses; of a saga's actions only, and never by chance
};
inline constexpr Fault kChanceFaults[] = {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kReplyLost,
                                          Fault::kDelayed,     Fault::kDuplicated, Fault::kNotDone};
[[nodiscard]] std::string_view FaultName(Fault fault);
[[nodiscard]] std::string_view PointKindName(PointKind kind);

struct Point {
  PointKind kind = PointKind::kCall;
  std::string name;
  bool action = false;  // of a saga: it may be refused
  [[nodiscard]] std::string ToString() const;
};
struct Hit {
  int number = 0;
  Fault fault = Fault::kNone;
  Point point;
  milliseconds at{};
};

class Injector {
 public:
  // By chance, as often as the seed says; each seed has favourites, and spares others.
  void UseChance(uint64_t seed);
  void StopChance() { chance_ = false; }
  // By order, counted from Arm.
  void Order(std::map<int, Fault> orders) { orders_ = std::move(orders); }
  // From now on points are counted from 0 and noted.
  void Arm();
  // These hits of an earlier run of the same seed are left out.
  void Spare(std::set<int> numbers) { spared_ = std::move(numbers); }

  [[nodiscard]] Fault At(PointKind kind, std::string_view name, milliseconds now, bool action = false);
  // A service so many of whose reads take time, in which others commit. By chance alone, as nothing goes
  // wrong by it.
  struct Slow {
    std::string_view service;
    uint64_t percent = 0;
  };
  [[nodiscard]] Slow slow() const { return chance_ ? slow_ : Slow(); }
  [[nodiscard]] const std::vector<Point>& points() const { return points_; }
  [[nodiscard]] const std::vector<Hit>& hits() const { return hits_; }

 private:
  [[nodiscard]] Fault ByChance() const;

  bool chance_ = false;
  bool armed_ = false;
  uint64_t seed_ = 0;
  std::map<Fault, uint64_t> per_mille_;
  Slow slow_;
  std::map<int, Fault> orders_;
  std::set<int> spared_;
  int number_ = 0;
  std::vector<Point> points_;
  std::vector<Hit> hits_;
};

}  // namespace boxoffice::sim
