// Several replicas of a service, and what becomes of commands and queries when they come and go.
#include <atomic>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>

#include "boxoffice/seat/v1/seat.pb.h"
#include "platform/rpc/replica_for_test.h"
#include "testing/free_port.h"

namespace boxoffice::rpc {
namespace {

using resilience::Breaker;

Intake::Handler Refusing(Code code, const std::string& reason) {
  return [code, reason](wallet::Command, Intake::Reply reply) {
    reply(ErrorOutcome<wallet::Outcome>({code, reason, ""}));
  };
}

Intake::Handler RefusingUntil(const std::atomic<bool>& well) {
  return [&well](wallet::Command command, Intake::Reply reply) {
    const Intake::Handler now = well ? Echo : Refusing(Code::kUnavailable, "database_unavailable");
    now(std::move(command), std::move(reply));
  };
}

// Callers begin anywhere: what one of two replicas does is done by whichever is asked first.
class FirstAskedTest : public ReplicaTest {
 protected:
  Intake::Handler IfFirst(char me, Intake::Handler first, Intake::Handler other) {
    return [this, me, first = std::move(first), other = std::move(other)](wallet::Command command,
                                                                          Intake::Reply reply) {
      char nobody = 0;
      first_.compare_exchange_strong(nobody, me);
      (first_ == me ? first : other)(std::move(command), std::move(reply));
    };
  }
  // The first to be asked, and the other, where they are 'a' and 'b'.
  const Member& First(const Member& a, const Member& b) const { return first_ == 'a' ? a : b; }
  const Member& Other(const Member& a, const Member& b) const { return first_ == 'a' ? b : a; }
  // Before a Connect to others, when those of before have answered all.
  void Disconnect() {
    commands_.reset();
    stubs_.reset();
    asio::post(io_, [old = std::move(peer_)] { old->Stop(); });
    first_ = 0;
  }

 private:
  std::atomic<char> first_ = 0;
};

TEST_F(ReplicaTest, CommandsStayTogetherUntilAReplicaIsThirtyTwoAhead) {
  Keeper keeper;
  Member a(Socket("a"), keeper.Handler());
  Member b(Socket("b"), keeper.Handler());
  Connect(a, b);
  for (int i = 0; i < 33; ++i) Send(i, [](const auto&) {});
  keeper.AwaitKept(33);
  EXPECT_EQ(std::max(a.received(), b.received()), 33);
  for (int i = 0; i < 167; ++i) Send(i, [](const auto&) {});
  keeper.AwaitKept(200);
  EXPECT_GE(std::min(a.received(), b.received()), 80) << "and then they are spread";
  keeper.ReplyToAll();
}

TEST_F(ReplicaTest, AReplicaThatNobodyServesCostsNoError) {
  Member b(Socket("b"), Echo);
  Connect(Socket("nobody") + "," + b.address());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Await(i)) << i;
  EXPECT_EQ(b.received(), 200);
}

TEST_F(ReplicaTest, WhenNoneCanBeReachedACommandIsRefusedUnsent) {
  options_.replica_gap = kReplicaGap;
  Connect(Socket("nobody") + "," + Socket("neither"));
  EXPECT_EQ(Await(1).error(), (Error{Code::kUnavailable, "unreachable", "wallet can't be reached"}));
}

TEST_F(ReplicaTest, AReplicaThatDiesMakesWhatItHadUnknownAndTheRestGoesOn) {
  Keeper keeper;
  Member a(Socket("a"), keeper.Handler());
  Connect(a.address() + "," + Socket("b"));
  std::atomic<int> unknown = 0;
  std::atomic<int> other = 0;
  const auto count = [&](const Result<wallet::Outcome>& r) {
    ++(!r && r.error().code == Code::kUnknown ? unknown : other);
  };
  for (int i = 0; i < 10; ++i) Send(i, count);
  keeper.AwaitKept(10);
  Member b(Socket("b"), Echo);
  AwaitReachable(2);
  a.Kill();
  // Until its stream is seen to end, a command may still be written to it, and is unknown too.
  ASSERT_TRUE(Eventually([&] { return unknown == 10; }));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i)) << i;
  EXPECT_EQ(unknown, 10);
  EXPECT_EQ(other, 0);
}

TEST_F(ReplicaTest, EveryCallerOfAPeerIsToldWhenAReplicaComes) {
  Member a(Socket("a"), Echo);
  Connect(a.address());
  AwaitReachable(1);
  const std::unique_ptr<Commands> others = MakeCommands();
  a.Kill();
  AwaitReachable(0);
  const auto done = std::make_shared<std::atomic<int>>(0);
  const auto count = [done](const Result<wallet::Outcome>& outcome) { *done += outcome ? 1 : 100; };
  Send(1, count);
  others->Send(TopUp(2), 20s, count);
  a.Start();
  EXPECT_TRUE(Eventually([&] { return *done == 2; })) << "what waits for a replica goes to it: " << *done;
}

TEST_F(FirstAskedTest, ABreakerPerReplicaLeavesTheOthersAlone) {
  Keeper silent;
  Member a(Socket("a"), IfFirst('a', silent.Handler(), Echo));
  Member b(Socket("b"), IfFirst('b', silent.Handler(), Echo));
  options_.breaker.open_for = 600s;
  Connect(a, b);
  // As few as stay together: the other has none of them, which it would answer late on a busy machine.
  SendAndAwait(30, 2s);
  silent.AwaitKept(30);
  const std::vector<BreakerRow> rows = channels_.board().Read();
  ASSERT_EQ(rows.size(), 2U);
  for (const BreakerRow& row : rows) {
    const bool is_silent = row.replica == First(a, b).address();
    EXPECT_EQ(row.breaker.state, is_silent ? Breaker::State::kOpen : Breaker::State::kClosed) << row.replica;
  }
  const int before = First(a, b).received();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(First(a, b).received(), before);
  silent.ReplyToAll();
}

TEST_F(ReplicaTest, AnOpenBreakerRefusesBeforeSending) {
  constexpr int64_t kRefused = 7;
  std::atomic<bool> sent = false;
  Keeper silent;
  const auto keep = silent.Handler();
  Member a(Socket("a"), [&](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() == kRefused) sent = true;
    keep(std::move(command), std::move(reply));
  });
  OpenAtOnce(600s);
  Connect(a.address());
  AwaitReachable(1);
  EXPECT_FALSE(Await(1, 1s));
  EXPECT_EQ(Await(kRefused).error(), (Error{Code::kUnavailable, "breaker_open", "wallet does not answer"}));
  EXPECT_FALSE(sent);
  EXPECT_EQ(StateShown(a), "2");
  silent.ReplyToAll();
}

// What is under way is lost, and its repeat refused by the open breaker: but it may have been done.
TEST_F(ReplicaTest, WhatIsUnderWayWhenTheBreakerOpensIsUnknownAndNotRefused) {
  Keeper silent;
  Member a(Socket("a"), silent.Handler());
  options_.repeat_lost = true;
  OpenAtOnce(600s);
  Connect(a.address());
  AwaitReachable(1);
  std::promise<Result<wallet::Outcome>> held;
  Send(1, [&](Result<wallet::Outcome> outcome) { held.set_value(std::move(outcome)); }, 60s);
  silent.AwaitKept(1);
  EXPECT_FALSE(Await(2, 1s));
  EXPECT_EQ(Await(3).error().reason, "breaker_open");
  a.Kill();
  a.Start();  // so that it could be reached again
  const Result<wallet::Outcome> outcome = held.get_future().get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kUnknown) << outcome.error().reason;
}

TEST_F(ReplicaTest, AReplicaThatNobodyCallsAgainIsNotShownAsOpen) {
  Member a(Socket("a"), Refusing(Code::kUnavailable, "deadline_passed"));
  OpenAtOnce(0ms);
  Connect(a.address());
  EXPECT_EQ(Await(0).error().reason, "deadline_passed");
  EXPECT_EQ(channels_.board().Read()[0].breaker.opened, 1U);
  EXPECT_EQ(StateShown(a), "1");
}

TEST_F(ReplicaTest, ABreakerClosesWhenItsProbesAreAnswered) {
  std::atomic<bool> silent = true;
  Keeper keeper;
  const auto keep = keeper.Handler();
  Member a(Socket("a"), [&](wallet::Command command, Intake::Reply reply) {
    if (silent) {
      keep(std::move(command), std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  OpenAtOnce(0ms);
  Connect(a.address());
  AwaitReachable(1);
  EXPECT_FALSE(Await(0, 1s));
  EXPECT_EQ(channels_.board().Read()[0].breaker.opened, 1U);
  silent = false;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Await(i)) << i;
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
  keeper.ReplyToAll();
}

// `boxoffice up --scaled` is ready when every service has one of each that it calls.
TEST_F(ReplicaTest, ReplicasThatAreConnectedToAreCounted) {
  Member a(Socket("a"), Echo);
  Connect(a.address() + "," + Socket("b"));
  const obs::Gauge& connected =
      metrics_.GetGauge("boxoffice_rpc_connected_replicas", "", {{"client", "test"}});
  EXPECT_TRUE(testbed::Eventually([&] { return connected.value() == 1; }));
  {
    Member b(Socket("b"), Echo);
    EXPECT_TRUE(testbed::Eventually([&] { return connected.value() == 2; }));
  }
  EXPECT_TRUE(testbed::Eventually([&] { return connected.value() == 1; }));
}

// A gateway says so at its start, and only then.
TEST_F(ReplicaTest, AServiceIsReachedOnceAReplicaTakesCallsAndForGood) {
  Connect(Socket("nobody") + "," + Socket("a"));
  EXPECT_FALSE(peer_->Reached());
  Member a(Socket("a"), Echo);
  EXPECT_TRUE(testbed::Eventually([&] { return peer_->Reached(); }));
  a.Kill();
  AwaitReachable(0);
  EXPECT_TRUE(peer_->Reached());
}

TEST_F(ReplicaTest, AReplicaThatIsNamedNoMoreLeavesNoOpenBreakerBehind) {
  Member gone(Socket("a"), Refusing(Code::kUnavailable, "deadline_passed"));
  OpenAtOnce(600s);
  Connect(gone.address());
  EXPECT_EQ(Await(0).error().reason, "deadline_passed");
  EXPECT_EQ(StateShown(gone), "2");
  Member next(Socket("b"), Echo);
  peer_->TakeNamed({next.address(), next.address()});
  EXPECT_THAT(metrics_.Render(), testing::Not(testing::HasSubstr(gone.address())))
      << "or it would be shown, and an alert last, until this process ends";
  AwaitReachable(1);
  const std::vector<BreakerRow> rows = channels_.board().Read();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].replica, next.address());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Await(i)) << i;
}

TEST_F(ReplicaTest, WhatAReplicaThatIsNamedNoMoreStillAnswersIsNotShownUntilItIsNamedAgain) {
  Member a(Socket("a"), Echo);
  OpenAtOnce(600s);
  Connect(a.address());
  AwaitReachable(1);
  Result<Pick> under_way = peer_->PickForCommand();
  ASSERT_TRUE(under_way);
  peer_->TakeNamed({Socket("nobody")});
  under_way->Report(Breaker::Outcome::kFailed);
  EXPECT_THAT(metrics_.Render(), testing::Not(testing::HasSubstr(a.address())));
  peer_->TakeNamed({a.address()});
  EXPECT_EQ(StateShown(a), "0");
}

TEST_F(ReplicaTest, ARefusalIsNoFailure) {
  Member a(Socket("a"), Refusing(Code::kUnavailable, "database_unavailable"));
  Connect(a.address());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Await(i).error().reason, "database_unavailable");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
}

// Somebody whom it asked has not answered: commands for which it asks nobody shall not be refused for that.
TEST_F(ReplicaTest, WhatTheServiceItselfSaysThatItDoesNotKnowIsAnAnswer) {
  Member a(Socket("a"), Refusing(Code::kUnknown, "bank_silent"));
  Connect(a.address());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Await(i).error().reason, "bank_silent");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
}

TEST_F(ReplicaTest, AStoreThatDoesNotSayWhatBecameOfACommitIsAFailure) {
  Member a(Socket("a"), Refusing(Code::kUnknown, "commit_unknown"));
  options_.breaker.open_for = 600s;
  Connect(a.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i).error().reason, "commit_unknown");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kOpen);
}

TEST_F(ReplicaTest, AStoreThatWasAskedAndGaveNoAnswerIsAFailure) {
  Member a(Socket("a"), Refusing(Code::kUnknown, "database_unavailable"));
  options_.breaker.open_for = 600s;
  Connect(a.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i).error().reason, "database_unavailable");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kOpen);
}

TEST_F(FirstAskedTest, AReplicaThatRefusesLosesTheCommandsToTheOtherAtItsFirstAnswer) {
  const auto sick = Refusing(Code::kUnavailable, "database_unavailable");
  Member a(Socket("a"), IfFirst('a', sick, Echo));
  Member b(Socket("b"), IfFirst('b', sick, Echo));
  Connect(a, b);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(Await(0).error().reason, "database_unavailable");
  int refused = 1;
  for (int i = 0; i < 100; ++i) refused += Await(i) ? 0 : 1;
  const auto moments = (std::chrono::steady_clock::now() - began) / kRefusalHolds;
  EXPECT_LE(refused, 1 + moments) << "none, unless one came only when the refusal held no longer";
  EXPECT_EQ(First(a, b).received(), refused);
}

TEST_F(FirstAskedTest, AReplicaThatRefusedIsNotTheLeastBusyForAMomentAndThenIsAgain) {
  // A hundred that were not sent while the refusal held, as on a busy machine, show nothing: then others
  // begin.
  bool in_time = false;
  for (int tries = 0; tries < 10 && !in_time; ++tries) {
    if (tries > 0) Disconnect();
    std::atomic<bool> well = false;
    const auto sick = RefusingUntil(well);
    Keeper busy;
    Member a(Socket("a" + std::to_string(tries)), IfFirst('a', sick, busy.Handler()));
    Member b(Socket("b" + std::to_string(tries)), IfFirst('b', sick, busy.Handler()));
    Connect(a, b);
    const auto answered = std::make_shared<std::atomic<int>>(0);
    const auto began = std::chrono::steady_clock::now();
    EXPECT_FALSE(Await(0));
    for (int i = 0; i < 100; ++i) Send(i, [answered](const auto&) { ++*answered; });
    in_time = std::chrono::steady_clock::now() - began < kRefusalHolds;
    if (in_time) {
      busy.AwaitKept(100);
      EXPECT_EQ(First(a, b).received(), 1);
      well = true;
      Pause(kRefusalHolds);
      EXPECT_TRUE(Await(1)) << "the other is a hundred ahead";
      EXPECT_EQ(First(a, b).received(), 2);
    }
    const auto all_answered = [&] {
      busy.ReplyToAll();
      return *answered == 100;
    };
    EXPECT_TRUE(Eventually(all_answered));
  }
  EXPECT_TRUE(in_time) << "the machine is too slow for this";
}

TEST_F(ReplicaTest, WhereAllHaveRefusedTheyAreAskedAllTheSame) {
  std::atomic<bool> well = false;
  const auto sick = RefusingUntil(well);
  Member a(Socket("a"), sick);
  Member b(Socket("b"), sick);
  Connect(a, b);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i).error().reason, "database_unavailable") << i;
  EXPECT_GT(std::min(a.received(), b.received()), 0);
  well = true;
  EXPECT_TRUE(Await(1)) << "at once";
}

TEST_F(FirstAskedTest, WhatTheOtherWouldRefuseTooMovesNoCommands) {
  std::atomic<int> asked = 0;
  const auto refusing = [&](wallet::Command command, Intake::Reply reply) {
    const std::vector<Intake::Handler> refusals = {Refusing(Code::kUnavailable, "contention"),
                                                   Refusing(Code::kUnavailable, "deadline_passed"),
                                                   Refusing(Code::kResourceExhausted, "overloaded")};
    refusals[static_cast<size_t>(asked++ / 5)](std::move(command), std::move(reply));
  };
  Member a(Socket("a"), IfFirst('a', refusing, Echo));
  Member b(Socket("b"), IfFirst('b', refusing, Echo));
  Connect(a, b);
  for (int i = 0; i < 15; ++i) EXPECT_FALSE(Await(i)) << i;
  EXPECT_EQ(Other(a, b).received(), 0);
}

TEST_F(FirstAskedTest, CommandsThatAreRefusedMoveNoQueries) {
  const auto sick = Refusing(Code::kUnavailable, "database_unavailable");
  Member a(Socket("a"), IfFirst('a', sick, Echo));
  Member b(Socket("b"), IfFirst('b', sick, Echo));
  Connect(a, b);
  EXPECT_FALSE(Await(0));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Query("ada"));
  for (const BreakerRow& row : channels_.board().Read())
    EXPECT_EQ(row.breaker.calls, row.replica == First(a, b).address() ? 11U : 10U) << row.replica;
}

TEST_F(ReplicaTest, AReplicaThatRefusesAQueryLosesThemToTheOtherForAMoment) {
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  a.RefuseQueries(true);
  const auto began = std::chrono::steady_clock::now();
  int refused = 0;
  for (int i = 0; i < 40; ++i) refused += Query("ada") ? 0 : 1;
  const auto moments = (std::chrono::steady_clock::now() - began) / kRefusalHolds;
  EXPECT_EQ(a.asked(), refused);
  EXPECT_GE(refused, 1);
  EXPECT_LE(refused, 1 + moments) << "it looked like the least busy one";
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Await(i)) << "commands have nothing to do with it";
  a.RefuseQueries(false);
  const int before = a.asked();
  EXPECT_TRUE(Eventually([&] { return Query("ada") && a.asked() > before; })) << "and then it is asked again";
}

TEST_F(ReplicaTest, WhereAllHaveRefusedQueriesTheyAreAskedAllTheSame) {
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  a.RefuseQueries(true);
  b.RefuseQueries(true);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Query("ada").error().reason, "database_unavailable") << i;
  EXPECT_GT(std::min(a.asked(), b.asked()), 0);
  a.RefuseQueries(false);
  b.RefuseQueries(false);
  EXPECT_TRUE(Query("ada")) << "at once";
}

TEST_F(ReplicaTest, OneThatLeavesIsAskedRatherThanOneThatRefuses) {
  Member a(Socket("a"), Refusing(Code::kUnavailable, "not_leading"));
  Member b(Socket("b"), Echo);
  Connect(a, b);
  b.Leave();
  ASSERT_TRUE(Eventually([this] { return Left(); }));
  const auto began = std::chrono::steady_clock::now();
  int refused = 0;
  for (int i = 0; i < 40; ++i) refused += Await(i) ? 0 : 1;
  const auto moments = (std::chrono::steady_clock::now() - began) / kRefusalHolds;
  EXPECT_LE(refused, 1 + moments) << "it serves on until it closes";
}

TEST_F(ReplicaTest, CallersBeginAtDifferentReplicas) {
  constexpr size_t kCallers = 24;  // that all begin at one of two happens once in eight million runs
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  std::vector<std::unique_ptr<Peer>> callers;
  for (size_t i = 0; i < kCallers; ++i)
    callers.push_back(std::make_unique<Peer>(options_, channels_, io_.get_executor(), metrics_));
  AwaitReachable(2 + 2 * kCallers);
  std::set<std::string> begun;
  for (const auto& caller : callers) {
    const auto pick = caller->PickForCommand();
    ASSERT_TRUE(pick) << pick.error().reason;
    begun.insert(pick->replica()->address);
  }
  EXPECT_EQ(begun.size(), 2U);
}

TEST_F(ReplicaTest, ACommandThatIsNotTakenInTimeIsAFailure) {
  Member a(Socket("a"), Refusing(Code::kUnavailable, "deadline_passed"));
  options_.breaker.open_for = 600s;
  Connect(a.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i).error().reason, "deadline_passed");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kOpen);
}

TEST_F(ReplicaTest, QueriesGoToAllReplicasAndAroundOneThatDied) {
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Query("ada"));
  for (const BreakerRow& row : channels_.board().Read()) EXPECT_EQ(row.breaker.calls, 10U) << row.replica;
  a.Kill();
  for (int i = 0; i < 20; ++i) {
    const auto found = Query("ada");
    ASSERT_TRUE(found) << found.error().reason << " " << found.error().detail;
  }
  EXPECT_EQ(Query("").error().reason, "wallet_not_found");
}

TEST_F(ReplicaTest, AQueryThatIsAnsweredWithinATimeOutOfItsOwnIsNotSlow) {
  options_.breaker.slow_after = 0ms;
  Member a(Socket("a"), Echo);
  Connect(a.address());
  ASSERT_TRUE(Query("ada"));
  const std::vector<BreakerRow> rows = channels_.board().Read();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].breaker.calls, 1U);
  EXPECT_EQ(rows[0].breaker.failed, 0U);
}

TEST_F(ReplicaTest, OnlyWhatTheContractCallsAQueryIsAskedAgain) {
  EXPECT_TRUE(IsQuery<wallet::GetWalletRequest>());
  EXPECT_FALSE(IsQuery<seat::v1::CreateShowRequest>());
}

TEST_F(ReplicaTest, ADnsNameStandsForAllItsAddresses) {
  const uint16_t port = testbed::FreePort();
  Member a(fmt::format("127.0.0.1:{}", port), Echo);
  Connect(fmt::format("dns:localhost:{}", port));
  EXPECT_TRUE(Await(0)) << "it waits until the name is resolved";
  // It may have an IPv6 address too, where nobody listens.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), 51);
}

// A process that has just been started may not reach the name server yet, and would refuse everybody
// meanwhile.
TEST(PeerTest, ANameThatIsNotFoundAtFirstIsSoonAskedForAgain) {
  std::atomic<int> asked = 0;
  dns::Lookup lookup([&](const std::string&) -> Result<dns::Lookup::Addresses> {
    ++asked;
    return Fail(Code::kUnavailable, "not_resolved", "no answer");
  });
  obs::Registry metrics;
  asio::io_context io;
  const auto channels =
      ChannelFactory::Network([](std::string_view) { return std::string("dns:wallet.example:9000"); });
  const Peer peer(PeerOptions{.name = "test", .service = "wallet", .breaker = {}}, channels,
                  io.get_executor(), metrics, lookup);
  const auto running = std::async(std::launch::async, [&] { io.run(); });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(testbed::Eventually([&] { return asked >= 10; }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
  io.stop();
}

// A look-up of wallet's name that hangs until this goes, and a peer on an executor of its own that has asked.
class HangingLookupTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(asked_.get_future().wait_for(60s), std::future_status::ready); }
  ~HangingLookupTest() override {
    release_.set_value();
    io_.stop();
  }
  bool Ended() { return ended_.wait_for(60s) == std::future_status::ready; }

  std::promise<void> asked_;
  std::promise<void> release_;
  obs::Registry metrics_;
  dns::Lookup lookup_{[this](const std::string&) -> Result<dns::Lookup::Addresses> {
    asked_.set_value();
    release_.get_future().wait();
    return dns::Lookup::Addresses();
  }};
  asio::io_context io_;
  ChannelFactory channels_ =
      ChannelFactory::Network([](std::string_view) { return std::string("dns:wallet.example:9000"); });
  std::unique_ptr<Peer> peer_ =
      std::make_unique<Peer>(PeerOptions{.name = "test", .service = "wallet", .breaker = {}}, channels_,
                             io_.get_executor(), metrics_, lookup_);
  std::future<void> ended_ = std::async(std::launch::async, [this] { io_.run(); });
};

TEST_F(HangingLookupTest, ALookUpThatHangsKeepsNoExecutorFromEnding) {
  asio::post(io_, [this] { peer_->Stop(); });
  EXPECT_TRUE(Ended());
}

TEST_F(HangingLookupTest, APeerThatGoesWaitsForNoLookUp) {
  asio::post(io_, [this] { peer_.reset(); });
  EXPECT_TRUE(Ended());
}

TEST(RefusalTest, WhatAnotherReplicaMayHaveIsAReasonToAskIt) {
  for (const char* reason : {"database_unavailable", "not_leading"})
    EXPECT_TRUE(AnotherMayDoIt({Code::kUnavailable, reason, ""})) << reason;
  for (const char* reason : {"deadline_passed", "contention", "not_implemented"})
    EXPECT_FALSE(AnotherMayDoIt({Code::kUnavailable, reason, ""})) << reason;
  EXPECT_FALSE(AnotherMayDoIt({Code::kResourceExhausted, "overloaded", ""}));
  EXPECT_FALSE(AnotherMayDoIt({Code::kUnknown, "timeout", ""}));
}

TEST(ChannelsTest, ReplicasAreAListOrAName) {
  EXPECT_THAT(ParseReplicas("127.0.0.1:1,unix:/run/b.sock,[::1]:3,127.0.0.1:1")->fixed,
              testing::ElementsAre("127.0.0.1:1", "unix:/run/b.sock", "[::1]:3"));
  const auto named = ParseReplicas("dns:seat.boxoffice.svc:9000");
  EXPECT_EQ(named->dns_name, "seat.boxoffice.svc");
  EXPECT_EQ(named->port, "9000");
  for (const char* wrong : {"", ",", "host", "host:", ":1", "host:port", "a:1,", "unix:", "dns:name",
                            "dns::1", "dns:a:1,b:2", "a:0", "a:99999", "dns:a:99999"}) {
    EXPECT_EQ(ParseReplicas(wrong).error().reason, "address_invalid") << wrong;
  }
  EXPECT_TRUE(ParseReplicas("unix:" + std::string(kMaxSocketPath, 's')));
  EXPECT_FALSE(ParseReplicas("unix:" + std::string(kMaxSocketPath + 1, 's')));
}

}  // namespace
}  // namespace boxoffice::rpc
