#include <atomic>
#include <future>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/server_fixture.h"

namespace boxoffice::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET /events HTTP/1.1\r\nHost: h\r\n\r\n";

Router Streams(SseBody body) {
  Router router;
  router.Add(Method::kGet, "/events",
             [body](Request&) -> asio::awaitable<Response> { co_return SseResponse(body); });
  return router;
}

asio::awaitable<void> Forever() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
}

// Tells when the body of a stream has ended, however it did.
struct EndSignal {
  std::promise<void>* ended;
  ~EndSignal() { ended->set_value(); }
};

bool IsSet(std::promise<void>& promise) {
  return promise.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready;
}

TEST(Sse, EventsAreDeliveredAndTheStreamEndsWithItsBody) {
  TestServer test(Streams([](SseStream& stream) -> asio::awaitable<void> {
    const bool first = co_await stream.Send("seat", "7", "{\"a\":1}");
    const auto shared = std::make_shared<const std::string>(FormatSseEvent("", "", "two\nlines"));
    const bool second = co_await stream.SendFormatted(shared);
    EXPECT_TRUE(first && second);
  }));
  const std::string text = test.Connect().Send(kGet).ReadAll();
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(text, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(text, EndsWith("\r\n\r\nevent: seat\nid: 7\ndata: {\"a\":1}\n\ndata: two\ndata: lines\n\n"));
}

TEST(Sse, EventArrivesWhileTheBodyWaits) {
  TestServer test(Streams([](SseStream& stream) -> asio::awaitable<void> {
    (void)co_await stream.Send("", "", "now");
    co_await Forever();
  }));
  RawClient client = test.Connect();
  EXPECT_THAT(client.Send(kGet).ReadUntil("data: now\n\n"), EndsWith("data: now\n\n"));
}

TEST(Sse, ClientThatLeavesCancelsWhatTheBodyWaitsFor) {
  std::promise<void> ended;
  TestServer test(Streams([&](SseStream& stream) -> asio::awaitable<void> {
    const EndSignal signal{&ended};
    (void)co_await stream.Send("", "", "now");
    co_await Forever();
  }));
  RawClient client = test.Connect();
  client.Send(kGet).ReadUntil("data: now\n\n");
  client.Close();
  EXPECT_TRUE(IsSet(ended));
  EXPECT_TRUE(test.server().WaitDrained(std::chrono::seconds(60)));
}

TEST(Sse, SendTellsThatTheClientHasLeft) {
  std::promise<void> ended;
  TestServer test(Streams([&](SseStream& stream) -> asio::awaitable<void> {
    const EndSignal signal{&ended};
    bool open = true;
    while (open) {
      open = co_await stream.Send("", "", std::string(10'000, 'x'));
    }
    EXPECT_TRUE(stream.closed());
  }));
  RawClient client = test.Connect();
  client.Send(kGet).ReadUntil("data: ");
  client.Close();
  EXPECT_TRUE(IsSet(ended));
}

TEST(Sse, ClientThatReadsNothingIsDroppedAndBuffersNothingHere) {
  std::promise<void> ended;
  std::atomic<int> sent{0};
  ServerOptions options;
  options.write_timeout = milliseconds(200);
  TestServer test(Streams([&](SseStream& stream) -> asio::awaitable<void> {
                    const EndSignal signal{&ended};
                    bool open = true;
                    while (open) {
                      ++sent;
                      open = co_await stream.Send("", "", std::string(100'000, 'x'));
                    }
                  }),
                  options);
  RawClient client = test.Connect();
  client.Send(kGet);
  EXPECT_TRUE(IsSet(ended));
  EXPECT_LT(sent, 1000);
}

TEST(Sse, KeepAliveCommentsAreSent) {
  ServerOptions options;
  options.sse_keep_alive = milliseconds(50);
  TestServer test(Streams([](SseStream&) -> asio::awaitable<void> { co_await Forever(); }), options);
  RawClient client = test.Connect();
  client.Send(kGet).ReadUntil(": keep-alive\n\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), ": keep-alive\n\n");
}

TEST(Sse, DrainEndsStreams) {
  std::promise<void> ended;
  TestServer test(Streams([&](SseStream& stream) -> asio::awaitable<void> {
    const EndSignal signal{&ended};
    (void)co_await stream.Send("", "", "now");
    co_await Forever();
  }));
  RawClient client = test.Connect();
  client.Send(kGet).ReadUntil("data: now\n\n");
  test.server().Drain();
  EXPECT_TRUE(IsSet(ended));
  EXPECT_EQ(client.ReadAll(), "");
  client.Close();
  EXPECT_TRUE(test.server().WaitDrained(std::chrono::seconds(60)));
}

TEST(Sse, HeadGetsNoStream) {
  TestServer test(Streams([](SseStream&) -> asio::awaitable<void> {
    ADD_FAILURE();
    co_return;
  }));
  EXPECT_THAT(test.Connect().Send("HEAD /events HTTP/1.1\r\nHost: h\r\n\r\n").ReadAll(),
              EndsWith("\r\n\r\n"));
}

TEST(Sse, ThrowingBodyEndsTheStreamOnly) {
  TestServer test(Streams([](SseStream& stream) -> asio::awaitable<void> {
    (void)co_await stream.Send("", "", "now");
    throw std::runtime_error("body");
  }));
  EXPECT_THAT(test.Connect().Send(kGet).ReadAll(), EndsWith("data: now\n\n"));
  EXPECT_THAT(test.Connect().Send("GET /none HTTP/1.1\r\nHost: h\r\n\r\n").ReadResponse(),
              StartsWith("HTTP/1.1 404"));
}

TEST(Sse, EveryLineOfTheDataIsMarked) {
  EXPECT_EQ(FormatSseEvent("e", "1", "a\r\nb\rc\nd"),
            "event: e\nid: 1\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(FormatSseEvent("", "", ""), "data: \n\n");
}

}  // namespace
}  // namespace boxoffice::http
