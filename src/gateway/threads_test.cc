// How many threads a gateway has, and what each of them may do.
#include <gtest/gtest.h>

#include "gateway/module.h"

namespace boxoffice::gateway {
namespace {

TEST(ThreadsTest, ThereIsOneForEachTwoProcessorsFromTwoToEight) {
  EXPECT_EQ(GatewayModule::ThreadsOn(0), 1U) << "nobody knows how many there are";
  EXPECT_EQ(GatewayModule::ThreadsOn(1), 1U);
  EXPECT_EQ(GatewayModule::ThreadsOn(2), 2U);
  EXPECT_EQ(GatewayModule::ThreadsOn(4), 2U);
  EXPECT_EQ(GatewayModule::ThreadsOn(8), 4U);
  EXPECT_EQ(GatewayModule::ThreadsOn(64), 8U);
}

TEST(ThreadsTest, CommandsUnderWayAreSharedOut) {
  BackendLimits limits;
  limits.max_in_flight = 9;
  EXPECT_EQ(limits.ShareOf(1).max_in_flight, 9U);
  EXPECT_EQ(limits.ShareOf(2).max_in_flight, 5U) << "rounded up";
  EXPECT_EQ(limits.ShareOf(64).max_in_flight, 1U);
  EXPECT_EQ(limits.ShareOf(2).saga_timeout, limits.saga_timeout);
}

}  // namespace
}  // namespace boxoffice::gateway
