// How often one caller may ask: so many requests at once, which come back evenly over a window. Pure but for
// what it keeps: a table of a fixed size.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace boxoffice::gateway {

struct RateLimit {
  uint32_t requests = 0;  // in a window; 0: no limit
  std::chrono::seconds window{60};
};

struct RateVerdict {
  bool allowed = true;
  uint32_t remaining = 0;      // requests that would be allowed now
  uint32_t reset_s = 0;        // until all of them are back
  uint32_t retry_after_s = 0;  // not allowed: until the next one is
};

// Counts callers by key, by the generic cell rate algorithm (one number for each). Thread-safe. Its memory is
// bounded: with more callers than it has places, whoever has used least is forgotten, and may ask as if anew;
// of two whose keys have the same hash, one counts for the other. Which have depends on a salt, so that
// nobody can choose a name that counts for somebody else's.
class RateLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr size_t kKeys = 65'536;  // 1 MiB

  // `name` is of the policy in the headers: "user". `salt`: drawn by the process (SystemSeed).
  RateLimiter(std::string name, RateLimit limit, uint64_t salt, size_t keys = kKeys);

  // Takes one request of `key`. About 100 ns.
  [[nodiscard]] RateVerdict Take(std::string_view key, Time now);

  // Gives one back that Take allowed; of whoever was forgotten meanwhile, nothing.
  void GiveBack(std::string_view key);

  // Whether there is a limit at all; if there is none, everything is allowed and nothing is kept.
  [[nodiscard]] bool on() const { return limit_.requests > 0; }
  // Items of the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers, from -08 on).
  [[nodiscard]] const std::string& policy() const { return policy_; }    // "user";q=600;w=60
  [[nodiscard]] std::string Describe(const RateVerdict& verdict) const;  // "user";r=599;t=1

 private:
  static constexpr size_t kWays = 8;  // places that one key may be at: two cache lines
  struct Place {
    uint64_t key = 0;
    int64_t full_at_us = 0;  // when all requests are back; past: nobody needs the place
  };
  [[nodiscard]] uint64_t HashOf(std::string_view key) const;
  [[nodiscard]] std::span<Place> WaysOf(uint64_t key);
  [[nodiscard]] Place& FindLocked(uint64_t key, int64_t now_us);

  const std::string name_;
  const RateLimit limit_;
  const int64_t window_us_;
  const int64_t interval_us_;  // in which one request comes back
  const std::string policy_;
  const std::string salt_;
  std::mutex mutex_;
  std::vector<Place> places_;  // kWays for each of a power of two of buckets
};

}  // namespace boxoffice::gateway
