#include "gateway/waiting_room.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_for_test.h"
#include "gateway/reconnect.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

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
  http::ClientResponse answer;
  (void)testbed::Eventually([&] { return done(answer = poll()); });
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
  EXPECT_TRUE(came_.wait_for(lock, std::chrono::seconds(60),
                             [&] { return std::ranges::find(present_, 25U) != present_.end(); }));
}

// Who was there all the time would be absent when called, and lose the place.
TEST_F(WaitingRoomTest, PresenceThatTheQueueServiceDidNotTakeIsSentAgain) {
  services_.queue.commands.answer = [this](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    if (!command.has_heartbeat()) return ActiveSession();
    EXPECT_EQ(command.header().priority(), rpc::v1::PRIORITY_FINISHING) << "refused last";
    const std::scoped_lock lock(present_mutex_);
    for (const uint64_t sequence : command.heartbeat().sequences()) present_.push_back(sequence);
    came_.notify_all();
    if (present_.size() == 1) return Fail(Code::kResourceExhausted, "overloaded");
    return queue::v1::Outcome();
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
            [](const auto& answer) { return answer.body.contains("WAITING"); });
  std::unique_lock lock(present_mutex_);
  EXPECT_TRUE(came_.wait_for(lock, std::chrono::seconds(60), [&] { return present_.size() >= 2; }));
  EXPECT_THAT(present_, testing::Each(25U)) << "from one poll";
}

TEST_F(WaitingRoomTest, APositionNeverGrowsFromThreadToThread) {
  gateway_->Stop();
  services_.queue.commands.answer = [](const queue::v1::Command&) { return ActiveSession(); };
  services_.queue.GetHeads_.answer = [head = std::make_shared<std::atomic<uint64_t>>(0)](const auto&) {
    queue::v1::GetHeadsResponse heads;
    queue::v1::Queue& queue = *heads.add_queues();
    queue.set_show_id(1);
    queue.set_head_sequence(++*head);  // so that no two fetches tell the same
    queue.set_last_sequence(1'000'000);
    queue.set_rate_per_s(10);
    queue.set_state(queue::v1::OPEN);
    return Result<queue::v1::GetHeadsResponse>(heads);
  };
  ASSERT_TRUE(gateway_->Start());
  Options options;
  options.queue_token = QueueToken("ada", 1, 1'000'000);
  const auto poll = [&] { return Call("GET", "/v1/queue", {}, options); };
  PollUntil(poll, [](const auto& answer) { return answer.body.contains("WAITING"); });
  const int64_t first = Json(poll()).at("position").as_int64();
  int64_t last = first;
  const auto fetched_again = [&] {
    const int64_t position = Json(poll()).at("position").as_int64();
    EXPECT_LE(position, last) << "each request goes to the other thread";
    last = position;
    return last <= first - 4 || HasFailure();
  };
  EXPECT_TRUE(testbed::Eventually(fetched_again)) << "it is fetched four times a second";
}

TEST_F(WaitingRoomTest, AGatewayHasReachedAllOnceItHasTheHeads) {
  EXPECT_TRUE(testbed::Eventually([&] { return gateway_->Unreached().empty(); }));
  gateway_->Stop();
  services_.queue.GetHeads_.answer = [](const auto&) -> Result<queue::v1::GetHeadsResponse> {
    return Fail(Code::kUnavailable, "not_leading");
  };
  ASSERT_TRUE(gateway_->Start());
  EXPECT_EQ(gateway_->Unreached(), "the queues' heads");
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

TEST_F(WaitingRoomTest, WhoeverHasLeftIsAnsweredByTheQueueService) {
  services_.queue.commands.answer = [](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome = ActiveSession();
    if (command.has_poll()) outcome.mutable_session()->set_state(queue::v1::EXPIRED);
    return outcome;
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  const auto poll = [&] { return Call("GET", "/v1/queue", {}, options); };
  PollUntil(poll, [](const auto& answer) { return answer.body.contains("WAITING"); });
  EXPECT_EQ(Call("DELETE", "/v1/queue", {}, options).status, 204);
  EXPECT_EQ(Json(poll()).at("state").as_string(), "EXPIRED");
}

TEST_F(WaitingRoomTest, WhoeverHasLeftByAnotherGatewayIsAnsweredByTheQueueServiceToo) {
  services_.queue.commands.answer = [](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome = ActiveSession();
    outcome.mutable_session()->set_state(queue::v1::EXPIRED);
    return outcome;
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  const auto poll = [&] { return Call("GET", "/v1/queue", {}, options); };
  PollUntil(poll, [](const auto& answer) { return answer.body.contains("WAITING"); });
  {
    const std::scoped_lock lock(mutex_);
    head_->add_left_lately(25);
  }
  EXPECT_THAT(PollUntil(poll, [](const auto& answer) { return answer.body.contains("EXPIRED"); }),
              testing::HasSubstr("EXPIRED"));
  {
    const std::scoped_lock lock(mutex_);
    head_->clear_left_lately();
    head_->set_head_sequence(11);
  }
  options.queue_token = QueueToken("ada", 1, 26);
  PollUntil(poll, [](const auto& answer) { return answer.body.contains(R"("position":15)"); });
  options.queue_token = QueueToken("ada", 1, 25);
  EXPECT_EQ(Json(poll()).at("state").as_string(), "EXPIRED") << "it is told but for a while, and stays so";
}

TEST_F(WaitingRoomTest, APositionDoesNotGrowFromTheJoinToTheFirstLook) {
  services_.queue.commands.answer = [this](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome = ActiveSession();
    if (!command.has_join()) return outcome;
    queue::v1::Session& session = *outcome.mutable_session();
    session.set_state(queue::v1::WAITING);
    session.set_token(QueueToken("ada", 1, 25));
    session.set_sequence(25);
    session.set_position(5);  // the head is 20 there, and was 10 when it was last fetched
    return outcome;
  };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 30);
  const auto poll = [&] { return Call("GET", "/v1/queue", {}, options); };
  PollUntil(poll, [](const auto& answer) { return answer.body.contains(R"("position":20)"); });
  EXPECT_EQ(Json(Call("POST", "/v1/shows/1/queue")).at("position").as_int64(), 5);
  options.queue_token = QueueToken("ada", 1, 25);
  EXPECT_EQ(Json(poll()).at("position").as_int64(), 5);
  // With the third fetch from now on, one that began after the join has been taken in.
  const int before = services_.queue.GetHeads_.calls;
  EXPECT_TRUE(testbed::Eventually([&] {
    EXPECT_EQ(Json(poll()).at("position").as_int64(), 5);
    return services_.queue.GetHeads_.calls >= before + 3 || HasFailure();
  }));
  EXPECT_EQ(Json(poll()).at("position").as_int64(), 5);
}

TEST_F(WaitingRoomTest, PlacesThatTheStoreHasLostAreTheQueueServicesToTell) {
  services_.queue.commands.answer = [](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome;
    outcome.mutable_session()->set_refusal("token_unknown");
    return outcome;
  };
  SetHead(10);
  const auto told = [&](uint64_t sequence, std::string_view what) {
    Options options;
    options.queue_token = QueueToken("ada", 1, sequence);
    return PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
                     [&](const auto& answer) { return answer.body.contains(what); });
  };
  EXPECT_THAT(told(25, "WAITING"), testing::HasSubstr("WAITING"));
  const auto set_last = [this](uint64_t last) {
    const std::scoped_lock lock(mutex_);
    head_->set_last_sequence(last);
  };
  set_last(20);
  EXPECT_THAT(told(25, "token_unknown"), testing::HasSubstr("token_unknown"));
  EXPECT_THAT(told(15, "WAITING"), testing::HasSubstr("WAITING")) << "was not lost";
  set_last(30);
  EXPECT_THAT(told(31, "token_unknown"), testing::HasSubstr("token_unknown"));
  EXPECT_THAT(told(25, "token_unknown"), testing::HasSubstr("token_unknown")) << "another one's by now";
  {
    const std::scoped_lock lock(mutex_);
    head_.reset();
  }
  EXPECT_THAT(told(15, "token_unknown"), testing::HasSubstr("token_unknown")) << "nobody has joined any more";
}

TEST_F(WaitingRoomTest, HeadsThatAreNotToldAgainStayUntilAnotherEpochBegins) {
  gateway_->Stop();
  const auto epoch = std::make_shared<std::atomic<uint64_t>>(7);
  const auto repeated = std::make_shared<std::atomic<int>>(0);
  services_.queue.commands.answer = [](const queue::v1::Command&) { return ActiveSession(); };
  services_.queue.GetHeads_.answer = [=](const queue::v1::GetHeadsRequest& request) {
    queue::v1::GetHeadsResponse heads;
    heads.set_epoch(*epoch);
    heads.set_revision(3);
    if (request.epoch() == 0) {
      queue::v1::Queue& queue = *heads.add_queues();
      queue.set_show_id(1);
      queue.set_head_sequence(10);
      queue.set_last_sequence(1'000);
      queue.set_state(queue::v1::OPEN);
    } else if (request.epoch() == 7 && request.revision() == 3) {
      ++*repeated;
    }
    return Result<queue::v1::GetHeadsResponse>(heads);
  };
  ASSERT_TRUE(gateway_->Start());
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  const auto poll = [&] { return Call("GET", "/v1/queue", {}, options); };
  PollUntil(poll, [](const auto& answer) { return answer.body.contains("WAITING"); });
  ASSERT_TRUE(testbed::Eventually([&] { return *repeated >= 2; })) << "it says what it has";
  EXPECT_THAT(poll().body, testing::HasSubstr("WAITING"));
  *epoch = 8;  // of a queue that has lost the show
  EXPECT_THAT(PollUntil(poll, [](const auto& answer) { return answer.body.contains("ACTIVE"); }),
              testing::HasSubstr("ACTIVE"));
}

TEST_F(WaitingRoomTest, WhoeverWaitsIsToldWhenTheShowIsSoldOutAndWhenItNoLongerIs) {
  const auto state = std::make_shared<std::atomic<seat::v1::ShowState>>(seat::v1::SOLD_OUT);
  services_.seat.GetShow_.answer = [state](const auto&) -> Result<seat::v1::Show> {
    seat::v1::Show show = AShow();
    show.set_state(*state);
    return show;
  };
  services_.queue.commands.answer = [](const queue::v1::Command&) { return ActiveSession(); };
  SetHead(10);
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  const auto told = [&](std::string_view what) {
    return PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
                     [&](const auto& answer) { return answer.body.contains(what); });
  };
  const std::string body = told(R"("show_state":"SOLD_OUT")");
  EXPECT_THAT(body, testing::HasSubstr(R"("show_state":"SOLD_OUT")"));
  EXPECT_THAT(body, testing::HasSubstr("WAITING")) << "the place is kept: seats may come back";
  *state = seat::v1::ON_SALE;
  EXPECT_THAT(told(R"("show_state":"ON_SALE")"), testing::HasSubstr(R"("show_state":"ON_SALE")"));
}

class SlowSeatTest : public WaitingRoomTest {
 protected:
  // Nobody gives up before the test does.
  void Configure(GatewayConfig& config) override { config.limits.query_timeout = std::chrono::seconds(600); }
};

// Neither show is told before both have been asked for.
TEST_F(SlowSeatTest, OneShowThatIsSlowToTellItsStateHoldsUpNoOther) {
  gateway_->Stop();
  struct Asked {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<int64_t> shows;
  };
  services_.seat.GetShow_.answer =
      [asked = std::make_shared<Asked>()](const seat::v1::GetShowRequest& request) -> Result<seat::v1::Show> {
    std::unique_lock lock(asked->mutex);
    asked->shows.insert(request.id());
    asked->changed.notify_all();
    const auto both = [&] { return asked->shows.size() == 2; };
    if (!asked->changed.wait_for(lock, std::chrono::seconds(60), both))
      return Fail(Code::kUnavailable, "slow");
    seat::v1::Show show = AShow();
    show.set_id(request.id());
    show.set_state(seat::v1::SOLD_OUT);
    return show;
  };
  services_.queue.commands.answer = [](const queue::v1::Command&) { return ActiveSession(); };
  services_.queue.GetHeads_.answer = [](const auto&) {
    queue::v1::GetHeadsResponse heads;
    for (const int64_t show_id : {1, 2}) {
      queue::v1::Queue& queue = *heads.add_queues();
      queue.set_show_id(show_id);
      queue.set_head_sequence(10);
      queue.set_last_sequence(1'000);
      queue.set_state(queue::v1::OPEN);
    }
    return Result<queue::v1::GetHeadsResponse>(heads);
  };
  ASSERT_TRUE(gateway_->Start());
  const auto is_told = [&](int64_t show_id) {
    Options options;
    options.queue_token = QueueToken("ada", show_id, 25);
    return Call("GET", "/v1/queue", {}, options).body.contains(R"("show_state":"SOLD_OUT")");
  };
  EXPECT_TRUE(testbed::Eventually([&] {
    const bool first = is_told(1);
    return is_told(2) && first;
  }));
}

TEST_F(WaitingRoomTest, JoiningAClosedQueueIs409) {
  services_.queue.commands.answer = [&](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome;
    outcome.mutable_session()->set_refusal("queue_closed");
    return outcome;
  };
  EXPECT_EQ(CodeOf(Call("POST", "/v1/shows/1/queue")), "queue_closed");
}

TEST_F(WaitingRoomTest, JoiningALineThatIsFullIsToComeAgain) {
  services_.queue.commands.answer = [&](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome;
    outcome.mutable_session()->set_refusal("queue_full");
    return outcome;
  };
  const http::ClientResponse answer = Call("POST", "/v1/shows/1/queue");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(CodeOf(answer), "queue_full");
  EXPECT_TRUE(answer.header("Retry-After"));
}

TEST_F(WaitingRoomTest, ADrawIsTakenOverAndEverybodyMaySeeIt) {
  const std::string seed(64, 'b');
  SetHead(0);
  {
    const std::scoped_lock lock(mutex_);
    head_->set_pace_per_s(10);
    queue::v1::Draw& draw = *head_->mutable_draw();
    draw.set_commitment(auth::CommitmentTo(seed));
    draw.set_entrants(30);
    draw.set_seed(seed);
    draw.set_drawn_at_ms(1'800'000'000'000);
  }
  Options options;
  options.queue_token = QueueToken("ada", 1, 25);
  services_.queue.commands.answer = [](const queue::v1::Command&) {
    return Result<queue::v1::Outcome>(ActiveSession());
  };
  const std::string body =
      PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
                [](const auto& answer) {
                  return answer.body.contains("WAITING") && !answer.body.contains(R"("place":0,)");
                });
  const boost::json::value session = boost::json::parse(body);
  EXPECT_EQ(session.at("number").as_int64(), 25);
  EXPECT_EQ(session.at("place").as_int64(), static_cast<int64_t>(auth::Shuffle(seed, 0, 30).PlaceOf(25)));
  EXPECT_EQ(session.at("queue_state").as_string(), "OPEN");
  options = {};
  options.user.clear();
  const boost::json::value view = Json(Call("GET", "/v1/shows/1/queue", {}, options));
  EXPECT_EQ(view.at("draw").at("seed").as_string(), seed);
  EXPECT_EQ(view.at("draw").at("entrants").as_int64(), 30);
  EXPECT_EQ(Call("GET", "/v1/shows/9/queue", {}, options).status, 404);
}

TEST_F(WaitingRoomTest, AQueueThatNobodyHasTouchedIsOpen) {
  const std::string body = PollUntil([&] { return Call("GET", "/v1/shows/1/queue"); },
                                     [](const auto& answer) { return answer.status == 200; });
  const boost::json::value view = boost::json::parse(body);
  EXPECT_EQ(view.at("state").as_string(), "OPEN");
  EXPECT_TRUE(view.at("draw").is_null());
  EXPECT_TRUE(view.at("opens_at").is_null());
}

TEST_F(WaitingRoomTest, ATokenOfAnOlderKeyIsExchangedWhileItsHolderWaits) {
  SetHead(10);
  queue::v1::TokenClaims claims;
  claims.set_show_id(1);
  claims.set_user_id("ada");
  claims.set_sequence(25);
  claims.set_expires_at_ms(ToUnixMs(clock_.Now()) + 3'600'000);
  const auto old_keys = auth::KeyRing::Make({kOldKey});
  Options options;
  options.queue_token = old_keys->Sign(claims.SerializeAsString());
  services_.queue.commands.answer = [](const queue::v1::Command&) {
    return Result<queue::v1::Outcome>(ActiveSession());
  };
  const std::string body = PollUntil([&] { return Call("GET", "/v1/queue", {}, options); },
                                     [](const auto& answer) { return answer.body.contains("WAITING"); });
  EXPECT_EQ(boost::json::parse(body).at("token").as_string(), QueueToken("ada", 1, 25));
}

TEST_F(WaitingRoomTest, WhereThereIsNoQueueAReservationNeedsNoToken) {
  AnswerReservations(reservation::v1::HELD);
  SetHead(0);
  {
    const std::scoped_lock lock(mutex_);
    head_->set_state(queue::v1::OFF);
  }
  Options options;
  options.key = "k1";
  const std::string body =
      PollUntil([&] { return Call("POST", "/v1/reservations", R"({"show_id":"1","seats":[7]})", options); },
                [](const auto& answer) { return answer.status == 201; });
  EXPECT_THAT(body, testing::HasSubstr("HELD"));
  EXPECT_EQ(commands_.back().reserve().queue_token(), "");
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
  EXPECT_THAT(answer.body, testing::HasSubstr("\n\nretry: "));
}

TEST_F(WaitingRoomTest, AStreamOutlivesNoToken) {
  services_.queue.commands.answer = [&](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    // From the stream's first look on, the token that it was opened with has ended.
    if (services_.queue.commands.calls == 2) clock_.Advance(std::chrono::hours(2));
    queue::v1::Outcome outcome = ActiveSession();
    outcome.mutable_session()->set_refresh_interval_s(1);
    return outcome;
  };
  Options options;
  options.queue_token = QueueToken();
  const http::ClientResponse answer = Call("GET", "/v1/queue/events", {}, options);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, testing::HasSubstr("ACTIVE"));
  EXPECT_EQ(services_.queue.commands.calls, 2);
}

TEST(ReconnectHintTest, StreamsThatEndTogetherComeBackApart) {
  std::set<std::string> hints;
  for (int i = 0; i < 100; ++i) hints.insert(*ReconnectHint());
  EXPECT_EQ(hints.size(), 100U);
  for (const std::string& hint : hints) {
    EXPECT_GE(hint, "retry: 1000\n\n");
    EXPECT_LT(hint, "retry: 5000\n\n");
  }
}

}  // namespace
}  // namespace boxoffice::gateway
