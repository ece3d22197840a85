#include "platform/http/client.h"

#include <atomic>
#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/fixed_server_for_test.h"
#include "platform/http/server_fixture.h"
#include "testing/free_port.h"

namespace boxoffice::http {
namespace {

using std::chrono::milliseconds;

asio::awaitable<Response> Echo(Request& request) {
  Response response = JsonResponse(std::string(request.body()), 201);
  response.headers.Add("X-Path", request.target());
  response.headers.Add("X-Given", request.header("x-given").value_or(""));
  co_return response;
}

// Answers as soon as it holds, or after half a minute.
asio::awaitable<Response> Once(bool (*holds)()) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds() && std::chrono::steady_clock::now() < until) {
    timer.expires_after(milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return Response();
}

// Whether those who ask Late are answered.
std::atomic<bool> answers_late{false};
asio::awaitable<Response> Late(Request&) {
  return Once([] { return answers_late.load(); });
}

// How many have asked Meet, which answers once there are three.
std::atomic<int> met{0};
asio::awaitable<Response> Meet(Request&) {
  ++met;
  return Once([] { return met >= 3; });
}

asio::awaitable<Response> Big(Request&) {
  Response response;
  response.body = std::string(100'000, 'x');
  co_return response;
}

Router Routes() {
  Router router;
  router.Add(Method::kPost, "/echo", Echo);
  router.Add(Method::kGet, "/late", Late);
  router.Add(Method::kGet, "/meet", Meet);
  router.Add(Method::kGet, "/big", Big);
  router.Add(Method::kGet, "/events", [](Request&) -> asio::awaitable<Response> {
    co_return SseResponse(
        [](SseStream& stream) -> asio::awaitable<void> { (void)co_await stream.Send("", "", "x"); });
  });
  return router;
}

ClientRequest Get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

TEST(Fetch, SendsAndReads) {
  TestServer test(Routes());
  ClientRequest request = Get(test.Url("/echo?a=1#fragment"));
  request.method = "POST";
  request.body = "hello";
  request.headers.emplace_back("X-Given", "thing");
  const Result<ClientResponse> response = FetchBlocking(request);
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->header("x-path"), "/echo?a=1");
  EXPECT_EQ(response->header("X-GIVEN"), "thing");
  EXPECT_EQ(response->header("absent"), std::nullopt);
}

TEST(Fetch, AnyStatusIsAnAnswer) {
  TestServer test(Routes());
  EXPECT_EQ(FetchBlocking(Get(test.Url("/none")))->status, 404);
}

TEST(Fetch, BodyUpToTheEndOfTheConnection) {
  TestServer test(Routes());
  EXPECT_EQ(FetchBlocking(Get(test.Url("/events")))->body, "data: x\n\n");
}

TEST(Fetch, InterimResponsesAreSkipped) {
  const FixedServer server("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(FetchBlocking(Get(server.Url()))->body, "ok");
}

TEST(Fetch, RefusedConnectionIsKnownNotToHaveBeenSent) {
  const Error error = FetchBlocking(Get(fmt::format("http://127.0.0.1:{}/", testbed::FreePort()))).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "connect_failed");
}

TEST(Fetch, UnknownHostIsKnownNotToHaveBeenSent) {
  EXPECT_EQ(FetchBlocking(Get("http://no-such-host.invalid/")).error().reason, "connect_failed");
}

TEST(Fetch, AnAddressThatIsNotAllowedIsNotConnectedToAlsoBehindAName) {
  TestServer test(Routes());
  std::vector<std::vector<uint8_t>> asked;
  ClientRequest request = Get(fmt::format("http://localhost:{}/echo", test.server().port()));
  request.method = "POST";
  request.allow_address = [&asked](std::span<const uint8_t> bytes) {
    asked.emplace_back(bytes.begin(), bytes.end());
    return false;
  };
  const Error error = FetchBlocking(request).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "address_refused");
  EXPECT_THAT(asked, testing::Contains(std::vector<uint8_t>{127, 0, 0, 1}));
  EXPECT_EQ(test.server().connections(), 0U);
  request.allow_address = [](std::span<const uint8_t> bytes) { return bytes.size() == 4 && bytes[0] == 127; };
  EXPECT_EQ(FetchBlocking(request)->status, 201);
}

TEST(Fetch, AnAddressIsJudgedAsItIsConnectedToHoweverItIsWritten) {
  TestServer test(Routes());
  for (const char* host :
       {"127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"}) {
    ClientRequest request = Get(fmt::format("http://{}:{}/echo", host, test.server().port()));
    request.allow_address = [](std::span<const uint8_t> bytes) {
      const std::vector<uint8_t> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
      const bool own = (bytes.size() == 4 && bytes[0] == 127) || std::ranges::equal(bytes, mapped);
      return !own && !(bytes.size() == 16 && bytes[15] == 1);
    };
    const auto answer = FetchBlocking(request);
    ASSERT_FALSE(answer.has_value()) << host;
    EXPECT_EQ(answer.error().reason, "address_refused") << host;
  }
  EXPECT_EQ(test.server().connections(), 0U);
}

TEST(Fetch, TimeOutAfterSendingIsUnknown) {
  asio::io_context io;
  const asio::ip::tcp::acceptor silent(io, {asio::ip::make_address("127.0.0.1"), 0});
  ClientRequest request = Get(fmt::format("http://127.0.0.1:{}/", silent.local_endpoint().port()));
  request.timeout = milliseconds(2'000);  // the time to send it, on a busy machine too
  const auto start = std::chrono::steady_clock::now();
  const Error error = FetchBlocking(request).error();
  EXPECT_EQ(error.code, Code::kUnknown);
  EXPECT_EQ(error.reason, "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << "less than by default";
}

TEST(Fetch, LostReplyIsUnknown) {
  const FixedServer nothing("");
  const Error none = FetchBlocking(Get(nothing.Url())).error();
  EXPECT_EQ(none.code, Code::kUnknown);
  EXPECT_EQ(none.reason, "connection_lost");
  const FixedServer half("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_EQ(FetchBlocking(Get(half.Url())).error().reason, "connection_lost");
}

TEST(Fetch, NonsenseIsMalformed) {
  const FixedServer server("220 mail.example ESMTP\r\n\r\n");
  EXPECT_EQ(FetchBlocking(Get(server.Url())).error().reason, "response_malformed");
}

TEST(Fetch, AChunkExtensionOrATrailerWithoutAnEndIsMalformed) {
  for (const char* begin : {"1;", "1\r\nx\r\n1;x=", "0\r\nX-Trailer: "}) {
    const FixedServer server(std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + begin +
                             std::string(1024 * 1024, 'a'));
    EXPECT_EQ(FetchBlocking(Get(server.Url())).error().reason, "response_malformed") << begin;
  }
}

TEST(Fetch, ResponseOverTheLimitIsRefused) {
  TestServer test(Routes());
  ClientRequest request = Get(test.Url("/big"));
  request.max_response = 99'999;
  EXPECT_EQ(FetchBlocking(request).error().reason, "response_too_large");
  request.max_response = 100'000;
  EXPECT_EQ(FetchBlocking(request)->body.size(), 100'000U);
}

TEST(Fetch, WhereTheHeadIsEnoughTheBodyMayBeLongerThanAllowedOrBrokenOff) {
  for (const char* body :
       {"Content-Length: 99999999\r\n\r\nhalf", "Content-Length: 100\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nno chunk", "\r\nall there is", "Content-Length: 2\r\n\r\nok"}) {
    const FixedServer server(std::string("HTTP/1.1 103 Early Hints\r\nX-Given: early\r\n\r\n"
                                         "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n") +
                             body);
    ClientRequest request = Get(server.Url());
    request.head_is_enough = true;
    request.max_response = 1;
    const Result<ClientResponse> response = FetchBlocking(request);
    ASSERT_TRUE(response) << body << response.error().reason;
    EXPECT_EQ(response->status, 503) << body;
    EXPECT_EQ(response->header("retry-after"), "7") << body;
    EXPECT_EQ(response->header("x-given"), std::nullopt) << body;
    EXPECT_EQ(response->body, "") << body;
  }
}

TEST(Fetch, WhereTheHeadIsEnoughAHeadThatEndsEarlyIsNoAnswer) {
  const FixedServer server("HTTP/1.1 200 OK\r\nContent-Le");
  ClientRequest request = Get(server.Url());
  request.head_is_enough = true;
  EXPECT_EQ(FetchBlocking(request).error().reason, "connection_lost");
}

TEST(Fetch, RedirectIsNotFollowed) {
  const FixedServer server(
      "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(FetchBlocking(Get(server.Url()))->status, 302);
}

TEST(Fetch, PlainServerBehindHttpsIsAFailedConnect) {
  TestServer test(Routes());
  std::string url = test.Url("/big");
  url.replace(0, 4, "https");
  EXPECT_EQ(FetchBlocking(Get(url)).error().reason, "connect_failed");
}

TEST(Fetch, MalformedUrlsAndHeadersAreRefused) {
  for (const char* url : {"", "ftp://h/", "/path", "http://", "http://h:0/", "http://h:99999/", "http://h:x/",
                          "http://u@h/", "http://h/a b", "http://h/\r\nX: y", "http://[::1/"}) {
    EXPECT_EQ(FetchBlocking(Get(url)).error().reason, "url_malformed") << url;
  }
  ClientRequest request = Get("http://127.0.0.1:1/");
  request.headers.emplace_back("X", "a\r\nY: b");
  EXPECT_EQ(FetchBlocking(request).error().reason, "url_malformed");
}

TEST(Fetch, AsACoroutineOnSeveralThreads) {
  TestServer test(Routes(), {}, {}, /*threads=*/4);
  std::vector<std::future<Result<ClientResponse>>> futures;
  for (int i = 0; i < 20; ++i) {
    futures.push_back(asio::co_spawn(test.io(), Fetch(Get(test.Url("/big"))), asio::use_future));
  }
  for (auto& future : futures) EXPECT_EQ(future.get()->body.size(), 100'000U);
}

TEST(Fetch, OfManyEachIsSentBeforeAnyIsAnswered) {
  TestServer test(Routes());
  met = 0;
  std::vector<ClientRequest> requests(3, Get(test.Url("/meet")));
  requests.push_back(Get("http://127.0.0.1:1"));
  const auto answers = FetchAllBlocking(std::move(requests));
  ASSERT_EQ(answers.size(), 4U);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(answers[i]) << i;
  EXPECT_FALSE(answers[3]) << "in their order";
  EXPECT_TRUE(FetchAllBlocking({}).empty());
}

// Lets `use` have a connection of its own to a server, by its port.
void RunWithServer(asio::awaitable<void> (*use)(uint16_t port)) {
  TestServer test(Routes());
  asio::io_context io(1);
  asio::co_spawn(io, use(test.server().port()), [](std::exception_ptr thrown) { EXPECT_FALSE(thrown); });
  io.run();
}

asio::awaitable<void> UseConnection(uint16_t port) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto connected = co_await ClientConnection::Connect(executor, "127.0.0.1", port);
  EXPECT_TRUE(connected);
  const std::unique_ptr<ClientConnection> connection = *std::move(connected);
  for (int i = 0; i < 3; ++i) {
    ClientRequest request = Get("/echo");
    request.method = "POST";
    request.body = std::to_string(i);
    const Result<ClientResponse> response = co_await connection->Roundtrip(request);
    EXPECT_EQ(response->body, std::to_string(i));
  }
  answers_late = false;
  ClientRequest late = Get("/late");
  late.timeout = milliseconds(100);
  const Result<ClientResponse> timed_out = co_await connection->Roundtrip(late);
  answers_late = true;
  EXPECT_EQ(timed_out.error().reason, "timeout");
  EXPECT_FALSE(connection->is_open());
  const Result<ClientResponse> closed = co_await connection->Roundtrip(late);
  EXPECT_EQ(closed.error().reason, "connect_failed");
}

asio::awaitable<void> ReadOneHead(uint16_t port) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto connected = co_await ClientConnection::Connect(executor, "127.0.0.1", port);
  EXPECT_TRUE(connected);
  const std::unique_ptr<ClientConnection> connection = *std::move(connected);
  ClientRequest request = Get("/big");
  request.head_is_enough = true;
  const Result<ClientResponse> response = co_await connection->Roundtrip(request);
  EXPECT_EQ(response->status, 200);
  EXPECT_FALSE(connection->is_open());
}

TEST(ClientConnection, IsClosedWhereABodyIsLeftUnread) { RunWithServer(ReadOneHead); }

TEST(ClientConnection, ServesOneRequestAfterTheOther) { RunWithServer(UseConnection); }

}  // namespace
}  // namespace boxoffice::http
