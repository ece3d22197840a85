#include "gateway/waiting_room.h"

#include <condition_variable>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

queue::v1::TokenClaims Claims(uint64_t sequence) {
  queue::v1::TokenClaims claims;
  claims.set_show_id(1);
  claims.set_user_id("ada");
  claims.set_sequence(sequence);
  claims.set_expires_at_ms(ToUnixMs(kNow) + 1'000);
  return claims;
}

queue::v1::Queue Head(uint64_t head, double rate, double measured = 0) {
  queue::v1::Queue queue;
  queue.set_head_sequence(head);
  queue.set_rate_per_s(rate);
  queue.set_admitted_per_s(measured);
  return queue;
}

TEST(WaitingSessionTest, PositionCountsFromTheHead) {
  EXPECT_EQ(WaitingSession(Claims(11), Head(10, 1), kNow)->position(), 1U);
  EXPECT_EQ(WaitingSession(Claims(1'010), Head(10, 1), kNow)->position(), 1'000U);
}

TEST(WaitingSessionTest, WhoWasCalledIsNotAnsweredHere) {
  EXPECT_EQ(WaitingSession(Claims(10), Head(10, 1), kNow), std::nullopt);
  EXPECT_EQ(WaitingSession(Claims(9), Head(10, 1), kNow), std::nullopt);
}

TEST(WaitingSessionTest, WhoseTokenHasEndedIsNotAnsweredHere) {
  EXPECT_EQ(WaitingSession(Claims(11), Head(10, 1), kNow + milliseconds(1'000)), std::nullopt);
}

TEST(WaitingSessionTest, EstimateUsesTheMeasuredRateWhereTheCapHoldsPeopleBack) {
  queue::v1::Queue queue = Head(10, 50, 10);
  queue.set_active_cap(500);
  queue.set_active(499);
  EXPECT_EQ(WaitingSession(Claims(110), queue, kNow)->eta_s(), 2U);
  queue.set_active(500);
  EXPECT_EQ(WaitingSession(Claims(110), queue, kNow)->eta_s(), 10U);
  queue.set_admitted_per_s(0);
  EXPECT_EQ(WaitingSession(Claims(110), queue, kNow)->eta_s(), 2U);
}

TEST(WaitingSessionTest, AskAgainSoonNearTheFrontAndSeldomFarBehind) {
  EXPECT_EQ(WaitingSession(Claims(15), Head(10, 1), kNow)->refresh_interval_s(), 1U);
  EXPECT_EQ(WaitingSession(Claims(60), Head(10, 1), kNow)->refresh_interval_s(), 10U);
  EXPECT_EQ(WaitingSession(Claims(1'000'000), Head(10, 1), kNow)->refresh_interval_s(), 20U);
}

class WaitingRoomTest : public GatewayTest {
 protected:
  // Heartbeats come as long as the gateway runs, which is longer than a test's body.
  std::mutex present_mutex_;
  std::condition_variable came_;
  std::vector<uint64_t> present_;
};

queue::v1::Outcome ActiveSession() {
  queue::v1::Outcome outcome;
  queue::v1::Session& session = *outcome.mutable_session();
  session.set_state(queue::v1::ACTIVE);
  session.set_token("v1.k.p.s");
  session.set_refresh_interval_s(20);
  session.set_expires_at_ms(1'800'000'300'000);
  return outcome;
}

// Polls until the gateway has fetched a head, which it does four times a second.
std::string PollUntil(const std::function<http::ClientResponse()>& poll,
                      const std::function<bool(const http::ClientResponse&)>& done) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  http::ClientResponse answer;
  do {
    answer = poll();
  } while (!done(answer) && std::chrono::steady_clock::now() < limit);
  return answer.body;
}

TEST_F(WaitingRoomTest, AWaitingPollIsAnsweredWithoutACallAndCountsAsPresence) {
  services_.queue.commands.answer = [this](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    const std::scoped_lock lock(present_mutex_);
    for (const uint64_t sequence : command.heartbeat().sequences()) present_.push_back(sequence);
    came_.notify_all();
    return ActiveSession();
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  const std::string body = PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
                                     [](const auto& answer) { return answer.body.contains("WAITING"); });
  const boost::json::value session = boost::json::parse(body);
  EXPECT_EQ(session.at("state").as_string(), "WAITING");
  EXPECT_EQ(session.at("position").as_int64(), 15);
  EXPECT_EQ(session.at("token").as_string(), options.queue_token);
  EXPECT_EQ(session.at("show_id").as_string(), "1");
  std::unique_lock lock(present_mutex_);
  EXPECT_TRUE(came_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return std::ranges::find(present_, 25U) != present_.end(); }));
}

TEST_F(WaitingRoomTest, WhoWasCalledIsAnsweredByTheQueueService) {
  services_.queue.commands.answer = [&](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    EXPECT_EQ(command.poll().user_id(), "ada");
    return ActiveSession();
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 5);
  const http::ClientResponse answer = Call("GET", "/v1/queue", {}, options);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json(answer).at("state").as_string(), "ACTIVE");
  EXPECT_EQ(Json(answer).at("position").as_int64(), 0);
  EXPECT_GE(services_.queue.commands.calls, 1);
}

TEST_F(WaitingRoomTest, WhoeverIsInGetsATokenThatSaysSoAndTheReservationIsTold) {
  services_.queue.commands.answer = [this](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome = ActiveSession();
    outcome.mutable_session()->set_token(QueueToken());
    return outcome;
  };
  AnswerReservations(reservation::v1::HELD);
  Options options;
  options.key = "k1";
  const boost::json::value joined = Json(Call("POST", "/v1/shows/1/queue"));
  EXPECT_EQ(joined.at("token").as_string(), QueueToken());
  options.queue_token = joined.at("admission").as_string().c_str();
  const Result<queue::v1::TokenClaims> claims = ReadQueueToken(*keys_, options.queue_token);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->active_until_ms(), 1'800'000'300'000);
  EXPECT_EQ(claims->sequence(), 5U) << "the place is the same";
  EXPECT_EQ(Call("POST", "/v1/reservations", R"({"show_id":1,"seats":[7]})", options).status, 201);
  EXPECT_EQ(commands_.back().reserve().active_until_ms(), 1'800'000'300'000);
  options.queue_token = QueueToken();
  EXPECT_EQ(Call("POST", "/v1/reservations", R"({"show_id":1,"seats":[7]})", options).status, 201);
  EXPECT_EQ(commands_.back().reserve().active_until_ms(), 0)
      << "as the queue gave it, it says nothing of that";
}

TEST_F(WaitingRoomTest, JoinAndLeave) {
  services_.queue.commands.answer = [&](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    EXPECT_TRUE(command.leave().user_id() == "ada" || command.join().user_id() == "ada");
    return ActiveSession();
  };
  EXPECT_EQ(Json(Call("POST", "/v1/shows/1/queue")).at("token").as_string(), "v1.k.p.s");
  Options options;
  options.queue_token = QueueToken();
  EXPECT_EQ(Call("DELETE", "/v1/queue", {}, options).status, 204);
}

TEST_F(WaitingRoomTest, JoiningAClosedQueueIs409) {
  services_.queue.commands.answer = [&](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome;
    outcome.mutable_session()->set_refusal("queue_closed");
    return outcome;
  };
  EXPECT_EQ(CodeOf(Call("POST", "/v1/shows/1/queue")), "queue_closed");
}

TEST_F(WaitingRoomTest, AStreamTellsTheSessionAndEndsWithIt) {
  services_.queue.commands.answer = [&](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome = ActiveSession();
    if (services_.queue.commands.calls > 1) outcome.mutable_session()->set_state(queue::v1::COMPLETED);
    return outcome;
  };
  Options options;
  options.queue_token = QueueToken();
  const http::ClientResponse answer = Call("GET", "/v1/queue/events", {}, options);
  EXPECT_THAT(answer.body, testing::StartsWith("event: session\ndata: {"));
  EXPECT_THAT(answer.body, testing::HasSubstr("COMPLETED"));
}

}  // namespace
}  // namespace boxoffice::gateway
