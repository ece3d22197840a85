// Time as a value that is passed in, so that rules can be tested at any moment.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace boxoffice {

// A moment in UTC, to the millisecond: what is stored, sent and compared.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;
using std::chrono::milliseconds;

// Milliseconds since 1970, as stored in databases and protos; 0 stands for "none" there.
[[nodiscard]] constexpr int64_t ToUnixMs(Timestamp t) { return t.time_since_epoch().count(); }
[[nodiscard]] constexpr Timestamp FromUnixMs(int64_t ms) { return Timestamp(milliseconds(ms)); }

// Whether RFC 3339 can tell it: its years are 0 to 9999.
[[nodiscard]] constexpr bool HasRfc3339(Timestamp t) {
  constexpr Timestamp kFirst = std::chrono::sys_days(std::chrono::year(0) / 1 / 1);
  constexpr Timestamp kBeyond = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1);
  return kFirst <= t && t < kBeyond;
}
// RFC 3339 in UTC with milliseconds, "2026-11-22T10:00:00.000Z".
[[nodiscard]] std::string ToRfc3339(Timestamp t);

// Where the time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp Now() const override {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  }
};

// A clock that stands still until it is told otherwise: for tests and simulation.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = FromUnixMs(1'800'000'000'000)) : now_ms_(ToUnixMs(start)) {}
  [[nodiscard]] Timestamp Now() const override { return FromUnixMs(now_ms_.load()); }
  void Advance(milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<int64_t> now_ms_;
};

}  // namespace boxoffice
