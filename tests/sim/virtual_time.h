// Time that stands still until the simulation moves it: it takes the place of std::chrono's clocks and of the
// timers that Asio asks the kernel for, in this program only. So the product's timers run as they are.
#pragma once

#include <cstdint>

namespace boxoffice::sim::virtual_time {

// From now on the clocks show this, in µs since 1970; else they show the real time. One thread.
void Set(int64_t now_us);
void Stop();

// The kernel's timer of the last io_context that was made, as Asio knows it.
[[nodiscard]] int LastTimer();
// It is not there any more.
void Forget(int timer);
// When the first of all timers is due; INT64_MAX: none is set.
[[nodiscard]] int64_t NextDueUs();
// Lets a timer that is due be seen by its io_context. False: none is due. Else which.
[[nodiscard]] bool FireOne(int& timer);

}  // namespace boxoffice::sim::virtual_time
