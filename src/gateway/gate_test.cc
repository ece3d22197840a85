// What every request passes and every answer gets, over HTTP.
#include "gateway/gate.h"

#include <atomic>

#include "gateway/gateway_for_test.h"
#include "gateway/openapi.h"
#include "platform/http/gzip.h"

namespace boxoffice::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

http::Request From(std::string address, std::string_view forwarded = {}) {
  http::Request request;
  request.SetRemoteAddress(std::move(address));
  if (!forwarded.empty()) request.AddHeader("X-Forwarded-For", forwarded);
  return request;
}

TEST(AddressKeyTest, TheConnectionCountsUnlessProxiesInFrontSayWhoCalled) {
  EXPECT_EQ(AddressKey(From("192.0.2.1", "203.0.113.9"), 0), "192.0.2.1")
      << "whoever sends it may have made it up";
  EXPECT_EQ(AddressKey(From("10.0.0.1", "made.up, 203.0.113.9"), 1), "203.0.113.9");
  EXPECT_EQ(AddressKey(From("10.0.0.1", "made.up, 203.0.113.9, 10.0.0.2"), 2), "203.0.113.9");
  EXPECT_EQ(AddressKey(From("10.0.0.1", "203.0.113.9"), 3), "203.0.113.9");
  EXPECT_EQ(AddressKey(From("10.0.0.1"), 1), "10.0.0.1");
}

TEST(AddressKeyTest, AProxyMayAddALineOfItsOwn) {
  http::Request request = From("10.0.0.1", "198.51.100.1");
  request.AddHeader("x-forwarded-for", "203.0.113.9");
  EXPECT_EQ(AddressKey(request, 1), "203.0.113.9") << "the first line is the caller's word";
  request.AddHeader("X-Forwarded-For", "10.0.0.2");
  EXPECT_EQ(AddressKey(request, 2), "203.0.113.9");
  EXPECT_EQ(AddressKey(request, 3), "198.51.100.1");
}

TEST(AddressKeyTest, APortThatAProxyWritesIsNoPartOfTheAddress) {
  EXPECT_EQ(AddressKey(From("10.0.0.1", "203.0.113.9:4711"), 1), "203.0.113.9");
  EXPECT_EQ(AddressKey(From("10.0.0.1", "[2001:db8:1:2::3]:4711"), 1),
            AddressKey(From("2001:db8:1:2::4"), 0));
  EXPECT_EQ(AddressKey(From("10.0.0.1", "2001:db8:1:2::3"), 1), AddressKey(From("2001:db8:1:2::4"), 0));
  EXPECT_EQ(AddressKey(From("::ffff:203.0.113.9"), 0), "203.0.113.9") << "the same in either form";
  EXPECT_EQ(AddressKey(From("10.0.0.1", "[made.up"), 1), "made.up");
}

TEST(AddressKeyTest, AnIpv6NetworkCountsAsOne) {
  EXPECT_EQ(AddressKey(From("2001:db8:1:2:3::4"), 0), AddressKey(From("2001:db8:1:2:ffff::1"), 0));
  EXPECT_NE(AddressKey(From("2001:db8:1:2::1"), 0), AddressKey(From("2001:db8:1:3::1"), 0));
}

TEST(EdgeKeysTest, EachLimitHasAKeyOfItsOwn) {
  EdgeConfig config;
  config::Keys keys;
  AddEdgeKeys(keys, config);
  EXPECT_TRUE(keys.Set("limit.user_requests", "3", "test"));
  EXPECT_TRUE(keys.Set("limit.address_requests", "5", "test"));
  EXPECT_TRUE(keys.Set("limit.user_leaves", "4", "test"));
  EXPECT_TRUE(keys.Set("limit.user_reservations", "6", "test"));
  EXPECT_TRUE(keys.Set("limit.user_lists", "8", "test"));
  EXPECT_TRUE(keys.Set("limit.user_streams", "7", "test"));
  EXPECT_TRUE(keys.Set("limit.address_streams", "9", "test"));
  EXPECT_TRUE(keys.Set("wallet.self_service", "false", "test"));
  EXPECT_EQ(config.user.requests, 3U);
  EXPECT_EQ(config.address.requests, 5U);
  EXPECT_EQ(config.user_leaves, 4U);
  EXPECT_EQ(config.user_reservations, 6U);
  EXPECT_EQ(config.user_lists, 8U);
  EXPECT_EQ(config.user_streams, 7U);
  EXPECT_EQ(config.address_streams, 9U);
  EXPECT_FALSE(config.self_service);
  EXPECT_TRUE(config.development_sign_in);
}

class GateTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.edge = edge_;
    services_.wallet.GetWallet_.answer =
        [](const wallet::v1::GetWalletRequest&) -> Result<wallet::v1::Wallet> {
      return wallet::v1::Wallet();
    };
  }
  static std::string Header(const http::ClientResponse& answer, std::string_view name) {
    return std::string(answer.header(name).value_or(""));
  }
  Options With(http::HeaderList headers) {
    Options options;
    options.headers = std::move(headers);
    return options;
  }
  // A request whose answer the contract does not describe.
  http::ClientResponse Raw(std::string method, std::string_view path, http::HeaderList headers) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway_->port(), path);
    request.headers = std::move(headers);
    return http::FetchBlocking(std::move(request)).value();
  }
  EdgeConfig edge_;
};

class LimitsTest : public GateTest {
 protected:
  LimitsTest() {
    edge_.user = {3, std::chrono::seconds(3'600)};
    edge_.address = {8, std::chrono::seconds(3'600)};
    edge_.trusted_proxies = 1;
  }
};

TEST_F(LimitsTest, AUserIsToldWhatIsLeftAndThenWhenToComeBack) {
  const http::ClientResponse first = Call("GET", "/v1/wallet");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(Header(first, "RateLimit-Policy"), R"("user";q=3;w=3600, "address";q=8;w=3600)");
  EXPECT_THAT(Header(first, "RateLimit"), HasSubstr(R"("user";r=2;t=1200)"));
  EXPECT_EQ(Call("GET", "/v1/wallet").status, 200);
  EXPECT_EQ(Call("GET", "/v1/wallet").status, 200);
  const http::ClientResponse refused = Call("GET", "/v1/wallet");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(CodeOf(refused), "rate_limited");
  EXPECT_THAT(Header(refused, "Retry-After"), testing::MatchesRegex("1200|11[0-9][0-9]"))
      << "but for what has passed since the first, on a busy machine more";
  EXPECT_THAT(Header(refused, "RateLimit"), HasSubstr(R"("user";r=0)"));
  Options other;
  other.user = "bob";
  EXPECT_EQ(Call("GET", "/v1/wallet", {}, other).status, 200) << "others have their own";
}

TEST_F(LimitsTest, WhatAUserAsksOfEachThreadCounts) {
  for (const char* left : {"r=2", "r=1", "r=0"}) {
    EXPECT_THAT(Header(Call("GET", "/v1/wallet"), "RateLimit"), HasSubstr(left)) << "the threads take turns";
  }
  for (int thread = 0; thread < 2; ++thread) EXPECT_EQ(Call("GET", "/v1/wallet").status, 429);
}

TEST_F(LimitsTest, AnAddressIsLimitedAlsoWithoutAUserAndBehindAProxy) {
  Options nobody;
  nobody.user = "";
  nobody.headers = {{"X-Forwarded-For", "203.0.113.9"}};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Call("GET", "/v1/shows/1", {}, nobody).status, 200) << i;
  EXPECT_EQ(Call("GET", "/v1/shows/1", {}, nobody).status, 429);
  EXPECT_EQ(Call("GET", "/v1/wallet", {}, nobody).status, 429) << "before anybody's token is looked at";
  nobody.headers = {{"X-Forwarded-For", "203.0.113.9, 203.0.113.10"}};
  EXPECT_EQ(Call("GET", "/v1/shows/1", {}, nobody).status, 200);
  nobody.headers = {{"X-Forwarded-For", "203.0.113.9"}};
  EXPECT_EQ(Call("GET", "/readyz", {}, nobody).status, 200) << "whoever watches is never refused";
}

TEST_F(LimitsTest, ABigBodyCountsOnceThoughItsHeadIsJudgedFirst) {
  Options options;
  options.role = auth::Role::kOperator;
  options.key = "k1";
  const http::ClientResponse answer = Call("POST", "/v1/admin/shows", std::string(100'000, ' '), options);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(Header(answer, "RateLimit"), HasSubstr(R"("user";r=2)"));
  EXPECT_THAT(Header(answer, "RateLimit"), HasSubstr(R"("address";r=7)"));
}

class LeavesTest : public GateTest {
 protected:
  LeavesTest() {
    edge_.user_leaves = 2;
    edge_.user.window = std::chrono::seconds(3'600);
    services_.queue.commands.answer = [this](const queue::v1::Command& command) {
      left_ += command.has_leave() ? 1 : 0;
      queue::v1::Outcome outcome;
      queue::v1::Session& session = *outcome.mutable_session();
      session.set_state(queue::v1::WAITING);
      session.set_token("v1.k.p.s");
      session.set_refresh_interval_s(20);
      session.set_expires_at_ms(1'800'000'300'000);
      return Result<queue::v1::Outcome>(outcome);
    };
    services_.reservation.LeaveWaitlist_.answer =
        [this](const auto&) -> Result<reservation::v1::WaitlistEntry> {
      ++left_;
      return Fail(Code::kNotFound, "not_on_waitlist");
    };
  }
  http::ClientResponse Ask(std::string_view method, std::string_view path, const std::string& user = "ada") {
    Options options;
    options.user = user;
    options.queue_token = QueueToken(user);
    return Call(method, path, {}, options);
  }
  std::atomic<int> left_ = 0;  // as the services have heard
};

// Whoever leaves and joins, again and again, would make the line longer for ever.
TEST_F(LeavesTest, AUserWhoLeavesAgainAndAgainIsToldWhenToComeBackAndMayJoinAndAskAllTheSame) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Ask("DELETE", "/v1/queue").status, 204);
  const http::ClientResponse refused = Ask("DELETE", "/v1/queue");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(CodeOf(refused), "rate_limited");
  EXPECT_THAT(Header(refused, "Retry-After"), testing::MatchesRegex("1800|17[0-9][0-9]"));
  EXPECT_EQ(left_, 2) << "the queue service does not hear of it";
  for (int i = 0; i < 40; ++i) EXPECT_EQ(Ask("POST", "/v1/shows/1/queue").status, 200) << "a reload";
  EXPECT_EQ(Ask("GET", "/v1/queue").status, 200);
  EXPECT_EQ(Ask("DELETE", "/v1/queue", "bob").status, 204) << "others have their own";
}

// Each place that was left is a row for ever, which every look at this user's places walks over.
TEST_F(LeavesTest, PlacesOnWaitlistsThatAreGivenUpCountWithThoseInQueues) {
  EXPECT_EQ(Ask("DELETE", "/v1/shows/1/waitlist").status, 404);
  EXPECT_EQ(Ask("DELETE", "/v1/queue").status, 204);
  EXPECT_EQ(Ask("DELETE", "/v1/shows/1/waitlist").status, 429);
  EXPECT_EQ(left_, 2) << "the reservation service does not hear of it";
  EXPECT_EQ(Ask("DELETE", "/v1/shows/1/waitlist", "bob").status, 404) << "others have their own";
}

class ReservationsLimitTest : public GateTest {
 protected:
  ReservationsLimitTest() {
    edge_.user_reservations = 2;
    edge_.user.window = std::chrono::seconds(3'600);
    AnswerReservations(reservation::v1::HELD);
  }
  http::ClientResponse Post(std::string_view path, std::string_view body, const std::string& user = "ada") {
    Options options;
    options.user = user;
    options.key = fmt::format("k{}", ++asked_);
    options.queue_token = QueueToken(user);
    return Call("POST", path, body, options);
  }
  http::ClientResponse Reserve(const std::string& user = "ada") {
    return Post("/v1/reservations", R"({"show_id":"1","seats":[7]})", user);
  }
  http::ClientResponse Confirm(const std::string& user = "ada") {
    return Post(path_ + "/confirm", "{}", user);
  }
  // What goes on with a reservation is not counted.
  void ExpectCancelsAndLooks() {
    services_.reservation.GetReservation_.answer = [](const auto&) {
      return Result<reservation::v1::Reservation>(AReservation(reservation::v1::HELD));
    };
    EXPECT_EQ(Post(path_ + "/cancel", "{}").status, 200);
    EXPECT_EQ(Call("GET", path_).status, 200);
  }
  size_t Heard() {
    const std::scoped_lock lock(mutex_);
    return commands_.size();
  }
  const std::string path_ = fmt::format("/v1/reservations/{}", kReservation);
  int asked_ = 0;
};

// What is refused once its saga has begun has been written down, and keys are free.
TEST_F(ReservationsLimitTest, AUserWhoReservesWithEverNewKeysIsToldWhenToComeBackAndGoesOnWithWhatThereIs) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Reserve().status, 201);
  const http::ClientResponse refused = Reserve();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(CodeOf(refused), "rate_limited");
  EXPECT_THAT(Header(refused, "Retry-After"), testing::MatchesRegex("1800|17[0-9][0-9]"));
  EXPECT_EQ(Heard(), 2U) << "the reservation service does not hear of it";
  ExpectCancelsAndLooks();
  EXPECT_EQ(Reserve("bob").status, 201) << "others have their own";
}

// A confirmation that is refused leaves the seats held and more behind than a reservation does.
TEST_F(ReservationsLimitTest, AConfirmationCountsLikeAReservation) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Confirm().status, 200);
  EXPECT_EQ(Confirm().status, 429);
  EXPECT_EQ(Reserve().status, 429);
  EXPECT_EQ(Heard(), 2U) << "the reservation service does not hear of it";
  ExpectCancelsAndLooks();
  EXPECT_EQ(Confirm("bob").status, 200) << "others have their own";
}

class ListsLimitTest : public GateTest {
 protected:
  template <typename Response>
  auto Counted() {
    return [this](const auto&) {
      ++asked_;
      return Result<Response>(Response());
    };
  }
  ListsLimitTest() {
    edge_.user_lists = 1;
    edge_.user.window = std::chrono::seconds(3'600);
    services_.reservation.ListReservations_.answer = Counted<reservation::v1::ListReservationsResponse>();
    services_.reservation.ListWaitlist_.answer = Counted<reservation::v1::ListWaitlistResponse>();
    services_.reservation.QuoteCancellation_.answer = [this](const auto&) {
      ++asked_;
      reservation::v1::CancellationQuote quote;
      quote.mutable_refusal()->set_code("cancel_deadline_passed");
      return Result<reservation::v1::CancellationQuote>(quote);
    };
    services_.wallet.ListEntries_.answer = Counted<wallet::v1::ListEntriesResponse>();
    services_.wallet.GetStatement_.answer = [this](const auto&) {
      ++asked_;
      wallet::v1::Statement statement;
      statement.set_currency("KRW");
      return Result<wallet::v1::Statement>(statement);
    };
  }
  int StatusOf(std::string_view path, const std::string& user) {
    Options options;
    options.user = user;
    return Call("GET", path, {}, options).status;
  }
  std::atomic<size_t> asked_ = 0;
};

// What looks at much is answered by one thread of a service, which also tells everybody's single
// reservations.
TEST_F(ListsLimitTest, AUserWhoListsAgainAndAgainIsToldWhenToComeBackAndGoesOnBuying) {
  const std::string own = fmt::format("/v1/reservations/{}", kReservation);
  const std::vector<std::string> lists{"/v1/reservations", "/v1/waitlist", own + "/cancellation",
                                       "/v1/wallet/entries", "/v1/wallet/statement?currency=KRW"};
  for (size_t i = 0; i < lists.size(); ++i) {
    const std::string user = fmt::format("user{}", i);
    EXPECT_NE(StatusOf(lists[i], user), 429) << lists[i];
    for (const std::string& list : lists) EXPECT_EQ(StatusOf(list, user), 429) << list;
  }
  EXPECT_EQ(asked_, lists.size()) << "no service hears of what is too much";
  EXPECT_EQ(Call("GET", "/v1/reservations").status, 200);
  EXPECT_EQ(CodeOf(Call("GET", "/v1/reservations")), "rate_limited");
  AnswerReservations(reservation::v1::CONFIRMED);
  EXPECT_EQ(Reserve(R"({"show_id":"1","seats":[7],"pay":true})").status, 201);
  EXPECT_EQ(Call("GET", "/v1/wallet").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/reservations").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/reservations").status, 200)
      << "operators list others', uncounted";
}

TEST_F(GateTest, ARequestsIdIsTakenIfItIsWellFormedAndIsInProblems) {
  const http::ClientResponse given = Call("GET", "/v1/shows/99", {}, With({{"X-Request-Id", "order-7_a.B"}}));
  EXPECT_EQ(Header(given, "X-Request-Id"), "order-7_a.B");
  EXPECT_EQ(Json(given).at("request_id").as_string(), "order-7_a.B");
  EXPECT_EQ(Header(Call("GET", "/v1/shows/1", {}, With({{"X-Request-Id", "x"}})), "X-Request-Id"), "x");
  for (const std::string& odd : {std::string("a b"), std::string("<script>"), std::string(129, 'x')}) {
    const http::ClientResponse made = Call("GET", "/v1/shows/99", {}, With({{"X-Request-Id", odd}}));
    EXPECT_EQ(Header(made, "X-Request-Id").size(), 32U) << odd;
    EXPECT_EQ(Json(made).at("request_id").as_string(), Header(made, "X-Request-Id"));
  }
  const http::ClientResponse nowhere = Raw("GET", "/nowhere", {{"X-Request-Id", "x7"}});
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_THAT(nowhere.body, HasSubstr(R"("request_id":"x7")"));
}

TEST_F(GateTest, WhatEverybodyMayReadIsNotSentTwiceToOneWhoHasIt) {
  const http::ClientResponse first = Call("GET", "/v1/shows/1");
  const std::string etag = Header(first, "ETag");
  ASSERT_THAT(etag, testing::StartsWith("W/\""));
  const http::ClientResponse again = Raw("GET", "/v1/shows/1", {{"If-None-Match", "\"x\", " + etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(again.body.empty());
  EXPECT_EQ(Header(again, "ETag"), etag);
  EXPECT_EQ(Header(Call("GET", "/v1/shows/99"), "ETag"), "") << "a problem is not kept";
  services_.seat.GetShow_.answer = [](const auto&) -> Result<seat::v1::Show> {
    seat::v1::Show sold = AShow();
    sold.set_free(49);
    return sold;
  };
  EXPECT_EQ(Raw("GET", "/v1/shows/1", {{"If-None-Match", etag}}).status, 200);
  EXPECT_EQ(Header(Call("GET", "/v1/wallet"), "ETag"), "") << "what is one's own is not kept by anybody";
}

TEST_F(GateTest, NoCacheKeepsAProblem) {
  EXPECT_EQ(Header(Call("GET", "/v1/shows/99"), "Cache-Control"), "no-store");
  EXPECT_EQ(Header(Raw("GET", "/nowhere", {}), "Cache-Control"), "no-store");
  Options nobody;
  nobody.user = "";
  EXPECT_EQ(Header(Call("GET", "/v1/wallet", {}, nobody), "Cache-Control"), "no-store");
  EXPECT_EQ(Header(Call("GET", "/v1/shows/1"), "Cache-Control"), "no-cache");
}

TEST_F(GateTest, WhatIsStillTheSameVariesAsTheWholeAnswerWould) {
  const std::string etag = Header(Call("GET", "/openapi.yaml"), "ETag");
  const http::ClientResponse again = Raw("GET", "/openapi.yaml", {{"If-None-Match", etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(Header(again, "Vary"), "Accept-Encoding");
}

TEST_F(GateTest, LongAnswersAreCompressedForThoseWhoTakeIt) {
  const http::ClientResponse plain = Call("GET", "/openapi.yaml");
  EXPECT_EQ(plain.body, OpenApiYaml());
  EXPECT_EQ(Header(plain, "Vary"), "Accept-Encoding");
  for (int i = 0; i < 2; ++i) {  // the second time it is ready
    const http::ClientResponse small = Raw("GET", "/openapi.yaml", {{"Accept-Encoding", "br, gzip"}});
    EXPECT_EQ(Header(small, "Content-Encoding"), "gzip");
    EXPECT_LT(small.body.size(), plain.body.size() / 3);
    EXPECT_EQ(http::Gunzip(small.body, 10 << 20), OpenApiYaml());
    EXPECT_EQ(Header(small, "ETag"), Header(plain, "ETag")) << "it is the same content";
  }
  EXPECT_EQ(Header(Raw("GET", "/openapi.yaml", {{"Accept-Encoding", "gzip;q=0"}}), "Content-Encoding"), "");
  EXPECT_EQ(Header(Raw("GET", "/v1/shows/1", {{"Accept-Encoding", "gzip"}}), "Content-Encoding"), "")
      << "a short one gains nothing";
}

TEST_F(GateTest, AProblemThatIsCompressedHasItsRequestsIdToo) {
  reservation::v1::Reservation many = AReservation(reservation::v1::FAILED);
  while (many.seats_size() < 40) *many.add_seats() = many.seats(0);
  services_.reservation.commands.answer = [many](const reservation::v1::Command&) {
    reservation::v1::Outcome outcome;
    *outcome.mutable_reservation() = many;
    outcome.mutable_refusal()->set_code("seats_taken");
    return Result<reservation::v1::Outcome>(outcome);
  };
  Options options = With({{"Accept-Encoding", "gzip"}, {"X-Request-Id", "x7"}});
  options.key = "k1";
  options.queue_token = QueueToken();
  const http::ClientResponse answer =
      CallUnjudged("POST", "/v1/reservations", R"({"show_id":"1","seats":[7]})", options);
  EXPECT_EQ(answer.status, 409);
  ASSERT_EQ(Header(answer, "Content-Encoding"), "gzip");
  const boost::json::value problem = boost::json::parse(http::Gunzip(answer.body, 1 << 20));
  EXPECT_EQ(problem.at("request_id").as_string(), "x7");
  EXPECT_EQ(Header(answer, "X-Request-Id"), "x7");
}

TEST_F(GateTest, ThePageShowsTheContractAndLoadsNothingFromElsewhere) {
  const http::ClientResponse page = Call("GET", "/docs");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<script src=\"/docs/page.js\">"));
  EXPECT_THAT(Header(page, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
  const http::ClientResponse script = Call("GET", "/docs/page.js");
  EXPECT_THAT(script.body, HasSubstr("fetch('/openapi.json')"));
  for (const std::string& text : {page.body, script.body}) {
    EXPECT_THAT(text, Not(HasSubstr("https://")));
    EXPECT_THAT(text, Not(HasSubstr("//cdn")));
    EXPECT_THAT(text, Not(HasSubstr("innerHTML")));
  }
  EXPECT_TRUE(Json(Call("GET", "/openapi.json")).at("paths").as_object().contains("/v1/reservations"));
}

TEST_F(GateTest, WithoutOriginsOtherPagesAreKeptOut) {
  const http::ClientResponse answer =
      Call("GET", "/v1/shows/1", {}, With({{"Origin", "https://evil.example"}}));
  EXPECT_EQ(Header(answer, "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(Raw("OPTIONS", "/v1/shows/1", {{"Origin", "https://evil.example"}}).status, 405);
}

class OriginsTest : public GateTest {
 protected:
  OriginsTest() { edge_.cors_origins = {"https://tickets.example", "http://localhost:3000"}; }
};

TEST_F(OriginsTest, PagesOfTheOriginsThatAreNamedMayReadAnswersAlsoProblems) {
  for (const char* path : {"/v1/shows/1", "/v1/shows/99"}) {
    const http::ClientResponse answer = Call("GET", path, {}, With({{"Origin", "https://tickets.example"}}));
    EXPECT_EQ(Header(answer, "Access-Control-Allow-Origin"), "https://tickets.example");
    EXPECT_EQ(Header(answer, "Vary"), "Origin");
    for (const char* name : {"RateLimit", "X-Next-Cursor"})
      EXPECT_THAT(Header(answer, "Access-Control-Expose-Headers"), HasSubstr(name));
  }
  EXPECT_EQ(
      Header(Raw("GET", "/nowhere", {{"Origin", "http://localhost:3000"}}), "Access-Control-Allow-Origin"),
      "http://localhost:3000");
  const http::ClientResponse other =
      Call("GET", "/v1/shows/1", {}, With({{"Origin", "https://evil.example"}}));
  EXPECT_EQ(Header(other, "Access-Control-Allow-Origin"), "");
}

TEST_F(OriginsTest, APreflightIsAnsweredWithoutAToken) {
  const http::ClientResponse answer =
      Raw("OPTIONS", "/v1/reservations",
          {{"Origin", "https://tickets.example"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_NE(Header(answer, "X-Request-Id"), "");
  EXPECT_EQ(Header(answer, "Access-Control-Allow-Origin"), "https://tickets.example");
  EXPECT_THAT(Header(answer, "Access-Control-Allow-Methods"), HasSubstr("POST"));
  EXPECT_THAT(Header(answer, "Access-Control-Allow-Headers"), HasSubstr("Idempotency-Key"));
  EXPECT_EQ(Header(Raw("OPTIONS", "/v1/reservations", {{"Origin", "https://evil.example"}}),
                   "Access-Control-Allow-Origin"),
            "");
}

TEST(CrossOriginTest, WhatIsNoOriginIsNamed) {
  for (const char* odd :
       {"tickets.example", "https://", "https://a.example/", "https://A.example", "ftp://a", "null"}) {
    const auto made = CrossOrigin::Make({"https://fine.example", odd});
    ASSERT_FALSE(made.has_value()) << odd;
    EXPECT_EQ(made.error().reason, "config");
    EXPECT_THAT(made.error().detail, HasSubstr(odd));
  }
  EXPECT_FALSE(CrossOrigin::Make({"*", "https://a.example"}));
  EXPECT_TRUE(CrossOrigin::Make({"*"})->on());
  EXPECT_FALSE(CrossOrigin::Make({})->on());
}

}  // namespace
}  // namespace boxoffice::gateway
