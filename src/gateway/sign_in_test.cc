// Signing in at an identity provider, which a test plays: discovery, keys, and a token endpoint that holds
// the client to PKCE.
#include "gateway/sign_in.h"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "gateway/gateway_for_test.h"
#include "platform/auth/base64url.h"
#include "platform/auth/jwks_for_test.h"
#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string SignRs256(const std::string& private_pem, const json::object& claims,
                      const std::string& key_id = "one") {
  const json::object header{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id}};
  const std::string text =
      auth::EncodeBase64Url(json::serialize(header)) + "." + auth::EncodeBase64Url(json::serialize(claims));
  BIO* in = BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::string signature(512, '\0');
  size_t size = signature.size();
  EXPECT_EQ(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key), 1);
  EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(in);
  signature.resize(size);
  return text + "." + auth::EncodeBase64Url(signature);
}

std::string Sha256(std::string_view text) {
  std::string digest(32, '\0');
  EXPECT_EQ(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                       EVP_sha256(), nullptr),
            1);
  return digest;
}

std::map<std::string, std::string> Parameters(std::string_view query) {
  const auto parsed = http::ParseQuery(query);
  EXPECT_TRUE(parsed.has_value()) << query;
  return {parsed->begin(), parsed->end()};
}

// Of several headers of one name, the one that begins so.
std::string SetCookie(const http::ClientResponse& answer, std::string_view begin) {
  for (const auto& [name, value] : answer.headers)
    if (name == "Set-Cookie" && value.starts_with(begin)) return value;
  return {};
}

std::string Pair(std::string_view set_cookie) {
  return std::string(set_cookie.substr(0, set_cookie.find(';')));
}

// Made once: each costs a good part of a second.
struct ProviderKeys {
  const auth::JwkPair first = auth::RsaJwk("one");
  const auth::JwkPair strangers = auth::RsaJwk("one");
  const auth::JwkPair second = auth::RsaJwk("two");
};
const ProviderKeys& Keys() {
  static const ProviderKeys keys;
  return keys;
}

class SignInTest : public GatewayTest {
 protected:
  static constexpr int kThreads = 2;  // of the gateway, to which connections go in turn

  using Fields = std::map<std::string, std::string>;

  void Configure(GatewayConfig& config) override {
    http::Router router;
    const auto answer = [](std::string body, int status = 200) {
      return http::JsonResponse(std::move(body), status);
    };
    router.Add(http::Method::kGet, "/.well-known/openid-configuration",
               [this, answer](http::Request&) -> http::asio::awaitable<http::Response> {
                 ++discoveries_;
                 co_await While(discovery_silent_);
                 const std::scoped_lock lock(provider_mutex_);
                 co_return answer(json::serialize(
                     json::object{{"issuer", says_issuer_.empty() ? issuer_url_ : says_issuer_},
                                  {"authorization_endpoint", issuer_url_ + "/authorize?tenant=1"},
                                  {"token_endpoint", issuer_url_ + "/token"}}));
               });
    router.Add(http::Method::kGet, "/keys",
               [this, answer](http::Request&) -> http::asio::awaitable<http::Response> {
                 const std::scoped_lock lock(provider_mutex_);
                 co_return answer(published_);
               });
    router.Add(http::Method::kPost, "/token",
               [this, answer](http::Request& request) -> http::asio::awaitable<http::Response> {
                 ++exchanges_;
                 if (token_silent_) {  // until that is over; what comes then is too late
                   co_await While(token_silent_);
                   co_return answer("{}", 500);
                 }
                 if (token_status_ != 200) co_return answer(R"({"error":"invalid_client"})", token_status_);
                 const auto [body, status] = Redeem(request);
                 co_return answer(body, status);
               });
    provider_ = std::make_unique<http::TestServer>(std::move(router));
    issuer_url_ = provider_->Url("");
    auth::TokenConfig tokens;
    tokens.algorithm = auth::Algorithm::kRs256;
    tokens.issuer = issuer_url_;
    tokens.audience = "boxoffice";
    config.tokens = tokens;
    config.identity_provider.emplace();
    config.identity_provider->jwks_url = issuer_url_ + "/keys";
    config.sign_in.emplace();
    config.sign_in->issuer = issuer_url_;
    config.sign_in->client_id = "box office";
    config.sign_in->client_secret = "s:cret";
    config.sign_in->redirect_url = "https://tickets.example/v1/session/oidc/callback";
    config.sign_in->session_key = "a session key of thirty-two bytes";
    config.sign_in->timeout = std::chrono::minutes(10);  // it answers at once, or when a test says so
    services_.wallet.GetWallet_.answer = [](const auto& request) -> Result<wallet::v1::Wallet> {
      wallet::v1::Wallet wallet;
      wallet.set_user_id(request.user_id());
      return wallet;
    };
  }

  void TearDown() override {
    token_silent_ = discovery_silent_ = false;  // else whoever still waits does so for its ten minutes
    GatewayTest::TearDown();
  }

  static http::asio::awaitable<void> While(const std::atomic<bool>& silent) {
    const auto executor = co_await http::asio::this_coro::executor;
    http::asio::steady_timer silence(executor);
    while (silent) {
      silence.expires_after(std::chrono::milliseconds(5));
      (void)co_await silence.async_wait(http::asio::as_tuple(http::asio::use_awaitable));
    }
  }

  // The token endpoint: body and status.
  std::pair<std::string, int> Redeem(const http::Request& request) {
    const std::scoped_lock lock(provider_mutex_);
    const Fields form = Parameters(request.body());
    authorization_ = request.header("Authorization").value_or("");
    const auto refuse = [](const char* why) {
      return std::pair(fmt::format(R"({{"error":"{}"}})", why), 400);
    };
    const auto issued = codes_.find(form.contains("code") ? form.at("code") : "");
    if (issued == codes_.end()) return refuse("invalid_grant");
    const Fields asked = issued->second;
    codes_.erase(issued);
    if (auth::EncodeBase64Url(Sha256(form.at("code_verifier"))) != asked.at("code_challenge"))
      return refuse("invalid_grant");
    if (form.at("redirect_uri") != asked.at("redirect_uri") || form.at("grant_type") != "authorization_code")
      return refuse("invalid_request");
    json::object claims{
        {"iss", issuer_url_}, {"aud", asked.at("client_id")}, {"sub", "ada"},
        {"role", "operator"}, {"nonce", asked.at("nonce")},   {"exp", ToUnixMs(clock_.Now()) / 1000 + 60}};
    for (const auto& [name, value] : changed_claims_) claims[name] = value;
    return {json::serialize(json::object{{"access_token", "not for us"},
                                         {"token_type", "Bearer"},
                                         {"id_token", SignRs256(signs_, claims, key_id_)}}),
            200};
  }

  // What a browser does until the provider's page: the request that leads there, and the cookie to come back
  // with.
  struct Attempt {
    Fields asked;
    std::string location, set_cookie;
  };
  Attempt Begin(const std::string& query = "?next=%2Fmy%2Fwallet") {
    const http::ClientResponse answer = Get("/v1/session/oidc" + query);
    EXPECT_EQ(answer.status, 302) << answer.body;
    Attempt attempt;
    attempt.location = answer.header("Location").value_or("");
    const size_t question = attempt.location.find('?');
    if (question != std::string::npos) attempt.asked = Parameters(attempt.location.substr(question + 1));
    attempt.set_cookie = SetCookie(answer, "boxoffice_sign_in=");
    return attempt;
  }
  // The user agrees: the provider makes a code for what was asked.
  std::string Agree(const Attempt& attempt) {
    const std::scoped_lock lock(provider_mutex_);
    const std::string code = fmt::format("code-{}", ++codes_made_);
    codes_[code] = attempt.asked;
    return code;
  }
  http::ClientResponse Return(const Attempt& attempt, const std::string& code, std::string state = {}) {
    if (state.empty()) state = attempt.asked.at("state");
    return Get(fmt::format("/v1/session/oidc/callback?code={}&state={}", code, state),
               Pair(attempt.set_cookie));
  }
  // The same, whose answer nobody waits for yet.
  void ReturnAhead(const Attempt& attempt) {
    const std::string path = "/v1/session/oidc/callback?code=x&state=" + attempt.asked.at("state");
    const std::string headers = "Host: x\r\nCookie: " + Pair(attempt.set_cookie) + "\r\n\r\n";
    ahead_.emplace_back(gateway().port()).Send("GET " + path + " HTTP/1.1\r\n" + headers);
  }
  http::ClientResponse Get(const std::string& path, const std::string& cookie = {}) {
    Options options;
    options.user = "";
    if (!cookie.empty()) options.headers = {{"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}};
    return Call("GET", path, {}, options);
  }
  // Where it leads, if nobody is signed in by it.
  static std::string Problem(const http::ClientResponse& answer) {
    EXPECT_EQ(answer.status, 302);
    EXPECT_EQ(SetCookie(answer, "boxoffice_session="), "");
    return std::string(answer.header("Location").value_or(""));
  }

  std::mutex provider_mutex_;
  std::string issuer_url_;
  std::string says_issuer_;  // empty: the truth
  std::string published_ = auth::Jwks({Keys().first.jwk});
  std::string signs_ = Keys().first.private_pem;
  std::string key_id_ = "one";
  std::atomic<int> token_status_ = 200;  // of the token endpoint
  std::atomic<bool> token_silent_ = false;
  std::atomic<bool> discovery_silent_ = false;
  std::atomic<int> exchanges_ = 0;  // that the token endpoint was asked for
  std::atomic<int> discoveries_ = 0;
  std::map<std::string, json::value> changed_claims_;
  std::map<std::string, Fields> codes_;
  int codes_made_ = 0;
  std::string authorization_;
  std::unique_ptr<http::TestServer> provider_;
  std::deque<http::RawClient> ahead_;
};

TEST_F(SignInTest, WhoeverAgreesAtTheProviderIsSignedInHereAndGetsToThePageThatWasWanted) {
  const Attempt attempt = Begin();
  EXPECT_THAT(attempt.location, StartsWith(issuer_url_ + "/authorize?tenant=1&"));
  EXPECT_EQ(attempt.asked.at("response_type"), "code");
  EXPECT_EQ(attempt.asked.at("client_id"), "box office");
  EXPECT_EQ(attempt.asked.at("redirect_uri"), "https://tickets.example/v1/session/oidc/callback");
  EXPECT_EQ(attempt.asked.at("scope"), "openid");
  EXPECT_EQ(attempt.asked.at("code_challenge_method"), "S256");
  const http::ClientResponse answer = Return(attempt, Agree(attempt));
  ASSERT_EQ(answer.status, 302) << answer.body;
  EXPECT_EQ(answer.header("Location"), "/my/wallet");
  EXPECT_EQ(authorization_, "Basic Ym94JTIwb2ZmaWNlOnMlM0FjcmV0") << "the client's id and secret";
  EXPECT_THAT(SetCookie(answer, "boxoffice_sign_in="), HasSubstr("Max-Age=0"));
  const std::string session = Pair(SetCookie(answer, "boxoffice_session="));
  EXPECT_EQ(Json(Get("/v1/wallet", session)).at("user_id").as_string(), "ada");
  const json::value who = Json(Get("/v1/session", session));
  EXPECT_EQ(who.at("user").as_string(), "ada");
  EXPECT_EQ(who.at("role").as_string(), "operator");
  EXPECT_EQ(who.at("sign_in").as_string(), "oidc");
}

TEST_F(SignInTest, ASessionOutlastsTheProvidersTokenAndEndsAfterTwelveHours) {
  const Attempt attempt = Begin();
  const std::string session = Pair(SetCookie(Return(attempt, Agree(attempt)), "boxoffice_session="));
  clock_.Advance(std::chrono::hours(11));
  EXPECT_EQ(Get("/v1/wallet", session).status, 200);
  clock_.Advance(std::chrono::hours(2));
  EXPECT_EQ(CodeOf(Get("/v1/wallet", session)), "jwt_expired");
}

TEST_F(SignInTest, TheCookiesAreOutOfReachOfScriptsAndTravelOverTlsAlone) {
  const Attempt attempt = Begin();
  for (const char* part : {"HttpOnly", "SameSite=Lax", "Path=/v1/session/oidc", "Max-Age=600", "Secure"})
    EXPECT_THAT(attempt.set_cookie, HasSubstr(part));
  const std::string session = SetCookie(Return(attempt, Agree(attempt)), "boxoffice_session=");
  for (const char* part : {"HttpOnly", "SameSite=Strict", "Path=/v1", "Max-Age=43200", "Secure"})
    EXPECT_THAT(session, HasSubstr(part));
}

TEST_F(SignInTest, TwoAttemptsHaveNothingInCommon) {
  const Attempt one = Begin();
  const Attempt two = Begin();
  for (const char* secret : {"state", "nonce", "code_challenge"})
    EXPECT_NE(one.asked.at(secret), two.asked.at(secret)) << secret;
}

TEST_F(SignInTest, AnAnswerToAnotherAttemptOrWithoutItsCookieSignsNobodyIn) {
  const Attempt attempt = Begin();
  const Attempt other = Begin();
  EXPECT_THAT(Problem(Return(attempt, Agree(attempt), other.asked.at("state"))),
              StartsWith("/sign-in?problem=sign_in_expired"));
  Attempt stranger = attempt;
  stranger.set_cookie = "a=b;";
  EXPECT_THAT(Problem(Return(stranger, Agree(attempt))), StartsWith("/sign-in?problem=sign_in_expired"));
  stranger.set_cookie = other.set_cookie;
  EXPECT_THAT(Problem(Return(stranger, Agree(attempt))), StartsWith("/sign-in?problem=sign_in_expired"));
  stranger.set_cookie = attempt.set_cookie;
  stranger.set_cookie[25] = stranger.set_cookie[25] == 'A' ? 'B' : 'A';
  EXPECT_THAT(Problem(Return(stranger, Agree(attempt))), StartsWith("/sign-in?problem=sign_in_expired"));
}

TEST_F(SignInTest, WhoeverComesBackFromNowhereIsALineASecondThatTellsHowManyOthersThereWere) {
  testing::internal::CaptureStderr();
  const auto come = [this](int times) {
    for (int i = 0; i < times; ++i)
      EXPECT_THAT(Problem(Get("/v1/session/oidc/callback?code=x&state=y")), HasSubstr("sign_in_expired"));
  };
  come(50 * kThreads);
  clock_.Advance(std::chrono::seconds(1));
  come(kThreads);
  const std::string log = testing::internal::GetCapturedStderr();
  int lines = 0;
  for (size_t at = 0; (at = log.find("sign_in_failed", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 2 * kThreads) << log;
  EXPECT_THAT(log, HasSubstr(R"("others":"49")"));
}

TEST_F(SignInTest, AnAttemptEndsAfterTenMinutes) {
  const Attempt attempt = Begin();
  clock_.Advance(std::chrono::seconds(601));
  EXPECT_EQ(Problem(Return(attempt, Agree(attempt))), "/sign-in?problem=sign_in_expired&next=%2F");
}

TEST_F(SignInTest, ACodeCountsOnceAndOnlyWithTheVerifierOfItsAttempt) {
  const Attempt attempt = Begin();
  const std::string code = Agree(attempt);
  EXPECT_EQ(Return(attempt, code).header("Location"), "/my/wallet");
  EXPECT_EQ(Problem(Return(attempt, code)), "/sign-in?problem=sign_in_refused&next=%2Fmy%2Fwallet");
  const Attempt other = Begin();
  EXPECT_THAT(Problem(Return(other, Agree(attempt))), StartsWith("/sign-in?problem=sign_in_refused"));
}

TEST_F(SignInTest, OnlySoManyAttemptsAreRedeemedAtATime) {
  constexpr int kMost = Redemptions::kMaxInFlight;
  token_silent_ = true;
  for (int i = 0; i < kMost; ++i) ReturnAhead(Begin());
  ASSERT_TRUE(testbed::Eventually([&] { return exchanges_ == kMost; }));
  const Attempt late = Begin();
  EXPECT_THAT(Problem(Return(late, Agree(late))), StartsWith("/sign-in?problem=sign_in_unavailable"));
  EXPECT_EQ(exchanges_, kMost) << "the provider is not asked";
  token_silent_ = false;
  for (http::RawClient& client : ahead_) EXPECT_THAT(client.ReadResponse(), HasSubstr("sign_in_unavailable"));
  EXPECT_EQ(Return(late, Agree(late)).header("Location"), "/my/wallet");
}

TEST_F(SignInTest, AllWhoComeWhileTheProviderIsSilentWaitForOneAnswer) {
  constexpr int kWaiting = 8;
  discovery_silent_ = true;
  for (int i = 0; i < kWaiting; ++i)
    ahead_.emplace_back(gateway().port()).Send("GET /v1/session/oidc HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(testbed::Eventually([&] { return discoveries_ > 0; }));
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(Get("/v1/session").status, 200) << "behind those that wait";
  discovery_silent_ = false;
  for (http::RawClient& client : ahead_) EXPECT_THAT(client.ReadResponse(), HasSubstr("/authorize?"));
  EXPECT_LE(discoveries_, kThreads) << "one for each";
}

TEST_F(SignInTest, WhoDoesNotAgreeIsToldSo) {
  const Attempt attempt = Begin();
  EXPECT_EQ(Problem(Get("/v1/session/oidc/callback?error=access_denied&state=" + attempt.asked.at("state"),
                        Pair(attempt.set_cookie))),
            "/sign-in?problem=sign_in_refused&next=%2Fmy%2Fwallet");
}

TEST_F(SignInTest, AnIdTokenCountsOnlyIfItIsTheProvidersForUsAndOfThisAttempt) {
  const auto problem = [this] {
    const Attempt attempt = Begin();
    return Problem(Return(attempt, Agree(attempt)));
  };
  const std::string invalid = "/sign-in?problem=sign_in_invalid&next=%2Fmy%2Fwallet";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, json::value>>{
           {"nonce", "another"},
           {"nonce", nullptr},
           {"iss", "https://other.example"},
           {"aud", "boxoffice"},
           {"azp", "somebody else"},
           {"aud", json::array{"box office", "another"}},
           {"exp", 1},
           {"sub", "no user name"}}) {
    changed_claims_ = {{name, value}};
    EXPECT_EQ(problem(), invalid) << name;
  }
  changed_claims_.clear();
  changed_claims_["aud"] = json::array{"box office", "another"};
  changed_claims_["azp"] = "box office";
  const Attempt attempt = Begin();
  EXPECT_EQ(Return(attempt, Agree(attempt)).header("Location"), "/my/wallet") << "we are the one that asked";
  changed_claims_.clear();
  signs_ = Keys().strangers.private_pem;
  EXPECT_EQ(problem(), invalid) << "another's signature";
}

TEST_F(SignInTest, NobodyIsLedToAnotherSite) {
  for (const char* next :
       {"//evil.example", "%2F%5Cevil.example", "https%3A%2F%2Fevil.example", "", "%2Fa%0Ab"}) {
    const Attempt attempt = Begin(std::string("?next=") + next);
    EXPECT_EQ(Return(attempt, Agree(attempt)).header("Location"), "/") << next;
  }
}

TEST_F(SignInTest, ACookiesTokenIsNoBearerTokenAndTheOtherWayRound) {
  const Attempt attempt = Begin();
  const std::string session = Pair(SetCookie(Return(attempt, Agree(attempt)), "boxoffice_session="));
  const std::string token = session.substr(session.find('=') + 1);
  Options options;
  options.user = "";
  options.headers = {{"Authorization", "Bearer " + token}};
  EXPECT_EQ(Call("GET", "/v1/wallet", {}, options).status, 401);
  const std::string bearer =
      SignRs256(Keys().first.private_pem, {{"iss", issuer_url_},
                                           {"aud", "boxoffice"},
                                           {"sub", "ada"},
                                           {"exp", ToUnixMs(clock_.Now()) / 1000 + 60}});
  options.headers = {{"Authorization", "Bearer " + bearer}};
  EXPECT_TRUE(testbed::Eventually([&] { return Call("GET", "/v1/wallet", {}, options).status == 200; }));
  EXPECT_EQ(Get("/v1/wallet", "boxoffice_session=" + bearer).status, 401);
}

TEST_F(SignInTest, AProviderThatSignsWithANewKeyIsAskedForItAndTheSignInWaits) {
  // A first sign-in, so that there are keys at all.
  const Attempt before = Begin();
  EXPECT_EQ(Return(before, Agree(before)).header("Location"), "/my/wallet");
  {
    const std::scoped_lock lock(provider_mutex_);
    published_ = auth::Jwks({Keys().first.jwk, Keys().second.jwk});
    signs_ = Keys().second.private_pem;
    key_id_ = "two";
  }
  clock_.Advance(std::chrono::seconds(31));  // sooner after the last look it would not be looked for
  const Attempt attempt = Begin();
  EXPECT_EQ(Return(attempt, Agree(attempt)).header("Location"), "/my/wallet");
}

class ImpatientSignInTest : public SignInTest {
 protected:
  void Configure(GatewayConfig& config) override {
    SignInTest::Configure(config);
    config.sign_in->timeout = std::chrono::seconds(5);
  }
};

TEST_F(ImpatientSignInTest, AProviderThatIsDownOrSlowIsSaidToBeAndNothingIsBegun) {
  const std::string unavailable = "/sign-in?problem=sign_in_unavailable&next=%2Fmy%2Fwallet";
  for (int i = 0; i < kThreads; ++i) Begin();
  const Attempt attempt = Begin();
  const std::string code = Agree(attempt);
  token_status_ = 500;
  EXPECT_EQ(Problem(Return(attempt, code)), unavailable) << "it fails";
  token_status_ = 200;
  token_silent_ = true;
  EXPECT_EQ(Problem(Return(attempt, code)), unavailable) << "it does not answer in time";
  token_silent_ = false;
  const int before = discoveries_;
  for (int i = 0; i < kThreads; ++i) Begin();
  EXPECT_GT(discoveries_, before) << "its endpoints may be others by now";
  EXPECT_EQ(Return(attempt, code).header("Location"), "/my/wallet") << "the code was not used up";
  provider_.reset();
  EXPECT_EQ(Problem(Return(attempt, code)), unavailable) << "it is gone";
  clock_.Advance(SignIn::kRefresh);
  const http::ClientResponse answer = Get("/v1/session/oidc?next=%2Fmy%2Fwallet");
  EXPECT_EQ(Problem(answer), unavailable);
  EXPECT_EQ(SetCookie(answer, "boxoffice_sign_in="), "");
}

TEST_F(SignInTest, AClientThatTheProviderDoesNotKnowIsAFaultOfOursAndNotOfWhoeverSignsIn) {
  token_status_ = 401;
  const Attempt attempt = Begin();
  EXPECT_THAT(Problem(Return(attempt, Agree(attempt))), StartsWith("/sign-in?problem=sign_in_unavailable"));
}

TEST_F(SignInTest, WhoSignsOutIsSignedOut) {
  const Attempt attempt = Begin();
  const std::string session = Pair(SetCookie(Return(attempt, Agree(attempt)), "boxoffice_session="));
  Options options;
  options.user = "";
  options.headers = {{"Cookie", session}, {"Sec-Fetch-Site", "same-origin"}};
  const http::ClientResponse answer = Call("DELETE", "/v1/session", {}, options);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(SetCookie(answer, "boxoffice_session="), HasSubstr("Max-Age=0"));
}

TEST_F(SignInTest, AnotherIssuersDocumentIsNotBelieved) {
  says_issuer_ = "https://other.example";
  const http::ClientResponse answer = Get("/v1/session/oidc?next=%2Fmy%2Fwallet");
  EXPECT_EQ(Problem(answer), "/sign-in?problem=sign_in_unavailable&next=%2Fmy%2Fwallet");
}

TEST_F(SignInTest, TheDevelopmentSignInIsNotOffered) {
  EXPECT_EQ(CodeOf(Call("POST", "/v1/session/development", R"({"user":"ada","role":"operator"})",
                        Options{.user = ""})),
            "sign_in_not_offered");
}

class NoProviderTest : public GatewayTest {};

TEST_F(NoProviderTest, WithoutAProviderThereIsNothingToBegin) {
  EXPECT_EQ(CodeOf(Call("GET", "/v1/session/oidc")), "sign_in_not_offered");
  EXPECT_EQ(CodeOf(Call("GET", "/v1/session/oidc/callback?code=1&state=2")), "sign_in_not_offered");
}

TEST(SignInConfigTest, ARedirectThatDoesNotLeadHereOrAShortKeyIsAConfigurationError) {
  const ManualClock clock;
  auth::TokenConfig tokens;
  tokens.algorithm = auth::Algorithm::kHs256;
  tokens.key = "a secret of thirty-two characters";
  const auto verifier = auth::TokenVerifier::Make(tokens, clock);
  Redemptions redemptions;
  SignInConfig config;
  config.redirect_url = "https://tickets.example/v1/session/oidc/callback";
  config.session_key = "a session key of thirty-two bytes";
  EXPECT_TRUE(SignIn::Make(config, *verifier, clock, redemptions).has_value());
  SignInConfig elsewhere = config;
  elsewhere.redirect_url = "https://tickets.example/";
  EXPECT_THAT(SignIn::Make(elsewhere, *verifier, clock, redemptions).error().detail,
              HasSubstr("sign_in.redirect_url"));
  SignInConfig guessable = config;
  guessable.session_key = "short";
  EXPECT_THAT(SignIn::Make(guessable, *verifier, clock, redemptions).error().detail,
              HasSubstr("sign_in.session_key"));
  SignInConfig exchanging = config;
  exchanging.other_session_keys = {"the next one, of thirty-two bytes"};
  EXPECT_TRUE(SignIn::Make(exchanging, *verifier, clock, redemptions).has_value());
  exchanging.other_session_keys.emplace_back("short");
  EXPECT_THAT(SignIn::Make(exchanging, *verifier, clock, redemptions).error().detail,
              HasSubstr("other_session_keys"));
}

TEST(SessionKeysTest, WhileTheKeyIsExchangedNobodyIsSignedOutByAnyGateway) {
  const ManualClock clock;
  const std::string before = "a session key of thirty-two bytes";
  const std::string after = "the next one, of thirty-two bytes";
  // Gateways of each step: as it was, both known, the new one signs, the old one gone.
  const std::vector<Sessions> steps = [&] {
    std::vector<Sessions> made;
    for (const auto& [key, others] :
         {std::pair(before, std::vector<std::string>{}), {before, {after}}, {after, {before}}, {after, {}}})
      made.push_back(*Sessions::ForProvider(key, others, /*secure=*/true, clock));
    return made;
  }();
  const auto counts = [&](size_t signed_at, size_t shown_at) {
    const std::string cookie = *steps[signed_at].Cookie({"ada", auth::Role::kBuyer});
    const std::string token = cookie.substr(cookie.find('=') + 1, cookie.find(';') - cookie.find('=') - 1);
    return steps[shown_at].verifier()->Verify(token).has_value();
  };
  for (size_t step = 1; step < steps.size(); ++step) {
    EXPECT_TRUE(counts(step - 1, step)) << step;
    EXPECT_TRUE(counts(step, step - 1)) << "gateways are restarted one after the other: " << step;
  }
  EXPECT_FALSE(counts(0, 3));
}

}  // namespace
}  // namespace boxoffice::gateway
