// The planted faults, by name, and who finds them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::sim {

struct Mutant {
  std::string_view name;
  std::string_view what;  // it breaks
};
[[nodiscard]] std::span<const Mutant> Mutants();
// From now on this one is at work; empty: none.
void ChooseMutant(std::string_view name);

// Looks for each by itself, or, unless it is empty, for `only`; in a process of its own, with up to so many
// seeds, the tests of the rules and the crash points. Prints who found it. How many were not found. Error:
// no_such_mutant.
[[nodiscard]] Result<int> HuntMutants(uint64_t seeds, const std::string& only);

// Of what waitpid has told: it ended itself, by a failed check or by what it did to its memory. Whoever was
// ended from outside, as by SIGKILL when memory is short, has found nothing.
[[nodiscard]] bool EndedItself(int wait_status);

}  // namespace boxoffice::sim
