#include "base/nudge.h"

#include <thread>

#include <gtest/gtest.h>

namespace boxoffice {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

TEST(NudgedTest, ANudgeEndsTheNextWaitAndOnlyThat) {
  Nudged nudged;
  nudged.Nudge();
  nudged.Nudge();
  EXPECT_TRUE(nudged.Wait(1h, 0ms));
  const auto start = SteadyClock::now();
  EXPECT_TRUE(nudged.Wait(20ms, 0ms));
  EXPECT_GE(SteadyClock::now() - start, 20ms);
}

TEST(NudgedTest, NoNudgeIsLostWhetherTheThreadWaitsAlreadyOrNot) {
  constexpr int kRounds = 1'000;
  Nudged ping;
  Nudged pong;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_TRUE(ping.Wait(1h, 0ms));
      pong.Nudge();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ping.Nudge();
    EXPECT_TRUE(pong.Wait(1h, 0ms));
  }
  other.join();
}

TEST(NudgedTest, ANudgeDoesNotCutShortTheTimeInWhichNudgesGather) {
  Nudged nudged;
  nudged.Nudge();
  const auto start = SteadyClock::now();
  EXPECT_TRUE(nudged.Wait(1h, 20ms));
  EXPECT_GE(SteadyClock::now() - start, 20ms);
}

TEST(NudgedTest, AStopEndsEveryWaitAndThatTimeToo) {
  Nudged nudged;
  std::thread waiting([&nudged] { EXPECT_FALSE(nudged.Wait(1h, 1h)); });
  nudged.Stop();
  waiting.join();
  nudged.Stop();
  nudged.Nudge();
  EXPECT_FALSE(nudged.Wait(1h, 1h));
}

}  // namespace
}  // namespace boxoffice
