// What callers see of replicas that go and come back: nothing.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>

#include "platform/rpc/replica_for_test.h"

namespace boxoffice::rpc {
namespace {

class RestartTest : public ReplicaTest {
 protected:
  uint64_t Counted(const std::string& name) {
    return metrics_.GetCounter(name, "", {{"client", "test"}}).value();
  }
  // Eight buyers, one after the other each, until Stop; one of ten commands of the first is a query.
  void StartLoad() {
    for (int t = 0; t < 8; ++t) {
      buyers_.emplace_back([this, t] {
        for (int64_t i = 0; !stop_; ++i) {
          const bool query = t == 0 && i % 10 == 9;
          if (query) {
            Note("query ", Query("ada"));
          } else {
            Note("command ", Await(i));
          }
        }
      });
    }
  }
  void StopLoad() {
    stop_ = true;
    for (auto& buyer : buyers_) buyer.join();
  }
  template <typename Value>
  void Note(std::string_view what, const Result<Value>& answer) {
    ++done_;
    if (answer) return;
    const std::scoped_lock lock(mutex_);
    ++errors_[std::string(what) + answer.error().reason];
  }
  // Sends commands until one has gone by `member`: it has been heard that the others go.
  void AwaitMovedTo(const Member& member) {
    const int before = member.received();
    EXPECT_TRUE(Eventually([&] {
      EXPECT_TRUE(Await(1));
      return member.received() > before;
    }));
  }

  std::vector<std::thread> buyers_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> done_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> errors_;
};

// The notice between saying that one leaves and closing, and the pause from one restart to the next; 0: the
// next begins before anybody has connected to the one before.
struct Pace {
  std::chrono::milliseconds notice;
  std::chrono::milliseconds pause;
  int rounds;
};
class RollingRestartTest : public RestartTest, public ::testing::WithParamInterface<Pace> {};

// Under load, each replica is drained and started again, several times. Nobody repeats anything.
TEST_P(RollingRestartTest, ShowsNoErrorToAnybody) {
  asio::thread_pool later(1);
  const auto slowly = [&](wallet::Command command, Intake::Reply reply) {
    auto timer = std::make_shared<asio::steady_timer>(later, 2ms);
    timer->async_wait([timer, command = std::move(command), reply = std::move(reply)](auto) mutable {
      Echo(std::move(command), std::move(reply));
    });
  };
  Member a(Socket("a"), slowly);
  Member b(Socket("b"), slowly);
  Connect(a, b);
  StartLoad();
  for (int round = 0; round < GetParam().rounds; ++round) {
    for (Member* member : {&a, &b}) {
      if (HasFailure()) break;  // each could last for two minutes
      if (GetParam().pause > 0ms) {
        AwaitReachable(2);
        Pause(GetParam().pause);
      }
      member->Leave();
      Pause(GetParam().notice);
      EXPECT_LT(member->Drain(120s), 50s) << "its callers went by themselves";
      member->Start();
    }
  }
  AwaitReachable(2);
  StopLoad();
  later.join();
  EXPECT_THAT(errors_, testing::IsEmpty());
  EXPECT_EQ(Counted("boxoffice_rpc_lost_total"), 0U);
  EXPECT_GT(done_, 0);
  if (GetParam().pause > 0ms) {
    EXPECT_GT(std::min(a.received(), b.received()), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Paces, RollingRestartTest,
                         testing::Values(Pace{100ms, 1s, 2}, Pace{100ms, 100ms, 3}, Pace{0ms, 0ms, 10}),
                         [](const auto& pace) {
                           return fmt::format("Notice{}Pause{}", pace.param.notice.count(),
                                              pace.param.pause.count());
                         });

TEST_F(RestartTest, AServerThatLeavesGetsNothingNewAndAnswersWhatItHas) {
  Keeper keeper;
  Member a(Socket("a"), keeper.Handler());
  Connect(a.address() + "," + Socket("b"));
  std::promise<Result<wallet::Outcome>> kept;
  Send(7, [&](Result<wallet::Outcome> r) { kept.set_value(std::move(r)); });
  keeper.AwaitKept(1);
  Member b(Socket("b"), Echo);
  AwaitReachable(2);
  a.Leave();
  EXPECT_TRUE(Eventually([this] { return Left(); }));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), 1);
  keeper.ReplyToAll();
  EXPECT_EQ(kept.get_future().get()->wallet().balance().amount(), 7);
  EXPECT_LT(a.Drain(120s), 50s);
}

TEST_F(RestartTest, AServerThatLeavesServesOnWhereThereIsNoOther) {
  Member a(Socket("a"), Echo);
  Connect(a.address());
  ASSERT_TRUE(Await(0));
  a.Leave();
  EXPECT_TRUE(Eventually([this] { return Left(); }));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i));
  ASSERT_TRUE(Query("ada"));
  EXPECT_EQ(a.received(), 101);
}

TEST_F(RestartTest, WhoeverConnectsDuringTheNoticeIsToldToo) {
  Member a(Socket("a"), Echo);
  a.Leave();
  Connect(a.address());
  ASSERT_TRUE(Await(0));
  EXPECT_TRUE(Eventually([this] { return Left(); }));
}

// The stream is there before it is needed: nobody has sent a command.
TEST_F(RestartTest, ACallerThatSentNothingIsToldToo) {
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  a.Leave();
  EXPECT_TRUE(Eventually([this] { return Left(); }));
  AwaitMovedTo(b);
  EXPECT_EQ(a.received(), 0);
}

TEST_F(RestartTest, TheProcessThatTakesItsPlaceIsUsedAgain) {
  Member a(Socket("a"), Echo);
  Connect(a.address() + "," + Socket("b"));
  AwaitReachable(1);
  a.Leave();
  EXPECT_TRUE(Eventually([this] { return Left(); }));
  EXPECT_LT(a.Drain(120s), 50s);
  a.Start();
  EXPECT_TRUE(Eventually([this] { return !Left(); }));
  AwaitReachable(1);
  Member b(Socket("b"), Echo);
  AwaitReachable(2);
  b.Leave();
  AwaitMovedTo(a);
}

// From the last answer of the old process to the first of the new one, commands and queries wait.
TEST_F(RestartTest, WhileNobodyIsThereForAMomentCommandsAndQueriesWait) {
  Member a(Socket("a"), Echo);
  Connect(a.address());
  AwaitReachable(1);
  StartLoad();
  for (int i = 0; i < 3; ++i) {
    Pause(100ms);
    EXPECT_LT(a.Drain(120s), 50s) << "its callers send nothing more";
    a.Start();
    AwaitReachable(1);
  }
  StopLoad();
  EXPECT_THAT(errors_, testing::IsEmpty());
  EXPECT_EQ(Counted("boxoffice_rpc_lost_total"), 0U);
}

TEST_F(RestartTest, WhileNobodyIsThereForLongTheyAreRefusedAtOnce) {
  options_.replica_gap = 3s;
  Member a(Socket("a"), Echo);
  Connect(a.address());
  ASSERT_TRUE(Await(1));
  a.Kill();
  AwaitReachable(0);
  Pause(options_.replica_gap);
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Await(i).error(), (Error{Code::kUnavailable, "unreachable", "wallet can't be reached"}));
    EXPECT_EQ(Query("ada").error().reason, "unreachable");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 20 * options_.replica_gap) << "each would have waited";
}

TEST_F(RestartTest, WhatWaitsKeepsItsDeadline) {
  Connect(Socket("nobody"));
  EXPECT_EQ(Await(1, 100ms).error(), (Error{Code::kUnavailable, "deadline_passed", ""}));
  EXPECT_EQ(Query("ada", 100ms).error().code, Code::kUnavailable);
}

TEST_F(RestartTest, WhatWaitsIsBounded) {
  limits_.max_in_flight = 10;
  Connect(Socket("nobody"));
  for (int i = 0; i < 8; ++i) Send(i, [](const auto&) {});
  EXPECT_EQ(Await(1).error().reason, "overloaded") << "beyond four fifths, for new work";
}

TEST_F(RestartTest, WhatWaitsIsRefusedAtTheEnd) {
  Connect(Socket("nobody"));
  std::promise<Result<wallet::Outcome>> waiting;
  Send(1, [&](Result<wallet::Outcome> r) { waiting.set_value(std::move(r)); });
  commands_.reset();
  EXPECT_EQ(waiting.get_future().get().error().reason, "closed");
}

// A service that dies at each command: its stream breaks, and nobody knows what it had done.
class DyingService final : public wallet::WalletService::CallbackService {
 public:
  grpc::ServerBidiReactor<wallet::CommandBatch, wallet::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return new Stream(*this);
  }
  std::atomic<int> received = 0;
  std::atomic<int> sent_before = 0;
  std::atomic<bool> greets = true;  // says at once that it has taken a stream

 private:
  class Stream final : public grpc::ServerBidiReactor<wallet::CommandBatch, wallet::OutcomeBatch> {
   public:
    explicit Stream(DyingService& service) : service_(service) {
      if (service_.greets) StartSendInitialMetadata();
      StartRead(&batch_);
    }
    void OnReadDone(bool ok) override {
      for (const wallet::Command& command : batch_.commands()) {
        ++service_.received;
        if (command.header().sent_before()) ++service_.sent_before;
      }
      Finish(ok ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "it died") : grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    DyingService& service_;
    wallet::CommandBatch batch_;
  };
};

class RepeatTest : public RestartTest {
 protected:
  void ConnectToDying() {
    ASSERT_TRUE(host_.Start(dying_, {Socket("dying")}));
    // So that a breaker has no say.
    options_.breaker.min_calls = 1'000'000;
    Connect(Socket("dying"));
    AwaitReachable(1);
  }
  // What is told of a command for 5, where repeats are asked for, whose replica dies having it while another
  // one is there.
  Result<wallet::Outcome> LoseOneTo(const Intake::Handler& other) {
    options_.repeat_lost = true;
    Keeper keeper;
    Member a(Socket("a"), keeper.Handler());
    Connect(a.address() + "," + Socket("b"));
    std::promise<Result<wallet::Outcome>> answer;
    Send(5, [&](Result<wallet::Outcome> r) { answer.set_value(std::move(r)); });
    keeper.AwaitKept(1);
    Member b(Socket("b"), other);
    AwaitReachable(2);
    a.Kill();
    return answer.get_future().get();
  }
  void TearDown() override {
    ReplicaTest::TearDown();
    host_.Shutdown(0ms);
  }
  DyingService dying_;
  Host host_;
};

TEST_F(RepeatTest, WhatWasLostIsSentAgainToAnotherReplicaWhereItsCallerSaysSo) {
  std::atomic<bool> told = false;
  const auto answered = LoseOneTo([&](wallet::Command command, Intake::Reply reply) {
    told = command.header().sent_before();
    Echo(std::move(command), std::move(reply));
  });
  ASSERT_TRUE(answered) << answered.error().reason;
  EXPECT_EQ(answered->wallet().balance().amount(), 5);
  EXPECT_TRUE(told) << "that it was sent before";
}

TEST_F(RepeatTest, ARefusalOfTheSecondSaysNothingOfTheFirst) {
  std::atomic<int> received = 0;
  const auto answered = LoseOneTo([&](wallet::Command, Intake::Reply reply) {
    ++received;
    reply(ErrorOutcome<wallet::Outcome>({Code::kResourceExhausted, "overloaded", ""}));
  });
  EXPECT_EQ(answered.error().code, Code::kUnknown);
  EXPECT_EQ(answered.error().reason, "connection_lost");
  EXPECT_EQ(received, 1);
}

TEST_F(RepeatTest, TwiceAtMost) {
  options_.repeat_lost = true;
  ConnectToDying();
  EXPECT_EQ(Await(1).error().code, Code::kUnknown);
  EXPECT_EQ(dying_.received, 3);
  EXPECT_EQ(dying_.sent_before, 2);
}

TEST_F(RepeatTest, NeverOtherwise) {
  ConnectToDying();
  EXPECT_EQ(Await(1).error().code, Code::kUnknown);
  EXPECT_EQ(dying_.received, 1);
}

TEST_F(RepeatTest, AServerOfBeforeThereWereGreetingsGetsCommandsAllTheSame) {
  dying_.greets = false;
  ConnectToDying();
  EXPECT_EQ(Await(1).error().code, Code::kUnknown);
  EXPECT_EQ(dying_.received, 1);
}

TEST_F(RepeatTest, WithinTheBudget) {
  options_.repeat_lost = true;
  ConnectToDying();
  std::vector<std::thread> senders;
  for (int t = 0; t < 12; ++t) {
    senders.emplace_back([this] {
      for (int i = 0; i < 10; ++i) EXPECT_FALSE(Await(i));
    });
  }
  for (auto& sender : senders) sender.join();
  const uint64_t repeats = Counted("boxoffice_rpc_retries_total");  // 240 without a budget
  EXPECT_LE(repeats, 12 + 100U) << "a tenth, and ten a second over ten seconds";
  EXPECT_GT(repeats, 90U);
}

}  // namespace
}  // namespace boxoffice::rpc
