// The process is killed at random moments under load, and started again: whatever was acknowledged is there,
// and whatever was under way ends.
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "base/random.h"
#include "e2e/load.h"
#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

constexpr int kCrashes = 20;

TEST(Crash, TwentyKillsUnderLoadLoseNothing) {
  const uint64_t seed = SystemSeed();
  std::cout << "seed " << seed << "\n";
  SeededRandom random(seed);
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow({.rows = 100, .seats_per_row = 900});
  Load load(system, show, {.seed = seed});
  for (int crash = 0; crash < kCrashes; ++crash) {
    std::this_thread::sleep_for(milliseconds(50 + random.Below(2'000)));
    system.Crash();
    system.Start();
    if (!system.ready()) break;
  }
  const auto last_start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(milliseconds(500));
  load.Stop();
  ASSERT_TRUE(system.ready());

  // Leases of the dead run out after 15 s, and then everything ends.
  EXPECT_TRUE(Eventually([&] { return system.CountSagas("running") == 0; }, seconds(60)))
      << system.CountSagas("running") << " sagas have not ended";
  EXPECT_LE(std::chrono::steady_clock::now() - last_start, seconds(80));
  EXPECT_EQ(system.CountSagas("parked"), 0U);

  // Whoever asks again with the same key is told what became of it.
  EXPECT_TRUE(Eventually([&] {
    load.AskAgain();
    return load.in_doubt() == 0;
  })) << load.in_doubt()
      << " requests still have no answer";
  EXPECT_GE(load.asked_again(), kCrashes) << "the kills hit next to nothing";
  load.ExpectNothingLost();
  for (const auto& [outcome, count] : load.outcomes()) std::cout << outcome << ": " << count << "\n";
  std::cout << load.asked_again() << " requests were asked again\n";
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
