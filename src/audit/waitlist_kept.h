// The invariant of waitlists: what is offered is one place's, which says what has become of it; a user has
// one place, and seats are kept for nobody else than who waits. Pure; a part of invariants.h.
#pragma once

#include <vector>

#include "audit/invariants.h"

namespace boxoffice::audit {

// Of one reservation, as the offer that it may be.
void CheckPlaces(const Case& facts, Timestamp now, const Bounds& bounds, std::vector<Violation>& violations);
void CheckWaitlists(const Facts& facts, Timestamp now, const Bounds& bounds,
                    std::vector<Violation>& violations);

}  // namespace boxoffice::audit
