// What docs/security.md promises of the whole, tried as an attacker would: with other people's ids and
// tokens, with tokens of another kind, with bytes that are no text, with bodies that say more than they may,
// and with addresses inside.
#include <algorithm>
#include <map>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/system.h"
#include "platform/auth/base64url.h"
#include "platform/auth/development.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Security : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    system_ = new System({"--no-seed", "--http-access-log", "true", "--log-level", "info"});
    if (system_->ready()) show_ = new std::string(system_->CreateShow());
  }
  static void TearDownTestSuite() {
    if (system_->ready()) system_->ExpectCleanAudit();
    delete system_;
    delete show_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static std::unique_ptr<Buyer> Admitted() {
    static int number = 0;
    auto buyer = std::make_unique<Buyer>(*system_, fmt::format("person{}", ++number));
    EXPECT_TRUE(buyer->Enter(*show_));
    EXPECT_EQ(buyer->Charge(10'000).status, 201);
    return buyer;
  }
  static Reply WithToken(const std::string& token, const std::string& path = "/v1/wallet") {
    Api api(system_->port());
    return api.Call("GET", path, {{"Authorization", "Bearer " + token}});
  }
  // Bytes as they are, and all that is answered until the connection ends.
  static std::string SendRaw(std::string_view request) {
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    boost::system::error_code error;
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), system_->port()}, error);
    boost::asio::write(socket, boost::asio::buffer(request), error);
    std::string answer;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
    return answer;
  }
  static std::string RawPost(const Buyer& buyer, std::string_view path, std::string_view headers) {
    return SendRaw(
        fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n{}"
                    "Content-Length: 0\r\nConnection: close\r\n\r\n",
                    path, system_->Token(buyer.user()), NewKey(), headers));
  }

  static System* system_;
  static std::string* show_;
};
System* Security::system_ = nullptr;
std::string* Security::show_ = nullptr;

TEST_F(Security, WhatIsAnothersIsNeitherSeenNorMoved) {
  auto owner = Admitted();
  auto thief = Admitted();
  const Reply held = owner->Reserve(*show_, R"("best_available":{"count":1})");
  ASSERT_EQ(held.status, 201) << held;
  const std::string path = "/v1/reservations/" + held.at("id");
  for (const char* what : {"", "/cancellation"})
    EXPECT_EQ(thief->Call("GET", path + what).status, 404) << what;
  for (const char* what : {"/confirm", "/cancel"}) {
    const Reply reply = thief->Call("POST", path + what, "", {{"Idempotency-Key", NewKey()}});
    EXPECT_EQ(reply.status, 404) << reply;
  }
  EXPECT_THAT(thief->Call("GET", "/v1/reservations").text, Not(HasSubstr(held.at("id"))));
  EXPECT_EQ(owner->Get(held.at("id")).at("state"), "HELD");
  // The place in the queue goes with the person.
  const std::string own = thief->queue_token();
  thief->set_queue_token(owner->queue_token());
  EXPECT_EQ(thief->Call("GET", "/v1/queue").at("code"), "queue_token_wrong_user");
  EXPECT_EQ(thief->Call("DELETE", "/v1/queue").at("code"), "queue_token_wrong_user");
  EXPECT_EQ(thief->Reserve(*show_, R"("best_available":{"count":1})").at("code"), "queue_token_wrong_user");
  thief->set_queue_token(own);
  // The same key of another user is another request, and shows nothing of the first.
  const std::string key = NewKey();
  ASSERT_EQ(
      owner
          ->Call("POST", "/v1/wallet/charges", R"({"amount":7,"currency":"KRW"})", {{"Idempotency-Key", key}})
          .status,
      201);
  const Reply same_key = thief->Call("POST", "/v1/wallet/charges", R"({"amount":8,"currency":"KRW"})",
                                     {{"Idempotency-Key", key}});
  EXPECT_EQ(same_key.status, 201) << same_key;
  EXPECT_EQ(owner->Balance(), 10'007);
  EXPECT_EQ(thief->Balance(), 10'008);
  EXPECT_EQ(owner->Cancel(held.at("id")).status, 200);
}

TEST_F(Security, ABodySaysNothingOfWhatIsNotTheBuyers) {
  auto buyer = Admitted();
  for (const char* more : {R"("user_id":"somebody")", R"("role":"operator")", R"("price":1)", R"("amount":1)",
                           R"("state":"CONFIRMED")", R"("channels":["fan-club"])", R"("from_waitlist":true)",
                           R"("hold_ttl_s":86400)", R"("active_until_ms":9999999999999)"}) {
    const Reply reply = buyer->Reserve(*show_, fmt::format(R"("best_available":{{"count":1}},{})", more));
    EXPECT_EQ(reply.status, 400) << reply;
    EXPECT_EQ(reply.at("code"), "field_unknown") << reply;
  }
  for (const char* more : {R"("user_id":"somebody")", R"("balance":1)", R"("operator_id":"root")"}) {
    const Reply reply =
        buyer->Call("POST", "/v1/wallet/charges", fmt::format(R"({{"amount":1,"currency":"KRW",{}}})", more),
                    {{"Idempotency-Key", NewKey()}});
    EXPECT_EQ(reply.at("code"), "field_unknown") << reply;
  }
  EXPECT_EQ(buyer->Balance(), 10'000);
}

TEST_F(Security, OnePersonHasOneReservationAPlaceAndNoMoreSeatsThanTheShowAllows) {
  auto scalper = Admitted();
  const Reply held = scalper->Reserve(*show_, R"("best_available":{"count":4})");
  ASSERT_EQ(held.status, 201) << held;
  // The place in the queue is used; joining again gives the same place.
  EXPECT_EQ(scalper->Reserve(*show_, R"("best_available":{"count":4})").at("code"), "session_busy");
  const std::string place = scalper->queue_token();
  EXPECT_TRUE(scalper->Enter(*show_));
  EXPECT_EQ(scalper->queue_token(), place);
  EXPECT_EQ(scalper->Reserve(*show_, R"("best_available":{"count":1})").at("code"), "session_busy");
  // The place ends with the purchase; the next one starts behind everybody, and the limit of the show goes
  // on.
  EXPECT_EQ(scalper->Confirm(held.at("id")).at("state"), "CONFIRMED");
  ASSERT_TRUE(scalper->AwaitPlaceCompleted());
  ASSERT_TRUE(scalper->Enter(*show_));
  const Reply more = scalper->Reserve(*show_, R"("best_available":{"count":5})");
  EXPECT_EQ(more.status, 409) << more;
  EXPECT_EQ(more.at("code"), "seat_limit") << more;
}

TEST_F(Security, ATokenCountsForWhatItWasMadeForAndNothingElse) {
  auto buyer = Admitted();
  const std::string jwt = system_->Token(buyer->user());
  EXPECT_EQ(WithToken(jwt).status, 200);
  // A place in the queue is no proof of who asks, neither as a header nor as a cookie; and who asks is no
  // place.
  EXPECT_EQ(WithToken(buyer->queue_token()).status, 401);
  Api api(system_->port());
  const http::HeaderList cookie = {{"Cookie", "boxoffice_session=" + buyer->queue_token()},
                                   {"Sec-Fetch-Site", "same-origin"}};
  EXPECT_EQ(api.Call("GET", "/v1/wallet", cookie).status, 401);
  buyer->set_queue_token(jwt);
  EXPECT_EQ(buyer->Call("GET", "/v1/queue").status, 401);
  // The same claims unsigned, or signed by another issuer; and a buyer's that calls itself an operator's.
  const std::string claims = jwt.substr(jwt.find('.') + 1, jwt.rfind('.') - jwt.find('.') - 1);
  for (const char* algorithm : {"none", "None", "HS512", "RS256", "ES256", ""}) {
    const std::string header = auth::EncodeBase64Url(fmt::format(R"({{"alg":"{}","typ":"JWT"}})", algorithm));
    EXPECT_EQ(WithToken(header + "." + claims + ".").status, 401) << algorithm;
    EXPECT_EQ(WithToken(header + "." + claims + jwt.substr(jwt.rfind('.'))).status, 401) << algorithm;
  }
  const testbed::TempDir elsewhere;
  auth::TokenConfig config = auth::DevelopmentTokens(elsewhere.path()).value();
  const SystemClock clock;
  const auto strange =
      auth::TokenIssuer::Make(config, clock)->Issue("root", auth::Role::kOperator, std::chrono::hours(1));
  EXPECT_EQ(WithToken(*strange, "/v1/admin/sagas").status, 401);
  std::string promoted = *auth::DecodeBase64Url(claims);
  const size_t role = promoted.find("\"buyer\"");
  ASSERT_NE(role, std::string::npos) << promoted;
  promoted.replace(role, 7, "\"operator\"");
  const std::string forged =
      jwt.substr(0, jwt.find('.') + 1) + auth::EncodeBase64Url(promoted) + jwt.substr(jwt.rfind('.'));
  EXPECT_EQ(WithToken(forged, "/v1/admin/sagas").status, 401);
  EXPECT_EQ(WithToken(jwt, "/v1/admin/sagas").status, 403);
}

TEST_F(Security, BytesThatAreNoTextDisturbNobody) {
  auto buyer = Admitted();
  const Reply held = buyer->Reserve(*show_, R"("best_available":{"count":1})");
  ASSERT_EQ(held.status, 201) << held;
  // A string of a contract that is no text ends the stream of commands that everybody shares.
  const std::string confirm = "/v1/reservations/" + held.at("id") + "/confirm";
  EXPECT_THAT(RawPost(*buyer, confirm, "X-Queue-Token: \xff\xfe\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(RawPost(*buyer, "/v1/payments/webhooks/sandbox", "webhook-id: \xff\r\n"),
              StartsWith("HTTP/1.1 400"));
  for (const char* path :
       {"/v1/shows/%ff", "/v1/shows/\xff", "/v1/concerts?%ff=1&%ff=2", "/v1/admin/wallets/%c0%af"}) {
    const std::string answer =
        SendRaw(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400")) << path;
    boost::system::error_code error;
    (void)json::parse(answer.substr(answer.find("\r\n\r\n") + 4), error);
    EXPECT_FALSE(error) << path << ": " << answer;
  }
  EXPECT_THAT(system_->Log(), Not(HasSubstr("invalid UTF-8")));
  EXPECT_EQ(buyer->Confirm(held.at("id")).at("state"), "CONFIRMED");
}

TEST_F(Security, NothingThatIsSentMakesAHeaderOrALineOfTheLogOfItsOwn) {
  const std::string evil = "%0d%0aX-Evil:%201%0a%7b%22level%22:%22forged%22%7d";
  for (const std::string& path :
       {"/v1/shows/" + evil, "/v1/reservations/" + evil, "/v1/concerts?cursor=" + evil, "/" + evil}) {
    const std::string answer =
        SendRaw(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nX-Request-Id: a%0d%0aX-Evil: 1\r\n"
                            "Connection: close\r\n\r\n",
                            path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 4")) << path;
    EXPECT_THAT(answer.substr(0, answer.find("\r\n\r\n")), Not(HasSubstr("X-Evil"))) << answer;
  }
  EXPECT_THAT(SendRaw("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: a\rX-Evil: 1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  const Reply named = system_->Admin("GET", "/v1/admin/wallets/a%0ab");
  EXPECT_EQ(named.status, 404) << named;
  // Each line is one of ours: a whole object, none of which says what was sent.
  ASSERT_TRUE(Eventually([&] { return system_->Log().find("%0d%0aX-Evil") != std::string::npos; }))
      << system_->Log();
  const std::string log = system_->Log();
  std::string_view log_text = log;
  size_t lines = 0;
  for (; !log_text.empty(); ++lines) {
    const std::string_view line = log_text.substr(0, log_text.find('\n'));
    log_text.remove_prefix(std::min(log_text.size(), line.size() + 1));
    if (!line.starts_with('{')) continue;
    boost::system::error_code error;
    const json::value value = json::parse(line, error);
    ASSERT_FALSE(error) << line;
    EXPECT_NE(value.at("level"), json::value("forged")) << line;
  }
  EXPECT_GT(lines, 4U);
}

TEST_F(Security, APlatformOnTheInsideIsNotConnectedTo) {
  for (const char* url :
       {"http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/",
        "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd", "http://user@example.com/"}) {
    const Reply reply =
        system_->Admin("POST", "/v1/admin/relay/targets", fmt::format(R"({{"url":"{}"}})", url));
    EXPECT_EQ(reply.status, 422) << url << " " << reply;
  }
  // A name tells nothing of where it leads: that is judged when it is connected to.
  const Reply target =
      system_->Admin("POST", "/v1/admin/relay/targets",
                     fmt::format(R"({{"url":"http://localhost:{}/healthz"}})", system_->port()));
  ASSERT_EQ(target.status, 201) << target;
  const Reply sent = system_->Admin("POST", fmt::format("/v1/admin/relay/targets/{}/test", target.at("id")));
  ASSERT_EQ(sent.status, 202) << sent;
  Reply delivery;
  EXPECT_TRUE(Eventually([&] {
    delivery = system_->Admin("GET", "/v1/admin/relay/deliveries/" + sent.at("id"));
    return delivery.text.find("address_refused") != std::string::npos;
  })) << delivery;
}

}  // namespace
}  // namespace boxoffice::e2e
