// Unary calls: queries and operators' requests. Commands go by the stream (command_client.h,
// command_server.h).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <grpcpp/client_context.h>
#include <grpcpp/support/server_callback.h>

#include "platform/rpc/status.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

// Calls `start(context, request, response, done)`, which is a stub's async method, and resumes on `executor`:
//   co_await Call<v1::Show>(executor, request, 1s, [&](auto... a) { stub->async()->GetShow(a...); });
// Errors: as the server gave them; timeout, connection_lost (kUnknown).
template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> Call(asio::any_io_executor executor, Request request,
                                       std::chrono::milliseconds timeout, Start start,
                                       std::string traceparent = {}) {
  struct State {
    grpc::ClientContext context;
    Request request;
    Response response;
  };
  auto state = std::make_shared<State>();
  state->request = std::move(request);
  state->context.set_deadline(std::chrono::system_clock::now() + timeout);
  if (!traceparent.empty()) state->context.AddMetadata("traceparent", traceparent);
  auto initiate = [state, executor, &start](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start(&state->context, &state->request, &state->response, [state, executor, shared](grpc::Status status) {
      asio::post(executor, [state, shared, status]() {
        if (status.ok()) {
          std::move (*shared)(Result<Response>(std::move(state->response)));
        } else {
          std::move (*shared)(Result<Response>(std::unexpected(FromStatus(status))));
        }
      });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<Response>)>(
      initiate, asio::use_awaitable);
}

// Answers a unary call with what `query` returns, run on `pool`, so that a store may block there and gRPC's
// threads don't. What nobody waits for any more is not run.
template <typename Response>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, WorkerPool& pool, Response* response,
                                 std::function<Result<Response>()> query) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool.Post([context, reactor, response, query = std::move(query)] {
    if (context->IsCancelled()) {  // its deadline has passed, or its caller has gone
      reactor->Finish({grpc::StatusCode::DEADLINE_EXCEEDED, "deadline_passed: nobody waits any more"});
      return;
    }
    Result<Response> result = query();
    if (result) {
      *response = std::move(*result);
      reactor->Finish(grpc::Status::OK);
    } else {
      reactor->Finish(ToStatus(result.error()));
    }
  });
  return reactor;
}

}  // namespace boxoffice::rpc
