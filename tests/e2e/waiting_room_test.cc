// The waiting room as buyers and operators meet it: a draw, openings, what became of everybody, and no queue
// at all.
#include <fstream>
#include <sstream>
#include <thread>

#include <boost/json/parse.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using testing::HasSubstr;

class WaitingRoom : public testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = std::make_unique<System>(); }
  static void TearDownTestSuite() { system_.reset(); }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static std::string QueueOf(const std::string& show) {
    return fmt::format("/v1/admin/shows/{}/queue", show);
  }
  Reply Set(const std::string& show, const std::string& change) {
    return system_->Admin("PATCH", QueueOf(show), change);
  }
  Reply State(const std::string& show) { return system_->Admin("GET", QueueOf(show)); }
  // As everybody may see it.
  Reply View(const std::string& show) {
    Api api(system_->AnyGateway());
    return api.Call("GET", fmt::format("/v1/shows/{}/queue", show));
  }
  // `boxoffice queue …` of an operator.
  Finished Queue(std::vector<std::string> words) {
    words.insert(words.begin(), "queue");
    return system_->Cli(std::move(words));
  }
  std::vector<std::unique_ptr<Buyer>> Buyers(const std::string& prefix, int count) {
    std::vector<std::unique_ptr<Buyer>> buyers;
    for (int i = 0; i < count; ++i)
      buyers.push_back(std::make_unique<Buyer>(*system_, fmt::format("{}{}", prefix, i)));
    return buyers;
  }
  // What their gateway tells them now.
  static Reply Look(Buyer& buyer) { return buyer.Call("GET", "/v1/queue"); }
  static std::string In(seconds time) {
    const auto at = std::chrono::system_clock::now() + time;
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<seconds>(at));
  }

  static std::unique_ptr<System> system_;
};
std::unique_ptr<System> WaitingRoom::system_;

// Runs the buyers' program on what is published, in a file.
Finished Verify(const std::string& published, std::vector<std::string> arguments) {
  const testbed::TempDir dir;
  const std::string file = dir.path() / "queue.json";
  std::ofstream(file) << published;
  arguments.insert(
      arguments.begin(),
      {"/usr/bin/env", "python3", std::string(BOXOFFICE_SOURCE_DIR) + "/docs/howto/verify_draw.py", file});
  return RunCommand(arguments, seconds(60));
}

TEST_F(WaitingRoom, APrequeueIsDrawnAtItsTimeAndAnybodyCanCheckThePlaces) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(Set(show, R"({"rate_per_s":1,"active_cap":1})").status, 200);
  ASSERT_EQ(Queue({"prequeue", show}).exit_code, 0);
  const auto buyers = Buyers("drawn", 30);
  for (const auto& buyer : buyers) {
    const Reply joined = buyer->Join(show);
    ASSERT_EQ(joined.status, 200) << joined;
    EXPECT_EQ(joined.at("state"), "WAITING");
    EXPECT_EQ(joined.number("position"), 0) << joined;
    EXPECT_EQ(joined.at("queue_state"), "PREQUEUE");
  }
  // The next request may come to another gateway, which learns of it a moment later.
  Reply before;
  ASSERT_TRUE(Eventually([&] {
    before = View(show);
    return before.at("state") == "PREQUEUE";
  }));
  const std::string commitment = before.at("draw.commitment");
  EXPECT_EQ(commitment.size(), 64U);
  EXPECT_EQ(before.at("draw.seed"), "null") << before;
  EXPECT_EQ(Verify(before.text, {"1"}).exit_code, 2) << "nothing has been drawn yet";

  const Reply opening = Set(show, fmt::format(R"({{"opens_at":"{}"}})", In(seconds(8))));
  ASSERT_EQ(opening.status, 200) << opening;
  Reply after;
  const auto drawn = [&] {
    after = View(show);
    return after.at("draw.seed").size() == 64;
  };
  ASSERT_TRUE(Eventually(drawn, seconds(60))) << after;
  EXPECT_EQ(after.at("state"), "OPEN");
  EXPECT_EQ(after.at("opens_at"), "null");
  EXPECT_EQ(after.number("draw.entrants"), 30);
  EXPECT_EQ(after.at("draw.commitment"), commitment);

  int waiting = 0;
  for (const auto& buyer : buyers) {
    Reply mine;
    EXPECT_TRUE(Eventually([&] {
      mine = Look(*buyer);
      return mine.at("queue_state") == "OPEN";
    })) << mine;
    if (mine.at("state") != "WAITING") continue;
    ++waiting;
    EXPECT_LE(mine.number("position"), mine.number("place"));
    if (waiting % 5 != 1) continue;  // a process each
    const Finished verified = Verify(after.text, {mine.at("number"), "--commitment", commitment});
    EXPECT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_THAT(verified.out,
                HasSubstr(fmt::format("number {} has place {}\n", mine.at("number"), mine.at("place"))));
  }
  EXPECT_GE(waiting, 20);
  const std::string other = (commitment[0] == '0' ? '1' : '0') + commitment.substr(1);
  EXPECT_EQ(Verify(after.text, {"--commitment", other}).exit_code, 1) << "not what was committed to";
  const Finished shown = Queue({"draw", show, "--json"});
  EXPECT_EQ(json::parse(shown.out).at("draw").at("commitment").as_string(), commitment);
  EXPECT_EQ(Set(show, R"({"state":"PREQUEUE"})").at("code"), "queue_drawn");
}

TEST_F(WaitingRoom, AQueueIsPausedResumedClosedAndOpensByItself) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(Queue({"pause", show}).exit_code, 0);
  Buyer mina(*system_, "pause-mina");
  const Reply joined = mina.Join(show);
  EXPECT_EQ(joined.at("state"), "WAITING");
  EXPECT_EQ(joined.number("position"), 1);
  EXPECT_EQ(joined.at("queue_state"), "PAUSED");
  ASSERT_EQ(Queue({"resume", show}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] { return Look(mina).at("state") == "ACTIVE"; }));
  ASSERT_EQ(Queue({"close", show}).exit_code, 0);
  Buyer late(*system_, "pause-late");
  EXPECT_EQ(late.Join(show).at("code"), "queue_closed");
  EXPECT_EQ(Look(mina).at("state"), "ACTIVE") << "who is in stays";
  const Finished paused = Queue({"pause", show, "--opens-at", In(seconds(8)), "--json"});
  ASSERT_EQ(paused.exit_code, 0) << paused.err;
  EXPECT_FALSE(json::parse(paused.out).at("opens_at").is_null());
  ASSERT_EQ(late.Join(show).status, 200);
  EXPECT_TRUE(Eventually([&] { return Look(late).at("state") == "ACTIVE"; }, seconds(60)));
  EXPECT_EQ(State(show).at("state"), "OPEN");
}

TEST_F(WaitingRoom, AnOpeningThatCantBeMeantIsRefusedByNameAndChangesNothing) {
  const std::string show = system_->CreateShow();
  const Reply before = State(show);
  const Reply past = Set(show, R"({"state":"PAUSED","opens_at":"2020-01-01T00:00:00Z"})");
  EXPECT_EQ(past.status, 422);
  EXPECT_EQ(past.at("code"), "opens_at_out_of_range");
  EXPECT_EQ(past.at("field"), "opens_at");
  EXPECT_EQ(Set(show, R"({"state":"PAUSED","opens_at":"2999-01-01T00:00:00Z"})").status, 422);
  EXPECT_EQ(Set(show, R"({"state":"PAUSED","opens_at":"soon"})").at("field"), "opens_at");
  EXPECT_EQ(Set(show, fmt::format(R"({{"opens_at":"{}"}})", In(seconds(60)))).at("code"), "queue_is_open");
  EXPECT_EQ(Set(show, R"({"state":"LOTTERY"})").at("field"), "state");
  const Finished wrong = Queue({"prequeue", show, "--opens-at", "tomorrow"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("opens_at"));
  EXPECT_EQ(State(show).at("state"), before.at("state"));
  EXPECT_EQ(State(show).at("draw"), "null");
}

TEST_F(WaitingRoom, PositionsNeverGrowTheDepartedUseUpNoSlotAndEverybodyIsCounted) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(Set(show, R"({"rate_per_s":1000,"active_cap":2,"state":"PAUSED"})").status, 200);
  const auto buyers = Buyers("line", 12);
  std::vector<int64_t> positions;
  for (const auto& buyer : buyers) positions.push_back(buyer->Join(show).number("position"));
  for (size_t i = 0; i < buyers.size(); ++i) EXPECT_EQ(positions[i], static_cast<int64_t>(i) + 1);
  const auto nobody_moved_back = [&] {
    for (size_t i = 0; i < buyers.size(); ++i) {
      const Reply mine = Look(*buyers[i]);
      if (mine.at("state") != "WAITING") continue;
      EXPECT_LE(mine.number("position"), positions[i]);
      EXPECT_GT(mine.number("eta_s"), 0);
      positions[i] = mine.number("position");
    }
  };
  ASSERT_EQ(Set(show, R"({"state":"OPEN"})").status, 200);
  ASSERT_TRUE(Eventually([&] { return State(show).number("active") == 2; }));
  nobody_moved_back();
  for (size_t i = 2; i < 7; ++i) EXPECT_EQ(buyers[i]->Call("DELETE", "/v1/queue").status, 204);
  nobody_moved_back();
  ASSERT_EQ(buyers[0]->Call("DELETE", "/v1/queue").status, 204);
  EXPECT_TRUE(Eventually([&] { return Look(*buyers[7]).at("state") == "ACTIVE"; }))
      << "the first who is there, past five who left";
  EXPECT_EQ(State(show).number("active"), 2);
  nobody_moved_back();

  EXPECT_EQ(buyers[1]->Charge(1'000).status, 201);
  EXPECT_EQ(buyers[1]->Reserve(show, R"("seats":[1],"pay":true)").status, 201);
  EXPECT_TRUE(Eventually([&] { return State(show).number("completed") == 1; }));
  ASSERT_TRUE(Eventually([&] { return State(show).number("admitted") == 4; }));
  const json::value counts = json::parse(Queue({"get", show, "--json"}).out);
  const auto count = [&](const char* name) { return counts.at(name).to_number<int64_t>(); };
  EXPECT_EQ(count("joined"), 12);
  EXPECT_EQ(count("admitted"), 4);
  EXPECT_EQ(count("left"), 6);
  EXPECT_EQ(count("expired"), 0);
  EXPECT_EQ(count("waiting"), 3);
  EXPECT_EQ(count("joined"),
            count("waiting") + count("active") + count("left") + count("expired") + count("completed"));
  EXPECT_THAT(Queue({"list"}).out, HasSubstr("SERVED"));
  if (FormOfThisRun() == Form::kEmbedded) {
    Api api(system_->port());
    const std::string series = fmt::format("boxoffice_queue_left_total{{show=\"{}\"}} 6\n", show);
    EXPECT_TRUE(Eventually([&] { return api.Call("GET", "/metrics").text.contains(series); }));
  }
  system_->ExpectCleanAudit();
}

TEST_F(WaitingRoom, AStreamTellsPlaceAndStateUntilTheSessionEnds) {
  const std::string show = system_->CreateShow();
  ASSERT_EQ(Set(show, R"({"state":"PAUSED"})").status, 200);
  Buyer mina(*system_, "stream-mina");
  ASSERT_EQ(mina.Join(show).status, 200);
  Reply stream;
  std::thread follower([&] {
    Buyer follower(*system_, "stream-mina");
    follower.set_queue_token(mina.queue_token());
    follower.api().SetTimeout(seconds(60));
    stream = follower.Call("GET", "/v1/queue/events");
  });
  std::this_thread::sleep_for(milliseconds(700));  // so that most likely the first event is of the pause
  EXPECT_EQ(Set(show, R"({"state":"OPEN"})").status, 200);
  EXPECT_TRUE(Eventually([&] { return Look(mina).at("state") == "ACTIVE"; }));
  std::this_thread::sleep_for(seconds(2));  // it follows once a second
  EXPECT_EQ(mina.Call("DELETE", "/v1/queue").status, 204);
  follower.join();
  EXPECT_THAT(stream.text, HasSubstr("event: session"));
  EXPECT_THAT(stream.text, HasSubstr(R"("state":"EXPIRED")")) << "the last thing that it tells";
  EXPECT_THAT(stream.text, HasSubstr(R"("queue_state":"OPEN")"));
}

TEST_F(WaitingRoom, WhereThereIsNoQueueBuyersReserveWithoutAToken) {
  const std::string show = system_->CreateShow();
  Buyer mina(*system_, "free-mina");
  EXPECT_EQ(mina.Reserve(show, R"("seats":[1])").at("code"), "queue_token_missing");
  ASSERT_EQ(Queue({"off", show}).exit_code, 0);
  EXPECT_EQ(mina.Join(show).at("code"), "queue_off");
  ASSERT_EQ(mina.Charge(5'000).status, 201);
  Reply paid;
  EXPECT_TRUE(Eventually([&] {  // its gateway learns of it within moments
    paid = mina.Reserve(show, R"("seats":[1],"pay":true)");
    return paid.status != 401;
  }));
  EXPECT_EQ(paid.status, 201) << paid;
  EXPECT_EQ(paid.at("state"), "CONFIRMED");
  const Reply held = mina.Reserve(show, R"("seats":[2,3])");
  EXPECT_EQ(held.at("state"), "HELD") << held;
  // The next step of who was let in needs no token either, whatever the queue is by then.
  ASSERT_EQ(Queue({"resume", show}).exit_code, 0);
  const Reply confirmed = mina.Confirm(held.at("id"));
  EXPECT_EQ(confirmed.at("state"), "CONFIRMED") << confirmed;
  EXPECT_TRUE(
      Eventually([&] { return mina.Reserve(show, R"("seats":[4])").at("code") == "queue_token_missing"; }));
  system_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
