#include "platform/http/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::http {
namespace {

Error Make(Code code, std::string reason, std::string detail = "") {
  return {code, std::move(reason), std::move(detail)};
}

std::string_view HeaderOf(const Response& response, std::string_view name) {
  return response.headers.Find(name).value_or("");
}

TEST(Problem, HasTheShapeOfRfc9457) {
  const Response response = ProblemResponse(
      Make(Code::kConflict, "seat_taken", "seat A-3"), 0,
      [](JsonWriter& writer) { writer.Key("seats").BeginArray().Value(3).Value(4).EndArray(); });
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(
      response.body,
      R"({"type":"urn:boxoffice:problem:seat_taken","title":"Seat taken","status":409,"code":"seat_taken",)"
      R"("detail":"seat A-3","seats":[3,4]})");
}

TEST(Problem, OneTableFromCodeToStatus) {
  const std::pair<Code, int> table[] = {
      {Code::kInvalidArgument, 400}, {Code::kUnauthenticated, 401}, {Code::kPermissionDenied, 403},
      {Code::kNotFound, 404},        {Code::kConflict, 409},        {Code::kResourceExhausted, 429},
      {Code::kUnavailable, 503},     {Code::kUnknown, 503},         {Code::kInternal, 500}};
  for (const auto& [code, status] : table) EXPECT_EQ(HttpStatus(Make(code, "x")), status);
  EXPECT_EQ(HttpStatus(Make(Code::kResourceExhausted, "overloaded")), 503);
}

TEST(Problem, StatusCanBeSaidExplicitly) {
  const Response response = ProblemResponse(Make(Code::kConflict, "balance_too_low"), 402);
  EXPECT_EQ(response.status, 402);
  EXPECT_THAT(response.body, testing::HasSubstr("\"status\":402"));
}

TEST(Problem, DetailOfOurFaultsStaysInTheLog) {
  for (const Code code : {Code::kInternal, Code::kUnavailable, Code::kUnknown}) {
    EXPECT_THAT(ProblemResponse(Make(code, "store_failed", "SELECT secret")).body,
                testing::Not(testing::HasSubstr("SELECT")));
  }
}

TEST(Problem, TellsWhenToComeBackAndHowToAuthenticate) {
  EXPECT_EQ(HeaderOf(ProblemResponse(Make(Code::kUnavailable, "x")), "Retry-After"), "1");
  EXPECT_EQ(HeaderOf(ProblemResponse(Make(Code::kResourceExhausted, "x")), "Retry-After"), "1");
  EXPECT_EQ(HeaderOf(ProblemResponse(Make(Code::kUnauthenticated, "x")), "WWW-Authenticate"), "Bearer");
  EXPECT_TRUE(ProblemResponse(Make(Code::kConflict, "x")).headers.empty());
}

}  // namespace
}  // namespace boxoffice::http
