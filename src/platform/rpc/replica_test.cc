// Several replicas of a service, and what becomes of commands and queries when they come and go.
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>

#include "boxoffice/seat/v1/seat.pb.h"
#include "platform/rpc/command_peer.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "platform/rpc/stubs.h"
#include "testing/temp_dir.h"

namespace boxoffice::rpc {
namespace {

using namespace std::chrono_literals;
using Commands = CommandPeer<wallet::CommandBatch, wallet::OutcomeBatch>;
using resilience::Breaker;

// One replica that can be stopped and started again.
class Member {
 public:
  Member(std::string address, Server::Handler handler)
      : address_(std::move(address)), service_(Counting(handler)) {
    Start();
  }
  void Start() {
    host_ = std::make_unique<Host>();
    const Result<void> started = host_->Start(service_, {address_});
    ASSERT_TRUE(started) << started.error().detail;
  }
  // How long it took.
  std::chrono::milliseconds Drain(std::chrono::milliseconds grace) {
    const auto start = std::chrono::steady_clock::now();
    host_->Drain(grace);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
  void Kill() { host_->Shutdown(0ms); }

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] int received() const { return received_; }

 private:
  Server::Handler Counting(Server::Handler handler) {
    return [this, handler = std::move(handler)](wallet::Command command, Server::Reply reply) {
      ++received_;
      handler(std::move(command), std::move(reply));
    };
  }
  const std::string address_;
  std::atomic<int> received_{0};
  FakeService service_;
  std::unique_ptr<Host> host_;
};

class ReplicaTest : public ::testing::Test {
 protected:
  std::string Socket(const std::string& name) { return "unix:" + (dir_.path() / name).string(); }

  void Connect(const std::string& addresses, resilience::BreakerConfig breaker = {}) {
    channels_ = ChannelFactory::Network([addresses](std::string_view) { return addresses; });
    peer_ = std::make_shared<Peer>(PeerOptions{"test", "wallet", breaker}, channels_, io_.get_executor(),
                                   metrics_);
    commands_ = std::make_unique<Commands>(
        peer_, io_.get_executor(),
        [](const auto& channel) { return OpenExecute(wallet::WalletService::NewStub(channel)); }, metrics_);
    stubs_ =
        std::make_unique<Stubs<wallet::WalletService::Stub>>(peer_, slot_, &wallet::WalletService::NewStub);
  }
  void Connect(const Member& a, const Member& b) { Connect(a.address() + "," + b.address()); }

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
  Result<wallet::Wallet> Query(const std::string& user, std::chrono::milliseconds timeout = 5s) {
    auto ask = [&]() -> asio::awaitable<Result<wallet::Wallet>> {
      wallet::GetWalletRequest request;
      request.set_user_id(user);
      auto start = [this](auto... arguments) { (*stubs_)->async()->GetWallet(arguments...); };
      co_return co_await Ask<wallet::Wallet>(io_.get_executor(), slot_, request, timeout, start);
    };
    return asio::co_spawn(io_, ask, asio::use_future).get();
  }
  uint64_t Moved() {
    return metrics_.GetCounter("boxoffice_rpc_moved_total", "", {{"client", "test"}}).value();
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
  Server::Handler Handler() {
    return [this](wallet::Command command, Server::Reply reply) {
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
  std::vector<std::pair<wallet::Command, Server::Reply>> kept_;
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
  Connect(Socket("nobody") + "," + Socket("neither"));
  (void)Await(1);
  AwaitReachable(0);
  EXPECT_EQ(Await(2).error().code, Code::kUnavailable);
  EXPECT_EQ(Await(2).error().reason, "unreachable");
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
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i)) << i;
  EXPECT_EQ(unknown, 10);
  EXPECT_EQ(other, 0);
}

// The rolling restart: under load, each replica is drained and started again, twice.
TEST_F(ReplicaTest, ARollingRestartShowsNoErrorToWhoeverRepeats) {
  asio::thread_pool later(1);
  const auto slowly = [&](wallet::Command command, Server::Reply reply) {
    auto timer = std::make_shared<asio::steady_timer>(later, 2ms);
    timer->async_wait([timer, command = std::move(command), reply = std::move(reply)](auto) mutable {
      Echo(std::move(command), std::move(reply));
    });
  };
  Member a(Socket("a"), slowly);
  Member b(Socket("b"), slowly);
  Connect(a, b);
  std::atomic<bool> stop = false;
  std::atomic<int> done = 0;
  std::mutex mutex;
  std::map<std::string, int> errors;
  std::vector<std::thread> buyers;
  for (int t = 0; t < 8; ++t) {
    buyers.emplace_back([&, t] {
      for (int64_t i = 0; !stop; ++i) {
        auto r = i % 10 == 9 && t == 0 ? Result<wallet::Outcome>(wallet::Outcome()) : Await(i);
        // Seldom, one crosses a server's farewell: then it is repeated, three times with a pause, as a saga's
        // step is.
        for (int retry = 0; !r && retry < 3; ++retry) {
          Pause(100ms);
          r = Await(i);
        }
        if (t == 0 && i % 10 == 9) {
          if (const auto found = Query("ada"); !found) {
            const std::scoped_lock lock(mutex);
            ++errors["query " + found.error().reason];
          }
        }
        ++done;
        if (r) continue;
        const std::scoped_lock lock(mutex);
        ++errors[r.error().reason];
      }
    });
  }
  for (Member* member : {&a, &b, &a, &b}) {
    AwaitReachable(2);
    Pause(1s);  // as whoever restarts replicas does: until the one that came back is connected to
    EXPECT_LT(member->Drain(10s), 5s) << "its callers went by themselves";
    member->Start();
  }
  stop = true;
  for (auto& buyer : buyers) buyer.join();
  later.join();
  EXPECT_THAT(errors, testing::IsEmpty());
  EXPECT_GT(done, 100);
  EXPECT_GT(std::min(a.received(), b.received()), 0);
}

TEST_F(ReplicaTest, ABreakerPerReplicaLeavesTheOthersAlone) {
  Keeper silent;
  Member a(Socket("a"), silent.Handler());
  Member b(Socket("b"), Echo);
  Connect(a, b);
  // Until the silent one's breaker has opened, some commands time out.
  std::atomic<int> left = 400;
  std::promise<void> all;
  for (int i = 0; i < 400; ++i) {
    Send(
        i,
        [&](const auto&) {
          if (--left == 0) all.set_value();
        },
        100ms);
  }
  all.get_future().wait();
  const std::vector<BreakerRow> rows = channels_.board().Read();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].breaker.state, Breaker::State::kOpen);
  EXPECT_EQ(rows[1].breaker.state, Breaker::State::kClosed);
  const int before = a.received();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), before);
  silent.ReplyToAll();
}

TEST_F(ReplicaTest, AnOpenBreakerRefusesBeforeSendingAndClosesAfterProbes) {
  std::atomic<bool> silent = true;
  Keeper keeper;
  const auto keep = keeper.Handler();
  Member a(Socket("a"), [&](wallet::Command command, Server::Reply reply) {
    if (silent) {
      keep(std::move(command), std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  resilience::BreakerConfig breaker;
  breaker.open_for = 300ms;
  Connect(a.address(), breaker);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i, 30ms).error().code, Code::kUnknown);
  const int before = a.received();
  EXPECT_EQ(Await(1).error(), (Error{Code::kUnavailable, "breaker_open", "wallet does not answer"}));
  EXPECT_EQ(a.received(), before);
  EXPECT_EQ(metrics_.GetGauge("boxoffice_breaker_state", "", {{"client", "test"}, {"replica", a.address()}})
                .value(),
            2);
  silent = false;
  Pause(350ms);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Await(i)) << i;
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
  keeper.ReplyToAll();
}

TEST_F(ReplicaTest, ARefusalIsNoFailure) {
  Member a(Socket("a"), [](wallet::Command, Server::Reply reply) {
    reply(ErrorOutcome<wallet::Outcome>({Code::kUnavailable, "database_unavailable", ""}));
  });
  Connect(a.address());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Await(i).error().reason, "database_unavailable");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
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

TEST_F(ReplicaTest, OnlyWhatTheContractCallsAQueryIsAskedAgain) {
  EXPECT_TRUE(IsQuery<wallet::GetWalletRequest>());
  EXPECT_FALSE(IsQuery<seat::v1::CreateShowRequest>());
}

TEST_F(ReplicaTest, ADnsNameStandsForAllItsAddresses) {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  acceptor.close();
  Member a(fmt::format("127.0.0.1:{}", port), Echo);
  Connect(fmt::format("dns:localhost:{}", port));
  EXPECT_EQ(Await(1).error().reason, "no_replica") << "nobody has been resolved yet";
  EXPECT_TRUE(Eventually([this] { return peer_->replica_count() > 0; }));
  // It may have an IPv6 address too, where nobody listens.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), 50);
}

TEST(ChannelsTest, ReplicasAreAListOrAName) {
  EXPECT_THAT(ParseReplicas("127.0.0.1:1,unix:/run/b.sock,[::1]:3,127.0.0.1:1")->fixed,
              testing::ElementsAre("127.0.0.1:1", "unix:/run/b.sock", "[::1]:3"));
  const auto named = ParseReplicas("dns:seat.boxoffice.svc:9000");
  EXPECT_EQ(named->dns_name, "seat.boxoffice.svc");
  EXPECT_EQ(named->port, "9000");
  for (const char* wrong :
       {"", ",", "host", "host:", ":1", "host:port", "a:1,", "unix:", "dns:name", "dns::1", "dns:a:1,b:2"}) {
    EXPECT_EQ(ParseReplicas(wrong).error().reason, "address_invalid") << wrong;
  }
}

}  // namespace
}  // namespace boxoffice::rpc
