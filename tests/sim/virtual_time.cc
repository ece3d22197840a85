#include "sim/virtual_time.h"

#include <array>
#include <chrono>
#include <ctime>
#include <limits>
#include <map>

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"

namespace boxoffice::sim::virtual_time {
namespace {

bool on = false;
int64_t now_us = 0;
int last_timer = -1;
std::map<int, int64_t> due_us;  // by timer

int64_t RealNs(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void Set(int64_t us) {
  on = true;
  now_us = us;
}
void Stop() { on = false; }
int LastTimer() { return last_timer; }
void Forget(int timer) { due_us.erase(timer); }

int64_t NextDueUs() {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [timer, due] : due_us) next = std::min(next, due);
  return next;
}

bool FireOne(int& timer) {
  for (auto& [fd, due] : due_us) {
    if (due > now_us) continue;
    due = std::numeric_limits<int64_t>::max();  // until it is set again
    const uint64_t one = 1;
    CHECK(::write(fd, &one, sizeof one) == sizeof one);
    timer = fd;
    return true;
  }
  return false;
}

}  // namespace boxoffice::sim::virtual_time

// What Asio calls. A timer is an eventfd that becomes readable when the simulation says so; where there is
// none, as in the tests of the rules, it is the kernel's.
extern "C" int timerfd_create(int clock, int flags) noexcept {
  namespace time = boxoffice::sim::virtual_time;
  if (!time::on) return static_cast<int>(::syscall(SYS_timerfd_create, clock, flags));
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  time::last_timer = fd;
  time::due_us[fd] = std::numeric_limits<int64_t>::max();
  return fd;
}

extern "C" int timerfd_settime(int fd, int flags, const itimerspec* wanted, itimerspec* old) noexcept {
  namespace time = boxoffice::sim::virtual_time;
  if (!time::due_us.contains(fd))
    return static_cast<int>(::syscall(SYS_timerfd_settime, fd, flags, wanted, old));
  uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
  const int64_t us = int64_t{wanted->it_value.tv_sec} * 1'000'000 + wanted->it_value.tv_nsec / 1'000;
  // An absolute time is Asio's "at once".
  time::due_us[fd] = time::now_us + (flags == 0 ? us : 0);
  return 0;
}

// A batch executor lets others go first. Here is one thread, and nobody else to wait for.
extern "C" int sched_yield() noexcept { return 0; }

namespace std::chrono {
inline namespace _V2 {

steady_clock::time_point steady_clock::now() noexcept {
  namespace time = boxoffice::sim::virtual_time;
  return time_point(nanoseconds(time::on ? time::now_us * 1'000 : time::RealNs(CLOCK_MONOTONIC)));
}
system_clock::time_point system_clock::now() noexcept {
  namespace time = boxoffice::sim::virtual_time;
  return time_point(nanoseconds(time::on ? time::now_us * 1'000 : time::RealNs(CLOCK_REALTIME)));
}

}  // namespace _V2
}  // namespace std::chrono
