// Of the tools that break the system: that they do what they say.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chaos/faults.h"
#include "chaos/probe.h"
#include "chaos/proxy.h"
#include "chaos/report.h"
#include "testing/process.h"
#include "testing/temp_dir.h"

namespace boxoffice::chaos {
namespace {

using asio::ip::tcp;
using std::chrono::seconds;
using std::chrono::steady_clock;

std::vector<Kind> AllKinds() { return {std::begin(kAllKinds), std::end(kAllKinds)}; }

TEST(Plan, TheSameSeedGivesTheSamePlanAndAnotherAnother) {
  const auto targets = [](uint64_t seed) {
    std::vector<uint64_t> draws;
    Plan plan(AllKinds(), seed);
    for (int round = 0; round < 5; ++round) {
      for (const Slot& slot : plan.NextRound(4)) {
        for (const Planned& planned : slot) draws.push_back(planned.draw);
      }
    }
    return draws;
  };
  EXPECT_EQ(targets(7).size(), 20U);
  EXPECT_EQ(targets(7), targets(7));
  EXPECT_NE(targets(7), targets(8));
}

TEST(Plan, EachKindComesOnceBeforeAnyComesAgain) {
  Plan plan(AllKinds(), 1);
  std::map<Kind, int> times;
  for (const Slot& slot : plan.NextRound(static_cast<int>(std::size(kAllKinds)))) {
    for (const Planned& planned : slot) ++times[planned.kind];
  }
  EXPECT_EQ(times.size(), std::size(kAllKinds));
}

TEST(Plan, SomeFaultsOverlap) {
  Plan plan(AllKinds(), 1);
  const std::vector<Slot> slots = plan.NextRound(100);
  EXPECT_TRUE(std::ranges::any_of(slots, [](const Slot& slot) { return slot.size() == 2; }));
  EXPECT_TRUE(std::ranges::any_of(slots, [](const Slot& slot) { return slot.size() == 1; }));
}

TEST(Plan, EveryKindIsParsedByItsName) {
  for (const Kind kind : kAllKinds) EXPECT_EQ(ParseKind(KindName(kind)), kind);
  EXPECT_EQ(ParseKind("earthquake"), std::nullopt);
}

// A server that says each line back, for one connection after the other.
class Echo {
 public:
  Echo() : thread_([this] { Run(); }) {}
  ~Echo() {
    stop_ = true;
    boost::system::error_code ignored;
    asio::io_context io;
    tcp::socket(io).connect(acceptor_.local_endpoint(), ignored);  // wakes it up
  }
  [[nodiscard]] std::string address() const {
    return fmt::format("127.0.0.1:{}", acceptor_.local_endpoint().port());
  }

 private:
  void Run() {
    while (!stop_) {
      boost::system::error_code error;
      tcp::socket socket = acceptor_.accept(error);
      char byte = 0;
      while (!error && !stop_) {
        asio::read(socket, asio::buffer(&byte, 1), error);
        if (!error) asio::write(socket, asio::buffer(&byte, 1), error);
      }
    }
  }
  std::atomic<bool> stop_ = false;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::jthread thread_;
};

class Through : public ::testing::Test {
 protected:
  void SetUp() override {
    auto link = proxy_.Add("seat", "postgresql", echo_.address());
    ASSERT_TRUE(link.has_value()) << link.error().detail;
    link_ = *link;
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), link_->port()));
  }
  // The time until it came back; nullopt: the connection broke.
  std::optional<milliseconds> Say(char byte) {
    const auto begin = steady_clock::now();
    boost::system::error_code error;
    asio::write(socket_, asio::buffer(&byte, 1), error);
    char heard = 0;
    if (!error) asio::read(socket_, asio::buffer(&heard, 1), error);
    if (error) return std::nullopt;
    EXPECT_EQ(heard, byte);
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
  }

  Echo echo_;
  Proxy proxy_;
  Link* link_ = nullptr;
  asio::io_context io_;
  tcp::socket socket_{io_};
};

TEST_F(Through, WhatIsSentComesThroughAndBack) {
  EXPECT_TRUE(Say('a').has_value());
  EXPECT_TRUE(Say('b').has_value());
}

TEST_F(Through, ADelayIsMetInBothDirections) {
  ASSERT_TRUE(Say('a').has_value());
  link_->Delay(milliseconds(150));
  EXPECT_GE(Say('b').value_or(milliseconds(0)), milliseconds(300));
}

TEST_F(Through, NothingIsLostByACutInEitherDirectionAndAllComesWhenItIsOver) {
  for (const auto& [there, back] : {std::pair(true, false), std::pair(false, true)}) {
    ASSERT_TRUE(Say('a').has_value());
    link_->Cut(there, back);
    // Not by the time it takes: this thread may be late to begin.
    std::atomic<bool> healed = false;
    std::jthread heals([this, &healed] {
      std::this_thread::sleep_for(milliseconds(400));
      healed = true;
      link_->Cut(false, false);
    });
    EXPECT_TRUE(Say('b').has_value());
    EXPECT_TRUE(healed) << "it came while the link was cut";
  }
}

TEST_F(Through, AResetBreaksTheConnectionAndANewOneWorks) {
  ASSERT_TRUE(Say('a').has_value());
  link_->Reset();
  char byte = 0;
  boost::system::error_code error;
  asio::read(socket_, asio::buffer(&byte, 1), error);
  EXPECT_TRUE(error);
  socket_ = tcp::socket(io_);
  socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), link_->port()));
  EXPECT_TRUE(Say('b').has_value());
}

// A process that is asked what time it is.
TEST(ClockJump, TheWallClockOfAProcessIsAheadByWhatTheFileSays) {
  const testbed::TempDir dir;
  const auto file = dir.path() / "ahead";
  const auto ahead = [&](int64_t us) {
    std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(&us), sizeof us);
    const std::string library = testbed::BinDir() / "libclock_jump.so";
    const testbed::Finished date = testbed::RunCommand(
        {"/usr/bin/env", "LD_PRELOAD=" + library, "CLOCK_JUMP_FILE=" + file.string(), "/bin/date", "+%s"},
        seconds(30));
    int64_t told = 0;
    std::from_chars(date.out.data(), date.out.data() + date.out.size(), told);
    return told - ToUnixMs(SystemClock().Now()) / 1'000;
  };
  EXPECT_NEAR(static_cast<double>(ahead(0)), 0, 60);
  EXPECT_NEAR(static_cast<double>(ahead(3'600'000'000)), 3'600, 60);
  EXPECT_NEAR(static_cast<double>(ahead(-3'600'000'000)), -3'600, 60);
}

Reply Answer(int status, const std::string& text) { return {status, boost::json::parse(text), text}; }
// Asks on for a while, whatever the time.
bool AskOn(const std::function<bool()>& done) {
  for (int i = 0; i < 20; ++i) {
    if (done()) return true;
  }
  return false;
}

TEST(Probe, ARoundInWhichNobodyCouldBuyIsAViolation) {
  const auto nobody_is_let_in = [](const Question&) {
    return Answer(200, R"({"state":"WAITING","token":"t"})");
  };
  EXPECT_THAT(TryToBuy("7", nobody_is_let_in, AskOn),
              ::testing::Optional(::testing::HasSubstr("GET /v1/queue was answered 200 ")));
  const auto nobody_answers = [](const Question&) { return Reply(); };
  EXPECT_THAT(TryToBuy("7", nobody_answers, AskOn),
              ::testing::Optional(::testing::HasSubstr("POST /v1/shows/7/queue was answered 0")));
  const auto nothing_is_confirmed = [](const Question& question) {
    if (question.path == "/v1/shows/7/queue") return Answer(201, R"({"state":"ACTIVE","token":"t"})");
    if (question.path == "/v1/wallet/charges") return Answer(201, "{}");
    return Answer(202, R"({"state":"CONFIRMING"})");
  };
  EXPECT_THAT(TryToBuy("7", nothing_is_confirmed, AskOn),
              ::testing::Optional(::testing::HasSubstr("POST /v1/reservations was answered 202")));
}

TEST(Probe, WhatWasNotDoneIsAskedAgainWithTheSameKeyUntilItIsConfirmed) {
  std::map<std::string, int> times;  // by path
  std::map<std::string, std::string> keys;
  const auto ask = [&](const Question& question) {
    const int nth = ++times[question.path];
    const auto [first, added] = keys.try_emplace(question.path, question.key);
    EXPECT_EQ(first->second, question.key);
    if (nth == 1) return Reply();
    if (question.path == "/v1/shows/7/queue") return Answer(201, R"({"state":"WAITING","token":"t"})");
    if (question.path == "/v1/queue")
      return Answer(200, R"({"state":"ACTIVE","token":"t","admission":"in"})");
    if (question.path == "/v1/wallet/charges") return Answer(201, "{}");
    EXPECT_EQ(question.path, "/v1/reservations");
    EXPECT_EQ(question.queue_token, "in");
    if (nth == 2) return Answer(202, R"({"state":"CONFIRMING"})");
    return Answer(201, R"({"state":"CONFIRMED"})");
  };
  EXPECT_EQ(TryToBuy("7", ask, AskOn), std::nullopt);
  EXPECT_FALSE(keys["/v1/reservations"].empty());
  EXPECT_FALSE(keys["/v1/wallet/charges"].empty());
  EXPECT_EQ(times["/v1/reservations"], 3);
}

TEST(Probe, WhereNothingIsLeftSheHasBeenServed) {
  const auto sold_out = [](const Question& question) {
    if (question.path == "/v1/shows/7/queue") return Answer(201, R"({"state":"ACTIVE","token":"t"})");
    if (question.path == "/v1/wallet/charges") return Answer(201, "{}");
    return Answer(409, R"({"code":"not_enough_seats"})");
  };
  EXPECT_EQ(TryToBuy("7", sold_out, AskOn), std::nullopt);
}

TEST(Report, ARunInWhichNothingWasBrokenProvesNothing) {
  RunReport run;
  run.rounds.emplace_back();
  EXPECT_EQ(ExitCode(run), 2);
  EXPECT_THAT(RenderTable(run), ::testing::HasSubstr("nothing was broken"));
  run.rounds.back().faults.push_back({Kind::kRedisKill, "redis", {}, {}, milliseconds(0)});
  EXPECT_EQ(ExitCode(run), 0);
  run.interrupted = true;
  EXPECT_EQ(ExitCode(run), 2);
  run.violations = {"round 1: audit: it is not clean"};
  EXPECT_EQ(ExitCode(run), 1);
}

TEST(Report, TellsEachKindWithItsRecoveryAndEveryViolation) {
  RunReport run;
  RoundReport round;
  for (const int64_t recovery : {200, 4'000, 900})
    round.faults.push_back({Kind::kRedisKill, "redis", {}, {}, milliseconds(recovery)});
  round.verdict.confirmed = 12;
  round.verdict.unknowns = 3;
  round.verdict.unknowns_done = 2;
  run.rounds.push_back(round);
  run.violations = {"round 1: audit: it is not clean"};
  const boost::json::value report = boost::json::parse(RenderJson(run));
  EXPECT_EQ(report.at("by_kind").at("redis-kill").at("times"), 3);
  EXPECT_EQ(report.at("by_kind").at("redis-kill").at("recovery_median_ms"), 900);
  EXPECT_EQ(report.at("by_kind").at("redis-kill").at("recovery_longest_ms"), 4'000);
  EXPECT_EQ(report.at("confirmed"), 12);
  EXPECT_EQ(report.at("unknowns_done"), 2);
  EXPECT_EQ(report.at("violations").as_array().size(), 1U);
  EXPECT_THAT(RenderTable(run), ::testing::HasSubstr("VIOLATION round 1: audit: it is not clean"));
  EXPECT_THAT(RenderTable(run), ::testing::HasSubstr("1 violations"));
}

}  // namespace
}  // namespace boxoffice::chaos
