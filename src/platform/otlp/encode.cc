#include "platform/otlp/encode.h"

#include <map>
#include <string_view>
#include <variant>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "platform/http/utf8.h"

namespace boxoffice::otlp {
namespace {

namespace common = opentelemetry::proto::common::v1;
namespace trace = opentelemetry::proto::trace::v1;

// Of the conventions that names and attributes follow.
constexpr char kSchema[] = "https://opentelemetry.io/schemas/1.37.0";

std::string Bytes(uint64_t number) {
  std::string bytes(8, '\0');
  for (size_t i = 8; i-- > 0; number >>= 8) bytes[i] = static_cast<char>(number & 0xff);
  return bytes;
}

uint64_t Nanoseconds(obs::SpanTime time) { return static_cast<uint64_t>(time.time_since_epoch().count()); }

void Set(common::KeyValue& out, std::string_view key, const std::variant<int64_t, std::string>& value) {
  out.set_key(key.data(), key.size());
  if (const auto* number = std::get_if<int64_t>(&value)) {
    out.mutable_value()->set_int_value(*number);
  } else {
    // A collector refuses a text that is no UTF-8, and with it all spans of the request.
    out.mutable_value()->set_string_value(http::ToUtf8(std::get<std::string>(value)));
  }
}

void Fill(trace::Span& out, const obs::Span& span) {
  out.set_trace_id(Bytes(span.context.trace_high) + Bytes(span.context.trace_low));
  out.set_span_id(Bytes(span.context.span));
  if (span.parent != 0) out.set_parent_span_id(Bytes(span.parent));
  out.set_flags(span.context.sampled ? 1 : 0);
  out.set_name(http::ToUtf8(span.name));
  out.set_kind(static_cast<trace::Span::SpanKind>(span.kind));  // the same numbers
  out.set_start_time_unix_nano(Nanoseconds(span.start));
  out.set_end_time_unix_nano(Nanoseconds(span.end));
  for (const obs::Attribute& attribute : span.attributes)
    Set(*out.add_attributes(), attribute.key, attribute.value);
  for (const obs::SpanContext& linked : span.links) {
    trace::Span::Link& link = *out.add_links();
    link.set_trace_id(Bytes(linked.trace_high) + Bytes(linked.trace_low));
    link.set_span_id(Bytes(linked.span));
    link.set_flags(linked.sampled ? 1 : 0);
  }
  if (!span.failed) return;
  out.mutable_status()->set_code(trace::Status::STATUS_CODE_ERROR);
  out.mutable_status()->set_message(http::ToUtf8(span.error));
}

void Fill(trace::ResourceSpans& out, const Resource& resource, const std::string& service) {
  out.set_schema_url(kSchema);
  auto& attributes = *out.mutable_resource()->mutable_attributes();
  Set(*attributes.Add(), "service.name", service);
  Set(*attributes.Add(), "service.namespace", std::string("boxoffice"));
  Set(*attributes.Add(), "service.version", resource.version);
  Set(*attributes.Add(), "service.instance.id", resource.instance_id);
  Set(*attributes.Add(), "host.name", resource.host);
  Set(*attributes.Add(), "process.pid", resource.pid);
  common::InstrumentationScope& scope = *out.add_scope_spans()->mutable_scope();
  scope.set_name("boxoffice");
  scope.set_version(resource.version);
}

}  // namespace

std::string Encode(const Resource& resource, std::span<const obs::Span> spans) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  std::map<std::string_view, trace::ResourceSpans*> services;
  for (const obs::Span& span : spans) {
    trace::ResourceSpans*& of_service = services[span.service];
    if (of_service == nullptr) {
      of_service = request.add_resource_spans();
      Fill(*of_service, resource, span.service);
    }
    Fill(*of_service->mutable_scope_spans(0)->add_spans(), span);
  }
  return request.SerializeAsString();
}

}  // namespace boxoffice::otlp
