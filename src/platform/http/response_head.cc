#include "platform/http/response_head.h"

#include <ctime>

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "platform/obs/log.h"

namespace boxoffice::http {
namespace {

// IMF-fixdate of now (RFC 9110, section 5.6.7); formatted once a second and thread.
std::string_view Date() {
  thread_local std::time_t formatted = -1;
  thread_local char text[32];
  const std::time_t now = std::time(nullptr);
  if (now != formatted) {
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    formatted = now;
  }
  return text;
}

void AppendHeader(std::string_view name, std::string_view value, std::string& out) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  if (name.find_first_of(kForbidden) != std::string_view::npos ||
      value.find_first_of(kForbidden) != std::string_view::npos) {
    obs::Log(obs::Level::kError, "http_header_dropped", {{"size", value.size()}});
    return;
  }
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void AppendHead(const Response& response, const HeadOptions& options, std::string& out) {
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 std::string_view(reason.data(), reason.size()), Date());
  if (!response.content_type.empty()) AppendHeader("Content-Type", response.content_type, out);
  for (const auto& [name, value] : response.headers) AppendHeader(name, value, out);
  if (response.status >= 400 && !options.request_id.empty())
    AppendHeader("X-Request-Id", options.request_id, out);
  // RFC 9110, section 8.6: never with 204, and with 304 it would speak of another answer.
  if (!response.stream && response.status != 204 && response.status != 304) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.content().size());
  }
  if (!options.keep_alive) out.append("Connection: close\r\n");
  if (options.keep_alive && options.http_1_0) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace boxoffice::http
