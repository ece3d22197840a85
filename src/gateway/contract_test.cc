// The judge, and that the server and the contract have the same routes.
#include <algorithm>
#include <fstream>
#include <ranges>
#include <set>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "gateway/contract_for_test.h"
#include "gateway/gateway_for_test.h"
#include "gateway/openapi.h"

namespace boxoffice::gateway {
namespace {

namespace json = boost::json;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  CHECK(file.good(), "{}", path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool IsType(std::string_view type, const json::value& value) {
  if (type == "null") return value.is_null();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments;
  for (const auto part : path | std::views::split('/')) segments.emplace_back(part.begin(), part.end());
  return segments;
}

}  // namespace

Contract::Contract() : document_(json::parse(ReadFile(BOXOFFICE_OPENAPI_JSON))) {}

std::vector<std::string> Contract::Operations() const {
  constexpr std::string_view kMethods[] = {"get", "post", "put", "patch", "delete"};
  std::vector<std::string> operations;
  for (const auto& [path, item] : document_.at("paths").as_object()) {
    for (const auto& [method, operation] : item.as_object()) {
      if (std::ranges::find(kMethods, std::string_view(method)) == std::end(kMethods)) continue;
      std::string name(method);
      std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(c - 32); });
      operations.push_back(fmt::format("{} {}", name, std::string_view(path)));
    }
  }
  return operations;
}

const json::object* Contract::FindPath(std::string_view path) const {
  const std::vector<std::string> wanted = Segments(path.substr(0, path.find('?')));
  const json::object* parameterised = nullptr;
  for (const auto& [pattern, item] : document_.at("paths").as_object()) {
    const std::vector<std::string> segments = Segments(pattern);
    const bool fits =
        std::ranges::equal(segments, wanted, [](const std::string& segment, const std::string& given) {
          return segment == given || segment.starts_with('{');
        });
    if (!fits) continue;
    if (!std::string_view(pattern).contains('{')) return &item.as_object();
    parameterised = &item.as_object();
  }
  return parameterised;
}

const json::value& Contract::Resolve(const json::value& node) const {
  const json::object* object = node.if_object();
  if (object == nullptr || !object->contains("$ref")) return node;
  const json::value* target = &document_;
  for (const std::string& part : Segments(std::string_view(object->at("$ref").as_string()).substr(2))) {
    target = &target->at(part);
  }
  return *target;
}

std::string Contract::FitsObject(const json::object& schema, const json::object& value,
                                 const std::string& where) const {
  if (const json::value* required = schema.if_contains("required")) {
    for (const json::value& name : required->as_array()) {
      if (!value.contains(name.as_string()))
        return fmt::format("{}.{} is missing", where, std::string_view(name.as_string()));
    }
  }
  const json::value* properties = schema.if_contains("properties");
  const json::value* additional = schema.if_contains("additionalProperties");
  for (const auto& [name, member] : value) {
    const std::string path = fmt::format("{}.{}", where, std::string_view(name));
    const json::value* property = properties != nullptr ? properties->as_object().if_contains(name) : nullptr;
    if (property == nullptr) {
      if (additional != nullptr && additional->is_bool() && !additional->as_bool())
        return path + " is not in the contract";
      continue;
    }
    if (std::string wrong = Fits(*property, member, path); !wrong.empty()) return wrong;
  }
  return {};
}

std::string Contract::Fits(const json::value& given, const json::value& value,
                           const std::string& where) const {
  const json::object& schema = Resolve(given).as_object();
  if (const json::value* type = schema.if_contains("type")) {
    const bool fits =
        type->is_array()
            ? std::ranges::any_of(type->as_array(),
                                  [&](const json::value& t) { return IsType(t.as_string(), value); })
            : IsType(type->as_string(), value);
    if (!fits)
      return fmt::format("{} is {}, not of type {}", where, json::serialize(value), json::serialize(*type));
  }
  if (const json::value* choices = schema.if_contains("enum")) {
    if (std::ranges::find(choices->as_array(), value) == choices->as_array().end()) {
      return fmt::format("{} is {}, which is none of {}", where, json::serialize(value),
                         json::serialize(*choices));
    }
  }
  if (value.is_object()) return FitsObject(schema, value.as_object(), where);
  const json::value* items = schema.if_contains("items");
  if (value.is_array() && items != nullptr) {
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      std::string wrong = Fits(*items, value.as_array()[i], fmt::format("{}[{}]", where, i));
      if (!wrong.empty()) return wrong;
    }
  }
  return {};
}

std::string Contract::NamesMembers(const json::value& given, const json::value& value) const {
  const json::object& properties = Resolve(given).as_object().at("properties").as_object();
  for (const auto& [name, member] : value.as_object()) {
    if (!properties.contains(name))
      return fmt::format("body.{} is not in the contract", std::string_view(name));
  }
  return {};
}

std::string Contract::Judge(std::string_view method, std::string_view path, int status,
                            std::string_view content_type, std::string_view body) const {
  const std::string what = fmt::format("{} {} → {}", method, path, status);
  const json::object* item = FindPath(path);
  if (item == nullptr) return what + ": no such path in the contract";
  std::string lower(method);
  std::ranges::transform(lower, lower.begin(), [](char c) { return static_cast<char>(c + 32); });
  const json::value* operation = item->if_contains(lower);
  if (operation == nullptr) return what + ": no such operation in the contract";
  const json::value* found = operation->at("responses").as_object().if_contains(std::to_string(status));
  if (found == nullptr) return what + ": no such status in the contract";
  const json::value* content = Resolve(*found).as_object().if_contains("content");
  if (content == nullptr) return body.empty() ? "" : what + ": a body, where the contract has none";
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const json::value* media = content->as_object().if_contains(type);
  if (media == nullptr) return fmt::format("{}: content type {} is not in the contract", what, type);
  if (!type.ends_with("json")) return {};
  json::error_code error;
  const json::value value = json::parse(body, error);
  if (error) return what + ": the body is not JSON";
  std::string wrong = Fits(media->at("schema"), value, "body");
  if (wrong.empty() && type == "application/problem+json") wrong = NamesMembers(media->at("schema"), value);
  return wrong.empty() ? "" : fmt::format("{}: {}", what, wrong);
}

namespace {

using ContractTest = GatewayTest;

TEST_F(ContractTest, ServerAndContractHaveTheSameRoutes) {
  EXPECT_THAT(gateway().routes(), testing::UnorderedElementsAreArray(contract().Operations()));
}

TEST_F(ContractTest, EveryAnswerThatTheEdgeItselfGivesIsInTheContract) {
  const json::value document = json::parse(OpenApiJson());
  for (const auto& [path, item] : document.at("paths").as_object()) {
    if (!std::string_view(path).starts_with("/v1/")) continue;
    for (const auto& [method, operation] : item.as_object()) {
      if (!operation.is_object()) continue;  // the path's parameters
      const json::object& responses = operation.at("responses").as_object();
      for (const char* status : {"400", "429"}) {  // a query that can't be read, and too many requests
        EXPECT_TRUE(responses.contains(status)) << std::string_view(method) << ' ' << std::string_view(path);
      }
      const bool has_body = method == "post" || method == "patch";  // or is sent one all the same
      for (const char* status : {"413", "415"}) {
        EXPECT_TRUE(!has_body || responses.contains(status)) << status << ' ' << std::string_view(path);
      }
      const bool is_public = operation.as_object().contains("security");
      const bool is_tagged = is_public && method == "get" && responses.contains("200") &&
                             !std::string_view(path).ends_with("/events");
      EXPECT_TRUE(!is_tagged || responses.contains("304")) << std::string_view(path);
    }
  }
}

TEST_F(ContractTest, TheContractIsServed) {
  const http::ClientResponse answer = Call("GET", "/openapi.yaml");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, OpenApiYaml());
  EXPECT_THAT(answer.body, testing::StartsWith("openapi: 3.1"));
}

TEST_F(ContractTest, JudgeNamesWhatIsWrong) {
  const auto judge = [&](int status, std::string_view body) {
    return contract().Judge("GET", "/v1/wallet", status, "application/json", body);
  };
  EXPECT_EQ(judge(200, R"({"user_id":"ada","balances":[{"amount":1,"currency":"KRW"}]})"), "");
  EXPECT_THAT(judge(200, R"({"user_id":"ada"})"), testing::HasSubstr("balances is missing"));
  EXPECT_THAT(judge(200, R"({"user_id":7,"balances":[]})"), testing::HasSubstr("not of type"));
  EXPECT_THAT(judge(200, R"({"user_id":"ada","balances":[],"x":1})"),
              testing::HasSubstr("not in the contract"));
  EXPECT_THAT(judge(200, R"({"user_id":"ada","balances":[{"amount":1.5,"currency":"KRW"}]})"),
              testing::HasSubstr("body.balances[0].amount"));
  EXPECT_THAT(judge(418, "{}"), testing::HasSubstr("no such status"));
  EXPECT_THAT(contract().Judge("GET", "/v1/wallet", 401, "application/problem+json",
                               R"({"type":"t","title":"T","status":401,"code":"c","x":1})"),
              testing::HasSubstr("body.x is not in the contract"));
}

}  // namespace
}  // namespace boxoffice::gateway
