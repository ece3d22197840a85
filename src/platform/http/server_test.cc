#include "platform/http/server.h"

#include <array>
#include <atomic>
#include <future>
#include <stdexcept>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

asio::awaitable<void> Sleep(milliseconds time) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<Response> Echo(Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::string(MethodName(request.method())) + " " + std::string(request.path()) + " " +
                  std::to_string(request.body().size());
  co_return response;
}

asio::awaitable<Response> Slow(Request&) {
  co_await Sleep(milliseconds(200));
  co_return JsonResponse("{\"slow\":true}");
}

// Calls of Held that have begun, and whether they may end.
std::atomic<int> held_calls{0};
std::atomic<bool> released{false};

asio::awaitable<Response> Held(Request&) {
  ++held_calls;
  held_calls.notify_all();
  while (!released) co_await Sleep(milliseconds(5));
  co_return JsonResponse("{\"held\":true}");
}

asio::awaitable<Response> Show(Request& request) {
  std::string body = request.parameter("show") + "|" + std::string(request.query("by").value_or("-")) + "|" +
                     std::string(request.header("x-some").value_or("-")) + "|" + request.traceparent();
  co_return JsonResponse(std::move(body));
}

asio::awaitable<Response> Throw(Request&) {
  throw std::runtime_error("secret detail");
  co_return Response();
}

asio::awaitable<Response> Shared(Request&) {
  static const auto kBody = std::make_shared<const std::string>(3'000'000, 'm');
  Response response;
  response.shared_body = kBody;
  co_return response;
}

Router Routes() {
  Router router;
  router.Add(Method::kGet, "/echo", Echo);
  router.Add(Method::kPost, "/echo", Echo);
  RouteOptions big;
  big.max_body = 1024 * 1024;
  router.Add(Method::kPost, "/import", Echo, big);
  router.Add(Method::kGet, "/slow", Slow);
  router.Add(Method::kGet, "/held", Held);
  router.Add(Method::kGet, "/throw", Throw);
  router.Add(Method::kGet, "/shared", Shared);
  router.Add(Method::kGet, "/v1/shows/{show}", Show);
  return router;
}

std::string Get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(headers) + "\r\n";
}

TEST(Server, AnswersAndKeepsAlive) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  for (int i = 0; i < 3; ++i) {
    const std::string response = client.Send(Get("/echo")).ReadResponse();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(response, HasSubstr("Content-Type: text/plain\r\n"));
    EXPECT_THAT(response, EndsWith("\r\n\r\nGET /echo 0"));
    EXPECT_THAT(response, Not(HasSubstr("Connection:")));
  }
}

TEST(Server, ClosesWhenAsked) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  EXPECT_THAT(client.Send(Get("/echo", "Connection: close\r\n")).ReadAll(),
              HasSubstr("Connection: close\r\n"));
}

TEST(Server, Http10ClosesUnlessKeptAlive) {
  TestServer test(Routes());
  EXPECT_THAT(test.Connect().Send("GET /echo HTTP/1.0\r\n\r\n").ReadAll(), EndsWith("GET /echo 0"));
  RawClient client = test.Connect();
  const std::string kept = "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_THAT(client.Send(kept).ReadResponse(), HasSubstr("Connection: keep-alive"));
  EXPECT_THAT(client.Send(kept).ReadResponse(), HasSubstr("GET /echo 0"));
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  client.Send(Get("/slow") + "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" +
              Get("/v1/shows/7"));
  EXPECT_THAT(client.ReadResponse(), EndsWith("{\"slow\":true}"));
  EXPECT_THAT(client.ReadResponse(), EndsWith("POST /echo 3"));
  EXPECT_THAT(client.ReadResponse(), HasSubstr("7|-|-|"));
}

TEST(Server, RequestInPiecesIsPutTogether) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  const std::string text = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde";
  for (const char c : text) client.Send({&c, 1});
  EXPECT_THAT(client.ReadResponse(), EndsWith("POST /echo 5"));
}

TEST(Server, ChunkedBodyIsReadAndItsTrailersIgnored) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nHost: "
      "x\r\n\r\n");
  EXPECT_THAT(client.ReadResponse(), EndsWith("POST /echo 5"));
  EXPECT_THAT(client.Send(Get("/echo")).ReadResponse(), EndsWith("GET /echo 0"));
}

TEST(Server, HeadIsGetWithoutBody) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  const std::string response =
      client.Send("HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n").ReadResponse(/*is_head=*/true);
  EXPECT_THAT(response, HasSubstr("Content-Length: 12\r\n"));
  EXPECT_THAT(response, EndsWith("\r\n\r\n"));
  EXPECT_THAT(client.Send(Get("/echo")).ReadResponse(), StartsWith("HTTP/1.1 200"));
}

TEST(Server, UnknownPathIs404AndTheConnectionGoesOn) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  const std::string response = client.Send(Get("/nowhere")).ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 404 Not Found"));
  EXPECT_THAT(response, HasSubstr("\"code\":\"route_not_found\""));
  EXPECT_THAT(response, HasSubstr("X-Request-Id: "));
  EXPECT_THAT(client.Send(Get("/echo")).ReadResponse(), StartsWith("HTTP/1.1 200"));
}

TEST(Server, OtherMethodIs405WithAllow) {
  TestServer test(Routes());
  const std::string response = test.Connect().Send("DELETE /echo HTTP/1.1\r\nHost: h\r\n\r\n").ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(response, HasSubstr("Allow: GET, HEAD, POST\r\n"));
  EXPECT_THAT(test.Connect().Send("BREW /echo HTTP/1.1\r\nHost: h\r\n\r\n").ReadResponse(),
              StartsWith("HTTP/1.1 405"));
}

TEST(Server, MalformedRequestsAre400) {
  TestServer test(Routes());
  const auto send = [&](std::string_view text) { return test.Connect().Send(text).ReadResponse(); };
  EXPECT_THAT(send("nonsense\r\n\r\n"), HasSubstr("request_malformed"));
  EXPECT_THAT(send("GET /echo HTTP/1.1\r\n\r\n"), HasSubstr("no Host header"));
  EXPECT_THAT(send("GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), HasSubstr("request_malformed"));
  EXPECT_THAT(send("GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n"), HasSubstr("request_malformed"));
  EXPECT_THAT(send(Get("/v1/shows/%zz")), HasSubstr("path_malformed"));
  EXPECT_THAT(send(Get("/v1/shows/..")), HasSubstr("path_malformed"));
  EXPECT_THAT(send(Get("/v1/shows/7?by=%1")), HasSubstr("query_malformed"));
  EXPECT_THAT(send(Get("/v1/shows/7?by=1&by=2")), HasSubstr("query_duplicate"));
}

TEST(Server, BodyLengthGivenTwiceIsRefused) {
  // Two readings of one request are how requests are smuggled (RFC 9112, section 6.3).
  TestServer test(Routes());
  const auto status = [&](std::string_view headers) {
    return test.Connect()
        .Send("POST /echo HTTP/1.1\r\nHost: h\r\n" + std::string(headers) + "\r\n0\r\n\r\n")
        .ReadResponse()
        .substr(9, 3);
  };
  EXPECT_EQ(status("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400");
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400");
  EXPECT_EQ(status("Content-Length: 5\r\nContent-Length: 6\r\n"), "400");
}

TEST(Server, ACodingThatIsNotKnownIsRefusedAndWhatFollowsIsNoRequest) {
  TestServer test(Routes());
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked"}) {
    RawClient client = test.Connect();
    client.Send(fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {}\r\n\r\n{}", coding,
                            Get("/v1/shows/smuggled")));
    const std::string all = client.ReadAll();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 400")) << coding;
    EXPECT_THAT(all, Not(HasSubstr("smuggled"))) << coding;
  }
}

TEST(Server, ABodyOfHttp10HasNoCoding) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  client.Send(
      "POST /echo HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\n" +
      Get("/v1/shows/smuggled"));
  const std::string all = client.ReadAll();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(all, Not(HasSubstr("smuggled")));
}

TEST(Server, AHeaderThatIsNotUtf8IsRefused) {
  // What is no text can't go on as one: a string of a contract that is none ends the stream of everybody's
  // commands.
  TestServer test(Routes());
  const auto send = [&](std::string_view headers) {
    return test.Connect().Send(Get("/v1/shows/7", headers)).ReadResponse();
  };
  EXPECT_THAT(send("X-Queue-Token: \xff\xfe\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(send("X-Queue-Token: \xc3\xa9\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST(Server, GivesParametersQueryHeadersAndTrace) {
  TestServer test(Routes());
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const std::string headers = "X-Some: thing\r\nTraceparent: " + trace + "\r\n";
  EXPECT_THAT(test.Connect().Send(Get("/v1/shows/a%20b?by=x+y%26&z=", headers)).ReadResponse(),
              EndsWith("a b|x y&|thing|" + trace));
  EXPECT_THAT(test.Connect().Send(Get("/v1/shows/7", "traceparent: 00-bad\r\n")).ReadResponse(),
              HasSubstr("|00-"));
}

TEST(Server, BodyOverTheLimitIs413) {
  TestServer test(Routes());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\n";
  RawClient announced = test.Connect();
  const std::string response = announced.Send(head + "Content-Length: 65537\r\n\r\n").ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(response, HasSubstr("Connection: close"));
  EXPECT_THAT(
      test.Connect().Send(head + "Content-Length: 65536\r\n\r\n" + std::string(65536, 'x')).ReadResponse(),
      EndsWith("POST /echo 65536"));
  std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 70; ++i) chunked += "400\r\n" + std::string(1024, 'x') + "\r\n";
  EXPECT_THAT(test.Connect().Send(chunked).ReadResponse(), StartsWith("HTTP/1.1 413"));
}

TEST(Server, BodyOverTheLimitIs413ThoughTheClientSendsItAll) {
  // Without lingering, the reset that follows unread bytes would take the answer with it.
  TestServer test(Routes());
  RawClient client = test.Connect();
  client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(1'000'000, 'x'));
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 413"));
}

TEST(Server, RouteMayAllowALargerBody) {
  TestServer test(Routes());
  const std::string body(1024 * 1024, 'x');
  const std::string head = "POST /import HTTP/1.1\r\nHost: h\r\nContent-Length: ";
  RawClient client = test.Connect();
  EXPECT_THAT(client.Send(head + "1048576\r\n\r\n" + body).ReadResponse(), EndsWith("POST /import 1048576"));
  EXPECT_THAT(client.Send(head + "1048577\r\n\r\n").ReadResponse(), StartsWith("HTTP/1.1 413"));
}

TEST(Server, ABodyLongerThanTheServersIsReadOnlyOfWhomTheRouteAdmits) {
  Router router;
  RouteOptions big;
  big.max_body = 1024 * 1024;
  big.admit = [](const Request& request) -> std::optional<Response> {
    if (request.header("X-Key")) return std::nullopt;
    return JsonResponse("{}", 401);
  };
  router.Add(Method::kPost, "/import", Echo, big);
  TestServer test(std::move(router));
  const std::string head = "POST /import HTTP/1.1\r\nHost: h\r\n";
  for (const char* length : {"Content-Length: 65537\r\n", "Transfer-Encoding: chunked\r\n",
                             "Expect: 100-continue\r\nContent-Length: 65537\r\n"}) {
    const std::string refused = test.Connect().Send(head + length + "\r\n").ReadResponse();
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 401")) << length;
    EXPECT_THAT(refused, HasSubstr("Connection: close")) << length;
  }
  RawClient client = test.Connect();
  client.Send(head + "X-Key: k\r\nContent-Length: 65537\r\n\r\n" + std::string(65537, 'x'));
  EXPECT_THAT(client.ReadResponse(), EndsWith("POST /import 65537"));
  EXPECT_THAT(client.Send(head + "Content-Length: 3\r\n\r\nabc").ReadResponse(), EndsWith("POST /import 3"))
      << "as much as other routes take is the handler's to judge";
}

TEST(Server, HeaderOverTheLimitIs431) {
  TestServer test(Routes());
  EXPECT_THAT(test.Connect().Send(Get("/echo", "X: " + std::string(9000, 'x') + "\r\n")).ReadResponse(),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(test.Connect().Send(Get("/" + std::string(9000, 'x'))).ReadResponse(),
              StartsWith("HTTP/1.1 431"));
  std::string many;
  for (int i = 0; i < 101; ++i) many += "A: b\r\n";
  EXPECT_THAT(test.Connect().Send(Get("/echo", many)).ReadResponse(), StartsWith("HTTP/1.1 431"));
}

TEST(Server, AChunksExtensionAndATrailerAreBoundedAsAHeadIs) {
  // Both are kept until their end, which need not come.
  TestServer test(Routes());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string endless(20'000, 'x');
  for (const std::string& begun :
       {std::string("3\r\nabc\r\n3;"), std::string("3\r\nabc\r\n0;"), std::string("3\r\nabc\r\n0\r\nX: ")}) {
    const std::string response = test.Connect().Send(head + begun + endless).ReadResponse();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 431")) << begun;
    EXPECT_THAT(response, HasSubstr("Connection: close")) << begun;
  }
  const std::string within = ";" + std::string(4'000, 'x') + "\r\n";
  RawClient client = test.Connect();
  client.Send(head + "3" + within + "abc\r\n0" + within + "X: " + std::string(3'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.ReadResponse(), EndsWith("POST /echo 3"));
}

TEST(Server, SlowRequestIs408) {
  ServerOptions options;
  options.read_timeout = milliseconds(100);
  TestServer test(Routes(), options);
  RawClient head = test.Connect();
  EXPECT_THAT(head.Send("GET /echo HT").ReadAll(), StartsWith("HTTP/1.1 408"));
  RawClient body = test.Connect();
  EXPECT_THAT(body.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab").ReadAll(),
              StartsWith("HTTP/1.1 408"));
}

TEST(Server, IdleConnectionIsClosedWithoutAWord) {
  ServerOptions options;
  options.idle_timeout = milliseconds(100);
  TestServer test(Routes(), options);
  // On a busy machine the request may come too late: then once more.
  std::unique_ptr<RawClient> client;
  EXPECT_TRUE(testbed::Eventually([&] {
    client = std::make_unique<RawClient>(test.server().port());
    return client->Send(Get("/slow")).ReadResponse().starts_with("HTTP/1.1 200");
  })) << "longer than idle, but at work";
  EXPECT_TRUE(client->AtEnd());
}

TEST(Server, ExpectContinueIsHonoured) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ";
  EXPECT_EQ(client.Send(head + "3\r\n\r\n").ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.Send("abc").ReadResponse(), EndsWith("POST /echo 3"));
  EXPECT_THAT(client.Send(head + "99999\r\n\r\n").ReadResponse(), StartsWith("HTTP/1.1 413"));
}

TEST(Server, ThrowingHandlerIs500WithoutItsText) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  const std::string response = client.Send(Get("/throw")).ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(response, HasSubstr("internal_error"));
  EXPECT_THAT(response, Not(HasSubstr("secret")));
  EXPECT_THAT(client.Send(Get("/echo")).ReadResponse(), StartsWith("HTTP/1.1 200"));
}

TEST(Server, BigSharedBodyArrivesWhole) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  client.Send(Get("/shared"));
  EXPECT_THAT(client.ReadResponse(), EndsWith("\r\n\r\n" + std::string(3'000'000, 'm')));
}

TEST(Server, TooManyConnectionsAre503) {
  ServerOptions options;
  options.max_connections = 1;
  TestServer test(Routes(), options);
  RawClient first = test.Connect();
  EXPECT_THAT(first.Send(Get("/echo")).ReadResponse(), StartsWith("HTTP/1.1 200"));
  const std::string response = test.Connect().Send(Get("/echo")).ReadAll();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(response, HasSubstr("Retry-After: 1\r\n"));
}

TEST(Server, DateIsInTheFormOfTheStandard) {
  TestServer test(Routes());
  EXPECT_THAT(test.Connect().Send(Get("/echo")).ReadResponse(),
              testing::ContainsRegex(
                  "Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"));
}

TEST(Server, PortTaken) {
  TestServer test(Routes());
  asio::io_context io;
  ServerOptions options;
  options.port = test.server().port();
  const Error error = Server::Listen(io, Router(), options).error();
  EXPECT_EQ(error.reason, "port_taken");
  EXPECT_THAT(error.detail, HasSubstr("127.0.0.1:" + std::to_string(options.port)));
  options.address = "192.0.2.1";  // TEST-NET-1: nobody's
  EXPECT_EQ(Server::Listen(io, Router(), options).error().reason, "listen_failed");
  options.address = "nonsense";
  EXPECT_EQ(Server::Listen(io, Router(), options).error().reason, "listen_failed");
}

TEST(Server, OnceItLeavesEachAnswerIsTheLastOfItsConnection) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  EXPECT_THAT(client.Send(Get("/echo")).ReadResponse(), Not(HasSubstr("Connection: close")));
  test.server().Leave();
  const std::string last = client.Send(Get("/echo")).ReadAll();
  EXPECT_THAT(last, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(last, HasSubstr("Connection: close"));
  RawClient next = test.Connect();
  EXPECT_THAT(next.Send(Get("/echo")).ReadAll(), StartsWith("HTTP/1.1 200")) << "it still accepts";
}

TEST(Server, DrainAnswersWhatIsInFlightAndClosesWhatIsIdle) {
  TestServer test(Routes());
  RawClient busy = test.Connect();
  RawClient idle = test.Connect();
  EXPECT_THAT(idle.Send(Get("/echo")).ReadResponse(), StartsWith("HTTP/1.1 200"));
  released = false;
  const int before = held_calls;
  busy.Send(Get("/held"));
  held_calls.wait(before);
  test.server().Drain();
  test.server().Drain();
  EXPECT_TRUE(idle.AtEnd());
  released = true;
  const std::string response = busy.ReadAll();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(response, HasSubstr("Connection: close"));
  EXPECT_TRUE(test.server().WaitDrained(std::chrono::seconds(60)));
  EXPECT_THROW(test.Connect(), boost::system::system_error);  // refused
}

TEST(Server, StopEndsRequestsInFlight) {
  TestServer test(Routes());
  RawClient client = test.Connect();
  released = false;
  const int before = held_calls;
  client.Send(Get("/held"));
  held_calls.wait(before);
  test.server().Stop();
  EXPECT_EQ(client.ReadAll(), "");
  released = true;
  EXPECT_TRUE(test.server().WaitDrained(std::chrono::seconds(60)));
}

TEST(Server, ARequestsWellFormedIdIsItsAnswersAlsoInsideAProblem) {
  TestServer test(Routes());
  const auto ask = [&test](std::string_view id) {
    return test.Connect()
        .Send(fmt::format("GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: {}\r\n\r\n", id))
        .ReadResponse();
  };
  EXPECT_THAT(ask("order-7"),
              AllOf(HasSubstr("X-Request-Id: order-7\r\n"), HasSubstr(R"("request_id":"order-7"})")));
  for (const std::string& odd : {std::string("a\"b"), std::string("a b"), std::string(129, 'x')}) {
    EXPECT_THAT(ask(odd), Not(HasSubstr("\"request_id\":\"" + odd)));
  }
}

TEST(Server, WhatAllAnswersAreToCarryIsAddedAlsoToThoseOfItsOwn) {
  ServerOptions options;
  options.finish = [](const Request& request, Response& response) {
    response.headers.Add("X-Seen", request.path());
  };
  TestServer test(Routes(), options);
  RawClient client = test.Connect();
  EXPECT_THAT(client.Send(Get("/v1/shows/7")).ReadResponse(), HasSubstr("X-Seen: /v1/shows/7\r\n"));
  EXPECT_THAT(client.Send(Get("/nowhere")).ReadResponse(), HasSubstr("X-Seen: /nowhere\r\n"));
}

TEST(Server, HookIsToldEachAnswer) {
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto hook = [&](const RequestInfo& info, int status, std::chrono::microseconds took) {
    const std::scoped_lock lock(mutex);
    EXPECT_LT(took, std::chrono::seconds(60));
    seen.push_back(fmt::format("{} {} {} {}", MethodName(info.method), info.route, info.path, status));
  };
  {
    TestServer test(Routes(), {}, hook);
    RawClient client = test.Connect();
    client.Send(Get("/v1/shows/7")).ReadResponse();
    client.Send(Get("/nowhere")).ReadResponse();
  }
  EXPECT_THAT(seen, testing::ElementsAre("GET /v1/shows/{show} /v1/shows/7 200", "GET  /nowhere 404"));
}

TEST(Server, HeaderThatWouldSplitTheAnswerIsDropped) {
  Router router;
  router.Add(Method::kGet, "/", [](Request&) -> asio::awaitable<Response> {
    Response response;
    response.headers.Add("X-Bad", "a\r\nSet-Cookie: b");
    response.headers.Add("X-Good", "c");
    co_return response;
  });
  TestServer test(std::move(router));
  const std::string text = test.Connect().Send(Get("/")).ReadResponse();
  EXPECT_THAT(text, HasSubstr("X-Good: c\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Set-Cookie")));
}

TEST(Server, ManyThreadsManyConnections) {
  TestServer test(Routes(), {}, {}, /*threads=*/4);
  std::atomic<int> good{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        RawClient client = test.Connect();
        for (int k = 0; k < 10; ++k) {
          if (client.Send(Get("/echo")).ReadResponse().ends_with("GET /echo 0")) ++good;
        }
      }
    });
  }
  clients.clear();
  EXPECT_EQ(good, 800);
}

TEST(Server, ConnectionsGoToTheLoopsInTurnAndStay) {
  std::array<asio::io_context, 2> loops;
  std::vector<ServingLoop> serving;
  std::array<std::atomic<int>, 2> counted{};
  for (size_t i = 0; i < loops.size(); ++i) {
    Router router;
    router.Add(Method::kGet, "/loop", [i, &loops](Request&) -> asio::awaitable<Response> {
      const bool here = loops[i].get_executor().running_in_this_thread();
      co_return JsonResponse(here ? std::to_string(i) : "elsewhere");
    });
    serving.push_back({&loops[i], std::move(router),
                       [&counted, i](const RequestInfo&, int, std::chrono::microseconds) { ++counted[i]; }});
  }
  const std::unique_ptr<Server> server = *Server::Listen(std::move(serving), {});
  std::vector<std::jthread> threads;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work;
  for (asio::io_context& loop : loops) {
    work.push_back(asio::make_work_guard(loop));
    threads.emplace_back([&loop] { loop.run(); });
  }
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const char* expected : {"0", "1", "0", "1"}) {
    RawClient& client = *clients.emplace_back(std::make_unique<RawClient>(server->port()));
    for (int request = 0; request < 3; ++request)
      EXPECT_THAT(client.Send(Get("/loop")).ReadResponse(), EndsWith(expected));
  }
  EXPECT_EQ(server->connections(), 4U) << "of all loops";
  server->Drain();
  EXPECT_TRUE(server->WaitDrained(std::chrono::seconds(60))) << "the idle ones of every loop are closed";
  EXPECT_EQ(counted[0], 6);
  EXPECT_EQ(counted[1], 6);
  work.clear();
}

}  // namespace
}  // namespace boxoffice::http
