// What became of the people of each show, as metrics with the label `show`.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "platform/obs/metrics.h"
#include "services/queue/queue_rules.h"

namespace boxoffice::queue {

// boxoffice_queue_{joined,admitted,left,expired,served}_total of a show, and
// boxoffice_queue_show_{waiting,active}. A process that begins to lead starts with what is stored, so that a
// sum over processes counts twice: take the leader's. Not thread-safe.
class ShowMetrics {
 public:
  // Costs next to nothing where nothing has changed since the last time.
  void Note(const QueueView& view, obs::Registry& metrics);

 private:
  using Counts = std::array<uint64_t, 7>;
  std::unordered_map<int64_t, Counts> told_;
};

}  // namespace boxoffice::queue
