// What became of the people of each show, as metrics with the label `show`.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "platform/obs/metrics.h"
#include "services/queue/queue_rules.h"

namespace boxoffice::queue {

// boxoffice_queue_{joined,admitted,left,expired,served}_total of a show, and
// boxoffice_queue_show_{waiting,active,active_cap,open}: of kMaxShows shows at most, whose queue is not
// closed, or that somebody is still in. Nobody has to close the queue of a show that is over, so where there
// are more, one that somebody is in takes the place of one that nobody is in, else of an older one. Only the
// process that leads has them, and one that begins to lead starts with what is stored. Not thread-safe.
class ShowMetrics {
 public:
  static constexpr size_t kMaxShows = 100;
  // Costs next to nothing where nothing has changed since the last time.
  void Note(const QueueView& view, obs::Registry& metrics);
  // The process leads no more.
  void Clear(obs::Registry& metrics);

 private:
  using Counts = std::array<uint64_t, 9>;
  using Rank = std::pair<bool, int64_t>;  // whether somebody is in, and the show's id
  using Told = std::map<Rank, Counts>;
  [[nodiscard]] Told::iterator Find(int64_t show_id);
  void Forget(Told::iterator show, obs::Registry& metrics);
  static void Remove(int64_t show_id, obs::Registry& metrics);
  Told told_;  // the first is the first to make room
};

}  // namespace boxoffice::queue
