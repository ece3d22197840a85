// Users are told by the keys that an identity provider publishes.
#include <chrono>
#include <mutex>
#include <string>

#include <gmock/gmock.h>

#include "gateway/gateway_for_test.h"
#include "gateway/process.h"
#include "platform/auth/jwks_for_test.h"
#include "platform/config/keys.h"
#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using std::chrono::seconds;

class IdentityProviderTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    http::Router router;
    router.Add(http::Method::kGet, "/keys", [this](http::Request&) -> http::asio::awaitable<http::Response> {
      const std::scoped_lock lock(keys_mutex_);
      http::Response response;
      response.status = status_;
      response.content_type = "application/json";
      response.body = published_;
      co_return response;
    });
    provider_ = std::make_unique<http::TestServer>(std::move(router));
    config.tokens = Tokens();
    config.identity_provider.emplace();
    config.identity_provider->jwks_url = fmt::format("http://127.0.0.1:{}/keys", provider_->server().port());
  }
  static auth::TokenConfig Tokens() {
    return {.algorithm = auth::Algorithm::kEs256,
            .key = {},
            .issuer = "https://login.example",
            .audience = "boxoffice",
            .remembered_signatures = 64};
  }
  void Publish(int status, const std::string& keys) {
    const std::scoped_lock lock(keys_mutex_);
    status_ = status;
    published_ = keys;
  }
  // A buyer's token that this key signed; another one each time.
  std::string TokenOf(const auth::JwkPair& pair, const std::string& key_id) {
    auth::TokenConfig tokens = Tokens();
    tokens.key = pair.private_pem;
    tokens.key_id = key_id;
    const auto issuer = auth::TokenIssuer::Make(tokens, clock_);
    return *issuer->Issue("ada", auth::Role::kBuyer, std::chrono::hours(1));
  }
  http::ClientResponse GetWallet(const std::string& token) {
    Options options;
    options.user = "";
    options.headers = {{"Authorization", "Bearer " + token}};
    return Call("GET", "/v1/wallet", {}, options);
  }
  http::ClientResponse WalletWith(const auth::JwkPair& pair, const std::string& key_id) {
    return GetWallet(TokenOf(pair, key_id));
  }
  // Time goes on meanwhile: a question whose answer was late, as on a busy machine, is asked again.
  bool AwaitKeys() {
    return testbed::Eventually([this] {
      if (gateway().Unhealthy().empty()) return true;
      clock_.Advance(seconds(1));
      return false;
    });
  }

  const auth::JwkPair first_ = auth::EcJwk("first");
  const auth::JwkPair second_ = auth::EcJwk("second");
  std::mutex keys_mutex_;
  int status_ = 200;
  std::string published_ = auth::Jwks({first_.jwk});
  std::unique_ptr<http::TestServer> provider_;
};

TEST_F(IdentityProviderTest, WhoeverIsSignedByAPublishedKeyGetsInAndKeysAreExchangedWhileItRuns) {
  services_.wallet.GetWallet_.answer = [](const auto&) -> Result<wallet::v1::Wallet> {
    return wallet::v1::Wallet();
  };
  ASSERT_TRUE(AwaitKeys());
  EXPECT_EQ(WalletWith(first_, "first").status, 200);
  const http::ClientResponse forged = WalletWith(second_, "first");
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(CodeOf(forged), "jwt_signature");
  const http::ClientResponse unknown = WalletWith(second_, "second");
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(CodeOf(unknown), "jwt_key_unknown");

  Publish(200, auth::Jwks({first_.jwk, second_.jwk}));
  clock_.Advance(seconds(31));
  http::ClientResponse answer;
  EXPECT_TRUE(testbed::Eventually([&] {
    answer = WalletWith(second_, "second");
    if (answer.status == 200) return true;
    EXPECT_EQ(answer.status, 503) << "it is being asked for";
    EXPECT_EQ(CodeOf(answer), "jwt_keys_unavailable");
    EXPECT_TRUE(answer.header("Retry-After").has_value());
    clock_.Advance(seconds(1));
    return false;
  })) << answer.status;
  EXPECT_EQ(WalletWith(first_, "first").status, 200) << "still";
}

TEST_F(IdentityProviderTest, OfATokenThatComesAgainTheSignatureIsComputedOnce) {
  services_.wallet.GetWallet_.answer = [](const auto&) -> Result<wallet::v1::Wallet> {
    return wallet::v1::Wallet();
  };
  ASSERT_TRUE(AwaitKeys());
  const std::string token = TokenOf(first_, "first");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(GetWallet(token).status, 200);
  EXPECT_THAT(metrics_.Render(), testing::HasSubstr("boxoffice_gateway_signatures_computed_total 1\n"));
}

class SilentIdentityProviderTest : public IdentityProviderTest {
 protected:
  void Configure(GatewayConfig& config) override {
    Publish(500, "");
    IdentityProviderTest::Configure(config);
  }
};

TEST_F(SilentIdentityProviderTest, ItIsNotReadyAndBuyersAreToldToComeAgain) {
  services_.wallet.GetWallet_.answer = [](const auto&) -> Result<wallet::v1::Wallet> {
    return wallet::v1::Wallet();
  };
  EXPECT_THAT(gateway().Unhealthy(), testing::HasSubstr("/keys"));
  const http::ClientResponse answer = WalletWith(first_, "first");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(CodeOf(answer), "jwt_keys_unavailable");
  EXPECT_EQ(Call("GET", "/openapi.yaml", {}, Options{.user = ""}).status, 200) << "whoever needs no name";
  Publish(200, auth::Jwks({first_.jwk}));
  EXPECT_TRUE(AwaitKeys());
  EXPECT_EQ(WalletWith(first_, "first").status, 200);
}

// The process asks it on another thread until it stops it.
TEST_F(SilentIdentityProviderTest, AsAProcessOfItsOwnItStillTellsHowItIsOnceItHasDrained) {
  const module::ServiceProgram program = Program();
  config::Keys keys;
  program.add_keys(keys);
  const std::map<std::string, std::string> settings{
      {"jwt.jwks_url", fmt::format("http://127.0.0.1:{}/keys", provider_->server().port())},
      {"jwt.issuer", Tokens().issuer},
      {"token.keys", "k1=sixteen bytes or more"},
      {"audit.interval_ms", "0"}};
  for (const auto& [name, text] : settings) ASSERT_TRUE(keys.Set(name, text, "test").has_value()) << name;
  obs::Registry metrics;
  const module::Runtime runtime{.clock = clock_,
                                .random = random_,
                                .metrics = metrics,
                                .bus = bus_,
                                .channels = services_.Channels(),
                                .data_dir = {},
                                .listen = {"127.0.0.1:0"},
                                .store_url = {},
                                .health = {}};
  const auto process = program.make(runtime);
  ASSERT_TRUE(process.has_value()) << process.error().detail;
  ASSERT_TRUE((*process)->Start().has_value());
  (*process)->Drain(std::chrono::milliseconds(100));
  EXPECT_THAT((*process)->Unhealthy(), testing::HasSubstr("/keys"));
  (*process)->Stop();
}

}  // namespace
}  // namespace boxoffice::gateway
