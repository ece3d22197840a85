#include "services/relay/module.h"

#include <gtest/gtest.h>

#include "services/relay/store_postgres.h"

namespace boxoffice::relay {
namespace {

TEST(RelayModule, AnAttemptEndsBeforeItsReplicasClaimOnTheDeliveryDoes) {
  EXPECT_LT(kMaxHttpTimeout + std::chrono::seconds(10), kClaimLease);
  const module::ServiceProgram program = Program();
  config::Keys keys;
  program.add_keys(keys);
  EXPECT_TRUE(keys.Set("http.timeout_ms", "60000", "test"));
  const Result<void> refused = keys.Set("http.timeout_ms", "60001", "test");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "config");
}

}  // namespace
}  // namespace boxoffice::relay
