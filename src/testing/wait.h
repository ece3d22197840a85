// Waiting in a test for what another process, or a thread, does in its own time.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace boxoffice::testbed {

// Looks again and again, for a minute at most, as the machine may be busy with other tests: whether it came
// true.
inline bool Eventually(const std::function<bool()>& happened) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// For what can't be waited for: that nothing happens, or that a fault lasts.
inline void Pause(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace boxoffice::testbed
