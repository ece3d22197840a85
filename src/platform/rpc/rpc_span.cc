#include "platform/rpc/rpc_span.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "platform/rpc/contract.h"
#include "platform/rpc/status.h"

namespace boxoffice::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// The service in whose streams such commands are.
const ServiceDescriptor* StreamOf(const Descriptor& command) {
  const FileDescriptor& file = *command.file();
  for (int s = 0; s < file.service_count(); ++s) {
    if (file.service(s)->FindMethodByName("Execute") != nullptr) return file.service(s);
  }
  return nullptr;
}

void Name(const Descriptor& message, int body, obs::Span& span) {
  std::string service;
  std::string method;
  const google::protobuf::FieldDescriptor* field = body == 0 ? nullptr : message.FindFieldByNumber(body);
  if (field != nullptr && field->message_type() != nullptr) {
    if (const ServiceDescriptor* stream = StreamOf(message)) service = stream->full_name();
    method = field->message_type()->name();
  } else if (const MethodDescriptor* unary = MethodTaking(message)) {
    service = unary->service()->full_name();
    method = unary->name();
  } else {
    service = message.file()->package();
    method = message.name();
  }
  span.name = fmt::format("{}/{}", service, method);
  span.attributes = {{"rpc.system", std::string("grpc")},
                     {"rpc.service", std::move(service)},
                     {"rpc.method", std::move(method)}};
}

void SetOutcome(const Error* error, obs::Span& span) {
  const auto status = error == nullptr ? grpc::StatusCode::OK : ToStatus(*error).error_code();
  span.attributes.push_back({"rpc.grpc.status_code", static_cast<int64_t>(status)});
  if (error != nullptr) span.Fail(error->reason);
}

}  // namespace

ServerSpan::ServerSpan(v1::CommandHeader& header, const Descriptor& command, int body)
    : command_(&command), body_(body) {
  const obs::SpanContext parent = obs::ParseSpanContext(header.traceparent());
  if (!parent) return;
  context_ = obs::ChildOf(parent);
  parent_ = parent.span;
  start_ = obs::SpanNow();
  obs::WriteTraceparent(context_, *header.mutable_traceparent());
}

void ServerSpan::End(const v1::Error* error) const {
  if (!context_) return;
  const obs::SpanTime end = obs::SpanNow();
  const obs::Kept why = obs::WhyKept(context_, error != nullptr, end - start_);
  if (why == obs::Kept::kNo) return;
  obs::Span span;
  span.context = context_;
  span.parent = parent_;
  span.kind = obs::SpanKind::kServer;
  span.service = ServiceOf(*command_->file());
  span.start = start_;
  span.end = end;
  Name(*command_, body_, span);
  const Error met = error == nullptr ? Error() : FromProto(*error);
  SetOutcome(error == nullptr ? nullptr : &met, span);
  obs::RecordAs(why, std::move(span));
}

ClientSpan::ClientSpan(std::string_view traceparent, const Descriptor& message, int body)
    : message_(&message), body_(body) {
  const obs::SpanContext parent = obs::ParseIfSampled(traceparent);
  if (!parent) return;
  context_ = obs::ChildOf(parent);
  parent_ = parent.span;
  start_ = obs::SpanNow();
}

void ClientSpan::End(std::string_view peer, const Error* error) const {
  if (!context_) return;
  obs::Span span;
  span.context = context_;
  span.parent = parent_;
  span.kind = obs::SpanKind::kClient;
  span.service = peer.substr(0, std::min(peer.find_first_of("-_"), peer.size()));
  span.start = start_;
  span.end = obs::SpanNow();
  Name(*message_, body_, span);
  SetOutcome(error, span);
  obs::Record(std::move(span));
}

}  // namespace boxoffice::rpc
