#include "services/queue/loading.h"

#include <utility>

namespace boxoffice::queue {

std::vector<Loading> LoadingsAfter(std::vector<Loading> before, const Loading& latest) {
  // What was not stored at an earlier one with no fewer places, was not stored at this one.
  std::erase_if(before, [&latest](const Loading& loading) {
    return loading.last_sequence >= latest.last_sequence || latest.at - loading.at > kLoadingsCount;
  });
  if (before.size() == kMaxLoadings) {
    before.back().at = latest.at;
  } else {
    before.push_back(latest);
  }
  return before;
}

}  // namespace boxoffice::queue
