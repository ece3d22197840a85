// What is read from paths, queries and headers: ids, pages and keys.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "platform/http/json_reader.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

inline constexpr uint32_t kMaxPage = 200;
inline constexpr uint32_t kDefaultPage = 50;
inline constexpr size_t kMaxReasonBytes = 500;  // of an operator's reason
inline constexpr size_t kIdBytes = 16;          // of an id in a cursor

// A number of ours that is a string outside: 1 to 2^63 - 1, as it is written canonically. Anything else:
// nullopt.
[[nodiscard]] std::optional<int64_t> ParseNumber(std::string_view text);

// `name` in the path as a number; anything else names nothing: kNotFound `missing`.
[[nodiscard]] Result<int64_t> NumberInPath(const http::Request& request, std::string_view name,
                                           std::string_view missing);
// `name` in the path as a reservation's id; anything else: kNotFound reservation_not_found.
[[nodiscard]] Result<ReservationId> ReservationInPath(const http::Request& request);

// `name` in a body as a number, sent as a string or as a number. Refuses with field_type what is neither and
// with field_invalid what can't be an id.
[[nodiscard]] int64_t NumberInBody(http::ObjectReader& reader, std::string_view name);

// "2026-11-22T10:00:00Z", with a fraction of a second and with an offset; anything else: nullopt, also what
// is of no year from 0000 to 9999 in UTC, as nobody could be told of it.
[[nodiscard]] std::optional<Timestamp> ParseTime(std::string_view text);
// `name` in a body as a time, 0 where it is absent. Refuses with field_invalid.
[[nodiscard]] int64_t TimeInBody(http::ObjectReader& reader, std::string_view name);
// The same of one that may be taken away: 0 also for null.
[[nodiscard]] int64_t MaybeTimeInBody(http::ObjectReader& reader, std::string_view name);
// The queries `from` and `until` in milliseconds since 1970, 0 where one is absent. Error: kInvalidArgument
// parameter_invalid, which names the one that is no time, or `until`, which has to be after `from`.
struct Period {
  int64_t from_ms = 0;
  int64_t until_ms = 0;
};
[[nodiscard]] Result<Period> PeriodInQuery(const http::Request& request);
// `name` in a body as a text, "" where it is absent. Refuses with field_invalid what is longer or has a
// control character.
[[nodiscard]] std::string TextInBody(http::ObjectReader& reader, std::string_view name, size_t max_bytes);
// The `reason` in a body that an operator has to give. Refuses with field_invalid what has not 1 to 500
// bytes or has a control character.
[[nodiscard]] std::string ReasonInBody(http::ObjectReader& reader);
// Of what takes no body, which is empty then, or {}. Errors: body_not_json, field_unknown.
[[nodiscard]] Result<void> ReadNoBody(const http::Request& request);

struct Page {
  uint32_t limit = kDefaultPage;
  std::string after;  // what EncodeCursor was given; empty: from the start
};

// An opaque cursor for lists of this `kind`, that no other kind of list takes.
[[nodiscard]] std::string EncodeCursor(std::string_view kind, std::string_view position);
// The queries `limit` and `cursor`. Errors: kInvalidArgument limit_invalid, cursor_invalid.
[[nodiscard]] Result<Page> ReadPage(const http::Request& request, std::string_view kind);
// The same where positions are numbers; 0: from the start.
struct NumberedPage {
  uint32_t limit = kDefaultPage;
  int64_t after = 0;
  auto operator<=>(const NumberedPage&) const = default;
};
[[nodiscard]] Result<NumberedPage> ReadNumberedPage(const http::Request& request, std::string_view kind);

// The header Idempotency-Key. Errors: kInvalidArgument idempotency_key_missing, idempotency_key_invalid (not
// 1 to 255 visible ASCII characters). The view lives as long as the request.
[[nodiscard]] Result<std::string_view> ReadIdempotencyKey(const http::Request& request);
// The header X-Queue-Token; "" if there is none. The view lives as long as the request.
[[nodiscard]] inline std::string_view QueueToken(const http::Request& request) {
  return request.header("X-Queue-Token").value_or("");
}

}  // namespace boxoffice::gateway
