#include "gateway/rate_limiter.h"

#include <algorithm>
#include <bit>
#include <functional>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace boxoffice::gateway {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

int64_t ToUs(RateLimiter::Time now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
}

uint32_t CeilSeconds(int64_t us) { return static_cast<uint32_t>((us + kSecondUs - 1) / kSecondUs); }

}  // namespace

RateLimiter::RateLimiter(std::string name, RateLimit limit, uint64_t salt, size_t keys)
    : name_(std::move(name)),
      limit_(limit),
      window_us_(std::chrono::microseconds(limit.window).count()),
      interval_us_(limit.requests == 0 ? 1 : std::max<int64_t>(window_us_ / limit.requests, 1)),
      policy_(fmt::format(R"("{}";q={};w={})", name_, limit.requests, limit.window.count())),
      salt_(fmt::format("{:016x}", salt)) {
  if (on()) places_.resize(std::bit_ceil(std::max(keys, kWays)));
}

// The salt goes first: keys whose hashes are equal without it would stay equal with one behind them.
uint64_t RateLimiter::HashOf(std::string_view key) const {
  return std::hash<std::string>()(salt_ + std::string(key));
}

// The hash's lower bits choose the bucket, so a table of any size uses those that differ.
std::span<RateLimiter::Place> RateLimiter::WaysOf(uint64_t key) {
  return {&places_[(key & (places_.size() / kWays - 1)) * kWays], kWays};
}

RateLimiter::Place& RateLimiter::FindLocked(uint64_t key, int64_t now_us) {
  const std::span<Place> ways = WaysOf(key);
  Place* least = ways.data();
  for (Place& place : ways) {
    if (place.key == key) return place;
    if (place.full_at_us < least->full_at_us) least = &place;
  }
  *least = {key, now_us};
  return *least;
}

RateVerdict RateLimiter::Take(std::string_view key, Time now) {
  if (!on()) return {};
  const int64_t now_us = ToUs(now);
  const uint64_t hash = HashOf(key);
  const std::scoped_lock lock(mutex_);
  Place& place = FindLocked(hash, now_us);
  const int64_t full_at_us = std::max(place.full_at_us, now_us) + interval_us_;
  const int64_t over_us = full_at_us - now_us - interval_us_ * limit_.requests;
  RateVerdict verdict;
  verdict.allowed = over_us <= 0;
  if (verdict.allowed) place.full_at_us = full_at_us;
  verdict.remaining = verdict.allowed ? static_cast<uint32_t>(-over_us / interval_us_) : 0;
  verdict.reset_s = CeilSeconds(std::max<int64_t>(place.full_at_us - now_us, 0));
  verdict.retry_after_s = verdict.allowed ? 0 : std::max(CeilSeconds(over_us), 1U);
  return verdict;
}

void RateLimiter::GiveBack(std::string_view key) {
  if (!on()) return;
  const uint64_t hash = HashOf(key);
  const std::scoped_lock lock(mutex_);
  const std::span<Place> ways = WaysOf(hash);
  const auto place = std::ranges::find(ways, hash, &Place::key);
  // A place made for it would cost somebody else's.
  if (place != ways.end()) place->full_at_us -= interval_us_;
}

std::string RateLimiter::Describe(const RateVerdict& verdict) const {
  return fmt::format(FMT_COMPILE(R"("{}";r={};t={})"), name_, verdict.remaining, verdict.reset_s);
}

}  // namespace boxoffice::gateway
