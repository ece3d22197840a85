#include "platform/auth/development.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "testing/temp_dir.h"

namespace boxoffice::auth {
namespace {

TEST(DevelopmentTokensTest, WhoeverReadsTheSameFolderBelievesTheToken) {
  const testbed::TempDir folder;
  const ManualClock clock;
  const auto issuer = TokenIssuer::Make(*DevelopmentTokens(folder.path()), clock);
  const auto verifier = TokenVerifier::Make(*DevelopmentTokens(folder.path()), clock);
  const auto token = issuer->Issue("ada", Role::kOperator, std::chrono::seconds(60));
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(verifier->Verify(*token), (Principal{"ada", Role::kOperator}));
}

TEST(DevelopmentTokensTest, AnotherFolderIsAnotherIssuer) {
  const testbed::TempDir folder;
  const testbed::TempDir other;
  const ManualClock clock;
  const auto issuer = TokenIssuer::Make(*DevelopmentTokens(folder.path()), clock);
  const auto verifier = TokenVerifier::Make(*DevelopmentTokens(other.path()), clock);
  const auto token = issuer->Issue("ada", Role::kBuyer, std::chrono::seconds(60));
  EXPECT_EQ(verifier->Verify(*token).error().reason, "token_signature");
}

}  // namespace
}  // namespace boxoffice::auth
