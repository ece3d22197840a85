#include "platform/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/utf8.h"

namespace boxoffice::http {
namespace {

using testing::ElementsAre;

Handler None() {
  return [](Request&) -> asio::awaitable<Response> { co_return Response(); };
}

Router Routes() {
  Router router;
  router.Add(Method::kGet, "/", None());
  router.Add(Method::kGet, "/v1/shows/{show}", None());
  router.Add(Method::kGet, "/v1/shows/{show}/seats", None());
  router.Add(Method::kGet, "/v1/shows/popular", None());
  router.Add(Method::kPost, "/v1/shows/{id}/queue", None());
  router.Add(Method::kGet, "/app/{path...}", None());
  return router;
}

std::string Pattern(std::string_view path, Method method = Method::kGet) {
  const Router router = Routes();
  const Router::Match match = router.Find(method, path);
  return match.status == 200 ? match.route->pattern : std::to_string(match.status);
}

TEST(Router, ExactSegmentWinsOverParameter) {
  EXPECT_EQ(Pattern("/v1/shows/popular"), "/v1/shows/popular");
  EXPECT_EQ(Pattern("/v1/shows/7"), "/v1/shows/{show}");
  // … but does not hide what only the parameter leads to.
  EXPECT_EQ(Pattern("/v1/shows/popular/seats"), "/v1/shows/{show}/seats");
}

TEST(Router, PathsAreExact) {
  EXPECT_EQ(Pattern("/"), "/");
  for (const char* path : {"/v1", "/v1/shows", "/v1/shows/", "/v1/shows/7/", "/v1/shows/7/seats/1",
                           "//v1/shows/7", "/V1/shows/7"}) {
    EXPECT_EQ(Pattern(path), "404") << path;
  }
}

TEST(Router, ParametersAreDecodedOnceAndPerSegment) {
  const Router router = Routes();
  EXPECT_THAT(router.Find(Method::kGet, "/v1/shows/a%2Fb%2520").values, ElementsAre("a/b%20"));
  EXPECT_THAT(router.Find(Method::kGet, "/v1/sho%77s/7").values, ElementsAre("7"));
}

TEST(Router, RestTakesAllThatIsLeft) {
  const Router router = Routes();
  EXPECT_THAT(router.Find(Method::kGet, "/app/a/b%20c").values, ElementsAre("a/b c"));
  EXPECT_THAT(router.Find(Method::kGet, "/app/").values, ElementsAre(""));
  EXPECT_EQ(Pattern("/app"), "404");
}

TEST(Router, ClimbingPathsAreRefused) {
  for (const char* path :
       {"/app/../x", "/app/%2e%2e/x", "/app/a/..%2fx", "/app/a%00", "/app/a%", "/v1/shows/.", "app"}) {
    EXPECT_EQ(Pattern(path), "400") << path;
  }
}

TEST(Router, OtherMethodListsWhatIsAllowed) {
  const Router router = Routes();
  EXPECT_EQ(router.Find(Method::kPost, "/v1/shows/7").allow, "GET, HEAD");
  EXPECT_EQ(router.Find(Method::kGet, "/v1/shows/7/queue").allow, "POST");
  EXPECT_EQ(Pattern("/v1/shows/7", Method::kHead), "/v1/shows/{show}");
  EXPECT_EQ(Pattern("/v1/shows/7/queue", Method::kHead), "405");
}

TEST(RouterDeathTest, MalformedOrRepeatedRouteIsABug) {
  Router router = Routes();
  EXPECT_DEATH(router.Add(Method::kGet, "/v1/shows/{other}", None()), "twice");
  EXPECT_DEATH(router.Add(Method::kGet, "/a/{b", None()), "route");
  EXPECT_DEATH(router.Add(Method::kGet, "/{a}/{a}", None()), "route");
  EXPECT_DEATH(router.Add(Method::kGet, "/{a...}/b", None()), "rest");
}

TEST(Url, PercentEncodingRoundTrips) {
  const std::string text = "a b/ü&=+%~";
  EXPECT_EQ(PercentEncode(text), "a%20b%2F%C3%BC%26%3D%2B%25~");
  EXPECT_EQ(PercentDecode(PercentEncode(text)), text);
}

TEST(Url, WhatIsNotUtf8IsRefused) {
  for (const char* text : {"%ff", "\xff", "a%c3", "%ed%a0%80", "%c0%af", "%f4%90%80%80"}) {
    EXPECT_EQ(PercentDecode(text), std::nullopt) << text;
  }
  EXPECT_EQ(PercentDecode("%c3%a9\xc3\xa9"), "éé");
}

TEST(Utf8, WhatIsNoneIsReplacedByteByByteAndAllElseStays) {
  EXPECT_EQ(ToUtf8("서울 é 🎫\n\""), "서울 é 🎫\n\"");
  EXPECT_EQ(ToUtf8("a\xff|\xc3|\xc0\xaf|\xe2\x82"), "a\ufffd|\ufffd|\ufffd\ufffd|\ufffd\ufffd");
  EXPECT_EQ(ToUtf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd") << "a surrogate";
}

TEST(Url, AnEncodedNulIsRefused) { EXPECT_EQ(PercentDecode("a%00"), std::nullopt); }

TEST(Url, InAQueryAPlusIsASpaceAndAnEncodedOneAPlus) {
  EXPECT_EQ(PercentDecode("a+b%2Bc", true), "a b+c");
  EXPECT_EQ(PercentDecode("a+b%2Bc"), "a+b+c");
}

}  // namespace
}  // namespace boxoffice::http
