// A caller whose machine is gone: its connections are there, and nothing comes on them, not even their end.
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/rpc/channels.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "testing/free_port.h"

namespace boxoffice::rpc {
namespace {

using asio::ip::tcp;
using Client = CommandClient<wallet::CommandBatch, wallet::OutcomeBatch>;
using namespace std::chrono_literals;

const asio::ip::address kHere = asio::ip::address_v4::loopback();

// Takes one connection, and passes on what is said at either end, until it is cut.
class Cable {
 public:
  explicit Cable(uint16_t to) {
    asio::co_spawn(io_, Pass(to), asio::detached);
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~Cable() { io_.stop(); }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  [[nodiscard]] uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void Cut() { cut_ = true; }

 private:
  asio::awaitable<void> Pass(uint16_t to) {
    near_ = co_await acceptor_.async_accept(asio::use_awaitable);
    co_await far_.async_connect({kHere, to}, asio::use_awaitable);
    asio::co_spawn(io_, Pump(near_, far_), asio::detached);
    co_await Pump(far_, near_);
  }
  asio::awaitable<void> Pump(tcp::socket& from, tcp::socket& to) {
    std::array<char, 4096> buffer{};
    while (true) {
      const auto [error, size] =
          co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
      if (error || cut_) co_return;
      co_await asio::async_write(to, asio::buffer(buffer, size), asio::use_awaitable);
    }
  }

  asio::io_context io_;
  tcp::acceptor acceptor_{io_, {kHere, 0}};
  tcp::socket near_{io_};
  tcp::socket far_{io_};
  std::atomic<bool> cut_ = false;
  std::jthread thread_;
};

TEST(HalfOpenTest, ACallerThatVanishesWithoutAWordKeepsNoStream) {
  const uint16_t port = testbed::FreePort();
  FakeService service(Echo);
  Host host;
  Listen listen(std::vector<std::string>{fmt::format("127.0.0.1:{}", port)});
  listen.keep_alive = 200ms;
  ASSERT_TRUE(host.Start(service, listen, {}, {}, &service.streams()));
  obs::Registry metrics;
  asio::io_context io;
  std::jthread thread;  // ends after the work
  const auto work = asio::make_work_guard(io);
  thread = std::jthread([&io] { io.run(); });
  // One that is given up before it vanishes, because the machine is busy, shows nothing: then another.
  EXPECT_TRUE(Eventually([&] {
    Cable cable(port);
    const std::string address = fmt::format("127.0.0.1:{}", cable.port());
    const auto stub = wallet::WalletService::NewStub(NetworkChannel(address));
    Client client(
        "test", io.get_executor(),
        [&stub](auto* context, auto* reactor) { stub->async()->Execute(context, reactor); }, metrics);
    std::promise<bool> answered;
    client.Send(TopUp(1), 20s, [&](const Result<wallet::Outcome>& r) { answered.set_value(r.has_value()); });
    if (!answered.get_future().get() || service.streams().AwaitNone(0ms)) return false;
    cable.Cut();
    EXPECT_TRUE(service.streams().AwaitNone(30s)) << "nor does it hold up a drain";
    return true;
  }));
}

}  // namespace
}  // namespace boxoffice::rpc
