#include "rehearsal/on_sale.h"

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/gzip.h"
#include "platform/http/server.h"

namespace boxoffice::rehearsal {
namespace {

namespace asio = boost::asio;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::string_view kHeld = R"({"id":"r1","state":"HELD","amount":500,"currency":"KRW"})";
constexpr std::string_view kFailed =
    R"({"id":"r1","state":"FAILED","saga":{"timeline":[]},"failure":{"code":"payment_declined","detail":""}})";

// A system that sells whatever is asked for, to one buyer who comes at once, pays, and keeps it. Tests put
// other answers in the place of its own.
class OnSaleTest : public ::testing::Test {
 protected:
  OnSaleTest() {
    Answer("POST /v1/shows/3/queue", 200, R"({"token":"q1","state":"ACTIVE"})");
    Answer("POST /v1/reservations", 201, std::string(kHeld));
    Answer("POST /v1/reservations/r1/confirm", 200, R"({"id":"r1","state":"CONFIRMED"})");
    Answer("DELETE /v1/queue", 200, "{}");
    Behaviour& behaviour = options_.behaviour;
    behaviour.by_map = behaviour.leave_waiting = behaviour.leave_holding = behaviour.cancel = 0;
    behaviour.think = std::chrono::milliseconds(0);
    behaviour.top_up = false;
    options_.connections = 2;
    options_.show = "3";
    options_.arrivals = {1, std::chrono::milliseconds(1), std::chrono::milliseconds(0)};
  }

  void Answer(const std::string& asked, int status, std::string body) {
    answers_[asked] = [status, body = std::move(body)](const http::Request&) {
      return http::JsonResponse(body, status);
    };
  }

  OnSaleFigures Play() {
    http::Router router;
    for (const auto& [asked, answer] : answers_) {
      const size_t space = asked.find(' ');
      router.Add(
          http::ParseMethod(asked.substr(0, space)), asked.substr(space + 1),
          [answer](http::Request& request) -> asio::awaitable<http::Response> { co_return answer(request); });
    }
    const auto server = *http::Server::Listen(io_, std::move(router));
    auto guard = asio::make_work_guard(io_);
    std::thread serving([this] { io_.run(); });
    options_.gateways = {Endpoint{"127.0.0.1", server->port()}};
    auto figures = PlayOnSale(options_, {"token"}, {});
    server->Stop();
    guard.reset();
    serving.join();
    EXPECT_TRUE(figures.has_value());
    return *std::move(figures);
  }
  static uint64_t Sum(const OnSaleFigures& figures, uint64_t Second::* member) {
    uint64_t sum = 0;
    for (const Second& second : figures.seconds) sum += second.*member;
    return sum;
  }
  static uint64_t Ended(const OnSaleFigures& figures, Ending ending) {
    return figures.endings[static_cast<size_t>(ending)];
  }

  OnSaleOptions options_;
  std::map<std::string, std::function<http::Response(const http::Request&)>> answers_;
  asio::io_context io_;
};

TEST_F(OnSaleTest, WhoBuysIsServed) {
  const OnSaleFigures figures = Play();
  EXPECT_EQ(figures.confirmed, 1U);
  EXPECT_EQ(Sum(figures, &Second::judged), 2U) << "a hold and a payment";
  EXPECT_EQ(Sum(figures, &Second::served), 1U);
  EXPECT_THAT(figures.errors, IsEmpty());
}

TEST_F(OnSaleTest, APaymentThatFailsAfterA202IsAnErrorOfThePaymentAndLate) {
  Answer("POST /v1/reservations/r1/confirm", 202, R"({"id":"r1","state":"CONFIRMING"})");
  Answer("GET /v1/reservations/r1", 200, std::string(kFailed));
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, ElementsAre(Pair("pay payment_declined", 1)));
  EXPECT_EQ(Ended(figures, Ending::kRefused), 1U);
  EXPECT_EQ(Sum(figures, &Second::judged), 2U);
  EXPECT_EQ(Sum(figures, &Second::slow), 1U) << "its outcome was asked for a second later";
  EXPECT_EQ(Sum(figures, &Second::served), 0U);
  const Histogram& paying = figures.steps[static_cast<size_t>(Step::kPay)].latency;
  EXPECT_EQ(paying.count(), 1U);
  EXPECT_GE(paying.max(), options_.slow_after) << "until the outcome, not until the 202";
}

TEST_F(OnSaleTest, AHoldThatFindsItsSeatsTakenAfterA202IsRefusedAsOneThatIsToldSoAtOnce) {
  options_.behaviour.attempts = 2;  // he chooses once more
  Answer("POST /v1/reservations", 202, R"({"id":"r1","state":"HELD","hold_expires_at":null})");
  Answer("GET /v1/reservations/r1", 200,
         R"({"id":"r1","state":"RELEASED","failure":{"code":"seats_taken"}})");
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.refusals, ElementsAre(Pair("hold seats_taken", 2)));
  EXPECT_THAT(figures.errors, IsEmpty());
  EXPECT_EQ(Ended(figures, Ending::kNoSeats), 1U);
}

TEST_F(OnSaleTest, APaymentWhoseOutcomeNobodyKnowsIsLateAtOnceAndAnErrorInTheEnd) {
  options_.behaviour.attempts = 1;  // three times it is asked for
  Answer("POST /v1/reservations/r1/confirm", 202, R"({"id":"r1","state":"CONFIRMING"})");
  Answer("GET /v1/reservations/r1", 200, R"({"id":"r1","state":"CONFIRMING"})");
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, ElementsAre(Pair("pay not_settled", 1)));
  EXPECT_EQ(Ended(figures, Ending::kGaveUp), 1U);
  EXPECT_EQ(Sum(figures, &Second::judged), 2U);
  EXPECT_EQ(Sum(figures, &Second::slow), 1U);
  EXPECT_EQ(Sum(figures, &Second::served), 0U);
  EXPECT_EQ(figures.steps[static_cast<size_t>(Step::kPay)].latency.count(), 0U) << "it has no answer";
  ASSERT_GE(figures.seconds.size(), 3U);
  EXPECT_EQ(figures.seconds.back().slow, 0U) << "it was late before it was given up";
}

TEST_F(OnSaleTest, APlaceThatHasEndedIsAnErrorByItsState) {
  Answer("POST /v1/shows/3/queue", 200, R"({"token":"q1","state":"EXPIRED"})");
  EXPECT_THAT(Play().errors, ElementsAre(Pair("join EXPIRED", 1)));
}

TEST_F(OnSaleTest, ARedirectIsNotWhatWasAskedFor) {
  Answer("POST /v1/shows/3/queue", 302, "");
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, ElementsAre(Pair("join http_302", 1)));
  EXPECT_EQ(Ended(figures, Ending::kRefused), 1U);
}

TEST_F(OnSaleTest, ACancellationThatIsRedirectedGivesNothingBack) {
  options_.behaviour.cancel = 1;
  Answer("POST /v1/reservations/r1/cancel", 302, "");
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, ElementsAre(Pair("cancel http_302", 1)));
  EXPECT_EQ(Ended(figures, Ending::kBought), 1U);
  EXPECT_EQ(figures.seats_cancelled, 0U);
}

// One row: its first two seats are sold ("Cg" is the bits 00 00 10 10, the first seat's are the last).
constexpr std::string_view kMap = R"({"states":"Cg","rows":{"seats":[4]},"accessible":[],"companions":[]})";

TEST_F(OnSaleTest, WhoChoosesOnTheMapFetchesItAsABrowserDoes) {
  options_.behaviour.by_map = 1;
  options_.behaviour.party = 1;
  std::string encoding;
  std::string held;
  answers_["GET /v1/shows/3/seat-map"] = [&encoding](const http::Request& request) {
    encoding = request.header("Accept-Encoding").value_or("");
    http::Response map = http::JsonResponse(http::Gzip(kMap));
    map.headers.Add("Content-Encoding", "gzip");
    return map;
  };
  answers_["POST /v1/reservations"] = [&held](const http::Request& request) {
    held = request.body();
    return http::JsonResponse(std::string(kHeld), 201);
  };
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, IsEmpty());
  EXPECT_EQ(figures.confirmed, 1U);
  EXPECT_EQ(encoding, "gzip");
  EXPECT_THAT(held, ::testing::AnyOf(R"({"show_id":"3","seats":[3]})", R"({"show_id":"3","seats":[4]})"));
}

TEST_F(OnSaleTest, AMapThatIsNoneIsAnError) {
  options_.behaviour.by_map = 1;
  options_.behaviour.attempts = 2;
  Answer("GET /v1/shows/3/seat-map", 200, "{}");
  const OnSaleFigures figures = Play();
  EXPECT_THAT(figures.errors, ElementsAre(Pair("seat map answer_malformed", 2)));
  EXPECT_EQ(Ended(figures, Ending::kGaveUp), 1U) << "whether there were seats nobody knows";
  EXPECT_EQ(Sum(figures, &Second::served), 0U);
}

}  // namespace
}  // namespace boxoffice::rehearsal
