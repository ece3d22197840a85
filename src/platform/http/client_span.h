// The span of a request that we send to somebody else, by OpenTelemetry's conventions for HTTP clients.
#pragma once

#include <string_view>

#include "base/result.h"
#include "platform/http/client.h"
#include "platform/obs/span.h"

namespace boxoffice::http {

// Made before the request is sent, by what its header "traceparent" says; that becomes the span's own, so
// that whoever is called is a part of it. Recorded if it is sampled, failed (no answer, or one of 400 and
// above), or was slow. While tracing is off, or without the header: no effect.
class ClientSpan {
 public:
  ClientSpan(std::string_view service, ClientRequest& request);
  // Once, with what came of it.
  void End(const Result<ClientResponse>& response);

 private:
  obs::Span span_;
};

}  // namespace boxoffice::http
