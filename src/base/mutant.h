// Planted faults, to prove that what looks for faults finds them. Only `./dev mutants` and the simulation
// compile them in (BOXOFFICE_MUTANTS); everywhere else MUTANT is false, and the compiler drops what it
// guards.
#pragma once

#ifdef BOXOFFICE_MUTANTS
#include <string_view>

namespace boxoffice {
// Whether this fault is the one that was chosen, by the environment's BOXOFFICE_MUTANT or by a test.
[[nodiscard]] bool IsMutant(std::string_view name);
}  // namespace boxoffice
#define MUTANT(name) (::boxoffice::IsMutant(name))
#else
#define MUTANT(name) false
#endif
