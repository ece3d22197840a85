// What of a request's head counts, and what is refused as it could be read in two ways.
#include "platform/http/request_parser.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

asio::awaitable<Response> Tell(Request& request) {
  std::string body = fmt::format("{} at {}, {} bytes", request.target(), request.header("Host").value_or("-"),
                                 request.body().size());
  co_return JsonResponse(std::move(body));
}

Router Routes() {
  Router router;
  router.Add(Method::kGet, "/", Tell);
  router.Add(Method::kGet, "/tell", Tell);
  router.Add(Method::kPost, "/tell", Tell);
  return router;
}

std::string Ask(TestServer& server, std::string_view text) {
  return server.Connect().Send(text).ReadResponse();
}

TEST(RequestParserTest, AnAbsoluteFormIsItsPathAndItsHostCounts) {
  TestServer server(Routes());
  const auto ask = [&](std::string_view target) {
    return Ask(server, fmt::format("GET {} HTTP/1.1\r\nHost: header\r\n\r\n", target));
  };
  EXPECT_THAT(ask("/tell"), EndsWith("/tell at header, 0 bytes"));
  EXPECT_THAT(ask("http://target:81/tell?a=1"), EndsWith("/tell?a=1 at target:81, 0 bytes"));
  EXPECT_THAT(ask("HTTPS://target/tell"), EndsWith("/tell at target, 0 bytes"));
  EXPECT_THAT(ask("http://target"), EndsWith("/ at target, 0 bytes"));
  EXPECT_THAT(ask("http://target?a=1"), EndsWith("/?a=1 at target, 0 bytes"));
  EXPECT_THAT(ask("http:///tell"), HasSubstr("request_malformed")) << "no host";
  EXPECT_THAT(ask("http://user@target/tell"), HasSubstr("request_malformed"));
  EXPECT_THAT(ask("ftp://target/tell"), HasSubstr("path_malformed"));
  EXPECT_THAT(Ask(server, "GET http://target/tell HTTP/1.1\r\n\r\n"), HasSubstr("no Host header"));
  EXPECT_THAT(Ask(server, "GET http://target/tell HTTP/1.0\r\n\r\n"), EndsWith("/tell at target, 0 bytes"));
}

TEST(RequestParserTest, AnEmptyLineBeforeARequestIsIgnored) {
  TestServer server(Routes());
  EXPECT_THAT(Ask(server, "\r\nGET /tell HTTP/1.1\r\nHost: h\r\n\r\n"), EndsWith("/tell at h, 0 bytes"));
  const std::string_view twice =
      "POST /tell HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
      "\r\nGET /tell HTTP/1.1\r\nHost: h\r\n\r\n";
  auto client = server.Connect();
  client.Send(twice);
  EXPECT_THAT(client.ReadResponse(), EndsWith("/tell at h, 2 bytes"));
  EXPECT_THAT(client.ReadResponse(), EndsWith("/tell at h, 0 bytes"));
  auto halves = server.Connect();
  halves.Send("\r");
  testbed::Pause(std::chrono::milliseconds(50));
  halves.Send("\nGET /tell HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(halves.ReadResponse(), EndsWith("/tell at h, 0 bytes"));
  EXPECT_THAT(Ask(server, " \r\nGET /tell HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST(RequestParserTest, ACompressedBodyIs415) {
  TestServer server(Routes());
  const auto ask = [&](std::string_view headers, std::string_view body) {
    return Ask(server, fmt::format("POST /tell HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}",
                                   body.size(), headers, body));
  };
  const std::string refused = ask("Content-Encoding: gzip\r\n", "\x1f\x8b");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(refused, HasSubstr("Accept-Encoding: identity\r\n"));
  EXPECT_THAT(refused, HasSubstr("content_encoding_unsupported"));
  EXPECT_THAT(ask("Content-Encoding: identity, gzip\r\n", "{}"), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(ask("Content-Encoding: Identity\r\n", "{}"), EndsWith("2 bytes"));
  EXPECT_THAT(ask("Content-Encoding: gzip\r\n", ""), EndsWith("0 bytes")) << "nothing is compressed";
}

TEST(RequestParserTest, WhatCountsOnceIsRefusedWhenItComesTwice) {
  ServerOptions options;
  options.given_once = {"Some-Key", "Other-Key"};
  TestServer server(Routes(), options);
  const auto ask = [&](std::string_view headers) {
    return Ask(server, fmt::format("GET /tell HTTP/1.1\r\nHost: h\r\n{}\r\n", headers));
  };
  EXPECT_THAT(ask("Some-Key: a\r\nOther-Key: a\r\nAny: a\r\nAny: a\r\n"), StartsWith("HTTP/1.1 200"));
  const std::string refused = ask("Some-Key: a\r\nAny: a\r\nsome-key: a\r\n");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(refused, HasSubstr("Some-Key is given twice"));
  EXPECT_THAT(ask("Host: h\r\n"), HasSubstr("Host is given twice"));
}

}  // namespace
}  // namespace boxoffice::http
