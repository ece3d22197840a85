#include "gateway/pages.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "platform/auth/base64url.h"

namespace boxoffice::gateway {
namespace {

// Exactly `digits` decimal digits at the front of `text`, which are taken off. -1: it is something else.
int TakeDigits(std::string_view& text, size_t digits) {
  if (text.size() < digits) return -1;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool Take(std::string_view& text, std::string_view allowed) {
  if (text.empty() || !allowed.contains(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

// Milliseconds of ".5", ".123456"; 0 without a fraction. -1: a dot without digits.
int64_t TakeFraction(std::string_view& text) {
  if (!Take(text, ".")) return 0;
  int64_t ms = 0;
  int64_t unit = 100;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    ms += (text[digits] - '0') * unit;
    unit /= 10;
  }
  text.remove_prefix(digits);
  return digits == 0 ? -1 : ms;
}

// Minutes of "Z", "+09:00", "-05:30"; nullopt: it is something else.
std::optional<int> TakeOffset(std::string_view& text) {
  if (Take(text, "Zz")) return 0;
  const bool negative = text.starts_with('-');
  if (!Take(text, "+-")) return std::nullopt;
  const int hours = TakeDigits(text, 2);
  const bool colon = Take(text, ":");
  const int minutes = TakeDigits(text, 2);
  if (!colon || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (negative ? -1 : 1) * (hours * 60 + minutes);
}

// 0: it is absent.
Result<int64_t> TimeInQuery(const http::Request& request, std::string_view name) {
  const auto text = request.query(name);
  if (!text) return 0;
  const std::optional<Timestamp> time = ParseTime(*text);
  // What is before 1970 is no time of ours, and 0 would mean none.
  if (time && ToUnixMs(*time) <= 0) {
    return Fail(Code::kInvalidArgument, "parameter_invalid",
                fmt::format("field `{}` is after 1970-01-01T00:00:00Z", name));
  }
  if (!time) {
    constexpr size_t kOffsetBytes = 6;  // of "+09:00"
    // A bare + is a blank there.
    const bool lost_plus = text->size() > kOffsetBytes && (*text)[text->size() - kOffsetBytes] == ' ';
    return Fail(Code::kInvalidArgument, "parameter_invalid",
                fmt::format("field `{}` is a time like 2026-11-22T10:00:00Z{}", name,
                            lost_plus ? ", and a + is written %2B in a query" : ""));
  }
  return ToUnixMs(*time);
}

}  // namespace

std::optional<int64_t> ParseNumber(std::string_view text) {
  const bool canonical = !text.empty() && text.front() >= '1' && text.front() <= '9';
  return canonical ? boxoffice::ParseNumber<int64_t>(text) : std::nullopt;
}

Result<int64_t> NumberInPath(const http::Request& request, std::string_view name, std::string_view missing) {
  const std::optional<int64_t> number = ParseNumber(request.parameter(name));
  if (!number) return Fail(Code::kNotFound, missing);
  return *number;
}

Result<ReservationId> ReservationInPath(const http::Request& request) {
  const std::optional<ReservationId> id = ReservationId::Parse(request.parameter("reservation"));
  if (!id || id->IsNil()) return Fail(Code::kNotFound, "reservation_not_found");
  return *id;
}

int64_t NumberInBody(http::ObjectReader& reader, std::string_view name) {
  std::optional<int64_t> number;
  if (reader.IsString(name)) {
    number = ParseNumber(reader.Required<std::string_view>(name));
  } else {
    number = reader.Required<int64_t>(name);
  }
  if (number.value_or(0) <= 0) reader.Refuse(name, "field_invalid", "must be an id: a whole number from 1");
  return number.value_or(0);
}

std::optional<Timestamp> ParseTime(std::string_view text) {
  const int year = TakeDigits(text, 4);
  bool separators = Take(text, "-");
  const int month = TakeDigits(text, 2);
  separators = Take(text, "-") && separators;
  const int day = TakeDigits(text, 2);
  separators = Take(text, "Tt ") && separators;
  const int hour = TakeDigits(text, 2);
  separators = Take(text, ":") && separators;
  const int minute = TakeDigits(text, 2);
  separators = Take(text, ":") && separators;
  const int second = TakeDigits(text, 2);
  const int64_t fraction_ms = TakeFraction(text);
  const std::optional<int> offset_min = TakeOffset(text);
  if (!separators || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60 || fraction_ms < 0 || !offset_min || !text.empty()) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (month < 1 || day < 1 || !date.ok()) return std::nullopt;
  const Timestamp time = Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
                         std::chrono::minutes(minute - *offset_min) + std::chrono::seconds(second) +
                         milliseconds(fraction_ms);
  // The offset may have led out of what four digits can say.
  if (!HasRfc3339(time)) return std::nullopt;
  return time;
}

int64_t TimeInBody(http::ObjectReader& reader, std::string_view name) {
  const std::optional<std::string_view> text = reader.Optional<std::string_view>(name);
  if (!text) return 0;
  const std::optional<Timestamp> time = ParseTime(*text);
  if (!time) {
    reader.Refuse(name, "field_invalid", "must be a time like 2026-11-22T10:00:00Z");
    return 0;
  }
  if (ToUnixMs(*time) <= 0) {
    reader.Refuse(name, "field_invalid", "must be after 1970-01-01T00:00:00Z");
    return 0;
  }
  return ToUnixMs(*time);
}

int64_t MaybeTimeInBody(http::ObjectReader& reader, std::string_view name) {
  if (!reader.IsNull(name)) return TimeInBody(reader, name);
  reader.Ignore(name);
  return 0;
}

Result<Period> PeriodInQuery(const http::Request& request) {
  Period period;
  BOXOFFICE_ASSIGN(period.from_ms, TimeInQuery(request, "from"));
  BOXOFFICE_ASSIGN(period.until_ms, TimeInQuery(request, "until"));
  if (period.from_ms != 0 && period.until_ms != 0 && period.from_ms >= period.until_ms) {
    return Fail(Code::kInvalidArgument, "parameter_invalid", "field `until` is after `from`");
  }
  return period;
}

std::string TextInBody(http::ObjectReader& reader, std::string_view name, size_t max_bytes) {
  std::string text = reader.Optional<std::string>(name).value_or("");
  if (text.size() > max_bytes) {
    reader.Refuse(name, "field_invalid", fmt::format("has at most {} bytes", max_bytes));
  }
  if (HasControl(text)) reader.Refuse(name, "field_invalid", "has a control character");
  return text;
}

std::string ReasonInBody(http::ObjectReader& reader) {
  std::string reason = reader.Required<std::string>("reason");
  if (reason.empty() || reason.size() > kMaxReasonBytes) {
    reader.Refuse("reason", "field_invalid", fmt::format("has 1 to {} bytes", kMaxReasonBytes));
  }
  if (HasControl(reason)) reader.Refuse("reason", "field_invalid", "has a control character");
  return reason;
}

Result<void> ReadNoBody(const http::Request& request) {
  if (request.body().empty()) return {};
  http::ObjectReader reader(request.body());
  return reader.Finish();
}

std::string EncodeCursor(std::string_view kind, std::string_view position) {
  return auth::EncodeBase64Url(fmt::format("{}:{}", kind, position));
}

Result<Page> ReadPage(const http::Request& request, std::string_view kind) {
  Page page;
  if (const auto text = request.query("limit")) {
    const std::optional<int64_t> limit = ParseNumber(*text);
    if (!limit || *limit > kMaxPage) return Fail(Code::kInvalidArgument, "limit_invalid");
    page.limit = static_cast<uint32_t>(*limit);
  }
  if (const auto text = request.query("cursor")) {
    const std::optional<std::string> cursor = auth::DecodeBase64Url(*text);
    if (!cursor || !cursor->starts_with(kind) || cursor->size() <= kind.size() + 1 ||
        (*cursor)[kind.size()] != ':') {
      return Fail(Code::kInvalidArgument, "cursor_invalid");
    }
    page.after = cursor->substr(kind.size() + 1);
  }
  return page;
}

Result<NumberedPage> ReadNumberedPage(const http::Request& request, std::string_view kind) {
  BOXOFFICE_ASSIGN(const Page page, ReadPage(request, kind));
  if (page.after.empty()) return NumberedPage{page.limit, 0};
  const std::optional<int64_t> after = ParseNumber(page.after);
  if (!after) return Fail(Code::kInvalidArgument, "cursor_invalid");
  return NumberedPage{page.limit, *after};
}

Result<std::string_view> ReadIdempotencyKey(const http::Request& request) {
  const std::optional<std::string_view> key = request.header("Idempotency-Key");
  if (!key) return Fail(Code::kInvalidArgument, "idempotency_key_missing");
  if (key->empty() || key->size() > 255 || !IsVisible(*key))
    return Fail(Code::kInvalidArgument, "idempotency_key_invalid");
  return *key;
}

}  // namespace boxoffice::gateway
