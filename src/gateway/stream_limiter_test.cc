// How many streams one caller may have open.
#include "gateway/stream_limiter.h"

#include <optional>

#include "gateway/gateway_for_test.h"
#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using http::RawClient;
using testing::HasSubstr;
using testing::StartsWith;

TEST(StreamLimiterTest, EachCallerHasSoManyAndGetsThemBack) {
  StreamLimiter limiter(2);
  std::shared_ptr<const void> first = limiter.Take("ada");
  const std::shared_ptr<const void> second = limiter.Take("ada");
  EXPECT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(limiter.Take("ada"), nullptr);
  EXPECT_NE(limiter.Take("bob"), nullptr) << "others have their own";
  const std::shared_ptr<const void> copy = first;
  first.reset();
  EXPECT_EQ(limiter.Take("ada"), nullptr) << "somebody still holds it";
}

TEST(StreamLimiterTest, APlaceIsFreeOnceNobodyHoldsIt) {
  StreamLimiter limiter(1);
  std::shared_ptr<const void> place = limiter.Take("ada");
  place.reset();
  EXPECT_NE(limiter.Take("ada"), nullptr);
}

TEST(StreamLimiterTest, WhoeverHasNoStreamLeftIsKeptNoMore) {
  StreamLimiter limiter(2);
  std::shared_ptr<const void> first = limiter.Take("ada");
  std::shared_ptr<const void> second = limiter.Take("ada");
  const std::shared_ptr<const void> other = limiter.Take("bob");
  EXPECT_EQ(limiter.callers(), 2U);
  first.reset();
  EXPECT_EQ(limiter.callers(), 2U) << "she still follows one";
  second.reset();
  EXPECT_EQ(limiter.callers(), 1U);
}

class StreamsTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.edge.user_streams = 2;
    config.edge.address_streams = 4;
    services_.queue.commands.answer = [](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
      queue::v1::Outcome outcome;
      outcome.mutable_session()->set_state(queue::v1::ACTIVE);
      outcome.mutable_session()->set_token("v1.k.p.s");
      outcome.mutable_session()->set_refresh_interval_s(20);
      return outcome;
    };
    services_.seat.GetSeatMap_.answer = [](const auto&) -> Result<seat::v1::SeatMap> {
      seat::v1::SeatMap map;
      map.set_version(1);
      return map;
    };
  }
  // The head of the answer; a stream that it begins stays open as long as the client.
  std::string Open(RawClient& client, std::string_view user) {
    return client
        .Send(fmt::format("GET /v1/queue/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n"
                          "X-Queue-Token: {}\r\n\r\n",
                          Jwt(std::string(user)), QueueToken(std::string(user))))
        .ReadUntil("\r\n\r\n");
  }
  // The same for a stream that is for everybody.
  static std::string OpenPublic(RawClient& client) {
    return client.Send("GET /v1/shows/1/seats/events HTTP/1.1\r\nHost: h\r\n\r\n").ReadUntil("\r\n\r\n");
  }
  RawClient Client() { return RawClient(gateway_->port()); }
  http::ClientResponse OneMore(const std::string& user) {
    Options options;
    options.user = user;
    options.queue_token = QueueToken(user);
    return Call("GET", "/v1/queue/events", {}, options);
  }
};

TEST_F(StreamsTest, AUserWhoHoldsAsManyAsMayBeIsToldSoUntilOneHasEnded) {
  RawClient first = Client();
  RawClient second = Client();  // the other thread's
  EXPECT_THAT(Open(first, "ada"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Open(second, "ada"), StartsWith("HTTP/1.1 200"));
  const http::ClientResponse refused = OneMore("ada");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(CodeOf(refused), "too_many_streams");
  EXPECT_EQ(refused.header("Retry-After"), "10");
  EXPECT_THAT(refused.body, HasSubstr("of this user"));
  RawClient other = Client();
  EXPECT_THAT(Open(other, "bob"), StartsWith("HTTP/1.1 200")) << "others have their own";
  first.Close();
  std::optional<RawClient> again;
  EXPECT_TRUE(testbed::Eventually(
      [&] { return Open(again.emplace(gateway_->port()), "ada").starts_with("HTTP/1.1 200"); }));
}

TEST_F(StreamsTest, AnAddressHoldsNoMoreThanMayBeAlsoOfThoseThatAreForEverybody) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const char* user : {"ada", "ada", "bob", "bob"}) {
    clients.push_back(std::make_unique<RawClient>(gateway_->port()));
    EXPECT_THAT(Open(*clients.back(), user), StartsWith("HTTP/1.1 200"));
  }
  const http::ClientResponse refused = OneMore("cid");
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.body, HasSubstr("from this address"));
  const http::ClientResponse everybodys = Call("GET", "/v1/shows/1/seats/events");
  EXPECT_EQ(everybodys.status, 429);
  EXPECT_EQ(CodeOf(everybodys), "too_many_streams");
}

TEST_F(StreamsTest, WhatIsForEverybodyCountsForItsAddressAlone) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int stream = 0; stream < 4; ++stream) {  // twice as many as one user may have
    clients.push_back(std::make_unique<RawClient>(gateway_->port()));
    EXPECT_THAT(OpenPublic(*clients.back()), StartsWith("HTTP/1.1 200")) << stream;
  }
  EXPECT_THAT(Call("GET", "/v1/shows/1/seats/events").body, HasSubstr("from this address"));
}

}  // namespace
}  // namespace boxoffice::gateway
