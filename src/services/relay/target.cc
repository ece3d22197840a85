#include "services/relay/target.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace boxoffice::relay {
namespace {

constexpr std::array<std::string_view, 20> kEventTypes = {
    "payment.approved",       "payment.cancelled",
    "payment.captured_late",  "payment.declined",
    "payment.refunded",       "reservation.cancelled",
    "reservation.confirmed",  "reservation.expired",
    "reservation.failed",     "reservation.held",
    "reservation.released",   "seat.held",
    "seat.released",          "seat.sold",
    "show.sold_out",          "wallet.adjusted",
    "wallet.charge_reversed", "wallet.charged",
    "wallet.debited",         "wallet.refunded",
};
static_assert(std::ranges::is_sorted(kEventTypes));

std::unexpected<Error> BadUrl(std::string_view why) {
  return Fail(Code::kInvalidArgument, "invalid_argument", "url: " + std::string(why));
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

}  // namespace

std::span<const std::string_view> EventTypes() { return kEventTypes; }

Result<void> CheckUrl(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return BadUrl("longer than 2048 bytes");
  // A blank or a control character would end the request line; others must be encoded.
  if (!std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f; })) {
    return BadUrl("has a character that must be percent-encoded");
  }
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else {
    return BadUrl("must begin with http:// or https://");
  }
  if (rest.contains('#')) return BadUrl("has a fragment");
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.contains('@')) return BadUrl("holds credentials");
  std::string_view host = authority;
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');  // an IPv6 address has colons of its own
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    if (!IsPort(authority.substr(colon + 1))) return BadUrl("has a bad port");
    host = authority.substr(0, colon);
  }
  if (host.empty()) return BadUrl("has no host");
  return {};
}

Result<std::vector<std::string>> CheckEventTypes(std::vector<std::string> types) {
  for (const std::string& type : types) {
    if (!std::ranges::binary_search(kEventTypes, std::string_view(type))) {
      return Fail(Code::kInvalidArgument, "invalid_argument", "event_types: no type is called " + type);
    }
  }
  std::ranges::sort(types);
  const auto repeats = std::ranges::unique(types);
  types.erase(repeats.begin(), repeats.end());
  return types;
}

std::string JoinEventTypes(std::span<const std::string> types) {
  return fmt::format("{}", fmt::join(types, ","));
}

std::vector<std::string> SplitEventTypes(std::string_view joined) {
  std::vector<std::string> types;
  while (!joined.empty()) {
    const size_t comma = joined.find(',');
    types.emplace_back(joined.substr(0, comma));
    joined = comma == std::string_view::npos ? std::string_view() : joined.substr(comma + 1);
  }
  return types;
}

bool Wants(const Target& target, std::string_view type) {
  if (!target.enabled || target.deleted) return false;
  return target.event_types.empty() ||
         std::ranges::find(target.event_types, type) != target.event_types.end();
}

bool Matches(const Target& target, std::string_view type, Timestamp event_time) {
  return Wants(target, type) && event_time >= target.created_at;
}

}  // namespace boxoffice::relay
