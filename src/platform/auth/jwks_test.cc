#include "platform/auth/jwks.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "platform/auth/jwks_for_test.h"

namespace boxoffice::auth {
namespace {

using std::chrono::seconds;

// RFC 7515, appendix A.3: a key, and a token that it signed in 2011.
constexpr const char* kRfcKey =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
constexpr const char* kRfcToken =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

class JwksTest : public testing::Test {
 protected:
  TokenConfig Config(const std::string& private_pem = {}, const std::string& key_id = {}) const {
    return {.algorithm = algorithm_,
            .key = private_pem,
            .issuer = "issuer",
            .audience = "boxoffice",
            .key_id = key_id};
  }
  std::string Issue(const JwkPair& pair, const std::string& key_id) const {
    return *TokenIssuer::Make(Config(pair.private_pem, key_id), clock_)
                ->Issue("ada", Role::kBuyer, seconds(3'600));
  }
  // "ok", or why not.
  std::string Verify(JwksCache& cache, const std::string& token) const {
    return Verify(TokenVerifier::With(cache, Config(), clock_), token);
  }
  static std::string Verify(const TokenVerifier& verifier, const std::string& token) {
    const auto principal = verifier.Verify(token);
    return principal ? "ok" : principal.error().reason;
  }

  Algorithm algorithm_ = Algorithm::kEs256;
  ManualClock clock_;
};

TEST_F(JwksTest, TheExampleOfTheStandardIsGenuine) {
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({std::string(kRfcKey) + "}"})));
  EXPECT_EQ(Verify(cache, kRfcToken), "token_expired") << "what comes after the signature";
  std::string changed = kRfcToken;
  changed.back() = 'A';
  EXPECT_EQ(Verify(cache, changed), "token_signature");
}

TEST_F(JwksTest, ATokenIsVerifiedWithTheKeyThatItNames) {
  const JwkPair first = EcJwk("first");
  const JwkPair second = EcJwk("second");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({first.jwk, second.jwk})));
  EXPECT_EQ(Verify(cache, Issue(first, "first")), "ok");
  EXPECT_EQ(Verify(cache, Issue(second, "second")), "ok");
  EXPECT_EQ(Verify(cache, Issue(first, "second")), "token_signature");
  EXPECT_EQ(Verify(cache, Issue(first, "")), "token_key_unknown") << "there are two";
  ASSERT_TRUE(cache.Load(Jwks({first.jwk})));
  EXPECT_EQ(Verify(cache, Issue(first, "")), "ok") << "there is but one";
}

// Known by the key itself, not by its name or by when it was read.
TEST_F(JwksTest, WhatIsRememberedGoesWithItsKeyAndStaysWhenTheSetIsReadAgain) {
  const JwkPair first = EcJwk("first");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({first.jwk})));
  TokenConfig config = Config();
  config.remembered_signatures = 64;
  const TokenVerifier verifier = TokenVerifier::With(cache, config, clock_);
  const auto computed = verifier.signatures_computed();
  const std::string token = Issue(first, "first");
  EXPECT_EQ(Verify(verifier, token), "ok");
  ASSERT_TRUE(cache.Load(Jwks({first.jwk, EcJwk("second").jwk})));
  EXPECT_EQ(Verify(verifier, token), "ok");
  EXPECT_EQ(*computed, 1);
  ASSERT_TRUE(cache.Load(Jwks({EcJwk("first").jwk}))) << "another key of the same name";
  EXPECT_EQ(Verify(verifier, token), "token_signature");
  ASSERT_TRUE(cache.Load(Jwks({EcJwk("second").jwk, EcJwk("third").jwk})));
  EXPECT_EQ(Verify(verifier, token), "token_key_unknown") << "withdrawn";
}

TEST_F(JwksTest, RsaKeysServeRs256) {
  algorithm_ = Algorithm::kRs256;
  const JwkPair rsa = RsaJwk("r");
  const JwkPair ec = EcJwk("e");
  JwksCache cache(Algorithm::kRs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({ec.jwk, rsa.jwk})));
  EXPECT_EQ(Verify(cache, Issue(rsa, "r")), "ok");
  std::string token = Issue(rsa, "r");
  token[token.rfind('.') + 1] = token[token.rfind('.') + 1] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Verify(cache, token), "token_signature");
  algorithm_ = Algorithm::kEs256;
  const std::string es256 = Issue(ec, "e");
  algorithm_ = Algorithm::kRs256;
  EXPECT_EQ(Verify(cache, es256), "token_algorithm");
}

TEST_F(JwksTest, KeysForSomethingElseAreLeftOut) {
  const std::string ours = EcJwk("ours").jwk;
  const std::string base = kRfcKey;
  const auto keys =
      ParseJwks(Jwks({ours, base + R"(,"kid":"a","use":"enc"})", base + R"(,"kid":"b","alg":"ES384"})",
                      R"({"kty":"EC","crv":"P-384","kid":"c","x":"AA","y":"AA"})",
                      R"({"kty":"oct","kid":"d","k":"AA"})", R"({"kty":"RSA","kid":"e"})"}),
                Algorithm::kEs256);
  ASSERT_TRUE(keys) << keys.error().detail;
  EXPECT_EQ(keys->size(), 1U);
  EXPECT_TRUE(keys->contains("ours"));
}

// As a provider may publish one for others beside it, and changes its own all the same.
TEST_F(JwksTest, AKeyThatCantBeUsedDoesNotHideTheOthers) {
  const JwkPair good = RsaJwk("good");
  const std::string set = Jwks({RsaJwk("weak", 1024).jwk, R"({"kty":"RSA","kid":"without"})", good.jwk});
  const auto keys = ParseJwks(set, Algorithm::kRs256);
  ASSERT_TRUE(keys) << keys.error().detail;
  EXPECT_EQ(keys->size(), 1U);
  EXPECT_TRUE(keys->contains("good"));
}

TEST_F(JwksTest, WhatIsNoSetOfKeysIsRefusedWithItsReason) {
  const std::string ours = EcJwk("ours").jwk;
  for (
      const std::string& text :
      {std::string(), std::string("{"), std::string("[]"), std::string(R"({"keys":{}})"),
       std::string(R"({"keys":[7]})"), Jwks({ours, ours}),
       Jwks({R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})"}), Jwks({R"({"kty":"EC","crv":"P-256"})"}),
       // Not on the curve.
       Jwks(
           {R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})"})}) {
    const auto keys = ParseJwks(text, Algorithm::kEs256);
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().reason, "jwks_malformed") << text;
    EXPECT_FALSE(keys.error().detail.empty());
  }
  std::string many = ours;
  for (int i = 0; i < 64; ++i) many += "," + ours;
  EXPECT_EQ(ParseJwks(Jwks({many}), Algorithm::kEs256).error().detail, "over 64 keys");
  EXPECT_EQ(ParseJwks(Jwks({}), Algorithm::kEs256).error().reason, "jwks_empty");
  EXPECT_EQ(ParseJwks(Jwks({RsaJwk("weak", 1024).jwk}), Algorithm::kRs256).error().reason, "jwks_malformed");
}

TEST_F(JwksTest, BeforeTheFirstAnswerTokensWaitAndAreNotRefused) {
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  EXPECT_FALSE(cache.loaded());
  EXPECT_EQ(cache.UntilDue(), milliseconds(0));
  EXPECT_EQ(Verify(cache, kRfcToken), "token_keys_unavailable");
}

TEST_F(JwksTest, AnUnknownKeyIsAskedForButNotAllTheTime) {
  const JwkPair old_key = EcJwk("old");
  const JwkPair new_key = EcJwk("new");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({old_key.jwk})));
  EXPECT_EQ(cache.UntilDue(), seconds(600));
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "token_key_unknown") << "it has just been asked for";
  EXPECT_EQ(cache.UntilDue(), seconds(600));
  clock_.Advance(seconds(30));
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "token_keys_unavailable");
  EXPECT_EQ(cache.UntilDue(), milliseconds(0));
  EXPECT_EQ(Verify(cache, Issue(old_key, "old")), "ok") << "meanwhile";
  ASSERT_TRUE(cache.Load(Jwks({old_key.jwk, new_key.jwk})));
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "ok");
}

// The provider has begun to sign by a new key, and can't be asked just now.
TEST_F(JwksTest, AfterAFailureAnUnknownKeyMayBeGoodAndIsNotRefused) {
  const JwkPair old_key = EcJwk("old");
  const JwkPair new_key = EcJwk("new");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({old_key.jwk})));
  clock_.Advance(seconds(600));
  cache.Failed();
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "token_keys_unavailable");
  EXPECT_EQ(cache.UntilDue(), seconds(1)) << "nor is the provider pressed";
  EXPECT_EQ(Verify(cache, Issue(old_key, "old")), "ok");
  ASSERT_TRUE(cache.Load(Jwks({old_key.jwk})));
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "token_key_unknown");
}

TEST_F(JwksTest, AClockThatIsSetBackKeepsNoNewKeyOut) {
  const JwkPair new_key = EcJwk("new");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({EcJwk("old").jwk})));
  clock_.Advance(-seconds(3'600));
  EXPECT_EQ(Verify(cache, Issue(new_key, "new")), "token_keys_unavailable");
  EXPECT_EQ(cache.UntilDue(), milliseconds(0)) << "it is asked for";
}

TEST_F(JwksTest, AClockThatIsSetBackKeepsNoWithdrawnKeyInForce) {
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  const std::string set = Jwks({EcJwk("old").jwk});
  ASSERT_TRUE(cache.Load(set));
  clock_.Advance(-seconds(3'600));
  EXPECT_EQ(cache.UntilDue(), milliseconds(0)) << "though no token names an unknown key";
  ASSERT_TRUE(cache.Load(set));
  EXPECT_EQ(cache.UntilDue(), seconds(600)) << "by the new time";
}

// A thread that looks for a key in the old set gets to judge it when the new one has come.
TEST_F(JwksTest, AKeyThatComesWhileItIsLookedForIsNotUnknown) {
  const std::string old_key = EcJwk("old").jwk;
  const std::string before = Jwks({old_key});
  const std::string after = Jwks({old_key, EcJwk("new").jwk});
  std::atomic<int> refused = 0;
  for (int round = 0; round < 300; ++round) {
    JwksCache cache(Algorithm::kEs256, {}, clock_);
    ASSERT_TRUE(cache.Load(before));
    clock_.Advance(seconds(600));
    std::atomic<int> looking = 0;
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) {
      callers.emplace_back([&] {
        auto found = cache.Find("new");
        ++looking;
        while (!found && found.error().reason == "token_keys_unavailable") found = cache.Find("new");
        if (!found) ++refused;
      });
    }
    while (looking < 3) std::this_thread::yield();
    ASSERT_TRUE(cache.Load(after));
    callers.clear();
  }
  EXPECT_EQ(refused, 0);
}

TEST_F(JwksTest, AfterAFailureItIsAskedSoonerAndWhatWasKnownStays) {
  const JwkPair pair = EcJwk("a");
  JwksCache cache(Algorithm::kEs256, {}, clock_);
  ASSERT_TRUE(cache.Load(Jwks({pair.jwk})));
  for (const auto wait :
       {seconds(1), seconds(2), seconds(4), seconds(8), seconds(16), seconds(32), seconds(60), seconds(60)}) {
    cache.Failed();
    EXPECT_EQ(cache.UntilDue(), wait);
  }
  EXPECT_EQ(cache.Load("nonsense").error().reason, "jwks_malformed");
  EXPECT_EQ(cache.UntilDue(), seconds(60));
  EXPECT_EQ(Verify(cache, Issue(pair, "a")), "ok");
  ASSERT_TRUE(cache.Load(Jwks({pair.jwk})));
  EXPECT_EQ(cache.UntilDue(), seconds(600));
}

TEST(JwksCache, WhoeverAwaitsTheNextQuestionIsWokenByAnUnknownKeyAndByTheEnd) {
  const SystemClock clock;
  const JwkPair pair = EcJwk("a");
  JwksCache cache(Algorithm::kEs256, {.for_unknown = seconds(0)}, clock);
  ASSERT_TRUE(cache.Load(Jwks({pair.jwk})));
  std::atomic<int> questions = 0;
  std::jthread asker([&](const std::stop_token& stop) {
    while (cache.AwaitDue(stop)) {
      ++questions;
      EXPECT_TRUE(cache.Load(Jwks({pair.jwk})));
    }
  });
  EXPECT_EQ(cache.Find("another").error().reason, "token_keys_unavailable");
  while (questions == 0) std::this_thread::yield();
  asker.request_stop();
  asker.join();
  EXPECT_EQ(questions, 1);
}

}  // namespace
}  // namespace boxoffice::auth
