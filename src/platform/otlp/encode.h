// Spans in the form of OTLP, OpenTelemetry's protocol.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "platform/obs/span.h"

namespace boxoffice::otlp {

// What all spans of a process have in common.
struct Resource {
  std::string version;      // service.version
  std::string instance_id;  // service.instance.id: no other process has it
  std::string host;         // host.name
  int64_t pid = 0;          // process.pid
};

// An ExportTraceServiceRequest in protobuf, with a resource for each service whose spans are among them.
[[nodiscard]] std::string Encode(const Resource& resource, std::span<const obs::Span> spans);

}  // namespace boxoffice::otlp
