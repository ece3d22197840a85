// At which shows the gateway looks for those who wait, and for how long.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_for_test.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

// Shows 1 to 3 have queues, in which everybody waits.
class ShowLooksTest : public GatewayTest {
 protected:
  using Looks = std::array<std::atomic<int>, 4>;  // by show

  void SetUp() override {
    GatewayTest::SetUp();
    gateway_->Stop();
    services_.seat.GetShow_.answer =
        [looks = looks_](const seat::v1::GetShowRequest& request) -> Result<seat::v1::Show> {
      ++looks->at(static_cast<size_t>(request.id()));
      return AShow();
    };
    services_.queue.GetHeads_.answer = [](const auto&) -> Result<queue::v1::GetHeadsResponse> {
      queue::v1::GetHeadsResponse heads;
      for (int64_t show_id = 1; show_id <= 3; ++show_id) {
        queue::v1::Queue& queue = *heads.add_queues();
        queue.set_show_id(show_id);
        queue.set_head_sequence(10);
        queue.set_last_sequence(1'000);
        queue.set_state(queue::v1::OPEN);
      }
      return heads;
    };
    ASSERT_TRUE(gateway_->Start());
    ASSERT_TRUE(AwaitHeads(2));  // then the first are taken in
  }
  // Whether so many fetches of heads have begun since.
  bool AwaitHeads(int fetches) {
    const int before = services_.queue.GetHeads_.calls;
    return testbed::Eventually([&] { return services_.queue.GetHeads_.calls >= before + fetches; });
  }
  // Somebody who waits for the show asks, and it has been looked at since.
  bool AskAndAwaitLook(int64_t show_id) {
    const std::atomic<int>& looks = looks_->at(static_cast<size_t>(show_id));
    const int before = looks;
    Options options;
    options.queue_token = QueueToken("ada", show_id, 25);
    EXPECT_THAT(Call("GET", "/v1/queue", {}, options).body, testing::HasSubstr("WAITING"));
    return testbed::Eventually([&] { return looks > before; });
  }

  const std::shared_ptr<Looks> looks_ = std::make_shared<Looks>();
};

TEST_F(ShowLooksTest, OnlyShowsThatSomebodyHasAskedAboutSinceAreLookedAt) {
  ASSERT_TRUE(AskAndAwaitLook(2));
  for (int look = 0; look < 2; ++look) ASSERT_TRUE(AskAndAwaitLook(1));
  EXPECT_EQ((*looks_)[2], 1) << "nobody has asked again";
  EXPECT_EQ((*looks_)[3], 0) << "nobody has ever asked";
}

// The loops end when nothing is left that waits, and from one look to the next it is a second.
TEST_F(ShowLooksTest, StoppingDoesNotWaitForTheNextLook) {
  using SteadyClock = std::chrono::steady_clock;
  EXPECT_TRUE(testbed::Eventually([this] {  // again, where the machine was busy
    gateway_->Stop();
    const SteadyClock::time_point began = SteadyClock::now();
    EXPECT_TRUE(gateway_->Start());
    EXPECT_TRUE(AwaitHeads(1));  // then it waits for all that it does from time to time
    gateway_->Stop();
    return SteadyClock::now() - began < std::chrono::seconds(1);
  }));
}

}  // namespace
}  // namespace boxoffice::gateway
