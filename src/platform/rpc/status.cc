#include "platform/rpc/status.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "platform/rpc/answer_check.h"

namespace boxoffice::rpc {
namespace {

struct Row {
  Code code;
  grpc::StatusCode status;
};
constexpr std::array kTable = {
    Row{Code::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    Row{Code::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
    Row{Code::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    Row{Code::kNotFound, grpc::StatusCode::NOT_FOUND},
    Row{Code::kConflict, grpc::StatusCode::FAILED_PRECONDITION},
    Row{Code::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    // gRPC gives UNAVAILABLE for broken connections too, after the request was sent; so it can't stand for
    // "not done".
    Row{Code::kUnavailable, grpc::StatusCode::ABORTED},
    Row{Code::kUnknown, grpc::StatusCode::UNKNOWN},
    Row{Code::kInternal, grpc::StatusCode::INTERNAL},
};

// Whether it can be the reason of an error of ours. What gRPC and proxies say of theirs may have a colon too.
bool IsReason(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; });
}

}  // namespace

grpc::Status ToStatus(const Error& error) {
  for (const Row& row : kTable) {
    if (row.code == error.code) return {row.status, fmt::format("{}: {}", error.reason, error.detail)};
  }
  return {grpc::StatusCode::INTERNAL, error.reason};
}

Error FromStatus(const grpc::Status& status) {
  Error error{Code::kUnknown, "rpc_failed", status.error_message()};
  for (const Row& row : kTable) {
    if (row.status != status.error_code()) continue;
    error.code = row.code;
    const std::string& message = status.error_message();
    const auto colon = message.find(": ");
    if (colon != std::string::npos && IsReason(std::string_view(message).substr(0, colon))) {
      error.reason = message.substr(0, colon);
      error.detail = message.substr(colon + 2);
    } else if (error.code == Code::kResourceExhausted) {
      // Ours has a reason, and was not done. gRPC says the same of what is larger than it takes, also of an
      // answer, after all was done.
      error.code = Code::kUnknown;
      error.reason = kUnreadable;
    }
    return error;
  }
  // A server of an earlier release has not looked at the request; and it works: were that a failure, breakers
  // would open for it while releases are side by side.
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    error.code = Code::kUnavailable;
    error.reason = "not_implemented";
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) error.reason = "timeout";
  // CANCELLED is what a call meets that comes when its server has begun to shut down; none of ours says it.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::CANCELLED)
    error.reason = "connection_lost";
  return error;
}

v1::Error ToProto(const Error& error) {
  v1::Error proto;
  proto.set_code(static_cast<int32_t>(error.code));
  proto.set_reason(error.reason);
  proto.set_detail(error.detail);
  return proto;
}

Error FromProto(const v1::Error& proto) {
  const bool known = proto.code() >= 0 && proto.code() <= static_cast<int32_t>(Code::kInternal);
  return {known ? static_cast<Code>(proto.code()) : Code::kInternal, proto.reason(), proto.detail()};
}

}  // namespace boxoffice::rpc
