#include <atomic>
#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <gmock/gmock.h>

#include "platform/rpc/command_client.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "platform/rpc/unary.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {
namespace {

using Client = CommandClient<wallet::CommandBatch, wallet::OutcomeBatch>;
using namespace std::chrono_literals;

class CommandStreamTest : public ::testing::Test {
 protected:
  void Serve(Intake::Handler handler) { ServeAt({}, std::move(handler)); }
  void ServeAt(const std::string& address, Intake::Handler handler) {
    service_ = std::make_unique<FakeService>(std::move(handler));
    host_ = std::make_unique<Host>();
    if (address.empty()) {
      ASSERT_TRUE(host_->Start(*service_, {}));
      stub_ = wallet::WalletService::NewStub(host_->InProcessChannel());
    } else {
      ASSERT_TRUE(host_->Start(*service_, {address}));
      stub_ = wallet::WalletService::NewStub(NetworkChannel(address));
    }
    client_ = std::make_unique<Client>(
        "test", io_.get_executor(),
        [this](auto* context, auto* reactor) { stub_->async()->Execute(context, reactor); }, metrics_,
        limits_);
  }
  void TearDown() override {
    client_.reset();
    if (host_) host_->Shutdown(0ms);
    work_.reset();
    thread_.join();
  }
  Result<wallet::Outcome> Await(wallet::Command command, std::chrono::milliseconds timeout = 20s) {
    std::promise<Result<wallet::Outcome>> promise;
    client_->Send(std::move(command), timeout,
                  [&](Result<wallet::Outcome> r) { promise.set_value(std::move(r)); });
    return promise.get_future().get();
  }

  obs::Registry metrics_;
  ClientLimits limits_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
  std::unique_ptr<FakeService> service_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<wallet::WalletService::Stub> stub_;
  std::unique_ptr<Client> client_;
};

TEST_F(CommandStreamTest, CommandsAreCountedAtBothEndsAndFailuresByTheirCode) {
  obs::Registry at_server;
  service_ = std::make_unique<FakeService>([](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() > 0) {
      Echo(std::move(command), std::move(reply));
    } else {
      reply(ErrorOutcome<wallet::Outcome>({Code::kResourceExhausted, "overloaded", ""}));
    }
  });
  host_ = std::make_unique<Host>();
  Listen listen;
  listen.metrics = &at_server;
  ASSERT_TRUE(host_->Start(*service_, listen, {}, {}, &service_->streams()));
  stub_ = wallet::WalletService::NewStub(host_->InProcessChannel());
  client_ = std::make_unique<Client>(
      "test", io_.get_executor(),
      [this](auto* context, auto* reactor) { stub_->async()->Execute(context, reactor); }, metrics_, limits_);
  EXPECT_TRUE(Await(TopUp(7)));
  EXPECT_TRUE(Await(TopUp(8)));
  EXPECT_FALSE(Await(TopUp(0)));
  EXPECT_EQ(at_server.GetCounter("boxoffice_rpc_server_commands_total", "", {{"service", "wallet"}}).value(),
            3U);
  const obs::Labels by_code{{"service", "wallet"}, {"code", "resource_exhausted"}};
  EXPECT_EQ(at_server.GetCounter("boxoffice_rpc_server_command_errors_total", "", by_code).value(), 1U);
  const obs::Labels client{{"client", "test"}};
  EXPECT_EQ(metrics_.GetHistogram("boxoffice_rpc_command_seconds", "", {}, client).count(), 3U);
  const obs::Labels failed{{"client", "test"}, {"code", "resource_exhausted"}};
  EXPECT_EQ(metrics_.GetCounter("boxoffice_rpc_command_errors_total", "", failed).value(), 1U);
  client_.reset();
  host_->Shutdown(0ms);  // before its metrics go
}

TEST_F(CommandStreamTest, ACommandGetsItsOutcome) {
  Serve(Echo);
  EXPECT_EQ(Await(TopUp(7))->wallet().balance().amount(), 7);
}

TEST_F(CommandStreamTest, ManyCommandsFromManyThreadsEachGetTheirOwnOutcome) {
  Serve(Echo);
  EXPECT_EQ(RightOutcomesOfManyThreads(*client_), kThreads * kOfEachThread);
}

TEST_F(CommandStreamTest, CommandsOfOneTurnAndOutcomesOfOneBurstTravelInOneMessage) {
  Serve(Echo);
  ASSERT_TRUE(Await(TopUp(1)));  // the stream is open
  constexpr int kCommands = 40;
  std::promise<void> all;
  std::vector<size_t> together(1, 0);  // outcomes of each turn of the executor
  asio::post(io_, [&] {
    for (int i = 0; i < kCommands; ++i) {
      client_->Send(TopUp(i), 20s, [&, last = i == kCommands - 1](Result<wallet::Outcome> r) {
        EXPECT_TRUE(r);
        if (together.back()++ == 0) asio::post(io_, [&] { together.push_back(0); });
        if (last) asio::post(io_, [&] { all.set_value(); });
      });
      std::this_thread::yield();
    }
  });
  all.get_future().wait();
  EXPECT_EQ(together.front(), size_t{kCommands});
  const obs::Histogram& sizes =
      metrics_.GetHistogram("boxoffice_rpc_batch_size", "", obs::SizeBounds(), {{"client", "test"}});
  EXPECT_EQ(sizes.count(), 2U) << "one message for the first command, one for the rest";
}

TEST_F(CommandStreamTest, OutcomesComeAsTheyAreDecidedNotInOrder) {
  std::mutex mutex;
  std::vector<Intake::Reply> kept;
  Serve([&](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() == 1) {
      const std::scoped_lock lock(mutex);
      kept.push_back(std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  std::promise<Result<wallet::Outcome>> first;
  client_->Send(TopUp(1), 20s, [&](Result<wallet::Outcome> r) { first.set_value(std::move(r)); });
  EXPECT_EQ(Await(TopUp(2))->wallet().balance().amount(), 2);
  {
    const std::scoped_lock lock(mutex);
    Echo(TopUp(1), std::move(kept.at(0)));
  }
  EXPECT_TRUE(first.get_future().get());
}

TEST_F(CommandStreamTest, AnErrorTravelsInTheHeader) {
  Serve([](wallet::Command, Intake::Reply reply) {
    reply(ErrorOutcome<wallet::Outcome>({Code::kResourceExhausted, "overloaded", "wallet"}));
  });
  EXPECT_EQ(Await(TopUp(1)).error(), (Error{Code::kResourceExhausted, "overloaded", "wallet"}));
}

TEST_F(CommandStreamTest, ATimeOutIsUnknownAndALateAnswerIsDropped) {
  std::promise<Intake::Reply> kept;
  Serve([&](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() == 1) {
      kept.set_value(std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  ASSERT_TRUE(Await(TopUp(2))) << "the stream is open, so what comes now is written";
  const auto late = Await(TopUp(1), 1s);
  EXPECT_EQ(late.error().code, Code::kUnknown);
  EXPECT_EQ(late.error().reason, "timeout");
  Echo(TopUp(1), kept.get_future().get());
  EXPECT_TRUE(Await(TopUp(2)));
}

TEST_F(CommandStreamTest, ABrokenStreamMakesWhatWasSentUnknownAndTheNextCommandTriesAnew) {
  const testbed::TempDir dir;
  std::promise<void> arrived;
  ServeAt("unix:" + (dir.path() / "s").string(),
          [&](wallet::Command, Intake::Reply) { arrived.set_value(); });
  std::promise<Result<wallet::Outcome>> promise;
  client_->Send(TopUp(1), 20s, [&](Result<wallet::Outcome> r) { promise.set_value(std::move(r)); });
  arrived.get_future().wait();
  host_->Shutdown(0ms);
  EXPECT_EQ(promise.get_future().get().error().code, Code::kUnknown);
  // Nobody serves any more: the next one fails too, rather than waiting.
  EXPECT_FALSE(Await(TopUp(2)));
}

TEST_F(CommandStreamTest, TooManyInFlightAreRefusedBeforeTheyAreSent) {
  limits_.max_in_flight = 1;
  std::promise<void> arrived;
  Serve([&](wallet::Command, Intake::Reply) { arrived.set_value(); });
  client_->Send(TopUp(1), 20s, [](const Result<wallet::Outcome>&) {});
  arrived.get_future().wait();
  EXPECT_EQ(Await(TopUp(2)).error().reason, "overloaded");
}

TEST_F(CommandStreamTest, FinishingWorkMayUseTheWholeBoundAndNewWorkFourFifths) {
  limits_.max_in_flight = 10;
  Serve([](wallet::Command, Intake::Reply) {});
  std::atomic<int> overloaded = 0;
  const auto count = [&](const Result<wallet::Outcome>& r) {
    overloaded += !r && r.error().reason == "overloaded" ? 1 : 0;
  };
  for (int i = 0; i < 10; ++i) client_->Send(TopUp(i), 20s, count);
  for (int i = 0; i < 3; ++i) client_->Send(TopUp(i), 20s, count, resilience::Priority::kFinishing);
  client_.reset();
  work_.reset();
  thread_.join();
  thread_ = std::thread([] {});  // for TearDown
  EXPECT_EQ(overloaded, 2 + 1);
}

TEST_F(CommandStreamTest, TheHeaderSaysWhenTheCallerGivesUpAndHowUrgentItIs) {
  std::promise<resilience::Terms> seen;
  Serve([&](wallet::Command command, Intake::Reply reply) {
    seen.set_value(TermsOf(command.header()));
    Echo(std::move(command), std::move(reply));
  });
  const auto now = std::chrono::steady_clock::now();
  std::promise<void> done;
  client_->Send(
      TopUp(1), 20s, [&](const Result<wallet::Outcome>&) { done.set_value(); },
      resilience::Priority::kFinishing);
  const resilience::Terms terms = seen.get_future().get();
  EXPECT_EQ(terms.priority, resilience::Priority::kFinishing);
  EXPECT_GE(terms.deadline, now + 20s);
  EXPECT_LE(terms.deadline, std::chrono::steady_clock::now() + 20s);
  done.get_future().wait();
}

TEST_F(CommandStreamTest, WhatCouldNotBeWrittenInTimeWasNotSent) {
  const testbed::TempDir dir;
  const std::string path = (dir.path() / "s").string();
  // Takes connections, and says nothing.
  asio::local::stream_protocol::acceptor acceptor(io_, asio::local::stream_protocol::endpoint(path));
  stub_ = wallet::WalletService::NewStub(NetworkChannel("unix:" + path));
  client_ = std::make_unique<Client>(
      "test", io_.get_executor(),
      [this](auto* context, auto* reactor) { stub_->async()->Execute(context, reactor); }, metrics_, limits_);
  std::promise<Result<wallet::Outcome>> first;
  client_->Send(TopUp(1), 100ms, [&](Result<wallet::Outcome> r) { first.set_value(std::move(r)); });
  EXPECT_EQ(Await(TopUp(2), 100ms).error(), (Error{Code::kUnavailable, "deadline_passed", {}}));
  EXPECT_EQ(first.get_future().get().error(), (Error{Code::kUnavailable, "deadline_passed", {}}))
      << "nothing is written before the server has taken the stream";
}

TEST_F(CommandStreamTest, ARetiredStreamStillBringsItsOutcomesAndThenEnds) {
  const testbed::TempDir dir;
  std::promise<Intake::Reply> kept;
  ServeAt("unix:" + (dir.path() / "s").string(), [&](wallet::Command command, Intake::Reply reply) {
    if (command.top_up().money().amount() == 1) {
      kept.set_value(std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  std::promise<Result<wallet::Outcome>> first;
  client_->Send(TopUp(1), 20s, [&](Result<wallet::Outcome> r) { first.set_value(std::move(r)); });
  Intake::Reply reply = kept.get_future().get();
  client_->Retire();
  EXPECT_TRUE(Await(TopUp(2))) << "on a new stream";
  client_->Retire();
  Echo(TopUp(1), std::move(reply));
  EXPECT_EQ(first.get_future().get()->wallet().balance().amount(), 1);
  const auto start = std::chrono::steady_clock::now();
  host_->Shutdown(120s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 60s) << "no stream is open any more";
}

TEST_F(CommandStreamTest, CoroutinesAwaitQueriesBesideCommands) {
  Serve(Echo);
  EXPECT_EQ(Await(TopUp(5))->wallet().balance().amount(), 5);
  std::promise<std::string> reason;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        wallet::GetWalletRequest request;
        auto start = [this](auto... arguments) { stub_->async()->GetWallet(arguments...); };
        OpenCalls calls;
        auto found = co_await Call<wallet::Wallet>(io_.get_executor(), calls, request, 20s, start);
        reason.set_value(found ? "found" : found.error().reason);
      },
      asio::detached);
  EXPECT_EQ(reason.get_future().get(), "wallet_not_found");
}

TEST(StatusTest, TheTableGoesBothWays) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const Error error{static_cast<Code>(code), "some_reason", "some detail"};
    EXPECT_EQ(FromStatus(ToStatus(error)), error);
    EXPECT_EQ(FromProto(ToProto(error)), error);
  }
  EXPECT_EQ(FromStatus({grpc::StatusCode::DEADLINE_EXCEEDED, "late"}).code, Code::kUnknown);
  EXPECT_EQ(FromStatus({grpc::StatusCode::UNAVAILABLE, "gone"}).reason, "connection_lost");
  EXPECT_EQ(FromStatus({grpc::StatusCode::CANCELLED, "going"}).reason, "connection_lost");
  EXPECT_EQ(FromStatus({grpc::StatusCode::UNIMPLEMENTED, ""}),
            (Error{Code::kUnavailable, "not_implemented", ""}))
      << "nobody has done it";
  const std::string of_a_proxy = "Received http2 header with status: 502";
  EXPECT_EQ(FromStatus({grpc::StatusCode::UNKNOWN, of_a_proxy}),
            (Error{Code::kUnknown, "rpc_failed", of_a_proxy}))
      << "a reason is a name that callers may branch on";
}

TEST(StatusTest, WhatGrpcItselfFindsTooLargeMayHaveBeenDone) {
  const std::string of_grpc = "Received message larger than max (70000000 vs. 67108864)";
  EXPECT_EQ(FromStatus({grpc::StatusCode::RESOURCE_EXHAUSTED, of_grpc}),
            (Error{Code::kUnknown, "answer_unreadable", of_grpc}));
  for (const Error& ours :
       {Error{Code::kResourceExhausted, "overloaded", "wallet"},
        Error{Code::kResourceExhausted, "overloaded", ""},
        Error{Code::kResourceExhausted, "too_many_targets", "delete one first: 5 vs. 4"}}) {
    EXPECT_EQ(FromStatus(ToStatus(ours)), ours) << "a service that refuses has not done it";
  }
}

}  // namespace
}  // namespace boxoffice::rpc
