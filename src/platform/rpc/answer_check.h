// gRPC 1.51 takes a unary call for a success whose answer it could not read (a text in it that is no UTF-8 is
// enough), and gives its caller a message that is read up to there, or an empty one: a wallet without money.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <grpcpp/support/client_interceptor.h>

namespace boxoffice::rpc {

inline constexpr std::string_view kUnreadable = "answer_unreadable";

// For a channel: with it such a call ends as UNKNOWN, answer_unreadable: it was done, but nobody knows with
// what result. Streams are left alone: there, a message that can't be read ends the call (command_client.h).
[[nodiscard]] std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
CheckAnswers();

}  // namespace boxoffice::rpc
