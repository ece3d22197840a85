#include "platform/http/client_span.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "platform/http/url.h"

namespace boxoffice::http {
namespace {

// Without what may be secret: its query. One with a user is sent to nobody, and says nothing here.
void Describe(std::string_view text, obs::Span& span) {
  const std::optional<Url> url = ParseUrl(text);
  if (!url) return;
  const std::string_view path = std::string_view(url->target).substr(0, url->target.find('?'));
  span.attributes.push_back(
      {"url.full", fmt::format("{}://{}{}", url->secure ? "https" : "http", url->authority, path)});
  span.attributes.push_back({"server.address", url->host});
  span.attributes.push_back({"server.port", int64_t{url->port}});
}

}  // namespace

ClientSpan::ClientSpan(std::string_view service, ClientRequest& request) {
  if (!obs::TracingOn()) return;
  const auto header = std::ranges::find(request.headers, "traceparent", &HeaderList::value_type::first);
  if (header == request.headers.end()) return;
  const obs::SpanContext parent = obs::ParseSpanContext(header->second);
  if (!parent) return;
  span_.context = obs::ChildOf(parent);
  span_.parent = parent.span;
  span_.kind = obs::SpanKind::kClient;
  span_.service = service;
  span_.name = request.method;
  span_.start = obs::SpanNow();
  span_.attributes = {{"http.request.method", request.method}};
  Describe(request.url, span_);
  obs::WriteTraceparent(span_.context, header->second);
}

void ClientSpan::End(const Result<ClientResponse>& response) {
  if (!span_.context) return;
  span_.end = obs::SpanNow();
  if (response) span_.attributes.push_back({"http.response.status_code", int64_t{response->status}});
  if (!response) {
    span_.Fail(response.error().reason);
  } else if (response->status >= 400) {
    span_.Fail(fmt::format("{}", response->status));
  }
  obs::Record(std::exchange(span_, obs::Span()));
}

}  // namespace boxoffice::http
