#include "gateway/cross_origin.h"

#include <algorithm>

#include <fmt/format.h>

namespace boxoffice::gateway {
namespace {

constexpr std::string_view kMethods = "GET, HEAD, POST, PATCH, DELETE";
constexpr std::string_view kRequestHeaders =
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Queue-Token, "
    "X-Request-Id, traceparent";
constexpr std::string_view kAnswerHeaders =
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Next-Cursor, X-Request-Id";
constexpr std::string_view kMaxAgeS = "600";

// A scheme and an authority, as browsers send it: lower case, and nothing behind.
bool IsOrigin(std::string_view text) {
  const bool secure = text.starts_with("https://");
  if (!secure && !text.starts_with("http://")) return false;
  const std::string_view authority = text.substr(secure ? 8 : 7);
  return !authority.empty() && std::ranges::all_of(authority, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' ||
           c == ']';
  });
}

}  // namespace

Result<CrossOrigin> CrossOrigin::Make(const std::vector<std::string>& origins) {
  CrossOrigin cross;
  for (const std::string& origin : origins) {
    if (origin == "*") {
      cross.any_ = true;
    } else if (IsOrigin(origin)) {
      cross.origins_.push_back(origin);
    } else {
      return Fail(
          Code::kInvalidArgument, "config",
          fmt::format("cors.origins: `{}` is no origin: write https://tickets.example, or *", origin));
    }
  }
  if (cross.any_ && origins.size() > 1) {
    return Fail(Code::kInvalidArgument, "config", "cors.origins: * stands alone");
  }
  std::ranges::sort(cross.origins_);
  return cross;
}

void CrossOrigin::AddTo(const http::Request& request, http::Response& response) const {
  if (!on()) return;
  // What a cache keeps for one origin is not for another.
  if (!any_) response.headers.Add("Vary", "Origin");
  const std::optional<std::string_view> origin = request.header("Origin");
  if (!origin || (!any_ && !std::ranges::binary_search(origins_, *origin))) return;
  response.headers.Add("Access-Control-Allow-Origin", any_ ? std::string_view("*") : *origin);
  if (request.method() == http::Method::kOptions) {
    response.headers.Add("Access-Control-Allow-Methods", kMethods);
    response.headers.Add("Access-Control-Allow-Headers", kRequestHeaders);
    response.headers.Add("Access-Control-Max-Age", kMaxAgeS);
  } else {
    response.headers.Add("Access-Control-Expose-Headers", kAnswerHeaders);
  }
}

http::Response CrossOrigin::Preflight() {
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace boxoffice::gateway
