// For a batch executor's run function whose store saves nothing if a row has moved meanwhile.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"

namespace boxoffice::batch {

// The outcomes of `commands`, of which nothing was saved: those that name a row that moved (`moved` says so
// of a command; of one at least) have none, so they go back to the executor's queue; the others have what
// `again`, which is the run function, decides without them. It is not called if there are none. Errors: those
// of `again`.
template <typename Command, typename Again>
[[nodiscard]] auto WithoutMoved(std::span<const Command> commands, auto moved, Again again)
    -> std::invoke_result_t<Again&, std::span<const Command>> {
  std::vector<Command> others;
  std::vector<size_t> places;
  for (size_t i = 0; i < commands.size(); ++i) {
    if (moved(commands[i])) continue;
    others.push_back(commands[i]);
    places.push_back(i);
  }
  CHECK(others.size() < commands.size(), "each row that moved is named by a command");
  typename std::invoke_result_t<Again&, std::span<const Command>>::value_type outcomes(commands.size());
  if (others.empty()) return outcomes;
  BOXOFFICE_ASSIGN(auto decided, again(std::span<const Command>(others)));
  for (size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = std::move(decided[i]);
  return outcomes;
}

}  // namespace boxoffice::batch
