#include "platform/http/response_head.h"

#include <chrono>

#include <boost/beast/http/status.hpp>
#include <fmt/compile.h>
#include <fmt/format.h>

#include "base/clock.h"

namespace boxoffice::http {
namespace {

// IMF-fixdate of now (RFC 9110, section 5.6.7); formatted once a second and thread.
std::string_view Date() {
  using std::chrono::days;
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  thread_local std::chrono::sys_seconds formatted{std::chrono::seconds(-1)};
  thread_local std::string text;
  const auto now = std::chrono::floor<std::chrono::seconds>(SystemClock().Now());
  if (now == formatted) return text;
  formatted = now;
  const auto day = std::chrono::floor<days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(now - day);
  const unsigned month = static_cast<unsigned>(date.month());
  text = fmt::format(
      "{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays.substr(std::chrono::weekday(day).c_encoding() * 3, 3),
      static_cast<unsigned>(date.day()), kMonths.substr((month - 1) * 3, 3), static_cast<int>(date.year()),
      time.hours().count(), time.minutes().count(), time.seconds().count());
  return text;
}

}  // namespace

void AppendHead(const Response& response, const HeadOptions& options, std::string& out) {
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  fmt::format_to(std::back_inserter(out), FMT_COMPILE("HTTP/1.1 {} {}\r\nDate: {}\r\n"), response.status,
                 std::string_view(reason.data(), reason.size()), Date());
  if (!response.content_type.empty()) AppendHeader("Content-Type", response.content_type, out);
  out.append(response.headers.lines());
  if (response.status >= 400 && !options.request_id.empty())
    AppendHeader("X-Request-Id", options.request_id, out);
  // RFC 9110, section 8.6: never with 204, and with 304 it would speak of another answer.
  if (!response.stream && response.status != 204 && response.status != 304) {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("Content-Length: {}\r\n"), response.content().size());
  }
  if (!options.keep_alive) out.append("Connection: close\r\n");
  if (options.keep_alive && options.http_1_0) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace boxoffice::http
