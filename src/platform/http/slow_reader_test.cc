// Whoever reads an answer a little at a time, so that each piece comes in time, or not at all.
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::http {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr size_t kBody = 32 * 1024 * 1024;  // more than the kernel takes at once
constexpr size_t kPiece = 32 * 1024;
constexpr milliseconds kBetween{6};        // so all of it takes more than 6 s
constexpr size_t kOwn = 16 * 1024 * 1024;  // likewise more, and each reader's own

Router BigAnswer() {
  Router router;
  router.Add(Method::kGet, "/own",
             [](Request&) -> asio::awaitable<Response> { co_return JsonResponse(std::string(kOwn, 'o')); });
  router.Add(Method::kGet, "/short",
             [](Request&) -> asio::awaitable<Response> { co_return JsonResponse("{}"); });
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

std::string Get(std::string_view path, std::string_view headers = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, headers);
}

TEST(SlowReader, OfAnswersOfTheirOwnAllHoldNoMoreThanTheBoundAndWhoReadsIsServed) {
  constexpr size_t kReaders = 8;
  constexpr size_t kHeld = 2;
  std::atomic<size_t> ended = 0;  // answers, whether all of them was taken or not
  ServerOptions options;
  options.max_unsent = kHeld * kOwn;
  TestServer test(BigAnswer(), options, [&](const RequestInfo&, int, std::chrono::microseconds) { ++ended; });
  std::vector<std::unique_ptr<RawClient>> readers;
  while (readers.size() < kReaders) {
    readers.push_back(std::make_unique<RawClient>(test.server().port()));
    readers.back()->Send(Get("/own"));  // and reads nothing
    const size_t held = std::min(readers.size(), kHeld);
    ASSERT_TRUE(testbed::Eventually([&] {
      return test.server().unsent_bytes() == held * kOwn && ended == readers.size() - held;
    })) << ended;
  }
  RawClient other = test.Connect();
  EXPECT_TRUE(other.Send(Get("/short")).ReadResponse().ends_with("{}"));
  EXPECT_GT(other.Send(Get("/own")).ReadResponse().size(), kOwn) << "who takes it gets all of it";
  EXPECT_LT(readers.front()->ReadAll().size(), kOwn) << "who had it for longest does not";
  EXPECT_GT(readers.back()->ReadResponse().size(), kOwn) << "who came last does";
  readers.clear();
  EXPECT_TRUE(testbed::Eventually([&] { return test.server().unsent_bytes() == 0; }));
}

TEST(SlowReader, OfWhatIsSharedNothingIsCounted) {
  ServerOptions options;
  options.max_unsent = 1;
  TestServer test(BigAnswer(), options);
  RawClient first = test.Connect();
  RawClient second = test.Connect();
  const std::string get = Get("/big", "Connection: close\r\n");
  first.Send(get).ReadUntil("\r\n\r\n");
  second.Send(get).ReadUntil("\r\n\r\n");
  EXPECT_EQ(first.ReadAll().size(), kBody);
  EXPECT_EQ(second.ReadAll().size(), kBody);
}

}  // namespace
}  // namespace boxoffice::http
