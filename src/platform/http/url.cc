#include "platform/http/url.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/http/utf8.h"

namespace boxoffice::http {

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string spaced;
  if (plus_is_space && text.contains('+')) {
    spaced = text;
    std::ranges::replace(spaced, '+', ' ');
    text = spaced;
  }
  std::optional<std::string> decoded = PercentDecodeBytes(text);
  if (!decoded || decoded->contains('\0') || !IsUtf8(*decoded)) return std::nullopt;
  return decoded;
}

std::optional<Url> ParseUrl(std::string_view text) {
  Url url;
  if (text.starts_with("https://")) {
    url.secure = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  const std::string_view authority = text.substr(0, end);
  url.target = text.substr(end, text.find('#') - end);
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  const auto is_bad = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  if (std::ranges::any_of(text, is_bad) || authority.contains('@')) return std::nullopt;

  url.authority = authority;
  std::string_view port;
  if (authority.starts_with('[')) {  // an IPv6 address
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    url.host = authority.substr(1, close - 1);
    const std::string_view after = authority.substr(close + 1);
    if (!after.empty() && after[0] != ':') return std::nullopt;
    port = after.empty() ? after : after.substr(1);
  } else {
    const size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  url.port = url.secure ? 443 : 80;
  if (!port.empty()) {
    url.port = ParseNumber<uint16_t>(port).value_or(0);
    if (url.port == 0) return std::nullopt;
  }
  if (url.host.empty()) return std::nullopt;
  return url;
}

Result<QueryParameters> ParseQuery(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    std::optional<std::string> name = PercentDecode(part.substr(0, equals), true);
    std::optional<std::string> value =
        PercentDecode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1), true);
    if (!name || !value || parameters.size() == kMaxQueryParameters) {
      return Fail(Code::kInvalidArgument, "query_malformed", "the query can't be read");
    }
    if (std::ranges::any_of(parameters, [&](const auto& p) { return p.first == *name; })) {
      return Fail(Code::kInvalidArgument, "query_duplicate",
                  fmt::format("query parameter `{}` appears twice", *name));
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  return parameters;
}

}  // namespace boxoffice::http
