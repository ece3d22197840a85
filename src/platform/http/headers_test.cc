#include "platform/http/headers.h"

#include <string>

#include <gtest/gtest.h>

namespace boxoffice::http {
namespace {

TEST(Headers, AreLinesInTheOrderInWhichTheyCame) {
  Headers headers;
  EXPECT_TRUE(headers.empty());
  headers.Add("ETag", "\"a\"");
  headers.Add("Set-Cookie", "a=1");
  headers.Add("Set-Cookie", "b=2");
  headers.Add("X-Empty", "");
  EXPECT_EQ(headers.lines(), "ETag: \"a\"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty: \r\n");
}

TEST(Headers, AreFoundByTheirWholeNameInAnyCase) {
  Headers headers;
  headers.Add("Vary", "ETag: no");
  headers.Add("ETag", "\"a: b\"");
  headers.Add("etag", "second");
  EXPECT_EQ(headers.Find("etag"), "\"a: b\"");
  EXPECT_EQ(headers.Find("VARY"), "ETag: no");
  EXPECT_EQ(headers.Find("ETa"), std::nullopt);
  EXPECT_EQ(headers.Find("ETagg"), std::nullopt);
  EXPECT_EQ(Headers().Find("ETag"), std::nullopt);
}

TEST(Headers, OneThatIsSetTakesThePlaceOfAllOfItsName) {
  Headers headers;
  headers.Add("Retry-After", "1");
  headers.Add("Vary", "Origin");
  headers.Add("retry-after", "2");
  headers.Set("Retry-After", "7");
  EXPECT_EQ(headers.lines(), "Vary: Origin\r\nRetry-After: 7\r\n");
  headers.Set("X-New", "1");
  EXPECT_EQ(headers.Find("X-New"), "1");
}

TEST(Headers, WhatWouldBeginAnotherLineIsLeftOut) {
  for (const std::string& bad : {std::string("a\r\nb: c"), std::string("a\nb"), std::string("a\rb"),
                                 std::string("a\0b", 3), std::string("a\x7f"), std::string("a\x1b[0m")}) {
    Headers headers;
    headers.Add("X-Bad", bad);
    headers.Add(bad, "x");
    EXPECT_TRUE(headers.empty()) << bad;
  }
  Headers headers;
  headers.Add("X-Good", "tab\tand \xc3\xa9");
  EXPECT_EQ(headers.lines(), "X-Good: tab\tand \xc3\xa9\r\n");
}

}  // namespace
}  // namespace boxoffice::http
