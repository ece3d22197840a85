// Every point of every course of every kind of saga, with every fault: one at a time, and two. The points are
// those that the program reaches, so a new step is covered the day it is written.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/run.h"

namespace boxoffice::sim {

struct CrashPoint {
  Course course;
  int orchestrators = 1;
  std::map<int, Fault> orders;  // by point
  // What `./dev crashpoints --repeat` takes: "confirm/1/3:crash_after,7:delayed".
  [[nodiscard]] std::string Name() const;
};
// nullopt: it is none of ours.
[[nodiscard]] std::optional<CrashPoint> ParseCrashPoint(const std::string& name);

struct Enumeration {
  uint64_t points = 0;  // of runs without a fault
  uint64_t singles = 0;
  uint64_t pairs = 0;
  std::map<std::string, uint64_t> by_course;       // runs
  std::vector<std::pair<CrashPoint, Ran>> failed;  // at most 20
  uint64_t failures = 0;
};
// `pairs`: also two faults, of which the second meets a point of the run with the first. `go_on`: false ends
// it.
[[nodiscard]] Enumeration RunCrashPoints(bool pairs, const std::function<bool()>& go_on);
// Which faults a point can meet.
[[nodiscard]] std::vector<Fault> FaultsAt(const Point& point);

}  // namespace boxoffice::sim
