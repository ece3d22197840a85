// The web app's files, and signing in by a cookie.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_for_test.h"
#include "gateway/web_files.h"
#include "platform/http/server_fixture.h"
#include "testing/temp_dir.h"

namespace boxoffice::gateway {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void Write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

class WebTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    Write(dir_.path() / "web/index.html", "<html>app</html>");
    Write(dir_.path() / "web/index.html.gz", "app as gzip");
    Write(dir_.path() / "web/index.html.br", "app as brotli");
    Write(dir_.path() / "web/waiting.html", "<html>waiting</html>");
    Write(dir_.path() / "web/assets/app-1a2b.js", "run()");
    Write(dir_.path() / "web/start.js", "again()");
    Write(dir_.path() / "secret.txt", "not for browsers");
    config.edge.web_root = dir_.path() / "web";
  }
  // Pages are not in the contract.
  http::ClientResponse Get(const std::string& path, http::HeaderList headers = {}) {
    Options options;
    options.user = "";
    options.headers = std::move(headers);
    return CallUnjudged("GET", path, {}, options);
  }

  testbed::TempDir dir_;
};

std::string Header(const http::ClientResponse& answer, std::string_view name) {
  return std::string(answer.header(name).value_or(""));
}

TEST_F(WebTest, EveryPageOfTheAppIsTheSameFileAndTheWaitingRoomIsItsOwn) {
  for (const char* path :
       {"/", "/concerts/1", "/shows/1/seats", "/my/wallet", "/operator", "/operator/sagas/x", "/sign-in"}) {
    EXPECT_EQ(Get(path).body, "<html>app</html>") << path;
  }
  EXPECT_EQ(Get("/waiting/1").body, "<html>waiting</html>");
}

TEST_F(WebTest, WhatIsNoPageIsNotFound) {
  EXPECT_EQ(Get("/nothing").status, 404);
  EXPECT_EQ(Get("/v1/nothing").status, 404);
  EXPECT_EQ(Get("/assets/none.js").status, 404);
}

TEST_F(WebTest, NoPathLeadsOutOfTheFolder) {
  for (const char* path :
       {"/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%5c..%5csecret.txt", "/assets//secret.txt"}) {
    const http::ClientResponse answer = Get(path);
    EXPECT_THAT(answer.status, testing::AnyOf(400, 404)) << path;
    EXPECT_THAT(answer.body, Not(HasSubstr("not for browsers"))) << path;
  }
}

TEST_F(WebTest, TheSmallestFormThatIsTakenIsSent) {
  EXPECT_EQ(Get("/", {{"Accept-Encoding", "gzip, br"}}).body, "app as brotli");
  EXPECT_EQ(Header(Get("/", {{"Accept-Encoding", "br"}}), "Content-Encoding"), "br");
  EXPECT_EQ(Get("/", {{"Accept-Encoding", "gzip, br;q=0"}}).body, "app as gzip");
  EXPECT_EQ(Get("/", {{"Accept-Encoding", "identity"}}).body, "<html>app</html>");
  EXPECT_EQ(Header(Get("/"), "Vary"), "Accept-Encoding");
}

TEST_F(WebTest, HashedFilesAreKeptAndPagesAskedForAgain) {
  EXPECT_THAT(Header(Get("/assets/app-1a2b.js"), "Cache-Control"), HasSubstr("immutable"));
  const http::ClientResponse page = Get("/");
  EXPECT_EQ(Header(page, "Cache-Control"), "no-cache");
  EXPECT_EQ(Get("/", {{"If-None-Match", Header(page, "ETag")}}).status, 304);
  EXPECT_EQ(Get("/", {{"If-None-Match", "\"other\""}}).status, 200);
}

// A gateway of the next release, or of the one before, may have it.
TEST_F(WebTest, ThatAHashedFileIsMissingIsNotKept) {
  const http::ClientResponse missing = Get("/assets/app-3c4d.js");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(Header(missing, "Cache-Control"), "no-store");
}

TEST_F(WebTest, WhatLoadsAPageAgainHasTheSameNameInEachRelease) {
  const http::ClientResponse script = Get("/start.js");
  EXPECT_EQ(script.body, "again()");
  EXPECT_EQ(Header(script, "Cache-Control"), "no-cache");
  EXPECT_EQ(Header(script, "Content-Type"), "text/javascript; charset=utf-8");
}

TEST_F(WebTest, PagesRunNothingInlineAndNothingFromElsewhere) {
  const http::ClientResponse page = Get("/");
  const std::string policy = Header(page, "Content-Security-Policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  EXPECT_EQ(Header(page, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(Header(Get("/assets/app-1a2b.js"), "Content-Type"), "text/javascript; charset=utf-8");
}

TEST_F(WebTest, AFolderWithoutTheAppIsAConfigurationError) {
  const auto loaded = WebFiles::Load(dir_.path());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().reason, "config");
  EXPECT_THAT(loaded.error().detail, HasSubstr("index.html"));
}

TEST(WebFilesTest, ASystemWithoutTheAppSaysSo) {
  const http::Request request;
  const http::Response answer = WebFiles().Answer(request, "index.html");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("web_not_built"));
}

class SessionTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.tokens.reset();
    runtime_.data_dir = dir_.path();
    services_.wallet.GetWallet_.answer = [](const auto& request) -> Result<wallet::v1::Wallet> {
      wallet::v1::Wallet wallet;
      wallet.set_user_id(request.user_id());
      return wallet;
    };
  }
  http::ClientResponse Send(std::string_view method, std::string_view path, http::HeaderList headers,
                            std::string_view body = {}) {
    Options options;
    options.user = "";
    options.headers = std::move(headers);
    return Call(method, path, body, options);
  }
  http::ClientResponse SignIn(http::HeaderList headers = {},
                              std::string_view body = R"({"user":"ada","role":"buyer"})") {
    return Send("POST", "/v1/session/development", std::move(headers), body);
  }
  // "boxoffice_session=JWT"
  std::string Cookie() {
    const std::string set = Header(SignIn(), "Set-Cookie");
    return set.substr(0, set.find(';'));
  }

  testbed::TempDir dir_;
};

TEST_F(SessionTest, TheCookieIsOutOfReachOfScriptsAndOtherSites) {
  const http::ClientResponse answer = SignIn({{"Sec-Fetch-Site", "same-origin"}});
  EXPECT_EQ(answer.status, 200);
  const std::string cookie = Header(answer, "Set-Cookie");
  for (const char* part : {"boxoffice_session=", "HttpOnly", "SameSite=Strict", "Path=/v1", "Max-Age=43200"})
    EXPECT_THAT(cookie, HasSubstr(part));
}

TEST_F(SessionTest, ACookieSaysWhoAsks) {
  const std::string cookie = Cookie();
  const http::ClientResponse wallet = Send("GET", "/v1/wallet", {{"Cookie", "a=b; " + cookie}});
  EXPECT_EQ(wallet.status, 200);
  EXPECT_EQ(Json(wallet).at("user_id").as_string(), "ada");
  EXPECT_EQ(Json(Send("GET", "/v1/session", {{"Cookie", cookie}})).at("user").as_string(), "ada");
  EXPECT_TRUE(Json(Send("GET", "/v1/session", {})).at("user").is_null());
}

TEST_F(SessionTest, ACookieDoesNotCountWhereAnotherSiteMayHaveAsked) {
  const std::string cookie = Cookie();
  for (const http::HeaderList& headers : {http::HeaderList{{"Sec-Fetch-Site", "cross-site"}},
                                          {{"Sec-Fetch-Site", "same-site"}},
                                          {{"Origin", "https://evil.example"}},
                                          {{"Origin", "null"}}}) {
    http::HeaderList sent = headers;
    sent.emplace_back("Cookie", cookie);
    const http::ClientResponse answer = Send("GET", "/v1/wallet", sent);
    EXPECT_EQ(answer.status, 401) << headers[0].second;
    EXPECT_EQ(CodeOf(answer), "cross_site");
  }
}

TEST_F(SessionTest, ACommandWithACookieNeedsToSayWhereItComesFrom) {
  const std::string cookie = Cookie();
  EXPECT_EQ(CodeOf(Send("POST", "/v1/shows/1/queue", {{"Cookie", cookie}})), "cross_site");
  EXPECT_EQ(
      CodeOf(Send("POST", "/v1/shows/99/queue", {{"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}})),
      "show_not_found");
}

TEST_F(SessionTest, ABearerTokenIsJudgedAlone) {
  const std::string cookie = Cookie();
  const http::ClientResponse answer =
      Send("GET", "/v1/wallet", {{"Cookie", cookie}, {"Authorization", "Bearer nonsense"}});
  EXPECT_EQ(answer.status, 401);
}

TEST_F(SessionTest, SigningOutTakesTheCookieBack) {
  const http::ClientResponse answer =
      Send("DELETE", "/v1/session", {{"Cookie", Cookie()}, {"Sec-Fetch-Site", "same-origin"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(Header(answer, "Set-Cookie"), HasSubstr("Max-Age=0"));
}

TEST_F(SessionTest, OtherSitesAndOtherNamesCannotSignAnybodyIn) {
  EXPECT_EQ(CodeOf(SignIn({{"Sec-Fetch-Site", "cross-site"}})), "cross_site");
  EXPECT_EQ(CodeOf(SignIn({{"Origin", "https://evil.example"}})), "cross_site");
  EXPECT_EQ(SignIn({}, R"({"user":"a b","role":"buyer"})").status, 422);
  EXPECT_EQ(SignIn({}, R"({"user":"ada","role":"king"})").status, 422);
  EXPECT_EQ(SignIn({}, R"({"user":"ada"})").status, 400);
}

TEST_F(SessionTest, SigningInForDevelopmentIsOfferedOnlyUnderNamesOfThisMachine) {
  // Any other name may lead here for a page of its own (DNS rebinding), also one that begins like an address.
  const auto sign_in = [&](std::string_view host) {
    constexpr std::string_view kBody = R"({"user":"ada","role":"buyer"})";
    http::RawClient client(gateway().port());
    client.Send(
        fmt::format("POST /v1/session/development HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{}", host,
                    kBody.size(), kBody));
    return client.ReadResponse();
  };
  for (const char* host :
       {"127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:8080", "localhost", "localhost:8080"}) {
    EXPECT_THAT(sign_in(host), testing::StartsWith("HTTP/1.1 200")) << host;
  }
  for (const char* host : {"127.evil.com", "127.evil.com:8080", "127.0.0.1.nip.io", "127.0.0.1.nip.io:8080",
                           "localhost.evil.com", "10.0.0.1", "[]", "["}) {
    EXPECT_THAT(sign_in(host), HasSubstr("cross_site")) << host;
  }
}

TEST_F(SessionTest, BehindAProxyNobodySignsInForDevelopment) {
  // A proxy on this machine is asked by the world, and may ask under a name of this machine.
  for (const char* name :
       {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"}) {
    EXPECT_EQ(CodeOf(SignIn({{name, "203.0.113.9"}})), "sign_in_not_offered") << name;
    EXPECT_EQ(Json(Send("GET", "/v1/session", {{name, "203.0.113.9"}})).at("sign_in").as_string(), "none")
        << name;
  }
  EXPECT_EQ(Json(Send("GET", "/v1/session", {})).at("sign_in").as_string(), "development");
}

class TrustedProxySessionTest : public SessionTest {
 protected:
  void Configure(GatewayConfig& config) override {
    SessionTest::Configure(config);
    config.edge.trusted_proxies = 1;
  }
};

TEST_F(TrustedProxySessionTest, NobodySignsInForDevelopmentWhateverTheProxyPassesOn) {
  EXPECT_EQ(CodeOf(SignIn()), "sign_in_not_offered");
  EXPECT_EQ(Json(Send("GET", "/v1/session", {})).at("sign_in").as_string(), "none");
}

class SwitchedOffSessionTest : public SessionTest {
 protected:
  void Configure(GatewayConfig& config) override {
    SessionTest::Configure(config);
    config.edge.development_sign_in = false;
  }
};

TEST_F(SwitchedOffSessionTest, NobodySignsInForDevelopment) {
  EXPECT_EQ(CodeOf(SignIn()), "sign_in_not_offered");
}

using OtherIssuerTest = GatewayTest;

TEST_F(OtherIssuerTest, NobodySignsInForDevelopmentWhereOtherTokensAreBelieved) {
  const http::ClientResponse answer =
      Call("POST", "/v1/session/development", R"({"user":"ada","role":"operator"})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(CodeOf(answer), "sign_in_not_offered");
  EXPECT_EQ(Json(Call("GET", "/v1/session")).at("sign_in").as_string(), "none");
}

TEST(SessionsTest, ItIsOfferedOnTheLoopbackAddressAlone) {
  const ManualClock clock;
  auth::TokenConfig tokens;
  tokens.algorithm = auth::Algorithm::kHs256;
  tokens.key = "a secret of thirty-two characters";
  EXPECT_TRUE(Sessions::Make(&tokens, "127.0.0.1", clock)->development());
  EXPECT_TRUE(Sessions::Make(&tokens, "::1", clock)->development());
  EXPECT_FALSE(Sessions::Make(&tokens, "0.0.0.0", clock)->development());
  EXPECT_FALSE(Sessions::Make(&tokens, "10.0.0.7", clock)->development());
  EXPECT_FALSE(Sessions::Make(nullptr, "127.0.0.1", clock)->development());
}

}  // namespace
}  // namespace boxoffice::gateway
