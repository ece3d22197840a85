// What the adapter asks of an acquirer, and what it concludes from which answer.
#include "services/payment/provider_http.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <ranges>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/auth/webhook_signature.h"
#include "platform/http/server_fixture.h"
#include "platform/obs/log.h"

namespace boxoffice::payment {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const Currency kKrw = *Currency::Parse("KRW");
const Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

class HttpProviderTest : public ::testing::Test {
 protected:
  struct Seen {
    std::string line;
    std::string key;
    std::string authorization;
    std::string body;
  };
  HttpProviderTest() : server_(Routes()) { MakeProvider(); }

  void MakeProvider(resilience::BreakerConfig breaker = {}) {
    AcquirerConfig config;
    config.breaker = breaker;
    config.url = server_.Url("/v1/");
    config.api_key = "secret";
    config.webhook_secrets = {std::string(kSecret)};
    config.timeout = 20s;  // no test waits for it
    provider_ = *HttpProvider::Make(config, metrics_);
  }
  // Its breaker opens at the first failure, for so long; one call that is answered closes it.
  void OpenAtOnce(milliseconds open_for) {
    resilience::BreakerConfig breaker;
    breaker.min_calls = 1;
    breaker.probes = 1;
    breaker.open_for = open_for;
    MakeProvider(breaker);
  }
  // Whether the breaker is shown so: 0 closed, 2 open.
  bool IsShown(int state) const {
    return metrics_.Render().find(fmt::format(
               "boxoffice_breaker_state{{client=\"payment-acquirer\",replica=\"http\"}} {}\n", state)) !=
           std::string::npos;
  }
  http::Router Routes() {
    http::Router router;
    for (const http::Method method : {http::Method::kGet, http::Method::kPost}) {
      router.Add(
          method, "/{path...}", [this](http::Request& request) -> http::asio::awaitable<http::Response> {
            const std::scoped_lock lock(mutex_);
            seen_ = {fmt::format("{} {}", http::MethodName(request.method()), request.target()),
                     std::string(request.header("Idempotency-Key").value_or("")),
                     std::string(request.header("Authorization").value_or("")), std::string(request.body())};
            co_return http::JsonResponse(body_, status_);
          });
    }
    return router;
  }
  void Answers(int status, std::string body) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  using Verb = void (Provider::*)(const ProviderRequest&, Provider::Callback);
  ProviderAnswer Ask(Verb verb, const ProviderRequest& request) {
    std::promise<ProviderAnswer> heard;
    (provider_.get()->*verb)(request,
                             [&heard](ProviderAnswer answer) { heard.set_value(std::move(answer)); });
    return heard.get_future().get();
  }
  // What is logged as a warning of 20 questions, and how many seconds they take.
  std::pair<std::string, int64_t> AskOften() {
    obs::SetLogLevel(obs::Level::kWarning);
    const auto began = std::chrono::steady_clock::now();
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 20; ++i) Ask(&Provider::Query, Request());
    std::string log = ::testing::internal::GetCapturedStderr();
    const auto took = std::chrono::steady_clock::now() - began;
    obs::SetLogLevel(obs::Level::kInfo);
    return {std::move(log), std::chrono::duration_cast<std::chrono::seconds>(took).count()};
  }
  ProviderRequest Request() {
    return {.reservation = reservation_,
            .attempt = 2,
            .user_id = "ann",
            .money = {1000, kKrw},
            .instrument = "card_1",
            .traceparent = {},
            .refund = {}};
  }
  std::string Key() const { return reservation_.ToString() + "/2"; }
  std::string State(std::string_view status, int64_t amount = 1000) const {
    return fmt::format(
        R"({{"key":"{}","status":"{}","id":"p1","amount":{},"currency":"KRW","code":"51","new":[]}})", Key(),
        status, amount);
  }
  Result<Notice> Read(const std::string& body, Timestamp now = kNow) {
    const std::string secret = *auth::ParseWebhookSecret(kSecret);
    return provider_->ReadWebhook(
        {"w1", "1800000000", auth::SignWebhook(secret, "w1", 1'800'000'000, body), body}, now);
  }

  SeededRandom random_{4};
  ReservationId reservation_ = ReservationId::Make(kNow, random_);
  std::mutex mutex_;
  Seen seen_;
  int status_ = 200;
  std::string body_ = "{}";
  obs::Registry metrics_;
  http::TestServer server_;
  std::unique_ptr<HttpProvider> provider_;
};

TEST_F(HttpProviderTest, AnApprovalCarriesItsKeyItsMoneyAndWhoWeAre) {
  Answers(201, State("captured"));
  const ProviderAnswer answer = Ask(&Provider::Approve, Request());
  EXPECT_EQ(answer.verdict, Verdict::kApproved);
  EXPECT_EQ(answer.reference, "p1");
  EXPECT_EQ(seen_.line, "POST /v1/payments");
  EXPECT_EQ(seen_.key, Key());
  EXPECT_EQ(seen_.authorization, "Bearer secret");
  EXPECT_EQ(
      seen_.body,
      fmt::format(R"({{"key":"{}","amount":1000,"currency":"KRW","user_id":"ann","instrument":"card_1"}})",
                  Key()));
}

TEST_F(HttpProviderTest, OnlyWhatIsSaidForCertainIsAVerdict) {
  struct Case {
    int status;
    std::string body;
    Verdict verdict;
  };
  const Case cases[] = {
      {402, State("declined"), Verdict::kDeclined},
      {402, State("cancelled"), Verdict::kDeclined},
      {200, State("refunded"), Verdict::kDeclined},
      {200, State("pending"), Verdict::kUnknown},
      {200, State("odd"), Verdict::kUnknown},
      {200, State("captured", 999), Verdict::kUnknown},
      {200, R"({"key":"another/1","status":"captured","amount":1000,"currency":"KRW"})", Verdict::kUnknown},
      {200, "<html>", Verdict::kUnknown},
      {200, "", Verdict::kUnknown},
      {500, State("captured"), Verdict::kUnknown},
      {400, State("declined"), Verdict::kUnknown},
      {302, State("captured"), Verdict::kUnknown}};
  for (const Case& c : cases) {
    Answers(c.status, c.body);
    EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, c.verdict) << c.status << c.body;
    EXPECT_EQ(Ask(&Provider::Query, Request()).verdict, c.verdict) << c.status << c.body;
  }
  EXPECT_EQ(seen_.line, "GET /v1/payments?key=" + http::PercentEncode(Key()));
  Answers(402, State("declined"));
  EXPECT_EQ(Ask(&Provider::Approve, Request()).code, "51");
}

TEST_F(HttpProviderTest, OfAnswersThatSayNothingAWarningASecondTells) {
  Answers(500, "{}");
  const auto [log, seconds] = AskOften();
  EXPECT_THAT(log, HasSubstr(R"("event":"payment_acquirer_answer_unusable")"));
  EXPECT_THAT(log, HasSubstr(R"("status":"500","why":"status","others":"0")"));
  EXPECT_LE(std::ranges::count(log, '\n'), 1 + seconds);
}

TEST_F(HttpProviderTest, WhereNobodyAnswersAWarningASecondTells) {
  AcquirerConfig config;
  config.url = "http://127.0.0.1:1";
  config.timeout = 20s;  // it is refused at once
  provider_ = *HttpProvider::Make(config, metrics_);
  const auto [log, seconds] = AskOften();
  const auto lines =
      std::ranges::distance(std::views::split(log, std::string_view("payment_acquirer_unreachable"))) - 1;
  EXPECT_GE(lines, 1);
  EXPECT_LE(lines, 1 + seconds);
}

TEST_F(HttpProviderTest, NotFoundIsAnAnswerToAQueryAndNoneToAnApproval) {
  Answers(404, "{}");
  EXPECT_EQ(Ask(&Provider::Query, Request()).verdict, Verdict::kNotFound);
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
  EXPECT_EQ(Ask(&Provider::Cancel, Request()).verdict, Verdict::kUnknown);
}

TEST_F(HttpProviderTest, ACancellationSaysHowItEnded) {
  const std::pair<const char*, Verdict> cases[] = {{"cancelled", Verdict::kNeverSeen},
                                                   {"voided", Verdict::kVoided},
                                                   {"refunded", Verdict::kRefunded},
                                                   {"captured", Verdict::kUnknown}};
  for (const auto& [status, verdict] : cases) {
    Answers(200, State(status));
    EXPECT_EQ(Ask(&Provider::Cancel, Request()).verdict, verdict) << status;
  }
  EXPECT_EQ(seen_.line, "POST /v1/cancellations");
  EXPECT_EQ(seen_.key, Key() + "/cancel");
  Answers(500, State("refunded"));
  EXPECT_EQ(Ask(&Provider::Cancel, Request()).verdict, Verdict::kUnknown);
}

TEST_F(HttpProviderTest, ARefundHasAKeyOfItsOwnAndIsDoneForItsMoneyOnly) {
  ProviderRequest request = Request();
  request.refund = SagaId::Make(kNow, random_);
  request.money.amount = 300;
  const auto answer = [&](int64_t amount) {
    return fmt::format(R"({{"key":"{}","status":"refunded","amount":{},"currency":"KRW"}})",
                       request.RefundKey(), amount);
  };
  Answers(201, answer(300));
  EXPECT_EQ(Ask(&Provider::Refund, request).verdict, Verdict::kRefundDone);
  EXPECT_EQ(seen_.key, Key() + "/" + request.refund.ToString());
  EXPECT_THAT(seen_.body, HasSubstr(fmt::format(R"("payment_key":"{}","amount":300)", Key())));
  Answers(200, answer(299));
  EXPECT_EQ(Ask(&Provider::Refund, request).verdict, Verdict::kUnknown);
  Answers(409, answer(300));
  EXPECT_EQ(Ask(&Provider::Refund, request).verdict, Verdict::kUnknown);
}

TEST_F(HttpProviderTest, ARefusalToGiveBackIsBelievedOnlyWithItsKeyItsStatusAndACode) {
  ProviderRequest refund = Request();
  refund.refund = SagaId::Make(kNow, random_);
  const auto body = [](std::string_view key, std::string_view status, std::string_view code) {
    return fmt::format(R"({{"key":"{}","status":"{}","code":"{}"}})", key, status, code);
  };
  const std::pair<Verb, std::string> verbs[] = {{&Provider::Refund, refund.RefundKey()},
                                                {&Provider::Cancel, Key()}};
  for (const auto& [verb, key] : verbs) {
    for (const int status : {402, 409, 422}) {
      Answers(status, body(key, "refused", "charge_disputed"));
      const ProviderAnswer answer = Ask(verb, refund);
      EXPECT_EQ(answer.verdict, Verdict::kRefused) << status;
      EXPECT_EQ(answer.code, "charge_disputed");
    }
    const std::pair<int, std::string> odd[] = {{409, body(key, "refused", "")},
                                               {409, body(key, "pending", "charge_disputed")},
                                               {409, body("another/1", "refused", "charge_disputed")},
                                               {409, "<html>"},
                                               {500, body(key, "refused", "charge_disputed")},
                                               {403, body(key, "refused", "charge_disputed")},
                                               {200, body(key, "refused", "charge_disputed")}};
    for (const auto& [status, said] : odd) {
      Answers(status, said);
      EXPECT_EQ(Ask(verb, refund).verdict, Verdict::kUnknown) << status << said;
    }
  }
}

// Otherwise an acquirer would repeat under the key what it said before it took the money.
TEST_F(HttpProviderTest, ACancellationAfterOneThatFoundNothingHasAKeyOfItsOwn) {
  ProviderRequest request = Request();
  request.cancelled_before = true;
  Answers(200, State("refunded"));
  EXPECT_EQ(Ask(&Provider::Cancel, request).verdict, Verdict::kRefunded);
  EXPECT_EQ(seen_.key, Key() + "/cancel/again");
}

// That it is there tells that money was taken.
TEST_F(HttpProviderTest, WhatWasTakenHasAReferenceAlsoWithoutAnIdOfTheAcquirers) {
  const std::string members = fmt::format(R"("key":"{}","amount":1000,"currency":"KRW")", Key());
  Answers(200, fmt::format(R"({{"status":"captured",{}}})", members));
  EXPECT_EQ(Ask(&Provider::Approve, Request()).reference, Key());
  const auto notice = Read(fmt::format(R"({{"type":"payment.captured","data":{{{}}}}})", members));
  ASSERT_TRUE(notice.has_value()) << notice.error().detail;
  EXPECT_EQ(notice->answer.reference, Key());
}

TEST_F(HttpProviderTest, WhereNobodyAnswersNothingIsKnown) {
  AcquirerConfig config;
  config.url = "http://127.0.0.1:1";
  config.timeout = 20s;  // it is refused at once
  provider_ = *HttpProvider::Make(config, metrics_);
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
}

TEST_F(HttpProviderTest, AfterFaultsItIsAwayAndNoApprovalIsSent) {
  OpenAtOnce(600s);
  EXPECT_FALSE(provider_->IsAway());
  Answers(503, "");
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
  EXPECT_TRUE(provider_->IsAway());
  EXPECT_TRUE(IsShown(2));
  seen_.line.clear();
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
  EXPECT_EQ(seen_.line, "");
  Answers(404, "{}");
  EXPECT_EQ(Ask(&Provider::Query, Request()).verdict, Verdict::kNotFound) << "what settles is asked for";
}

TEST_F(HttpProviderTest, WhereNobodyAnswersItIsAwayToo) {
  AcquirerConfig config;
  config.url = "http://127.0.0.1:1";
  config.timeout = 20s;  // it is refused at once
  config.breaker.min_calls = 1;
  config.breaker.open_for = 600s;
  provider_ = *HttpProvider::Make(config, metrics_);
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
  EXPECT_TRUE(provider_->IsAway());
}

TEST_F(HttpProviderTest, OnceItAnswersItIsAwayNoMore) {
  OpenAtOnce(0ms);
  Answers(500, "");
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kUnknown);
  EXPECT_FALSE(provider_->IsAway()) << "it may be tried again at once";
  EXPECT_FALSE(IsShown(0));
  Answers(200, State("captured"));
  EXPECT_EQ(Ask(&Provider::Approve, Request()).verdict, Verdict::kApproved);
  EXPECT_TRUE(IsShown(0));
}

TEST_F(HttpProviderTest, WhatItAnswersIsNoFailureAndOnlyApprovalsCount) {
  for (const int status : {200, 402, 404, 409, 429}) {
    OpenAtOnce(600s);  // anew, as one failure among answers opens nothing
    Answers(status, State("declined"));
    (void)Ask(&Provider::Approve, Request());
    EXPECT_FALSE(provider_->IsAway()) << status;
  }
  OpenAtOnce(600s);
  Answers(500, "");
  (void)Ask(&Provider::Query, Request());
  (void)Ask(&Provider::Cancel, Request());
  EXPECT_FALSE(provider_->IsAway());
}

TEST_F(HttpProviderTest, AnInstrumentIsVisibleAndShort) {
  EXPECT_TRUE(provider_->Accepts("card_1"));
  EXPECT_TRUE(provider_->Accepts(std::string(48, 'x')));
  for (const std::string& odd :
       {std::string(), std::string("a b"), std::string("\xc3\xa4"), std::string(49, 'x')}) {
    EXPECT_FALSE(provider_->Accepts(odd)) << odd;
  }
}

TEST_F(HttpProviderTest, AWebhookTellsOfItsPaymentAndItsMoney) {
  const auto notice = Read(fmt::format(
      R"({{"type":"payment.captured","data":{{"key":"{}","id":"p1","amount":1000,"currency":"KRW"}}}})",
      Key()));
  ASSERT_TRUE(notice.has_value()) << notice.error().detail;
  EXPECT_TRUE(notice->relevant);
  EXPECT_EQ(notice->reservation, reservation_);
  EXPECT_EQ(notice->attempt, 2U);
  EXPECT_EQ(notice->money, (Money{1000, kKrw}));
  EXPECT_EQ(notice->answer.verdict, Verdict::kApproved);
  EXPECT_EQ(notice->answer.reference, "p1");
  const auto declined =
      Read(fmt::format(R"({{"type":"payment.declined","data":{{"key":"{}","code":"51"}}}})", Key()));
  EXPECT_EQ(declined->answer.verdict, Verdict::kDeclined);
  EXPECT_EQ(declined->answer.code, "51");
  EXPECT_FALSE(Read(R"({"type":"payout.paid","data":{}})")->relevant);
}

// It goes into protobufs and PostgreSQL, which take no half character and no NUL.
TEST_F(HttpProviderTest, ATextOfTheAcquirersIsCutBetweenCharactersAndHasNoControlCharacters) {
  std::string hangul;
  for (int i = 0; i < 22; ++i) hangul += "\xed\x95\x9c";  // of three bytes: the 64th is the first of one
  const std::pair<std::string, std::string> codes[] = {{hangul, hangul.substr(0, 63)},
                                                       {R"(5\u0000\n1\u007f)", "51"},
                                                       {std::string(64, 'x'), std::string(64, 'x')}};
  for (const auto& [code, kept] : codes) {
    Answers(402, fmt::format(R"({{"key":"{}","status":"declined","code":"{}"}})", Key(), code));
    EXPECT_EQ(Ask(&Provider::Approve, Request()).code, kept);
    const auto notice =
        Read(fmt::format(R"({{"type":"payment.declined","data":{{"key":"{}","code":"{}"}}}})", Key(), code));
    ASSERT_TRUE(notice.has_value()) << notice.error().detail;
    EXPECT_EQ(notice->answer.code, kept);
  }
  const std::string long_id(254, 'x');
  const std::pair<std::string, std::string> ids[] = {{long_id + "\xc3\xa4", long_id}, {R"(p\u00001)", "p1"}};
  for (const auto& [id, kept] : ids) {
    const std::string members =
        fmt::format(R"("key":"{}","id":"{}","amount":1000,"currency":"KRW")", Key(), id);
    Answers(200, fmt::format(R"({{"status":"captured",{}}})", members));
    EXPECT_EQ(Ask(&Provider::Approve, Request()).reference, kept);
    const auto notice = Read(fmt::format(R"({{"type":"payment.captured","data":{{{}}}}})", members));
    ASSERT_TRUE(notice.has_value()) << notice.error().detail;
    EXPECT_EQ(notice->answer.reference, kept);
  }
}

TEST_F(HttpProviderTest, AWebhookThatCannotBeReadIsNamedByItsField) {
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "body"},
      {"{", "body"},
      {"{}", "type"},
      {R"({"type":"payment.captured"})", "data.key"},
      {R"({"type":"payment.captured","data":{"key":"x/1"}})", "data.key"},
      {fmt::format(R"({{"type":"payment.captured","data":{{"key":"{}/0"}}}})", reservation_.ToString()),
       "data.key"},
      {fmt::format(R"({{"type":"payment.captured","data":{{"key":"{}"}}}})", Key()), "data.amount"}};
  for (const auto& [body, field] : cases) {
    const auto notice = Read(body);
    ASSERT_FALSE(notice.has_value()) << body;
    EXPECT_EQ(notice.error().reason, "webhook_malformed");
    EXPECT_THAT(notice.error().detail, testing::StartsWith(field));
  }
  EXPECT_EQ(Read("{}", kNow + 6min).error().reason, "webhook_timestamp");
  EXPECT_EQ(provider_->ReadWebhook({"w1", "1800000000", "v1,forged", "{}"}, kNow).error().reason,
            "webhook_signature");
}

// As a file that a secret was read from may end: every call would be refused by our own client.
TEST(HttpProviderConfig, AnApiKeyThatCannotBeSentStopsTheStart) {
  obs::Registry metrics;
  AcquirerConfig config;
  config.url = "https://acquirer.example";
  for (const char* key : {"top-key\n", "top-key\r\n", "top key", "top-key\x7f", "top-k\xc3\xa9y"}) {
    config.api_key = key;
    const auto made = HttpProvider::Make(config, metrics);
    ASSERT_FALSE(made.has_value()) << key;
    EXPECT_THAT(made.error().detail, AllOf(HasSubstr("acquirer.api_key"), Not(HasSubstr("top")))) << key;
  }
  config.api_key = "top-key";
  EXPECT_TRUE(HttpProvider::Make(config, metrics).has_value());
}

TEST(HttpProviderConfig, WhatCannotBeMeantStopsTheStart) {
  obs::Registry metrics;
  for (const char* url : {"", "acquirer.example", "ftp://acquirer.example", "http://", "https://:443/v1",
                          "https://ann:pass@acquirer.example", "https://acquirer.example/v1?x=1",
                          "https://acquirer.example/#v1", "https://acquirer.example/v1\n"}) {
    AcquirerConfig config;
    config.url = url;
    const auto made = HttpProvider::Make(config, metrics);
    ASSERT_FALSE(made.has_value()) << url;
    EXPECT_EQ(made.error().reason, "config") << url;
    EXPECT_THAT(made.error().detail, AllOf(HasSubstr("acquirer.url"), Not(HasSubstr("pass")))) << url;
  }
  AcquirerConfig config;
  config.url = "https://acquirer.example";
  config.webhook_secrets = {"secret"};
  EXPECT_THAT(HttpProvider::Make(config, metrics).error().detail, HasSubstr("acquirer.webhook_secrets"));
  config.webhook_secrets.clear();
  config.timeout = 99ms;
  EXPECT_THAT(HttpProvider::Make(config, metrics).error().detail, HasSubstr("acquirer.timeout_ms"));
}

}  // namespace
}  // namespace boxoffice::payment
