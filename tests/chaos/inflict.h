// Does to the stage what the plan says, and ends it.
#pragma once

#include <functional>
#include <string>

#include "chaos/faults.h"
#include "chaos/stage.h"

namespace boxoffice::chaos {

// A fault that has begun. Whoever holds it asks `is_over` some times a second, and calls `end` once, also
// where it was not over: then nothing of it is left, but for what has to start again.
struct Fault {
  Kind kind = Kind::kKill;
  std::string target;  // for people: "reservation-1", "reservation to wallet"
  std::function<bool()> is_over;
  std::function<void()> end;
};
// `stage` outlives it. Errors: nothing_to_break (there is no such server or disk); those of Stage.
[[nodiscard]] Result<Fault> Begin(Stage& stage, const Planned& planned);
// Whether there is what this kind breaks.
[[nodiscard]] bool IsPossible(const Stage& stage, Kind kind);

}  // namespace boxoffice::chaos
