// Runs: one seed with faults by chance, or one course of a saga with faults by order.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/reservation/reservation.h"
#include "sim/faults.h"

namespace boxoffice::sim {

struct Ran {
  std::vector<std::string> wrong;  // empty: nothing is
  std::vector<Hit> hits;
  std::vector<Point> points;  // that were reached since the saga began; of RunSaga only
  std::vector<std::string> timeline;
  std::vector<std::string> history;  // what clients saw
  uint64_t fingerprint = 0;
  size_t operations = 0;
  size_t unknown = 0;  // of which nobody was told how they ended
  size_t retried = 0;  // sagas that had parked, and that the operator had tried again
  // Reservations of which the acquirer refused to give money back, and payments of which it took it late.
  size_t settled_outside = 0;
  size_t captured_late = 0;
  size_t ended_by_show = 0;  // reservations, as the show was cancelled
  size_t operated = 0;       // what operators have changed of it while it was sold
  size_t overtaken = 0;      // events that came late, once another publisher had published them
  size_t offers = 0;         // to who waited
};

struct SeedOptions {
  uint64_t seed = 1;
  int replicas = 0;  // of each service; 0: 1 to 3, as the seed says
  bool trace = false;
  std::set<int> spared = {};  // faults that are left out
};
[[nodiscard]] Ran RunSeed(const SeedOptions& options);
// The same with as few of its faults as still make something wrong, and its timeline.
[[nodiscard]] Ran Minimize(const SeedOptions& options);

// How a saga's course begins: its kind, and what the buyer brings.
struct Course {
  reservation::SagaKind kind = reservation::SagaKind::kHold;
  bool can_pay = true;    // else the balance is too low
  bool declined = false;  // by the acquirer
  bool grace = false;     // the show lets seats stay held after a refused payment
  bool for_show = false;  // nobody asks for it: the show is cancelled
  [[nodiscard]] std::string Name() const;
};
// Each kind that there is, each refusal that a participant has for it, and what a cancelled show begins.
[[nodiscard]] std::vector<Course> AllCourses();
// `orders`: faults by the number of the point, counted from the beginning of the saga.
[[nodiscard]] Ran RunSaga(const Course& course, int orchestrators, const std::map<int, Fault>& orders,
                          bool trace = false);

}  // namespace boxoffice::sim
