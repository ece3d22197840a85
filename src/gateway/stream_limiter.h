// How many streams one caller may have open: each holds a connection for as long as it is followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace boxoffice::gateway {

// Counts callers by key. Thread-safe. Keeps as many keys as there are streams, of which the server's
// connections are the bound.
class StreamLimiter {
 public:
  // 0: no limit.
  explicit StreamLimiter(uint32_t most) : most_(most) {}

  // A stream's place, which it has as long as any copy is kept; null: the caller has as many as may be. The
  // limiter outlives it. Only where there is a limit.
  [[nodiscard]] std::shared_ptr<const void> Take(const std::string& key);

  [[nodiscard]] bool on() const { return most_ > 0; }
  // How many callers have streams open.
  [[nodiscard]] size_t callers() const {
    const std::scoped_lock lock(mutex_);
    return open_.size();
  }

 private:
  void GiveBack(const std::string& key);

  const uint32_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, uint32_t> open_;
};

}  // namespace boxoffice::gateway
