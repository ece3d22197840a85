// Services that answer as a test tells them, behind real gRPC.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "base/result.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/status.h"

namespace boxoffice::testbed {

// One RPC: what a test expects to be asked, and answers.
template <typename Request, typename Response>
struct FakeCall {
  std::function<Result<Response>(const Request&)> answer;
  std::atomic<int> calls{0};

  grpc::ServerUnaryReactor* operator()(grpc::CallbackServerContext* context, const Request* request,
                                       Response* response) {
    ++calls;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Result<Response> result = Fail(Code::kUnavailable, "not_faked");
    if (answer) result = answer(*request);
    if (result) *response = *std::move(result);
    reactor->Finish(result ? grpc::Status::OK : rpc::ToStatus(result.error()));
    return reactor;
  }
};

// A command stream, answered one command at a time; an Error becomes the outcome's.
template <typename CommandBatch, typename OutcomeBatch>
struct FakeCommands {
  using Server = rpc::CommandServer<CommandBatch, OutcomeBatch>;
  using Command = typename Server::Command;
  using Outcome = typename Server::Outcome;
  std::function<Result<Outcome>(const Command&)> answer;
  std::atomic<int> calls{0};

  typename Server::Handler handler = [this](Command command, typename Server::Reply reply) {
    ++calls;
    Result<Outcome> outcome = Fail(Code::kUnavailable, "not_faked");
    if (answer) outcome = answer(command);
    reply(outcome ? *outcome : rpc::ErrorOutcome<Outcome>(outcome.error()));
  };
  rpc::OpenStreams streams;
  Server* Open() { return new Server(handler, streams); }
};

// In a fake of a generated CallbackService: the RPC `Method`, answered by Method_.answer.
#define BOXOFFICE_FAKE(Method, package, Request, Response)                                                \
  ::boxoffice::testbed::FakeCall<package::Request, package::Response> Method##_;                          \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, const package::Request* request, \
                                   package::Response* response) override {                                \
    return Method##_(context, request, response);                                                         \
  }

}  // namespace boxoffice::testbed
