#include "platform/auth/token.h"

#include <chrono>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <jwt/jwt.hpp>

#include "platform/auth/base64url.h"
#include "platform/auth/hmac.h"
#include "platform/auth/key_pair_for_test.h"

namespace boxoffice::auth {
namespace {

using std::chrono::seconds;

constexpr int64_t kNow = 1'800'000'000;  // seconds; where ManualClock starts
const std::string kSecret = "0123456789abcdef0123456789abcdef";
const std::string kHeader = R"({"alg":"HS256","typ":"JWT"})";

TokenConfig Hs256() { return {Algorithm::kHs256, kSecret, "issuer", "boxoffice"}; }

// Any header and claims, signed with HS256.
std::string Forge(const std::string& header, const std::string& claims, const std::string& secret = kSecret) {
  const std::string text = EncodeBase64Url(header) + "." + EncodeBase64Url(claims);
  const HmacKey::Mac mac = HmacKey(secret).Sign(text);
  return text + "." + EncodeBase64Url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

std::string Claims(const std::string& exp = std::to_string(kNow + 60), const std::string& more = "",
                   const std::string& iss = "issuer", const std::string& aud = R"("boxoffice")",
                   const std::string& sub = R"("ada")") {
  return R"({"iss":")" + iss + R"(","aud":)" + aud + R"(,"sub":)" + sub + R"(,"exp":)" + exp + more + "}";
}

class TokenTest : public testing::Test {
 protected:
  std::string Reason(std::string_view jwt) {
    const Result<Principal> principal = verifier_.Verify(jwt);
    if (principal) return "ok";
    EXPECT_EQ(principal.error().code, Code::kUnauthenticated);
    return principal.error().reason;
  }

  ManualClock clock_;
  TokenVerifier verifier_ = *TokenVerifier::Make(Hs256(), clock_);
  TokenIssuer issuer_ = *TokenIssuer::Make(Hs256(), clock_);
};

TEST_F(TokenTest, IssuedTokenIsVerified) {
  const std::string token = *issuer_.Issue("ada@example.org", Role::kOperator, seconds(60));
  EXPECT_EQ(verifier_.Verify(token), (Principal{"ada@example.org", Role::kOperator}));
}

TEST_F(TokenTest, WhileAKeyIsExchangedEitherCountsAndAfterwardsTheNewOneAlone) {
  const std::string old_token = *issuer_.Issue("ada", Role::kBuyer, seconds(60));
  TokenConfig both = Hs256();
  both.key = "another secret of thirty-two bytes";
  const std::string new_token = *TokenIssuer::Make(both, clock_)->Issue("ada", Role::kBuyer, seconds(60));
  EXPECT_EQ(Reason(new_token), "token_signature");
  verifier_ = *TokenVerifier::Make(both, clock_);
  EXPECT_EQ(Reason(old_token), "token_signature");
  both.other_keys = {kSecret};
  verifier_ = *TokenVerifier::Make(both, clock_);
  EXPECT_EQ(Reason(old_token), "ok");
  EXPECT_EQ(Reason(new_token), "ok");
  EXPECT_EQ(Reason(Forge(kHeader, Claims(), "a secret of nobody's, of thirty-two")), "token_signature");
  both.other_keys = {"short"};
  EXPECT_EQ(TokenVerifier::Make(both, clock_).error().reason, "token_key");
}

TEST_F(TokenTest, WithoutRoleItIsABuyer) {
  EXPECT_EQ(verifier_.Verify(Forge(kHeader, Claims()))->role, Role::kBuyer);
}

TEST_F(TokenTest, UnknownRoleIsMalformed) {
  EXPECT_EQ(Reason(Forge(kHeader, Claims("1800000060", R"(,"role":"root")"))), "token_malformed");
}

TEST_F(TokenTest, ChannelsAreNamesAndNoneWithoutTheClaim) {
  const std::string token = *issuer_.Issue("ada", Role::kBuyer, seconds(60), {"fanclub", "press-2"});
  EXPECT_EQ(verifier_.Verify(token)->channels, (std::vector<std::string>{"fanclub", "press-2"}));
  EXPECT_TRUE(verifier_.Verify(Forge(kHeader, Claims()))->channels.empty());
  for (const char* claim : {R"("fanclub")", "[7]", R"(["Fan"])", R"([""])"}) {
    EXPECT_EQ(Reason(Forge(kHeader, Claims("1800000060", fmt::format(R"(,"channels":{})", claim)))),
              "token_malformed")
        << claim;
  }
  std::vector<std::string> many(kMaxChannels + 1, "fanclub");
  EXPECT_EQ(issuer_.Issue("ada", Role::kBuyer, seconds(60), many).error().reason, "token_channels");
}

TEST_F(TokenTest, Missing) { EXPECT_EQ(Reason(""), "token_missing"); }

TEST_F(TokenTest, Malformed) {
  for (const std::string& text :
       {std::string("x"), std::string("a.b"), std::string("a.b.c.d"), std::string("..."),
        std::string(5000, 'a'), Forge("[]", Claims()), Forge("{", Claims()), Forge(kHeader, "[]"),
        Forge(kHeader, "{"), Forge(kHeader, R"({"sub":"ada"})"), Forge(kHeader, Claims(R"("soon")")),
        Forge(kHeader, Claims("1800000060", R"(,"nbf":"x")")),
        Forge(R"({"alg":"HS256","crit":["x"]})", Claims())}) {
    EXPECT_EQ(Reason(text), "token_malformed") << text;
  }
}

TEST_F(TokenTest, AlgorithmIsPinned) {
  EXPECT_EQ(Reason(Forge(R"({"alg":"HS384"})", Claims())), "token_algorithm");
  EXPECT_EQ(Reason(Forge(R"({"alg":"hs256"})", Claims())), "token_algorithm");
  EXPECT_EQ(Reason(Forge(R"({"typ":"JWT"})", Claims())), "token_algorithm");
}

TEST_F(TokenTest, AlgorithmNoneIsRefused) {
  for (const std::string alg : {"none", "None", "NONE"}) {
    const std::string text =
        EncodeBase64Url(R"({"alg":")" + alg + R"("})") + "." + EncodeBase64Url(Claims()) + ".";
    EXPECT_EQ(Reason(text), "token_algorithm");
  }
}

TEST_F(TokenTest, PublicKeyAsHs256SecretIsRefused) {
  ASSERT_TRUE(verifier_.Verify(Forge(kHeader, Claims()))) << "a good header is remembered, for its algorithm";
  const EcKeyPair pair = GenerateEcKeyPair();
  const TokenConfig config{Algorithm::kEs256, pair.public_pem, "issuer", "boxoffice"};
  const TokenVerifier verifier = *TokenVerifier::Make(config, clock_);
  EXPECT_EQ(verifier.Verify(Forge(kHeader, Claims(), pair.public_pem)).error().reason, "token_algorithm");
  // Nor does claiming ES256 help.
  const std::string claimed = Forge(R"({"alg":"ES256"})", Claims(), pair.public_pem);
  EXPECT_EQ(verifier.Verify(claimed).error().reason, "token_signature");
}

TEST_F(TokenTest, SignatureOfAnotherKeyIsRefused) {
  EXPECT_EQ(Reason(Forge(kHeader, Claims(), "another secret of thirty-two byte")), "token_signature");
}

TEST_F(TokenTest, ChangedClaimsAreRefused) {
  std::string token = Forge(kHeader, Claims());
  const size_t claims = token.find('.') + 1;
  token.replace(claims, token.rfind('.') - claims, EncodeBase64Url(Claims("1900000000")));
  EXPECT_EQ(Reason(token), "token_signature");
}

TEST_F(TokenTest, TruncatedSignatureIsRefused) {
  const std::string text = EncodeBase64Url(kHeader) + "." + EncodeBase64Url(Claims());
  const HmacKey::Mac mac = HmacKey(kSecret).Sign(text);
  EXPECT_EQ(Reason(text + "." + EncodeBase64Url({reinterpret_cast<const char*>(mac.data()), 16})),
            "token_signature");
  EXPECT_EQ(Reason(text + "."), "token_signature");
}

TEST_F(TokenTest, ATimeThatIsNoNumberIsNone) {
  for (const char* time : {"0e30803600", "1e999"}) {
    EXPECT_EQ(Reason(Forge(kHeader, Claims(time))), "token_malformed") << time;
    const std::string not_before = std::string(R"(,"nbf":)") + time;
    EXPECT_EQ(Reason(Forge(kHeader, Claims(std::to_string(kNow + 60), not_before))), "token_malformed")
        << time;
  }
}

TEST_F(TokenTest, ExpiryAllowsSkewAndNoMore) {
  const std::string token = *issuer_.Issue("ada", Role::kBuyer, seconds(60));
  clock_.Advance(seconds(89));
  EXPECT_EQ(Reason(token), "ok");
  clock_.Advance(seconds(1));
  EXPECT_EQ(Reason(token), "token_expired");
}

TEST_F(TokenTest, NotBeforeAllowsSkewAndNoMore) {
  const std::string exp = std::to_string(kNow + 600);
  EXPECT_EQ(Reason(Forge(kHeader, Claims(exp, R"(,"nbf":1800000030)"))), "ok");
  EXPECT_EQ(Reason(Forge(kHeader, Claims(exp, R"(,"nbf":1800000031)"))), "token_not_yet_valid");
}

TEST_F(TokenTest, Issuer) {
  EXPECT_EQ(Reason(Forge(kHeader, Claims("1800000060", "", "other"))), "token_issuer");
}

TEST_F(TokenTest, AudienceIsOneOrOneOfSeveral) {
  const auto with = [](const std::string& aud) {
    return Forge(kHeader, Claims("1800000060", "", "issuer", aud));
  };
  EXPECT_EQ(Reason(with(R"(["other","boxoffice"])")), "ok");
  EXPECT_EQ(Reason(with(R"(["other"])")), "token_audience");
  EXPECT_EQ(Reason(with(R"("other")")), "token_audience");
  EXPECT_EQ(Reason(with("7")), "token_audience");
}

TEST_F(TokenTest, SubjectIsAUserName) {
  const auto with = [](const std::string& sub) {
    return Forge(kHeader, Claims("1800000060", "", "issuer", R"("boxoffice")", sub));
  };
  EXPECT_EQ(Reason(with('"' + std::string(64, 'x') + '"')), "ok");
  EXPECT_EQ(Reason(with('"' + std::string(65, 'x') + '"')), "token_subject");
  EXPECT_EQ(Reason(with(R"("")")), "token_subject");
  EXPECT_EQ(Reason(with(R"("a b")")), "token_subject");
  EXPECT_EQ(Reason(with(R"(".")")), "token_subject") << "another path in a URL";
  EXPECT_EQ(Reason(with(R"("..")")), "token_subject");
  EXPECT_EQ(Reason(with(R"("...")")), "ok");
  EXPECT_EQ(Reason(with(R"("a\u0000b")")), "token_subject");
  EXPECT_EQ(Reason(with("null")), "token_subject");
  EXPECT_EQ(issuer_.Issue("a b", Role::kBuyer, seconds(1)).error().reason, "token_subject");
  EXPECT_EQ(issuer_.Issue("..", Role::kBuyer, seconds(1)).error().reason, "token_subject");
  for (const char* channel : {"", "Fan", "a b", "ä"}) {
    EXPECT_EQ(issuer_.Issue("ada", Role::kBuyer, seconds(1), {channel}).error().reason, "token_channels")
        << channel;
  }
}

TEST_F(TokenTest, Es256RoundTrip) {
  const EcKeyPair pair = GenerateEcKeyPair();
  const TokenIssuer issuer =
      *TokenIssuer::Make({Algorithm::kEs256, pair.private_pem, "issuer", "boxoffice"}, clock_);
  const TokenVerifier verifier =
      *TokenVerifier::Make({Algorithm::kEs256, pair.public_pem, "issuer", "boxoffice"}, clock_);
  const std::string token = *issuer.Issue("ada", Role::kBuyer, seconds(60));
  EXPECT_EQ(verifier.Verify(token), (Principal{"ada", Role::kBuyer}));
  const TokenVerifier stranger = *TokenVerifier::Make(
      {Algorithm::kEs256, GenerateEcKeyPair().public_pem, "issuer", "boxoffice"}, clock_);
  EXPECT_EQ(stranger.Verify(token).error().reason, "token_signature");
}

// Of one key pair, remembering what it has verified.
class RememberingTokenTest : public TokenTest {
 protected:
  [[nodiscard]] TokenConfig Config(const std::string& key) const {
    return {.algorithm = Algorithm::kEs256,
            .key = key,
            .issuer = "issuer",
            .audience = "boxoffice",
            .remembered_signatures = 64};
  }
  [[nodiscard]] std::string Issue(const EcKeyPair& pair, std::string_view user) const {
    return *TokenIssuer::Make(Config(pair.private_pem), clock_)->Issue(user, Role::kBuyer, seconds(60));
  }
  // How often a public key was used for this.
  uint64_t Computed(const std::string& token, std::string_view reason = "ok") {
    const uint64_t before = *verifier_.signatures_computed();
    EXPECT_EQ(Reason(token), reason);
    return *verifier_.signatures_computed() - before;
  }

  const EcKeyPair pair_ = GenerateEcKeyPair();
};

TEST_F(RememberingTokenTest, ASignatureIsComputedOnce) {
  verifier_ = *TokenVerifier::Make(Config(pair_.public_pem), clock_);
  const std::string token = Issue(pair_, "ada");
  EXPECT_EQ(Computed(token), 1);
  EXPECT_EQ(Computed(token), 0);
  EXPECT_EQ(verifier_.Verify(token), (Principal{"ada", Role::kBuyer}));
  EXPECT_EQ(Computed(Issue(pair_, "bob")), 1);
  EXPECT_EQ(Computed(token), 0);
}

TEST_F(RememberingTokenTest, WithoutRoomItIsComputedEachTime) {
  TokenConfig config = Config(pair_.public_pem);
  config.remembered_signatures = 0;
  verifier_ = *TokenVerifier::Make(config, clock_);
  const std::string token = Issue(pair_, "ada");
  EXPECT_EQ(Computed(token), 1);
  EXPECT_EQ(Computed(token), 1);
}

TEST_F(RememberingTokenTest, ARememberedTokenStillExpires) {
  verifier_ = *TokenVerifier::Make(Config(pair_.public_pem), clock_);
  const std::string token = Issue(pair_, "ada");
  EXPECT_EQ(Computed(token), 1);
  clock_.Advance(seconds(60 + 31));
  EXPECT_EQ(Computed(token, "token_expired"), 0);
}

TEST_F(RememberingTokenTest, AForgedTokenIsNeverRemembered) {
  verifier_ = *TokenVerifier::Make(Config(pair_.public_pem), clock_);
  const std::string ada = Issue(pair_, "ada");
  const std::string bob = Issue(pair_, "bob");
  EXPECT_EQ(Computed(ada), 1);
  EXPECT_EQ(Computed(bob), 1);
  // One's claims with the other's signature, both of which are known.
  const std::string mixed = ada.substr(0, ada.rfind('.')) + bob.substr(bob.rfind('.'));
  EXPECT_EQ(Computed(mixed, "token_signature"), 1);
  EXPECT_EQ(Computed(mixed, "token_signature"), 1);
}

TEST_F(RememberingTokenTest, WhileKeysAreExchangedATokenOfTheOldOneIsRememberedToo) {
  const EcKeyPair old = GenerateEcKeyPair();
  TokenConfig config = Config(pair_.public_pem);
  config.other_keys = {old.public_pem};
  verifier_ = *TokenVerifier::Make(config, clock_);
  const std::string token = Issue(old, "ada");
  EXPECT_EQ(Computed(token), 2) << "the new one is tried first";
  EXPECT_EQ(Computed(token), 0);
}

TEST_F(TokenTest, UnfitKeysAreRefusedAtTheStart) {
  EXPECT_EQ(TokenVerifier::Make({Algorithm::kHs256, "short", "i", "a"}, clock_).error().reason, "token_key");
  EXPECT_EQ(TokenVerifier::Make({Algorithm::kEs256, kSecret, "i", "a"}, clock_).error().reason, "token_key");
  EXPECT_EQ(
      TokenIssuer::Make({Algorithm::kEs256, GenerateEcKeyPair().public_pem, "i", "a"}, clock_).error().reason,
      "token_key");
}

// Another implementation, cpp-jwt, reads what we issue and issues what we read.
TEST(TokenInterop, OtherLibraryVerifiesOurs) {
  const SystemClock clock;
  const EcKeyPair pair = GenerateEcKeyPair();
  const std::string hs = *TokenIssuer::Make(Hs256(), clock)->Issue("ada", Role::kBuyer, seconds(60));
  const std::string es =
      *TokenIssuer::Make({Algorithm::kEs256, pair.private_pem, "issuer", "boxoffice"}, clock)
           ->Issue("ada", Role::kBuyer, seconds(60));
  std::error_code error;
  namespace p = jwt::params;
  EXPECT_TRUE(jwt::decode(hs, p::algorithms({"HS256"}), error, p::secret(kSecret)).has_claim("sub"));
  EXPECT_FALSE(error) << error.message();
  EXPECT_TRUE(jwt::decode(es, p::algorithms({"ES256"}), error, p::secret(pair.public_pem)).has_claim("sub"));
  EXPECT_FALSE(error) << error.message();
}

TEST(TokenInterop, WeVerifyTheirs) {
  const SystemClock clock;
  const EcKeyPair pair = GenerateEcKeyPair();
  namespace p = jwt::params;
  jwt::jwt_object object{p::algorithm("ES256"), p::secret(pair.private_pem),
                         p::payload({{"iss", "issuer"}, {"aud", "boxoffice"}, {"sub", "ada"}})};
  object.add_claim("exp", std::chrono::system_clock::now() + seconds(60));
  const TokenVerifier verifier =
      *TokenVerifier::Make({Algorithm::kEs256, pair.public_pem, "issuer", "boxoffice"}, clock);
  EXPECT_EQ(verifier.Verify(object.signature()), (Principal{"ada", Role::kBuyer}));
}

}  // namespace
}  // namespace boxoffice::auth
