#include "gateway/rate_limiter.h"

#include <atomic>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace boxoffice::gateway {
namespace {

using namespace std::chrono_literals;

const RateLimiter::Time kNow{std::chrono::hours(1)};
constexpr uint64_t kSalt = 7;

TEST(RateLimiterTest, AsManyAsTheLimitAreAllowedAtOnceAndThenNoMore) {
  RateLimiter limiter("user", {3, 60s}, kSalt);
  EXPECT_EQ(limiter.Take("ada", kNow).remaining, 2U);
  EXPECT_EQ(limiter.Take("ada", kNow).remaining, 1U);
  const RateVerdict last = limiter.Take("ada", kNow);
  EXPECT_TRUE(last.allowed);
  EXPECT_EQ(last.remaining, 0U);
  EXPECT_EQ(last.reset_s, 60U);
  const RateVerdict refused = limiter.Take("ada", kNow);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after_s, 20U);
  EXPECT_TRUE(limiter.Take("bob", kNow).allowed) << "others have their own";
}

TEST(RateLimiterTest, RequestsComeBackEvenly) {
  RateLimiter limiter("user", {3, 60s}, kSalt);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(limiter.Take("ada", kNow).allowed);
  EXPECT_FALSE(limiter.Take("ada", kNow + 19s).allowed);
  EXPECT_TRUE(limiter.Take("ada", kNow + 20s).allowed);
  EXPECT_FALSE(limiter.Take("ada", kNow + 20s).allowed);
  EXPECT_EQ(limiter.Take("ada", kNow + 1h).remaining, 2U);
}

TEST(RateLimiterTest, WhatIsGivenBackMayBeTakenAgain) {
  RateLimiter limiter("user", {1, 10s}, kSalt);
  ASSERT_TRUE(limiter.Take("ada", kNow).allowed);
  limiter.GiveBack("ada");
  EXPECT_TRUE(limiter.Take("ada", kNow).allowed);
  EXPECT_FALSE(limiter.Take("ada", kNow).allowed);
}

TEST(RateLimiterTest, WhatIsGivenBackForgetsNobody) {
  RateLimiter limiter("user", {2, 60s}, kSalt, 8);
  for (int i = 0; i < 8; ++i) ASSERT_EQ(limiter.Take(fmt::format("user {}", i), kNow).remaining, 1U);
  limiter.GiveBack("somebody who was forgotten");
  for (int i = 0; i < 8; ++i) EXPECT_EQ(limiter.Take(fmt::format("user {}", i), kNow).remaining, 0U) << i;
}

TEST(RateLimiterTest, WhoIsRefusedLosesNothingByAsking) {
  RateLimiter limiter("user", {1, 10s}, kSalt);
  ASSERT_TRUE(limiter.Take("ada", kNow).allowed);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.Take("ada", kNow + 1s).allowed);
  EXPECT_TRUE(limiter.Take("ada", kNow + 10s).allowed);
}

TEST(RateLimiterTest, WithoutALimitEverythingIsAllowedAndNothingIsKept) {
  RateLimiter limiter("user", {}, kSalt);
  EXPECT_FALSE(limiter.on());
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(limiter.Take("ada", kNow).allowed);
}

TEST(RateLimiterTest, WithMoreCallersThanPlacesWhoeverHasUsedLeastIsForgotten) {
  RateLimiter limiter("user", {2, 60s}, kSalt, 8);
  ASSERT_TRUE(limiter.Take("greedy", kNow).allowed);
  ASSERT_TRUE(limiter.Take("greedy", kNow).allowed);
  for (int i = 0; i < 1'000; ++i) (void)limiter.Take(fmt::format("other {}", i), kNow);
  EXPECT_FALSE(limiter.Take("greedy", kNow).allowed);
}

// Of many callers in a small table, who is still known: that depends on nothing but whose places are the
// same.
std::vector<bool> WhoIsKnown(uint64_t salt) {
  RateLimiter limiter("user", {1, 60s}, salt, 64);
  const auto ask = [&](int i) { return limiter.Take(fmt::format("user {}", i), kNow).allowed; };
  constexpr int kCallers = 200;
  for (int i = 0; i < kCallers; ++i) (void)ask(i);
  std::vector<bool> known;
  for (int i = 0; i < kCallers; ++i) known.push_back(!ask(i));
  return known;
}

TEST(RateLimiterTest, WhoCountsForWhomCannotBeForeseenWithoutTheSalt) {
  EXPECT_EQ(WhoIsKnown(kSalt), WhoIsKnown(kSalt));
  EXPECT_NE(WhoIsKnown(kSalt), WhoIsKnown(kSalt + 1));
}

TEST(RateLimiterTest, HeadersAreThoseOfTheDraft) {
  RateLimiter limiter("user", {600, 60s}, kSalt);
  EXPECT_EQ(limiter.policy(), R"("user";q=600;w=60)");
  EXPECT_EQ(limiter.Describe(limiter.Take("ada", kNow)), R"("user";r=599;t=1)");
}

TEST(RateLimiterTest, ThreadsShareALimit) {
  constexpr uint32_t kLimit = 200'000;
  RateLimiter limiter("user", {kLimit, 3'600s}, kSalt);
  std::atomic<uint32_t> allowed{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (uint32_t request = 0; request < kLimit; ++request) allowed += limiter.Take("ada", kNow).allowed;
    });
  }
  threads.clear();
  EXPECT_EQ(allowed, kLimit);
}

}  // namespace
}  // namespace boxoffice::gateway
