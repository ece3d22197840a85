#include "gateway/refusals.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

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

// What stands in the brackets of `pattern` in the sources under a path of the repository, with a file that
// says it. Left out: tests, and the files of a service that have to do with its store, its bus and its start.
std::map<std::string, std::string> ReasonsIn(const std::string& path, const std::regex& pattern) {
  const std::filesystem::path root = std::filesystem::path(BOXOFFICE_PROTO_DIR) / ".." / ".." / path;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_regular_file(root)) files.push_back(root);
  if (std::filesystem::is_directory(root)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string name = entry.path().filename().string();
      const bool is_source = name.ends_with(".cc") || name.ends_with(".h");
      const bool is_test =
          name.contains("_test.") || name.contains("for_test") || name.starts_with("testing_");
      const bool is_inner =
          name.starts_with("store_") || name.starts_with("bus_client.") || name.starts_with("module.");
      if (is_source && !is_test && !is_inner) files.push_back(entry.path());
    }
  }
  EXPECT_FALSE(files.empty()) << root;
  std::map<std::string, std::string> reasons;
  for (const std::filesystem::path& file : files) {
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    const std::sregex_iterator end;
    for (std::sregex_iterator it(text.begin(), text.end(), pattern); it != end; ++it)
      reasons.emplace((*it)[1].str(), file.string());
  }
  return reasons;
}

const std::regex kGiven("Code::k(?:Conflict|NotFound|InvalidArgument|ResourceExhausted),\\s*\"([a-z_]+)\"");

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

// What the reference promises: a code that is not in it comes with 503 or 500.
TEST(RefusalsTest, EveryReasonOfAnErrorThatAServiceGivesHasARow) {
  const std::set<std::string> untold = {
      // What the gateway never asks, as it has judged the request before.
      "bad_move", "bad_resolution", "bad_status", "body_missing", "key_missing", "operation_key_missing",
      // Of a start, and among replicas.
      "config", "not_owner",
      // A bound that ends by waiting: 503.
      "overloaded"};
  const std::map<std::string, std::string> reasons = ReasonsIn("src/services", kGiven);
  EXPECT_TRUE(reasons.contains("saga_done") && reasons.contains("show_invalid")) << "the sources are read";
  for (const auto& [reason, file] : reasons) {
    if (untold.contains(reason)) continue;
    const RefusalRow* row = FindRefusal(reason);
    ASSERT_NE(row, nullptr) << file << ": " << reason;
    EXPECT_LT(row->status, 500) << file << ": " << reason;
  }
  // These stand elsewhere, as values.
  for (const char* reason : {"invalid_field", "not_dead", "target_disabled"})
    EXPECT_NE(FindRefusal(reason), nullptr) << reason;
}

TEST(RefusalsTest, EveryReasonForWhichTheGatewayRefusesARequestHasARow) {
  std::map<std::string, std::string> reasons = ReasonsIn("src/gateway", kGiven);
  reasons.merge(ReasonsIn("src/gateway", std::regex("Refuse\\(\"[a-z_]+\", \"([a-z_]+)\"")));
  reasons.merge(ReasonsIn("src/gateway", std::regex("RefusalResponse\\(\"([a-z_]+)\"")));
  reasons.merge(ReasonsIn("src/platform/http/json_reader.cc", std::regex("Record\\(\\s*\"([a-z_]+)\"")));
  EXPECT_TRUE(reasons.contains("field_type") && reasons.contains("field_too_long") &&
              reasons.contains("audit_not_run"));
  reasons.erase("config");      // of a start
  reasons.erase("overloaded");  // a bound that ends by waiting: 503
  for (const auto& [reason, file] : reasons)
    EXPECT_NE(FindRefusal(reason), nullptr) << file << ": " << reason;
}

// The table is looked up first, so that a row would change what was said before.
TEST(RefusalsTest, ARowForWhatHasAStatusByItsCodeKeepsThatStatus) {
  const auto statuses = [](Code code, const char* reason) {
    const Error error{code, reason, {}};
    return std::pair(FailureResponse(error).status, ServiceFailure(error).status);
  };
  for (const char* reason :
       {"body_not_json", "field_duplicate", "field_missing", "field_too_long", "field_type", "field_unknown"})
    EXPECT_EQ(statuses(Code::kInvalidArgument, reason).first, 400) << reason;
  for (const char* reason : {"concert_invalid", "invalid_argument", "invalid_field", "price_invalid",
                             "seating_plan_invalid", "show_invalid"})
    EXPECT_EQ(statuses(Code::kInvalidArgument, reason).second, 422) << reason;
  for (const char* reason : {"not_dead", "saga_done", "saga_not_undoable", "saga_version_unknown"})
    EXPECT_EQ(statuses(Code::kConflict, reason), std::pair(409, 409)) << reason;
}

// HTTP's own refusals come before any route, without the table.
TEST(RefusalsTest, WhatTheServerSaysByItselfIsInTheTableInItsWords) {
  const std::pair<const char*, int> said[] = {{"path_malformed", 400},
                                              {"query_duplicate", 400},
                                              {"query_malformed", 400},
                                              {"request_malformed", 400},
                                              {"route_not_found", 404}};
  for (const auto& [reason, status] : said) {
    const RefusalRow* row = FindRefusal(reason);
    ASSERT_NE(row, nullptr) << reason;
    EXPECT_EQ(row->status, status) << reason;
    const Error error{Code::kInvalidArgument, reason, {}};
    const boost::json::value body = boost::json::parse(http::ProblemResponse(error, status).body);
    EXPECT_EQ(std::string(body.at("title").as_string()), row->title);
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
  expect(Code::kConflict, "nothing_refused", 409, "The provider does not refuse to give it back");
  expect(Code::kNotFound, "user_not_found", 404, "No user has such a name");
}

TEST(RefusalsTest, WhatAServiceFindsInvalidIs422AndWhatTheGatewayDoesIs400) {
  const Error error{Code::kInvalidArgument, "something_new", "starts_at: is past"};
  EXPECT_EQ(ServiceFailure(error).status, 422);
  EXPECT_EQ(FailureResponse(error).status, 400);
}

TEST(RefusalsTest, WhatADatabaseSaysOfAValueIsNotShown) {
  constexpr const char* kDriver = "ERROR: invalid byte sequence for encoding \"UTF8\": 0x00 [22021]";
  const http::Response value = ServiceFailure({Code::kInvalidArgument, "invalid_value", kDriver});
  EXPECT_EQ(value.status, 422);
  EXPECT_EQ(boost::json::parse(value.body).at("code").as_string(), "invalid_value");
  const http::Response constraint = ServiceFailure({Code::kConflict, "constraint", kDriver});
  EXPECT_EQ(constraint.status, 409);
  for (const http::Response& response : {value, constraint})
    EXPECT_FALSE(response.body.contains("ERROR")) << response.body;
}

TEST(RefusalsTest, AKeyThatWasUsedIsNotToldByAFieldThatNobodySent) {
  const Error error{Code::kConflict, "operation_key_reused", "operation_key: was used with other content"};
  const http::Response response = ServiceFailure(error);
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(boost::json::parse(response.body).at("code").as_string(), "idempotency_key_reused");
  EXPECT_FALSE(response.body.contains("operation_key")) << response.body;
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
