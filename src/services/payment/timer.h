// Delays as a thing that is passed in, so that a test lets hours pass in no time.
#pragma once

#include <functional>

#include "base/clock.h"

namespace boxoffice::payment {

// Thread-safe. Runs tasks one at a time. Tasks that are due when it is destroyed are dropped.
class Timer {
 public:
  using Task = std::move_only_function<void()>;
  virtual ~Timer() = default;
  // Runs `task` soon, not on the thread of the caller's batch.
  virtual void Post(Task task) = 0;
  // Runs `task` once `delay` has passed.
  virtual void After(milliseconds delay, Task task) = 0;
};

}  // namespace boxoffice::payment
