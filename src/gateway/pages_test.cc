#include "gateway/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/request_hash.h"
#include "gateway/show_body.h"

namespace boxoffice::gateway {
namespace {

TEST(PagesTest, NumbersAreWrittenInOneWayOnly) {
  EXPECT_EQ(ParseNumber("1"), 1);
  EXPECT_EQ(ParseNumber("9223372036854775807"), INT64_MAX);
  for (const std::string_view text :
       {"", "0", "-1", "+1", "01", "1 ", " 1", "1.0", "x", "9223372036854775808"}) {
    EXPECT_EQ(ParseNumber(text), std::nullopt) << text;
  }
}

TEST(PagesTest, TimesAreReadWithFractionAndOffset) {
  const Timestamp time = FromUnixMs(1'795'341'600'000);
  EXPECT_EQ(ParseTime(ToRfc3339(time)), time);
  EXPECT_EQ(ParseTime("2026-11-22T10:00:00Z"), ParseTime("2026-11-22T19:00:00+09:00"));
  EXPECT_EQ(ParseTime("2026-11-22T10:00:00Z"), ParseTime("2026-11-22t05:00:00.000-05:00"));
  EXPECT_EQ(*ParseTime("2026-11-22T10:00:00.250Z") - *ParseTime("2026-11-22T10:00:00Z"), milliseconds(250));
  EXPECT_EQ(ParseTime("2024-02-29T00:00:00Z").has_value(), true);
}

TEST(PagesTest, WhatIsNoTimeIsRefused) {
  for (const std::string_view text :
       {"", "2026-11-22", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z", "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00Zx",
        "2026-11-22T10:00:00+9:00", "1800000000000", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:60Z",
        "0000-01-01T00:00:00+00:01"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
  EXPECT_EQ(ToRfc3339(*ParseTime("9999-12-31T23:59:59Z")), "9999-12-31T23:59:59.000Z");
}

TEST(PagesTest, ATimeBefore1970IsNotSaidToBeNone) {
  const auto detail = [](std::string_view body) {
    http::ObjectReader reader(body);
    EXPECT_EQ(TimeInBody(reader, "at"), 0);
    return reader.Finish().error().detail;
  };
  EXPECT_THAT(detail(R"({"at":"1969-01-01T00:00:00Z"})"), testing::HasSubstr("after 1970"));
  EXPECT_THAT(detail(R"({"at":"yesterday"})"), testing::HasSubstr("like 2026-11-22"));
}

TEST(PagesTest, ATimeThatMayBeTakenAwayMayBeNull) {
  http::ObjectReader reader(R"({"at":null,"other":"2027-01-15T08:00:00Z"})");
  EXPECT_EQ(MaybeTimeInBody(reader, "at"), 0);
  EXPECT_EQ(MaybeTimeInBody(reader, "other"), 1'800'000'000'000);
  EXPECT_TRUE(reader.Finish().has_value());
}

TEST(PagesTest, ATextHasNoControlCharacterAndNoMoreThanItMay) {
  const auto detail = [](std::string_view body) {
    http::ObjectReader reader(body);
    (void)TextInBody(reader, "name", 3);
    const Result<void> read = reader.Finish();
    return read ? std::string() : read.error().detail;
  };
  EXPECT_EQ(detail("{}"), "");
  EXPECT_EQ(detail(R"({"name":"abc"})"), "");
  EXPECT_EQ(detail(R"({"name":"abcd"})"), "field `name` has at most 3 bytes");
  EXPECT_EQ(detail(R"({"name":"a\u0000b"})"), "field `name` has a control character");
  EXPECT_EQ(detail(R"({"name":"\u009b"})"), "field `name` has a control character");
  http::ObjectReader reader(R"({"reason":"a\nb"})");
  (void)ReasonInBody(reader);
  EXPECT_EQ(reader.Finish().error().detail, "field `reason` has a control character");
}

http::Request WithQuery(std::string_view target) {
  http::Request request;
  Error error;
  EXPECT_TRUE(request.SetTarget(target, &error));
  return request;
}

TEST(PagesTest, CursorComesBackToItsOwnKindOfListOnly) {
  const std::string cursor = EncodeCursor("entries", std::string("\0\x01:x", 4));
  EXPECT_EQ(ReadPage(WithQuery("/?limit=7&cursor=" + cursor), "entries")->after, std::string("\0\x01:x", 4));
  EXPECT_EQ(ReadPage(WithQuery("/?cursor=" + cursor), "sagas").error().reason, "cursor_invalid");
  EXPECT_EQ(ReadPage(WithQuery("/"), "entries")->limit, kDefaultPage);
  EXPECT_EQ(ReadNumberedPage(WithQuery("/?cursor=" + cursor), "entries").error().reason, "cursor_invalid");
  EXPECT_EQ(ReadNumberedPage(WithQuery("/?cursor=" + EncodeCursor("shows", "42")), "shows")->after, 42);
}

TEST(RequestHashTest, MethodPathAndBodyAllCount) {
  const std::string hash = HashRequest("POST", "/a", "x");
  EXPECT_EQ(hash.size(), 32U);
  EXPECT_EQ(HashRequest("POST", "/a", "x"), hash);
  EXPECT_NE(HashRequest("PUT", "/a", "x"), hash);
  EXPECT_NE(HashRequest("POST", "/b", "x"), hash);
  EXPECT_NE(HashRequest("POST", "/a", "y"), hash);
}

TEST(ShowBodyTest, PlanIsTakenOutUnread) {
  const auto split = SplitShowBody(
      R"( {"a":"\"seating_plan\":{", "b":[{"seating_plan":1}], "seating_plan" : {"x":"}\"]"}, "c":2})");
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->plan, R"({"x":"}\"]"})");
  EXPECT_EQ(split->fields,
            R"( {"a":"\"seating_plan\":{", "b":[{"seating_plan":1}], "seating_plan" : {}, "c":2})");
}

TEST(ShowBodyTest, PlanAsAStringStaysWhereItIs) {
  const std::string_view body = R"({"seating_plan":"{\"zones\":[]}"})";
  EXPECT_EQ(SplitShowBody(body)->fields, body);
  EXPECT_EQ(SplitShowBody(body)->plan, "");
  EXPECT_EQ(SplitShowBody("{}")->plan, "");
}

TEST(ShowBodyTest, WhatIsBrokenIsToldAndNothingIsReadBeyondTheEnd) {
  EXPECT_EQ(SplitShowBody("").error().reason, "body_not_json");
  EXPECT_EQ(SplitShowBody("[1]").error().reason, "body_not_json");
  EXPECT_EQ(SplitShowBody("{\"seating_plan\":{\n\n").error().reason, "seating_plan_invalid");
  EXPECT_THAT(SplitShowBody("{\"seating_plan\":[\"\n\n").error().detail, testing::HasSubstr("line 3"));
  for (const std::string_view body :
       {"{", "{\"", "{\"a", "{\"seating_plan\"", "{\"seating_plan\":", "{\"a\":[", "{\\"}) {
    EXPECT_TRUE(SplitShowBody(body).has_value()) << body;  // the reader of the fields refuses it
  }
}

}  // namespace
}  // namespace boxoffice::gateway
