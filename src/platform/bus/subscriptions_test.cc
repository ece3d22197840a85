#include "platform/bus/subscriptions.h"

#include <atomic>
#include <future>
#include <memory>

#include <gtest/gtest.h>

namespace boxoffice::bus {
namespace {

// One whose delivery ends when it is let go.
struct SlowSubscription {
  explicit SlowSubscription(std::atomic<int>& stops) : stops(stops) {}
  Result<void> Start() { return {}; }
  void Stop() {
    ++stops;
    stopping.set_value();
    let_go.get_future().wait();
  }
  std::atomic<int>& stops;
  std::promise<void> stopping;
  std::promise<void> let_go;
};

TEST(SubscriptionsTest, AGroupIsTakenUntilItsDeliveryHasEndedAndNobodyWaitsForThat) {
  std::atomic<int> stops = 0;
  const auto subscription = std::make_shared<SlowSubscription>(stops);
  const auto make = [&] { return subscription; };
  Subscriptions<SlowSubscription> subscriptions;
  ASSERT_TRUE(subscriptions.Add("relay", make));
  EXPECT_EQ(subscriptions.Add("relay", make).error().reason, "already_subscribed");
  auto removed = std::async(std::launch::async, [&] { subscriptions.Remove("relay"); });
  subscription->stopping.get_future().wait();
  EXPECT_EQ(subscriptions.Add("relay", make).error().reason, "already_subscribed");
  int visited = 0;
  subscriptions.ForEach([&](SlowSubscription&) { ++visited; });
  EXPECT_EQ(visited, 1);
  subscription->let_go.set_value();
  removed.get();
  subscriptions.Remove("relay");
  EXPECT_EQ(stops.load(), 1);
  subscriptions.ForEach([&](SlowSubscription&) { ++visited; });
  EXPECT_EQ(visited, 1);
}

TEST(SubscriptionsTest, WhatIsLeftIsStoppedAtTheEnd) {
  std::atomic<int> stops = 0;
  {
    const auto subscription = std::make_shared<SlowSubscription>(stops);
    subscription->let_go.set_value();
    Subscriptions<SlowSubscription> subscriptions;
    ASSERT_TRUE(subscriptions.Add("relay", [&] { return subscription; }));
  }
  EXPECT_EQ(stops.load(), 1);
}

}  // namespace
}  // namespace boxoffice::bus
