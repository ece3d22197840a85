// The one table between boxoffice::Error and what goes over gRPC.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"
#include "boxoffice/rpc/v1/rpc.pb.h"

namespace boxoffice::rpc {

// The status of a unary call; reason and detail travel as "reason: detail" in the message.
[[nodiscard]] grpc::Status ToStatus(const Error& error);
// Of a status that is not OK. A deadline or a broken connection is Code::kUnknown: the call may have had its
// effect. So may one that gRPC itself, not the server, calls RESOURCE_EXHAUSTED, as it does where the answer
// is too large: kUnknown, answer_unreadable. A method that the server does not know is kUnavailable,
// not_implemented.
[[nodiscard]] Error FromStatus(const grpc::Status& status);

// The error of one outcome in a batch.
[[nodiscard]] v1::Error ToProto(const Error& error);
[[nodiscard]] Error FromProto(const v1::Error& error);

}  // namespace boxoffice::rpc
