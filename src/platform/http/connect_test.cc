#include "platform/http/connect.h"

#include <optional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "testing/free_port.h"

namespace boxoffice::http {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

const tcp::endpoint kAnyPort(boost::asio::ip::make_address("127.0.0.1"), 0);

class ConnectTest : public ::testing::Test {
 protected:
  // A listener that answers nobody: as many wait for it as it lets wait. False: this system lets all wait.
  bool Fill() {
    for (int i = 0; i < 64; ++i) {
      tcp::socket& one = waiting_.emplace_back(io_, tcp::v4());
      one.native_non_blocking(true);
      const tcp::endpoint there = full_.local_endpoint();
      if (::connect(one.native_handle(), there.data(), static_cast<socklen_t>(there.size())) == 0) continue;
      pollfd poll{one.native_handle(), POLLOUT, 0};
      if (::poll(&poll, 1, 1'000) == 0) return true;
    }
    return false;
  }
  // The error, and what it has connected to.
  std::optional<error_code> Connect(std::vector<tcp::endpoint> endpoints, std::chrono::milliseconds within) {
    std::optional<error_code> result;
    const auto until = steady_clock::now() + within;
    boost::asio::steady_timer watch(io_, until);
    watch.async_wait([this](error_code cancelled) {
      if (!cancelled) socket_.close();
    });
    boost::asio::co_spawn(io_, ConnectInTurn(socket_, std::move(endpoints), until),
                          [&](const std::exception_ptr& thrown, error_code error) {
                            if (!thrown) result = error;
                            watch.cancel();
                          });
    io_.restart();
    io_.run_for(within + 20s);
    return result;
  }

  boost::asio::io_context io_{1};
  tcp::socket socket_{io_};
  tcp::acceptor listens_{io_, kAnyPort};
  tcp::acceptor full_{io_};
  std::vector<tcp::socket> waiting_;

  void SetUp() override {
    full_.open(tcp::v4());
    full_.bind(kAnyPort);
    full_.listen(0);
  }
  // Where nobody listens.
  [[nodiscard]] static tcp::endpoint Nobody() { return {kAnyPort.address(), testbed::FreePort()}; }
};

TEST_F(ConnectTest, AnAddressThatRefusesIsFollowedByTheNext) {
  EXPECT_EQ(Connect({Nobody(), listens_.local_endpoint()}, 20s), error_code());
  EXPECT_EQ(socket_.remote_endpoint(), listens_.local_endpoint());
}

TEST_F(ConnectTest, AnAddressThatSwallowsEverythingLeavesTimeForTheNext) {
  if (!Fill()) GTEST_SKIP() << "this system lets everybody wait";
  EXPECT_EQ(Connect({full_.local_endpoint(), listens_.local_endpoint()}, 8s), error_code());
  ASSERT_TRUE(socket_.is_open());
  EXPECT_EQ(socket_.remote_endpoint(), listens_.local_endpoint());
}

TEST_F(ConnectTest, OfManyAddressesNoneIsGivenTooLittleTimeAndAllEndWithTheCallers) {
  if (!Fill()) GTEST_SKIP() << "this system lets everybody wait";
  // Of a hundred only two have their turn: the others would get no answer from far away in what is left them.
  std::vector<tcp::endpoint> many(99, full_.local_endpoint());
  many.push_back(listens_.local_endpoint());
  const auto start = steady_clock::now();
  const std::optional<error_code> error = Connect(std::move(many), 2 * kLeastShare);
  ASSERT_TRUE(error.has_value());
  EXPECT_TRUE(*error);
  EXPECT_GE(steady_clock::now() - start, 2 * kLeastShare);
}

TEST_F(ConnectTest, NoAddressIsAnErrorToo) {
  EXPECT_EQ(Connect({}, 20s), error_code(boost::asio::error::not_found));
}

}  // namespace
}  // namespace boxoffice::http
