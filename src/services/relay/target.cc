#include "services/relay/target.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <ranges>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "base/sort_unique.h"
#include "base/text.h"

namespace boxoffice::relay {
namespace {

constexpr std::array<std::string_view, 22> kEventTypes = {
    "payment.approved",
    "payment.cancelled",
    "payment.captured_late",
    "payment.declined",
    "payment.refunded",
    "reservation.cancelled",
    "reservation.confirmed",
    "reservation.expired",
    "reservation.failed",
    "reservation.held",
    "reservation.moved",
    "reservation.released",
    "reservation.seats_cancelled",
    "seat.held",
    "seat.released",
    "seat.sold",
    "show.sold_out",
    "wallet.adjusted",
    "wallet.charge_reversed",
    "wallet.charged",
    "wallet.debited",
    "wallet.refunded",
};
static_assert(std::ranges::is_sorted(kEventTypes));

std::unexpected<Error> BadUrl(std::string_view why) {
  return Fail(Code::kInvalidArgument, "invalid_argument", "url: " + std::string(why));
}

std::unexpected<Error> BadField(std::string detail) {
  return Fail(Code::kInvalidArgument, "invalid_argument", std::move(detail));
}

bool IsPort(std::string_view text) { return ParseNumber<uint16_t>(text).value_or(0) != 0; }

// What the C library takes for an IPv4 address and inet_pton does not: "2130706433", "0x7f.1", "127.1",
// "0177.0.0.1". The address is judged when it is connected to, whatever it was written as; but nobody means
// such a name.
bool IsOddAddress(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  const bool number =
      !last.empty() && (last.starts_with("0x") || last.starts_with("0X") ||
                        std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; }));
  return number && !ParseAddress(host);
}

std::string_view AuthorityOf(std::string_view url) {
  url.remove_prefix(url.starts_with("https://") ? 8 : 7);
  return url.substr(0, url.find_first_of("/?"));
}

// Where the port begins; an IPv6 address has colons of its own. npos: there is none.
size_t PortColon(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool inside = colon != std::string_view::npos && bracket != std::string_view::npos && colon < bracket;
  return inside ? std::string_view::npos : colon;
}

// An address of IPv6 in brackets, or what has no need of them.
bool IsHost(std::string_view host) {
  if (host.find_first_of("[]:") == std::string_view::npos) return true;
  return host.size() > 2 && host.starts_with('[') && host.ends_with(']') &&
         ParseAddress(host.substr(1, host.size() - 2));
}

// Whether a name may be looked up at all (RFC 1035, section 2.3.4); a dot at its end is the root's.
bool IsName(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > 253) return false;
  return std::ranges::all_of(host | std::views::split('.'), [](const auto& label) {
    const auto size = std::ranges::distance(label);
    return size >= 1 && size <= 63;
  });
}

Result<void> CheckShows(const Target& target) {
  if (target.show_ids.empty()) return {};
  if (target.show_ids.size() > kMaxShowIds) return BadField("show_ids: at most 200");
  if (target.show_ids.front() <= 0) return BadField("show_ids: ids of shows are above 0");
  for (const std::string& type : target.event_types) {
    if (!NamesShow(type))
      return BadField(fmt::format("event_types: {} names no show, so with show_ids none is sent", type));
  }
  return {};
}

bool Asks(std::span<const std::string> event_types, std::span<const int64_t> show_ids, std::string_view type,
          int64_t show_id) {
  return (event_types.empty() || std::ranges::find(event_types, type) != event_types.end()) &&
         (show_ids.empty() || std::ranges::binary_search(show_ids, show_id));
}

// What both name, where nothing named means all; none: there is nothing that both name.
template <typename T>
std::optional<std::vector<T>> Common(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  std::vector<T> common;
  std::ranges::set_intersection(a, b, std::back_inserter(common));
  return common.empty() ? std::nullopt : std::optional(std::move(common));
}

// With more changes than are kept, the two oldest count as one, by which is wanted what both named: who named
// it all along misses nothing. Where that is nothing, what happened before is wanted no more.
void KeepInMind(PastFilter filter, Target& target) {
  std::vector<PastFilter>& kept = target.past_filters;
  kept.push_back(std::move(filter));
  if (kept.size() <= kMaxPastFilters) return;
  auto event_types = Common(kept[0].event_types, kept[1].event_types);
  auto show_ids = Common(kept[0].show_ids, kept[1].show_ids);
  if (event_types && show_ids) {
    kept[1].event_types = *std::move(event_types);
    kept[1].show_ids = *std::move(show_ids);
  } else {
    target.wants_since = std::max(target.wants_since, kept[0].until);
  }
  kept.erase(kept.begin());
}

}  // namespace

std::string_view PayloadName(Payload payload) { return payload == Payload::kThin ? "thin" : "full"; }

std::optional<Payload> ParsePayload(std::string_view name) {
  for (const Payload payload : {Payload::kThin, Payload::kFull}) {
    if (PayloadName(payload) == name) return payload;
  }
  return std::nullopt;
}

std::span<const std::string_view> EventTypes() { return kEventTypes; }

bool NamesShow(std::string_view type) {
  return type.starts_with("reservation.") || type.starts_with("seat.") || type.starts_with("show.");
}

Result<void> CheckUrl(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return BadUrl("longer than 2048 bytes");
  // A blank or a control character would end the request line; others must be encoded.
  if (!IsVisible(url)) {
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
  const std::string_view authority = AuthorityOf(url);
  if (authority.contains('@')) return BadUrl("holds credentials");
  const size_t colon = PortColon(authority);
  if (!IsHost(authority.substr(0, colon))) {
    return BadUrl("write an address of IPv6 in brackets, http://[2001:db8::1]:8080/, and one port at most");
  }
  if (colon != std::string_view::npos && !IsPort(authority.substr(colon + 1)))
    return BadUrl("has a bad port");
  if (HostOf(url).empty()) return BadUrl("has no host");
  if (!ParseAddress(HostOf(url)) && !IsName(HostOf(url)))
    return BadUrl("its host is no name: parts of 1 to 63 bytes with a dot in between, 253 in all");
  if (IsOddAddress(HostOf(url))) return BadUrl("write an address as four numbers, 192.0.2.1");
  return {};
}

std::string_view HostOf(std::string_view url) {
  const std::string_view authority = AuthorityOf(url);
  std::string_view host = authority.substr(0, PortColon(authority));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

Result<std::vector<std::string>> CheckEventTypes(std::vector<std::string> types) {
  for (const std::string& type : types) {
    if (!std::ranges::binary_search(kEventTypes, std::string_view(type))) {
      return Fail(Code::kInvalidArgument, "invalid_argument", "event_types: no type is called " + type);
    }
  }
  SortUnique(types);
  return types;
}

Result<void> CheckChoices(Target& target, const AddressPolicy& addresses) {
  BOXOFFICE_TRY(CheckUrl(target.url));
  const std::optional<Address> address = ParseAddress(HostOf(target.url));
  if (address && !addresses.Allows(*address)) {
    return BadUrl("is not on the public internet; the relay's target.allow_networks may allow it");
  }
  BOXOFFICE_ASSIGN(target.event_types, CheckEventTypes(std::move(target.event_types)));
  SortUnique(target.show_ids);
  BOXOFFICE_TRY(CheckShows(target));
  const double rate = target.rate_per_s;
  // Also refuses what is no number.
  if (rate != 0 && !(rate >= kMinRatePerS && rate <= kMaxRatePerS)) {
    return BadField("rate_per_s: 0 for no bound, or 0.1 to 1000");
  }
  return {};
}

Result<Target> Change(Target target, const TargetChange& change, const AddressPolicy& addresses,
                      Timestamp now) {
  PastFilter before{now, target.event_types, target.show_ids};
  if (change.url) target.url = *change.url;
  if (change.event_types) target.event_types = *change.event_types;
  if (change.show_ids) target.show_ids = *change.show_ids;
  if (change.payload) target.payload = *change.payload;
  if (change.rate_per_s) target.rate_per_s = *change.rate_per_s;
  // What was taken once may be refused now, and should be disabled all the more.
  if (change != TargetChange{.enabled = false}) {
    BOXOFFICE_TRY(CheckChoices(target, addresses));
  }
  if (before.event_types != target.event_types || before.show_ids != target.show_ids) {
    KeepInMind(std::move(before), target);
  }
  if (change.enabled && *change.enabled != target.enabled) {
    target.enabled = *change.enabled;
    target.disabled_reason = target.enabled ? "" : fmt::format("by an operator, {}", ToRfc3339(now));
    if (target.enabled) {
      target.wants_since = now;
      target.past_filters.clear();
    }
  }
  return target;
}

std::string ContentOf(const Target& choices) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", choices.url, JoinEventTypes(choices.event_types),
                     JoinShowIds(choices.show_ids), PayloadName(choices.payload), choices.rate_per_s);
}

std::string RotationContent(std::string_view rotation_key, milliseconds keep_old) {
  return fmt::format("{} {}", keep_old.count(), rotation_key);
}

Target Rotate(Target target, std::string rotation_key, std::string secret, milliseconds keep_old,
              Timestamp now) {
  target.old_secret = keep_old > milliseconds(0) ? std::move(target.secret) : std::string();
  target.old_secret_until = target.old_secret.empty() ? Timestamp() : now + keep_old;
  target.secret = std::move(secret);
  target.rotation_content = RotationContent(rotation_key, keep_old);
  target.rotation_key = std::move(rotation_key);
  return target;
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

std::string JoinShowIds(std::span<const int64_t> ids) { return fmt::format("{}", fmt::join(ids, ",")); }

std::vector<int64_t> SplitShowIds(std::string_view joined) {
  std::vector<int64_t> ids;
  for (const std::string& text : SplitEventTypes(joined)) {
    if (const auto id = ParseNumber<int64_t>(text)) ids.push_back(*id);
  }
  return ids;
}

// "1800000000000|seat.held,seat.sold|7,9;…": until when, types, shows.
std::string JoinPastFilters(std::span<const PastFilter> filters) {
  std::string joined;
  for (const PastFilter& filter : filters) {
    fmt::format_to(std::back_inserter(joined), "{}{}|{}|{}", joined.empty() ? "" : ";",
                   ToUnixMs(filter.until), JoinEventTypes(filter.event_types), JoinShowIds(filter.show_ids));
  }
  return joined;
}

std::vector<PastFilter> SplitPastFilters(std::string_view joined) {
  std::vector<PastFilter> filters;
  while (!joined.empty()) {
    const size_t end = std::min(joined.find(';'), joined.size());
    const std::string_view one = joined.substr(0, end);
    joined.remove_prefix(std::min(end + 1, joined.size()));
    const size_t types = one.find('|');
    const size_t shows = one.rfind('|');
    int64_t until_ms = 0;
    CHECK(shows > types && std::from_chars(one.data(), one.data() + types, until_ms).ec == std::errc(),
          "past filters are as they were joined");
    filters.push_back({FromUnixMs(until_ms), SplitEventTypes(one.substr(types + 1, shows - types - 1)),
                       SplitShowIds(one.substr(shows + 1))});
  }
  return filters;
}

bool Wants(const Target& target, std::string_view type) {
  if (!target.enabled || target.deleted) return false;
  if (!target.show_ids.empty() && !NamesShow(type)) return false;
  return target.event_types.empty() ||
         std::ranges::find(target.event_types, type) != target.event_types.end();
}

bool Matches(const Target& target, std::string_view type, int64_t show_id, Timestamp event_time) {
  if (!Wants(target, type) || event_time < std::max(target.created_at, target.wants_since)) return false;
  if (!Asks(target.event_types, target.show_ids, type, show_id)) return false;
  const auto then = std::ranges::find_if(target.past_filters,
                                         [&](const PastFilter& filter) { return event_time < filter.until; });
  return then == target.past_filters.end() || Asks(then->event_types, then->show_ids, type, show_id);
}

}  // namespace boxoffice::relay
