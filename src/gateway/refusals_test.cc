#include "gateway/refusals.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace boxoffice::gateway {
namespace {

// The words with an underscore in the comment above a field of a proto, and beside it.
std::vector<std::string> CodesAbove(const std::string& proto, const std::string& field) {
  std::ifstream file(std::string(BOXOFFICE_PROTO_DIR) + "/" + proto);
  EXPECT_TRUE(file.good()) << proto;
  std::string comment;
  std::vector<std::string> codes;
  const std::regex word("[a-z]+(_[a-z]+)+");
  bool found = false;
  for (std::string line; std::getline(file, line);) {
    const size_t slashes = line.find("//");
    const bool only_comment = slashes != std::string::npos && line.find_first_not_of(' ') == slashes;
    if (only_comment) comment += line.substr(slashes);
    if (line.contains(field)) {
      found = true;
      for (auto it = std::sregex_iterator(comment.begin(), comment.end(), word); it != std::sregex_iterator();
           ++it) {
        codes.push_back(it->str());
      }
    }
    if (!only_comment) comment.clear();
  }
  EXPECT_TRUE(found) << proto << ": " << field;
  return codes;
}

TEST(RefusalsTest, TableIsSortedAndUnique) {
  EXPECT_TRUE(std::ranges::is_sorted(RefusalTable(), std::ranges::less_equal(), &RefusalRow::reason) ||
              std::ranges::is_sorted(RefusalTable(), {}, &RefusalRow::reason));
  EXPECT_EQ(std::ranges::adjacent_find(RefusalTable(), {}, &RefusalRow::reason), RefusalTable().end());
}

TEST(RefusalsTest, EveryRefusalThatTheContractsNameHasARow) {
  const std::pair<const char*, const char*> fields[] = {
      {"queue/v1/queue.proto", "string refusal ="},
      {"seat/v1/seat.proto", "string refusal ="},
      {"wallet/v1/wallet.proto", "string refusal ="},
      {"payment/v1/payment.proto", "string refusal ="},
      {"reservation/v1/reservation.proto", "string code ="}};
  for (const auto& [proto, field] : fields) {
    const std::vector<std::string> codes = CodesAbove(proto, field);
    EXPECT_FALSE(codes.empty()) << proto;
    for (const std::string& code : codes) EXPECT_NE(FindRefusal(code), nullptr) << proto << ": " << code;
  }
}

TEST(RefusalsTest, EveryStatusIsOneThatTheContractKnows) {
  constexpr int kStatuses[] = {400, 401, 402, 403, 404, 409, 413, 422, 429, 503};
  for (const RefusalRow& row : RefusalTable())
    EXPECT_NE(std::ranges::find(kStatuses, row.status), std::end(kStatuses)) << row.reason;
}

TEST(RefusalsTest, ARefusalWithoutARowIsAConflictAndKeepsItsCode) {
  const http::Response response = RefusalResponse("something_new");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(boost::json::parse(response.body).at("code").as_string(), "something_new");
}

// Reasons of errors, of which no contract's refusals tell.
TEST(RefusalsTest, WhatNobodyHasRefusedAndWhoeverIsNotThereAreToldInTheTablesWords) {
  const auto expect = [](Code code, const std::string& reason, int status, std::string_view title) {
    const http::Response response = ServiceFailure({code, reason, {}});
    EXPECT_EQ(response.status, status) << reason;
    const boost::json::value body = boost::json::parse(response.body);
    const auto member = [&body](const char* name) { return std::string(body.at(name).as_string()); };
    EXPECT_EQ(member("type"), "urn:boxoffice:problem:" + reason);
    EXPECT_EQ(member("code"), reason);
    EXPECT_EQ(member("title"), title);
  };
  expect(Code::kConflict, "nothing_refused", 409, "The provider has not refused to give it back");
  expect(Code::kNotFound, "user_not_found", 404, "No user has such a name");
}

TEST(RefusalsTest, WhatAServiceFindsInvalidIs422AndWhatTheGatewayDoesIs400) {
  const Error error{Code::kInvalidArgument, "show_invalid", "starts_at: is past"};
  EXPECT_EQ(ServiceFailure(error).status, 422);
  EXPECT_EQ(FailureResponse(error).status, 400);
}

TEST(RefusalsTest, TheFieldThatIsWrongIsAMember) {
  const auto field = [](const char* detail) {
    const boost::json::value body =
        boost::json::parse(ServiceFailure({Code::kInvalidArgument, "x", detail}).body);
    const boost::json::value* member = body.as_object().if_contains("field");
    return member != nullptr ? std::string(member->as_string()) : "";
  };
  EXPECT_EQ(field("field `seats[2]` must be an integer"), "seats[2]");
  EXPECT_EQ(field("zones[0].rows[1].seat_guid: appears twice"), "zones[0].rows[1].seat_guid");
  EXPECT_EQ(field("line 4, column 1: syntax error"), "");
  EXPECT_EQ(field("rate_per_s"), "");
}

TEST(RefusalsTest, WhatGrpcSaysForItselfIsOurFaultAndNotTheCallers) {
  for (const Code code :
       {Code::kInvalidArgument, Code::kUnauthenticated, Code::kPermissionDenied, Code::kNotFound,
        Code::kConflict, Code::kResourceExhausted, Code::kUnavailable, Code::kUnknown}) {
    const http::Response response = ServiceFailure({code, "rpc_failed", "larger than max (5 vs. 4)"});
    EXPECT_EQ(response.status, 503) << CodeName(code);
    EXPECT_EQ(boost::json::parse(response.body).at("code").as_string(), "rpc_failed");
    EXPECT_FALSE(response.body.contains("larger")) << CodeName(code);
  }
  EXPECT_EQ(ServiceFailure({Code::kInternal, "rpc_failed", ""}).status, 500);
}

TEST(RefusalsTest, OurOwnFaultsShowNoDetail) {
  for (const Code code : {Code::kInternal, Code::kUnavailable, Code::kUnknown}) {
    const http::Response response = ServiceFailure({code, "database_unavailable", "disk I/O error in /var"});
    EXPECT_GE(response.status, 500);
    EXPECT_FALSE(response.body.contains("/var"));
  }
}

}  // namespace
}  // namespace boxoffice::gateway
