#include "base/scheduling.h"

#include <pthread.h>
#include <sched.h>

namespace boxoffice {
namespace {

void SetPolicy(int policy) {
  const sched_param parameters{};
  (void)pthread_setschedparam(pthread_self(), policy, &parameters);
}

}  // namespace

void WakeInTurn() { SetPolicy(SCHED_BATCH); }

void WakeAtOnce() { SetPolicy(SCHED_OTHER); }

}  // namespace boxoffice
