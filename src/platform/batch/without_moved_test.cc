#include "platform/batch/without_moved.h"

#include <array>
#include <optional>

#include <gtest/gtest.h>

namespace boxoffice::batch {
namespace {

using Outcomes = std::vector<std::optional<int>>;

constexpr std::array kCommands{1, 2, 3, 4};

bool IsEven(int command) { return command % 2 == 0; }

TEST(WithoutMovedTest, WhatMovedHasNoOutcomeAndTheOthersHaveTheirsInTheirPlaces) {
  const auto outcomes = WithoutMoved(std::span<const int>(kCommands), IsEven,
                                     [](std::span<const int> others) -> Result<Outcomes> {
                                       Outcomes decided;
                                       for (const int other : others) decided.emplace_back(other * 10);
                                       return decided;
                                     });
  ASSERT_TRUE(outcomes);
  EXPECT_EQ(*outcomes, (Outcomes{10, std::nullopt, 30, std::nullopt}));
}

TEST(WithoutMovedTest, WhereAllMovedNothingIsDecided) {
  int runs = 0;
  const auto outcomes = WithoutMoved(
      std::span<const int>(kCommands), [](int) { return true; },
      [&runs](std::span<const int>) -> Result<Outcomes> {
        ++runs;
        return Outcomes();
      });
  ASSERT_TRUE(outcomes);
  EXPECT_EQ(*outcomes, Outcomes(kCommands.size()));
  EXPECT_EQ(runs, 0);
}

TEST(WithoutMovedTest, AFailureOfTheOthersIsOneOfAll) {
  const auto outcomes = WithoutMoved(
      std::span<const int>(kCommands), IsEven,
      [](std::span<const int>) -> Result<Outcomes> { return Fail(Code::kUnknown, "commit_unknown"); });
  ASSERT_FALSE(outcomes);
  EXPECT_EQ(outcomes.error().reason, "commit_unknown");
}

}  // namespace
}  // namespace boxoffice::batch
