// The planted faults, by name, and who finds them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace boxoffice::sim {

struct Mutant {
  std::string_view name;
  std::string_view what;  // it breaks
};
[[nodiscard]] std::span<const Mutant> Mutants();
// From now on this one is at work; empty: none.
void ChooseMutant(std::string_view name);

// Looks for each by itself, in a process of its own, with up to so many seeds and then the crash points.
// Prints who found it. How many were not found.
[[nodiscard]] int HuntMutants(uint64_t seeds, const std::string& only);

}  // namespace boxoffice::sim
