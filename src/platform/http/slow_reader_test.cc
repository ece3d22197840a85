// Whoever reads an answer a little at a time, so that each piece comes in time.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "platform/http/server_fixture.h"

namespace boxoffice::http {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr size_t kBody = 32 * 1024 * 1024;  // more than the kernel takes at once
constexpr size_t kPiece = 32 * 1024;
constexpr milliseconds kBetween{6};  // so all of it takes more than 6 s

Router BigAnswer() {
  Router router;
  router.Add(Method::kGet, "/big", [](Request&) -> asio::awaitable<Response> {
    static const auto kBig = std::make_shared<const std::string>(kBody, 'b');
    Response response;
    response.shared_body = kBig;
    co_return response;
  });
  return router;
}

// How much of the answer somebody gets who takes a piece now and then.
size_t ReadSlowly(uint16_t port) {
  asio::io_context io;
  tcp::socket socket(io);
  socket.open(tcp::v4());
  socket.set_option(tcp::socket::receive_buffer_size(kPiece));
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  asio::write(socket, asio::buffer(std::string("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")));
  std::vector<char> piece(kPiece);
  boost::system::error_code error;
  size_t received = 0;
  while (!error && received < kBody) {
    asio::steady_timer(io, kBetween).wait();
    received += socket.read_some(asio::buffer(piece), error);
  }
  return received;
}

TEST(SlowReader, HasNoMoreTimeInAllThanTheAnswerIsWorth) {
  ServerOptions options;
  options.write_timeout = milliseconds(2'000);  // each piece comes long before, on a busy machine too
  options.slowest_reader = kBody * 10;
  TestServer test(BigAnswer(), options);
  EXPECT_LT(ReadSlowly(test.server().port()), kBody);
  EXPECT_TRUE(test.server().WaitDrained(std::chrono::seconds(60))) << "it holds no connection";
}

TEST(SlowReader, GetsALongAnswerForWhichItIsFastEnough) {
  ServerOptions options;
  options.write_timeout = milliseconds(4'000);  // for all that would be too little
  options.slowest_reader = 256 * 1024;          // two minutes for all
  TestServer test(BigAnswer(), options);
  EXPECT_GE(ReadSlowly(test.server().port()), kBody);
}

}  // namespace
}  // namespace boxoffice::http
