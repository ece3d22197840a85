// The spans of calls, at both ends, by OpenTelemetry's conventions for RPC. A command of a stream counts as a
// call of its own: "boxoffice.wallet.v1.WalletService/Debit".
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

#include "base/result.h"
#include "boxoffice/rpc/v1/rpc.pb.h"
#include "platform/obs/span.h"

namespace boxoffice::rpc {

// A command at its server, from its arrival to its outcome. Without a traceparent in the header: none. The
// header's becomes that of the span, so that whatever the command leads to is a part of it.
class ServerSpan {
 public:
  // `command` is the message's type, and `body` the number of the field that says what it is.
  ServerSpan(v1::CommandHeader& header, const google::protobuf::Descriptor& command, int body);
  // Recorded if it is sampled, failed or was slow. `error` is null for an outcome, also for a refusal.
  void End(const v1::Error* error) const;

 private:
  obs::SpanContext context_;
  uint64_t parent_ = 0;
  obs::SpanTime start_{};
  const google::protobuf::Descriptor* command_ = nullptr;
  int body_ = 0;
};

// A call as its caller sees it, with all its repeats; only of a sampled trace. `body` as above; 0: `message`
// is a request of its own.
class ClientSpan {
 public:
  ClientSpan() = default;
  ClientSpan(std::string_view traceparent, const google::protobuf::Descriptor& message, int body);
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(context_); }
  // What the call carries.
  [[nodiscard]] std::string traceparent() const { return obs::ToTraceparent(context_); }
  // `peer` is the name that its caller has for the service: "gateway_queue".
  void End(std::string_view peer, const Error* error) const;

 private:
  obs::SpanContext context_;
  uint64_t parent_ = 0;
  obs::SpanTime start_{};
  const google::protobuf::Descriptor* message_ = nullptr;
  int body_ = 0;
};

}  // namespace boxoffice::rpc
