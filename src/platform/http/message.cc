#include "platform/http/message.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "platform/obs/span_context.h"

namespace boxoffice::http {
namespace {

constexpr std::array<std::string_view, kMethods> kMethodNames = {"GET",   "HEAD",   "POST",    "PUT",
                                                                 "PATCH", "DELETE", "OPTIONS", "OTHER"};

bool EqualNames(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) {
           const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
           return lower(x) == lower(y);
         });
}

}  // namespace

std::string_view MethodName(Method method) { return kMethodNames[static_cast<size_t>(method)]; }

Method ParseMethod(std::string_view name) {
  const auto found = std::ranges::find(kMethodNames, name);
  return found == kMethodNames.end() ? Method::kOther : static_cast<Method>(found - kMethodNames.begin());
}

const std::string& Request::parameter(std::string_view name) const {
  const auto found = std::ranges::find_if(parameters_, [&](const auto& p) { return p.first == name; });
  CHECK(found != parameters_.end(), "no path parameter `{}`", name);
  return found->second;
}

std::optional<std::string_view> Request::query(std::string_view name) const {
  const auto found = std::ranges::find_if(queries_, [&](const auto& p) { return p.first == name; });
  return found == queries_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  const std::string_view text = headers_text_;
  for (const HeaderSpan& span : headers_) {
    if (EqualNames(text.substr(span.name, span.value - span.name), name)) {
      return text.substr(span.value, span.end - span.value);
    }
  }
  return std::nullopt;
}

std::string Request::header_list(std::string_view name) const {
  const std::string_view text = headers_text_;
  std::string list;
  bool first = true;
  for (const HeaderSpan& span : headers_) {
    if (!EqualNames(text.substr(span.name, span.value - span.name), name)) continue;
    if (!first) list.push_back(',');
    first = false;
    list.append(text.substr(span.value, span.end - span.value));
  }
  return list;
}

const std::string& Request::traceparent() const {
  if (traceparent_.empty()) {
    const std::optional<std::string_view> given = header("traceparent");
    const obs::SpanContext caller = given ? obs::ParseSpanContext(*given) : obs::SpanContext();
    if (caller && !obs::TracingOn()) {
      traceparent_ = *given;
    } else {
      obs::WriteTraceparent(caller ? obs::ChildOf(caller) : obs::NewTrace(), traceparent_);
    }
  }
  return traceparent_;
}

std::string_view Request::request_id() const {
  constexpr size_t kMaxRequestId = 128;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  const std::optional<std::string_view> given = header("X-Request-Id");
  if (given && !given->empty() && given->size() <= kMaxRequestId && std::ranges::all_of(*given, fits))
    return *given;
  return std::string_view(traceparent()).substr(3, 32);  // its trace id
}

void Request::Clear() {
  method_ = Method::kGet;
  target_.clear();
  path_size_ = 0;
  parameters_.clear();
  queries_.clear();
  headers_text_.clear();
  headers_.clear();
  // A big body's memory is not kept with an idle connection.
  constexpr size_t kKeptBody = 16 * 1024;
  if (body_.capacity() > kKeptBody) std::string().swap(body_);
  body_.clear();
  traceparent_.clear();
}

bool Request::SetTarget(std::string_view target, Error* query_error) {
  target_ = target.substr(0, target.find('#'));
  path_size_ = std::min(target_.find('?'), target_.size());
  if (path_size_ == target_.size()) return true;
  Result<QueryParameters> queries = ParseQuery(std::string_view(target_).substr(path_size_ + 1));
  if (!queries) {
    *query_error = std::move(queries).error();
    return false;
  }
  queries_ = *std::move(queries);
  return true;
}

void Request::AddHeader(std::string_view name, std::string_view value) {
  const auto start = static_cast<uint32_t>(headers_text_.size());
  headers_text_.append(name).append(value);
  const auto middle = static_cast<uint32_t>(start + name.size());
  headers_.push_back(HeaderSpan{start, middle, static_cast<uint32_t>(headers_text_.size())});
}

std::string FormatSseEvent(std::string_view event, std::string_view id, std::string_view data) {
  constexpr std::string_view kBreaks = "\r\n";
  CHECK(event.find_first_of(kBreaks) == std::string_view::npos &&
        id.find_first_of(kBreaks) == std::string_view::npos);
  std::string text;
  text.reserve(event.size() + id.size() + data.size() + 24);
  if (!event.empty()) text.append("event: ").append(event).push_back('\n');
  if (!id.empty()) text.append("id: ").append(id).push_back('\n');
  while (true) {
    const size_t end = data.find_first_of(kBreaks);
    text.append("data: ").append(data.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + (data.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  text.push_back('\n');
  return text;
}

Response JsonResponse(std::string body, int status) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

Response SseResponse(SseBody body) {
  Response response;
  response.content_type = "text/event-stream";
  response.headers.Add("Cache-Control", "no-store");
  response.headers.Add("X-Accel-Buffering", "no");
  response.stream = std::move(body);
  return response;
}

}  // namespace boxoffice::http
