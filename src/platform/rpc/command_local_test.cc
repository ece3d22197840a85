#include "platform/rpc/command_local.h"

#include <atomic>
#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>

#include "base/burst.h"
#include "platform/rpc/replica_for_test.h"

namespace boxoffice::rpc {
namespace {

using Local = LocalCommands<wallet::CommandBatch, wallet::OutcomeBatch>;
using namespace std::chrono_literals;

class CommandLocalTest : public ::testing::Test {
 protected:
  void Serve(Intake::Handler handler) {
    intake_ = std::make_unique<Intake>(std::move(handler));
    intake_->CountIn(at_service_);
    local_ = std::make_unique<Local>("test", io_.get_executor(), *intake_, metrics_, limits_);
  }
  void TearDown() override {
    local_.reset();
    work_.reset();
    thread_.join();
  }
  std::future<Result<wallet::Outcome>> Send(wallet::Command command,
                                            std::chrono::milliseconds timeout = 20s) {
    auto promise = std::make_shared<std::promise<Result<wallet::Outcome>>>();
    auto future = promise->get_future();
    local_->Send(std::move(command), timeout,
                 [promise](Result<wallet::Outcome>&& outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }
  uint64_t Counted(const std::string& name) {
    return metrics_.GetCounter(name, "", {{"client", "test"}}).value();
  }

  obs::Registry metrics_;
  obs::Registry at_service_;
  ClientLimits limits_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Local> local_;
};

TEST_F(CommandLocalTest, ManyCommandsFromManyThreadsEachGetTheirOwnOutcome) {
  Serve(Echo);
  EXPECT_EQ(RightOutcomesOfManyThreads(*local_), kThreads * kOfEachThread);
}

TEST_F(CommandLocalTest, CommandsAreCountedAtBothEndsAndFailuresByTheirCode) {
  Serve([](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() > 0) {
      Echo(std::move(command), std::move(reply));
    } else {
      reply(ErrorOutcome<wallet::Outcome>({Code::kResourceExhausted, "overloaded", ""}));
    }
  });
  EXPECT_TRUE(Send(TopUp(7)).get());
  EXPECT_TRUE(Send(TopUp(8)).get());
  EXPECT_EQ(Send(TopUp(0)).get().error().reason, "overloaded");
  const obs::Labels service{{"service", "wallet"}};
  EXPECT_EQ(at_service_.GetCounter("boxoffice_rpc_server_commands_total", "", service).value(), 3U);
  const obs::Labels at_service{{"service", "wallet"}, {"code", "resource_exhausted"}};
  EXPECT_EQ(at_service_.GetCounter("boxoffice_rpc_server_command_errors_total", "", at_service).value(), 1U);
  const obs::Labels client{{"client", "test"}};
  EXPECT_EQ(metrics_.GetHistogram("boxoffice_rpc_command_seconds", "", {}, client).count(), 3U);
  const obs::Labels failed{{"client", "test"}, {"code", "resource_exhausted"}};
  EXPECT_EQ(metrics_.GetCounter("boxoffice_rpc_command_errors_total", "", failed).value(), 1U);
}

TEST_F(CommandLocalTest, WhatOneTurnSendsIsHandedOverTogether) {
  Serve(Echo);
  std::promise<void> done;
  asio::post(io_, [&] {
    auto left = std::make_shared<int>(10);
    for (int i = 0; i < 10; ++i) {
      local_->Send(TopUp(i), 20s, [&done, left](Result<wallet::Outcome>&&) {
        if (--*left == 0) done.set_value();
      });
    }
  });
  done.get_future().wait();
  const auto& sizes = metrics_.GetHistogram("boxoffice_rpc_batch_size", "", {}, {{"client", "test"}});
  EXPECT_EQ(sizes.count(), 1U);
  EXPECT_EQ(sizes.sum(), 10);
}

TEST_F(CommandLocalTest, OfManyCommandsOfATurnPiecesAreHandedOverBeforeItsEnd) {
  Keeper service;
  Serve(service.Handler());
  std::promise<void> sent;
  asio::post(io_, [&] {
    for (int i = 0; i < 100; ++i) local_->Send(TopUp(i), 20s, [](Result<wallet::Outcome>&&) {});
    service.AwaitKept(96);  // while the turn that would hand all of them over is not at its end
    sent.set_value();
  });
  sent.get_future().wait();
  service.AwaitKept(100);
  const auto& sizes = metrics_.GetHistogram("boxoffice_rpc_batch_size", "", {}, {{"client", "test"}});
  EXPECT_EQ(sizes.count(), 4U);
  EXPECT_EQ(sizes.sum(), 100);
}

TEST_F(CommandLocalTest, OfManyOutcomesOfABurstPiecesComeBeforeItsEnd) {
  Keeper service;
  Serve(service.Handler());
  std::vector<std::future<Result<wallet::Outcome>>> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back(Send(TopUp(i)));
  service.AwaitKept(100);
  {
    const Burst burst;
    service.ReplyToAll();
    for (int i = 0; i < 32; ++i) EXPECT_TRUE(outcomes[i].get());
  }
  for (int i = 32; i < 100; ++i) EXPECT_TRUE(outcomes[i].get());
}

TEST_F(CommandLocalTest, TheHeaderSaysTheTimeoutAndThePriority) {
  std::promise<v1::CommandHeader> header;
  Serve([&](wallet::Command command, Intake::Reply reply) {
    header.set_value(command.header());
    Echo(std::move(command), std::move(reply));
  });
  local_->Send(TopUp(1), 1234ms, [](Result<wallet::Outcome>&&) {}, resilience::Priority::kFinishing);
  const v1::CommandHeader got = header.get_future().get();
  EXPECT_EQ(got.timeout_ms(), 1234U);
  EXPECT_EQ(got.priority(), v1::PRIORITY_FINISHING);
}

TEST_F(CommandLocalTest, WhatIsNotAnsweredInTimeIsUnknownAndALateAnswerIsNobodyElses) {
  Keeper service;
  Serve(service.Handler());
  auto late = Send(TopUp(1), 30ms);
  const auto timeout = late.get();
  EXPECT_EQ(timeout.error().reason, "timeout");
  EXPECT_EQ(timeout.error().code, Code::kUnknown);
  EXPECT_EQ(Counted("boxoffice_rpc_timeouts_total"), 1U);
  auto next = Send(TopUp(2));  // has the place of the first
  service.AwaitKept(2);
  service.ReplyToAll();
  EXPECT_EQ(next.get()->wallet().balance().amount(), 2);
}

TEST_F(CommandLocalTest, BeyondTheBoundACommandIsRefused) {
  limits_.max_in_flight = 10;
  Keeper service;
  Serve(service.Handler());
  std::vector<std::future<Result<wallet::Outcome>>> taken;
  for (int i = 0; i < 8; ++i) taken.push_back(Send(TopUp(i)));
  EXPECT_EQ(Send(TopUp(8)).get().error().reason, "overloaded");
  service.AwaitKept(8);
  service.ReplyToAll();
  for (auto& one : taken) EXPECT_TRUE(one.get());
  auto after = Send(TopUp(9));
  service.AwaitKept(1);
  service.ReplyToAll();
  EXPECT_TRUE(after.get());
}

TEST_F(CommandLocalTest, CloseGivesUpOnWhatIsUnderWayAndWhatIsAnsweredLaterIsDropped) {
  Keeper service;
  Serve(service.Handler());
  auto lost = Send(TopUp(1));
  service.AwaitKept(1);
  local_->Close();
  const auto outcome = lost.get();
  EXPECT_EQ(outcome.error().reason, "connection_lost");
  EXPECT_EQ(outcome.error().code, Code::kUnknown);
  EXPECT_EQ(Counted("boxoffice_rpc_lost_total"), 1U);
  EXPECT_EQ(Send(TopUp(2)).get().error().reason, "closed");
  local_.reset();
  intake_.reset();
  service.ReplyToAll();  // touches nothing of theirs
}

// The service goes right after its callers are closed.
TEST_F(CommandLocalTest, CloseWaitsForAHandlerThatIsUnderWay) {
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> left = false;
  Serve([&](wallet::Command, Intake::Reply) {
    entered.set_value();
    leave.get_future().wait();
    left = true;
  });
  auto lost = Send(TopUp(1));
  entered.get_future().wait();
  std::thread closing([&] {
    local_->Close();
    EXPECT_TRUE(left);
  });
  Pause(20ms);
  leave.set_value();
  closing.join();
  EXPECT_EQ(lost.get().error().reason, "connection_lost");
}

// Three timers are due at once, and what the first one's turn sends is handed over behind the turns of all.
TEST_F(CommandLocalTest, ACommandThatIsOverdueBeforeItIsHandedOverIsAnsweredOnceWhenItIsClosed) {
  asio::io_context io;
  bool handed_over = false;
  Intake intake([&](wallet::Command, Intake::Reply) { handed_over = true; });
  std::vector<std::string> outcomes;
  asio::steady_timer before(io, std::chrono::steady_clock::now());
  Local local("test", io.get_executor(), intake, metrics_);
  asio::steady_timer after(io, 40ms);  // behind the local's own, of 20 ms
  before.async_wait([&](boost::system::error_code) {
    local.Send(TopUp(1), 0ms,
               [&](Result<wallet::Outcome>&& outcome) { outcomes.push_back(outcome.error().reason); });
  });
  after.async_wait([&](boost::system::error_code) { local.Close(); });
  after.wait();
  io.poll();
  EXPECT_THAT(outcomes, testing::ElementsAre("timeout"));
  EXPECT_FALSE(handed_over);
}

TEST_F(CommandLocalTest, APeerHandsCommandsToAServiceInItsProcess) {
  Serve(Echo);
  PeerOptions options;
  options.name = "peer";
  options.service = "wallet";
  const ChannelFactory channels([this](std::string_view) { return InProcess(NoChannel(), intake_.get()); });
  const auto peer = std::make_shared<Peer>(options, channels, io_.get_executor(), metrics_);
  CommandPeer<wallet::CommandBatch, wallet::OutcomeBatch> commands(
      peer, io_.get_executor(),
      [](const auto& channel) { return OpenExecute(wallet::WalletService::NewStub(channel)); }, metrics_);
  std::promise<Result<wallet::Outcome>> outcome;
  commands.Send(TopUp(5), 20s, [&](Result<wallet::Outcome>&& got) { outcome.set_value(std::move(got)); });
  EXPECT_EQ(outcome.get_future().get()->wallet().balance().amount(), 5);
}

}  // namespace
}  // namespace boxoffice::rpc
