// How threads share processors that are all busy; see sched(7).
#pragma once

namespace boxoffice {

// From now on this thread, and each that it starts, waits for its turn when it wakes up, rather than taking
// the processor from whoever runs there (SCHED_BATCH). Where a processor is idle this changes nothing. Where
// all are busy, whoever brings work goes on bringing it, and the next batch is larger. Needs no privilege;
// where the system refuses it, nothing changes. Again: no effect.
void WakeInTurn();

// Undoes WakeInTurn for this thread: for one that all others live on.
void WakeAtOnce();

}  // namespace boxoffice
