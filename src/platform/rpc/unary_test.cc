// Unary calls that outlast whoever made them.
#include "platform/rpc/unary.h"

#include <atomic>
#include <exception>
#include <functional>
#include <optional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "platform/rpc/channels.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {
namespace {

using std::chrono_literals::operator""s;

// Answers nobody who does not give up.
class SilentService final : public wallet::WalletService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetWallet(grpc::CallbackServerContext*, const wallet::GetWalletRequest*,
                                      wallet::Wallet*) override {
    ++asked;
    return new Reactor;
  }
  std::atomic<int> asked{0};

 private:
  class Reactor final : public grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
};

class UnaryTest : public ::testing::Test {
 protected:
  UnaryTest() {
    host_.Start(service_, {address_}, [] { return std::string(); }).value();
  }

  const testbed::TempDir dir_;
  const std::string address_ = "unix:" + (dir_.path() / "s").string();
  SilentService service_;
  Host host_;
  const std::unique_ptr<wallet::WalletService::Stub> stub_ =
      wallet::WalletService::NewStub(NetworkChannel(address_));
};

// As a replica does that stops while it waits for another service.
TEST_F(UnaryTest, ACallThatIsUnderWayEndsBeforeTheExecutorOfItsCallerGoes) {
  std::atomic<int> ended = 0;
  std::vector<std::function<void(grpc::Status)>> callbacks;  // gRPC may keep them for as long
  auto start = [&](auto* context, auto* request, auto* response, auto done) {
    callbacks.emplace_back(done);
    stub_->async()->GetWallet(context, request, response, [&ended, done](grpc::Status status) {
      ++ended;
      done(std::move(status));
    });
  };
  std::optional<asio::io_context> io(std::in_place);
  std::optional<OpenCalls> calls(std::in_place);
  const auto caller = std::make_shared<int>();
  const auto call = [&](std::shared_ptr<int>) -> asio::awaitable<void> {
    (void)co_await Call<wallet::Wallet>(io->get_executor(), *calls, wallet::GetWalletRequest(), 60s, start);
  };
  for (int i = 0; i < 2; ++i) asio::co_spawn(*io, call(caller), asio::detached);
  io->poll();
  ASSERT_TRUE(Eventually([&] { return service_.asked == 2; }));
  const auto began = std::chrono::steady_clock::now();
  calls.reset();
  EXPECT_EQ(ended, 2) << "nobody comes back any more";
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s) << "they were cancelled";
  io.reset();
  EXPECT_EQ(caller.use_count(), 1) << "who waited is gone with the executor, or would come back to it";
}

TEST_F(UnaryTest, OnceTheyAreCancelledThoseUnderWayComeBackAtOnceAndSoDoesWhatBeginsThen) {
  asio::io_context io;
  OpenCalls calls;
  int failed = 0;
  const auto ask = [&] {
    asio::co_spawn(io,
                   Call<wallet::Wallet>(io.get_executor(), calls, wallet::GetWalletRequest(), 60s,
                                        [this](auto... a) { stub_->async()->GetWallet(a...); }),
                   [&failed](const std::exception_ptr&, const Result<wallet::Wallet>& answer) {
                     if (!answer) ++failed;
                   });
  };
  ask();
  io.poll();
  ASSERT_TRUE(Eventually([&] { return service_.asked == 1; }));
  const auto began = std::chrono::steady_clock::now();
  calls.Cancel();
  ask();
  io.run();
  EXPECT_EQ(failed, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
}

}  // namespace
}  // namespace boxoffice::rpc
