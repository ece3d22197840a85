// How many seats of each show are free, held, sold and blocked, as metrics.
#pragma once

#include <cstddef>
#include <set>

#include "platform/obs/metrics.h"
#include "services/seat/service.h"

namespace boxoffice::seat {

// The shows that are sold now, at most kMaxShows of them, the newest first; a show whose sale is over goes,
// so that there are never more series than that. Every replica knows the same. Not thread-safe.
class SeatGauges {
 public:
  static constexpr size_t kMaxShows = 100;
  explicit SeatGauges(obs::Registry& metrics) : metrics_(metrics) {}
  // From memory: asks no store.
  void Look(const SeatService& service);

 private:
  void Set(const ShowView& view);
  void Remove(int64_t show_id);

  obs::Registry& metrics_;
  std::set<int64_t> told_;
};

}  // namespace boxoffice::seat
