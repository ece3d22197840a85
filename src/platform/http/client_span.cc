#include "platform/http/client_span.h"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/url/parse.hpp>
#include <fmt/format.h>

namespace boxoffice::http {
namespace {

// Without what may be secret: its user, its query and its fragment.
void Describe(const std::string& url, obs::Span& span) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return;
  const std::string host(parsed->encoded_host());
  const std::string_view port = parsed->port();
  span.attributes.push_back(
      {"url.full", fmt::format("{}://{}{}{}{}", std::string_view(parsed->scheme()), host,
                               port.empty() ? "" : ":", port, std::string_view(parsed->encoded_path()))});
  span.attributes.push_back({"server.address", host});
  const int64_t usual = parsed->scheme() == "https" ? 443 : 80;
  span.attributes.push_back({"server.port", parsed->has_port() ? int64_t{parsed->port_number()} : usual});
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
