#include "services/queue/loading.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace boxoffice::queue {

std::vector<Loading> LoadingsAfter(std::vector<Loading> before, const Loading& latest) {
  // What was not stored at an earlier one with no fewer places, was not stored at this one.
  std::erase_if(before,
                [&latest](const Loading& loading) { return loading.last_sequence >= latest.last_sequence; });
  before.push_back(latest);
  std::vector<Loading> loadings = LoadingsAt(std::move(before), latest.at);
  if (loadings.size() > kMaxLoadings) {
    loadings[0].at = loadings[1].at;
    loadings.erase(std::next(loadings.begin()));
  }
  return loadings;
}

std::vector<Loading> LoadingsAt(std::vector<Loading> loadings, Timestamp now) {
  if (loadings.empty()) return loadings;
  const auto latest = std::prev(loadings.end());
  const auto is_old = [now](const Loading& loading) { return now - loading.at > kLoadingsCount; };
  loadings.erase(std::remove_if(loadings.begin(), latest, is_old), latest);
  return loadings;
}

Show PutBack(const Show& lost, Timestamp now) {
  Show show{.show_id = lost.show_id, .settings = lost.settings};
  if (show.settings.opens_at != Timestamp() && show.settings.opens_at <= now) {
    show.settings.state = QueueState::kOpen;
    show.settings.opens_at = {};
  } else if (!lost.draw.Drawn()) {
    show.draw.seed = lost.draw.seed;
  }
  return show;
}

bool IsDrawLost(const Show& known, const Show& stored) {
  return known.draw.Drawn() && !stored.draw.Drawn() && stored.draw.seed == known.draw.seed;
}

Show DrawnAgain(const Show& known, Show stored, Timestamp now) {
  stored.settings = known.settings;
  stored.draw.entrants = stored.last_sequence - stored.draw.first;
  stored.draw.drawn_at = now;
  return stored;
}

void Learn(std::map<int64_t, Show>& known, const std::vector<Show>& stored) {
  for (const Show& show : stored) {
    Show& one = known[show.show_id];
    if (!IsDrawLost(one, show)) one = show;
  }
}

}  // namespace boxoffice::queue
