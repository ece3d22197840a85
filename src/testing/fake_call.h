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
  // Where it is set, the call is answered when what it is given is called, once, on whichever thread.
  std::function<void(std::function<void()> finish)> later;
  std::atomic<int> calls{0};

  grpc::ServerUnaryReactor* operator()(grpc::CallbackServerContext* context, const Request* request,
                                       Response* response) {
    ++calls;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto finish = [this, reactor, request, response] {
      Result<Response> result = Fail(Code::kUnavailable, "not_faked");
      if (answer) result = answer(*request);
      if (result) *response = *std::move(result);
      reactor->Finish(result ? grpc::Status::OK : rpc::ToStatus(result.error()));
    };
    later ? later(std::move(finish)) : finish();
    return reactor;
  }
};

// A command stream, answered one command at a time; an Error becomes the outcome's.
template <typename CommandBatch, typename OutcomeBatch>
struct FakeCommands {
  using Intake = rpc::CommandIntake<CommandBatch, OutcomeBatch>;
  using Command = typename Intake::Command;
  using Outcome = typename Intake::Outcome;
  std::function<Result<Outcome>(const Command&)> answer;
  std::atomic<int> calls{0};
  std::atomic<bool> silent{false};  // never answers

  Intake intake{[this](const Command& command, typename Intake::Reply reply) {
    ++calls;
    if (silent) return;
    Result<Outcome> outcome = Fail(Code::kUnavailable, "not_faked");
    if (answer) outcome = answer(command);
    reply(outcome ? *std::move(outcome) : rpc::ErrorOutcome<Outcome>(outcome.error()));
  }};
  auto* Open() { return new rpc::CommandServer(intake); }
};

// In a fake of a generated CallbackService: the RPC `Method`, answered by Method_.answer.
#define BOXOFFICE_FAKE(Method, package, Request, Response)                                                \
  ::boxoffice::testbed::FakeCall<package::Request, package::Response> Method##_;                          \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, const package::Request* request, \
                                   package::Response* response) override {                                \
    return Method##_(context, request, response);                                                         \
  }

}  // namespace boxoffice::testbed
