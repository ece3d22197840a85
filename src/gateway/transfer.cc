#include "gateway/transfer.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "gateway/elsewhere.h"
#include "platform/http/gzip.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

bool IsText(std::string_view type) {
  return type.starts_with("application/json") || type.starts_with("application/problem+json") ||
         type.starts_with("application/yaml") || type.starts_with("text/html") ||
         type.starts_with("text/plain") || type.starts_with("text/javascript");
}

bool SameOwner(const std::weak_ptr<const std::string>& kept, const std::shared_ptr<const std::string>& body) {
  return !kept.owner_before(body) && !body.owner_before(kept);
}

}  // namespace

bool MatchesTag(std::string_view if_none_match, std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  return if_none_match == "*" || if_none_match.contains(etag);
}

std::string TagOf(std::string_view content) {
  return fmt::format("W/\"{:016x}\"", std::hash<std::string_view>()(content));
}

void AddTag(const Request& request, Response& response) {
  const bool reads = request.method() == http::Method::kGet || request.method() == http::Method::kHead;
  if (!reads || response.status != 200 || response.stream) return;
  std::string etag(response.headers.Find("ETag").value_or(""));
  if (etag.empty()) {
    etag = TagOf(response.content());
    response.headers.Add("ETag", etag);
  }
  // Kept by whoever likes, and asked for again each time.
  if (!response.headers.Find("Cache-Control")) response.headers.Add("Cache-Control", "no-cache");
  const std::optional<std::string_view> known = request.header("If-None-Match");
  if (!known || !MatchesTag(*known, etag)) return;
  response.status = 304;
  response.content_type = {};
  response.body.clear();
  response.shared_body.reset();
}

bool Compressor::Suits(const Response& response) {
  return !response.stream && response.content().size() >= kLeast && IsText(response.content_type);
}

boost::asio::awaitable<void> Compressor::Compress(const Request& request, Response& response) {
  response.headers.Add("Vary", "Accept-Encoding");
  const std::optional<std::string_view> accepted = request.header("Accept-Encoding");
  if (!accepted || !http::AcceptsCoding(*accepted, "gzip")) co_return;
  if (response.content().size() <= kInline) {
    response.body = http::Gzip(response.content());
    response.shared_body.reset();
  } else if (response.shared_body != nullptr) {
    std::shared_ptr<const std::string> compressed = co_await CompressShared(response.shared_body);
    if (compressed == nullptr) co_return;
    response.shared_body = std::move(compressed);
  } else {
    if (own_ == kOwn) co_return;
    ++own_;
    const auto body = std::make_shared<const std::string>(std::move(response.body));
    const auto work = [body] { return http::Gzip(*body); };
    response.body = co_await RunElsewhere(computing_, executor_, work);
    --own_;
  }
  response.headers.Add("Content-Encoding", "gzip");
  // Its ETag is weak, as of all that come here: other bytes are the same content.
}

// Null: somebody else's is under way.
boost::asio::awaitable<std::shared_ptr<const std::string>> Compressor::CompressShared(
    std::shared_ptr<const std::string> body) {
  const auto same = [&](const Kept& kept) { return SameOwner(kept.body, body); };
  const auto known = std::ranges::find_if(kept_, same);
  if (known != kept_.end()) co_return known->compressed;
  std::erase_if(kept_, [](const Kept& kept) { return kept.body.expired(); });
  if (kept_.size() == kKept) kept_.erase(kept_.begin());
  kept_.push_back({body, nullptr});
  const auto work = [body] { return std::make_shared<const std::string>(http::Gzip(*body)); };
  std::shared_ptr<const std::string> compressed = co_await RunElsewhere(computing_, executor_, work);
  bodies_.Add(compressed);
  const auto mine = std::ranges::find_if(kept_, same);
  if (mine != kept_.end()) mine->compressed = compressed;
  co_return compressed;
}

}  // namespace boxoffice::gateway
