// Replicas of a service that come and go, and a caller of theirs, for the tests of this room.
#pragma once

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/rpc/command_peer.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "platform/rpc/stubs.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Commands = CommandPeer<wallet::CommandBatch, wallet::OutcomeBatch>;

// One replica that can be stopped and started again.
class Member {
 public:
  Member(std::string address, const Intake::Handler& handler)
      : address_(std::move(address)), handler_(Counting(handler)) {
    Start();
  }
  void Start() {
    host_.reset();
    service_ = std::make_unique<FakeService>(handler_);
    host_ = std::make_unique<Host>();
    const Result<void> started = host_->Start(*service_, {address_}, {}, {}, &service_->streams());
    ASSERT_TRUE(started) << started.error().detail;
  }
  void Leave() { host_->Leave(); }
  // How long it took.
  std::chrono::milliseconds Drain(std::chrono::milliseconds grace) {
    const auto start = std::chrono::steady_clock::now();
    host_->Drain(grace);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
  void Kill() { host_->Shutdown(0ms); }

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] int received() const { return received_; }
  void RefuseQueries(bool refuse) { service_->RefuseQueries(refuse); }
  void HoldQueries(bool hold) { service_->HoldQueries(hold); }
  [[nodiscard]] int asked() const { return service_->asked(); }
  [[nodiscard]] bool HasRoom() const { return service_->HasRoom(); }
  [[nodiscard]] int begun() const { return service_->begun(); }

 private:
  Intake::Handler Counting(const Intake::Handler& handler) {
    return [this, handler](wallet::Command command, Intake::Reply reply) {
      ++received_;
      handler(std::move(command), std::move(reply));
    };
  }
  const std::string address_;
  std::atomic<int> received_{0};
  const Intake::Handler handler_;
  std::unique_ptr<FakeService> service_;
  std::unique_ptr<Host> host_;
};

class ReplicaTest : public ::testing::Test {
 protected:
  // On a busy machine a replica takes its time to come; where none comes, the test says how long is waited.
  ReplicaTest() { options_.replica_gap = 20s; }
  std::string Socket(const std::string& name) { return "unix:" + (dir_.path() / name).string(); }

  void Connect(const std::string& addresses) {
    options_.name = "test";
    options_.service = "wallet";
    channels_ = ChannelFactory::Network([addresses](std::string_view) { return addresses; });
    peer_ = std::make_shared<Peer>(options_, channels_, io_.get_executor(), metrics_);
    commands_ = MakeCommands();
    stubs_ =
        std::make_unique<Stubs<wallet::WalletService::Stub>>(peer_, slot_, &wallet::WalletService::NewStub);
  }
  std::unique_ptr<Commands> MakeCommands() {
    return std::make_unique<Commands>(
        peer_, io_.get_executor(),
        [](const auto& channel) { return OpenExecute(wallet::WalletService::NewStub(channel)); }, metrics_,
        limits_);
  }
  // Returns when both are connected to.
  void Connect(const Member& a, const Member& b) {
    Connect(a.address() + "," + b.address());
    AwaitReachable(2);
  }

  void TearDown() override {
    commands_.reset();
    asio::post(io_, [this] {
      if (peer_) peer_->Stop();
    });
    work_.reset();
    thread_.join();
  }

  void Send(int64_t amount, std::function<void(Result<wallet::Outcome>)> done,
            std::chrono::milliseconds timeout = 20s) {
    commands_->Send(TopUp(amount), timeout, std::move(done));
  }
  Result<wallet::Outcome> Await(int64_t amount, std::chrono::milliseconds timeout = 20s) {
    std::promise<Result<wallet::Outcome>> promise;
    Send(amount, [&](Result<wallet::Outcome> r) { promise.set_value(std::move(r)); }, timeout);
    return promise.get_future().get();
  }
  // Sends so many at once, and returns when each has its outcome or error.
  void SendAndAwait(int count, std::chrono::milliseconds timeout) {
    std::atomic<int> left = count;
    std::promise<void> all;
    const auto done = [&](const Result<wallet::Outcome>&) {
      if (--left == 0) all.set_value();
    };
    for (int i = 0; i < count; ++i) Send(i, done, timeout);
    all.get_future().wait();
  }
  // Before Connect: breakers open at the first failure, for so long.
  void OpenAtOnce(std::chrono::milliseconds open_for) {
    options_.breaker.min_calls = 1;
    options_.breaker.open_for = open_for;
    options_.breaker.slow_after = 600s;
  }
  // A breaker's state as it is shown: "0" closed, "1" half open, "2" open; "": not at all.
  std::string StateShown(const Member& member) {
    const std::string series =
        fmt::format("boxoffice_breaker_state{{client=\"test\",replica=\"{}\"}} ", member.address());
    const std::string page = metrics_.Render();
    const size_t found = page.find(series);
    if (found == std::string::npos) return "";
    const size_t begin = found + series.size();
    return page.substr(begin, page.find('\n', begin) - begin);
  }
  Result<wallet::Wallet> Query(const std::string& user, std::chrono::milliseconds timeout = 20s) {
    auto ask = [&]() -> asio::awaitable<Result<wallet::Wallet>> {
      wallet::GetWalletRequest request;
      request.set_user_id(user);
      auto start = [this](auto... arguments) { (*stubs_)->async()->GetWallet(arguments...); };
      co_return co_await Ask<wallet::Wallet>(io_.get_executor(), slot_, request, timeout, start);
    };
    return asio::co_spawn(io_, ask, asio::use_future).get();
  }
  // Waits until the peer knows that `count` replicas are connected, or not.
  void AwaitReachable(size_t count) {
    const auto reached = [&] {
      size_t reachable = 0;
      for (const BreakerRow& row : channels_.board().Read()) reachable += row.reachable ? 1 : 0;
      return reachable == count;
    };
    EXPECT_TRUE(Eventually(reached)) << "never " << count << " reachable";
  }

  // Whether the peer has heard of a replica that it goes.
  bool Left() {
    const auto rows = channels_.board().Read();
    return std::ranges::any_of(rows, [](const BreakerRow& row) { return row.leaving; });
  }

  PeerOptions options_;  // before Connect, as the next
  ClientLimits limits_;
  const testbed::TempDir dir_;
  obs::Registry metrics_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
  ChannelFactory channels_;
  PickSlot slot_;
  std::shared_ptr<Peer> peer_;
  std::unique_ptr<Commands> commands_;
  std::unique_ptr<Stubs<wallet::WalletService::Stub>> stubs_;
};

// Keeps the replies, for a test to send them.
class Keeper {
 public:
  Intake::Handler Handler() {
    return [this](wallet::Command command, Intake::Reply reply) {
      const std::scoped_lock lock(mutex_);
      kept_.emplace_back(std::move(command), std::move(reply));
    };
  }
  void AwaitKept(size_t count) {
    const auto arrived = [&] {
      const std::scoped_lock lock(mutex_);
      return kept_.size() >= count;
    };
    EXPECT_TRUE(Eventually(arrived)) << "fewer than " << count << " arrived";
  }
  void ReplyToAll() {
    const std::scoped_lock lock(mutex_);
    for (auto& [command, reply] : kept_) Echo(std::move(command), std::move(reply));
    kept_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<wallet::Command, Intake::Reply>> kept_;
};

}  // namespace boxoffice::rpc
