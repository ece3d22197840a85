// Connections that can't be accepted, or are too many.
#include <atomic>
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/accept_error.h"
#include "platform/http/server_fixture.h"

namespace boxoffice::http {
namespace {

boost::system::error_code Errno(int value) { return {value, boost::system::system_category()}; }

TEST(AcceptErrorTest, WhateverWouldBeTheSameAgainAtOnceMakesAPause) {
  for (const int value : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM})
    EXPECT_EQ(After(Errno(value)), AfterAcceptError::kPauseBefore) << value;
}

TEST(AcceptErrorTest, AClientThatWentBeforeHoldsUpNoOther) {
  EXPECT_EQ(After(Errno(ECONNABORTED)), AfterAcceptError::kAcceptNext);
}

TEST(AcceptErrorTest, AnAcceptorThatIsClosedIsTheEnd) {
  EXPECT_EQ(After(asio::error::operation_aborted), AfterAcceptError::kEnd);
  EXPECT_EQ(After(Errno(EBADF)), AfterAcceptError::kEnd);
}

TEST(Server, ConnectionsBeyondThoseThatAreTold503AreDroppedAndCounted) {
  std::atomic<int> dropped = 0;
  ServerOptions options;
  options.max_connections = 1;
  options.max_refused = 0;
  options.dropped = [&dropped] { ++dropped; };
  Router router;
  router.Add(Method::kGet, "/", [](Request&) -> asio::awaitable<Response> { co_return JsonResponse("{}"); });
  TestServer test(std::move(router), options);
  RawClient first = test.Connect();
  const std::string answer = first.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").ReadResponse();
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(dropped, 0);
  RawClient next = test.Connect();
  EXPECT_TRUE(next.AtEnd());
  EXPECT_EQ(dropped, 1);
}

}  // namespace
}  // namespace boxoffice::http
