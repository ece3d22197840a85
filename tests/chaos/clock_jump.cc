// Preloaded into a process whose wall clock is to jump: adds what the file in CLOCK_JUMP_FILE holds,
// microseconds in eight bytes, to every reading of it. The monotonic clock goes on, as it does when an
// administrator sets the time. libfaketime does the same and more, but never comes through the start of a
// program that is linked with jemalloc, whose first allocation reads the clock; so there is no allocation
// here, and nothing is looked up.
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

const volatile int64_t* Offset() {
  static const volatile int64_t* const offset = []() -> const volatile int64_t* {
    static constexpr int64_t kNone = 0;
    const char* const file = std::getenv("CLOCK_JUMP_FILE");
    const int fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return &kNone;
    void* const mapped = ::mmap(nullptr, sizeof kNone, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return mapped == MAP_FAILED ? &kNone : static_cast<const int64_t*>(mapped);
  }
  ();
  return offset;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
    return static_cast<int>(result);
  const int64_t us = time->tv_sec * 1'000'000 + time->tv_nsec / 1'000 + *Offset();
  time->tv_nsec = us % 1'000'000 * 1'000 + time->tv_nsec % 1'000;
  time->tv_sec = us / 1'000'000;
  return 0;
}

int gettimeofday(timeval* __restrict time, void* __restrict) {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  *time = {now.tv_sec, now.tv_nsec / 1'000};
  return 0;
}

time_t time(time_t* out) {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
