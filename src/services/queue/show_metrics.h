// What became of the people of each show, as metrics with the label `show`.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "platform/obs/metrics.h"
#include "services/queue/queue_rules.h"

namespace boxoffice::queue {

// boxoffice_queue_{joined,admitted,left,expired,served}_total of a show, and
// boxoffice_queue_show_{waiting,active,active_cap,open}: of kMaxShows shows at most, whose queue is not
// closed, or that somebody is still in. Only the process that leads has them, and one that begins to lead
// starts with what is stored. Not thread-safe.
class ShowMetrics {
 public:
  static constexpr size_t kMaxShows = 100;
  // Costs next to nothing where nothing has changed since the last time.
  void Note(const QueueView& view, obs::Registry& metrics);
  // The process leads no more.
  void Clear(obs::Registry& metrics);

 private:
  using Counts = std::array<uint64_t, 9>;
  static void Remove(int64_t show_id, obs::Registry& metrics);
  std::unordered_map<int64_t, Counts> told_;
};

}  // namespace boxoffice::queue
