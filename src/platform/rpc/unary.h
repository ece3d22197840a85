// Unary calls: queries and operators' requests. Commands go by the stream (command_client.h,
// command_server.h).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "platform/resilience/admission.h"
#include "platform/rpc/status.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

// The calls of one caller that are under way: gRPC's threads come back to its executor with their answers.
// Thread-safe, but for the end.
class OpenCalls {
 public:
  OpenCalls() = default;
  // Cancels them, and returns when none comes back any more. The executor must live until then.
  ~OpenCalls() {
    Cancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return open_.empty(); });
  }
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  // Those that are under way come back at once, and so do all that begin from now on.
  void Cancel() {
    std::unique_lock lock(mutex_);
    cancelled_ = true;
    const std::set<std::shared_ptr<grpc::ClientContext>> open = open_;
    lock.unlock();
    for (const auto& context : open) context->TryCancel();
  }
  void Begin(std::shared_ptr<grpc::ClientContext> context) {
    const std::scoped_lock lock(mutex_);
    if (cancelled_) context->TryCancel();  // it is not started yet: it will end as it starts
    open_.insert(std::move(context));
  }
  void End(const std::shared_ptr<grpc::ClientContext>& context) {
    const std::scoped_lock lock(mutex_);
    open_.erase(context);
    if (open_.empty()) ended_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::set<std::shared_ptr<grpc::ClientContext>> open_;
  bool cancelled_ = false;
};

// Calls `start(context, request, response, done)`, which is a stub's async method, and resumes on `executor`:
//   co_await Call<v1::Show>(executor, calls, request, 1s, [&](auto... a) { stub->async()->GetShow(a...); });
// Errors: as the server gave them; timeout, connection_lost (kUnknown).
template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> Call(asio::any_io_executor executor, OpenCalls& calls, Request request,
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
  auto initiate = [state, executor, &calls, &start](auto handler) {
    // gRPC lets go of its callback some time after it was called, when the executor may be gone: then there
    // must be no handler in it.
    auto waiting = std::make_shared<std::optional<decltype(handler)>>(std::move(handler));
    const std::shared_ptr<grpc::ClientContext> context(state, &state->context);
    calls.Begin(context);
    start(context.get(), &state->request, &state->response,
          [state, context, executor, &calls, waiting](grpc::Status status) {
            auto resume = *std::exchange(*waiting, std::nullopt);
            asio::post(executor, [state, resume = std::move(resume), status]() mutable {
              if (status.ok()) {
                std::move(resume)(Result<Response>(std::move(state->response)));
              } else {
                std::move(resume)(Result<Response>(std::unexpected(FromStatus(status))));
              }
            });
            calls.End(context);
          });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<Response>)>(
      initiate, asio::use_awaitable);
}

// Whether nobody waits for the call any more, as its deadline has passed or its caller has gone: then this
// ends it.
[[nodiscard]] inline bool EndIfLeft(const grpc::CallbackServerContext& context,
                                    grpc::ServerUnaryReactor& reactor) {
  if (!context.IsCancelled()) return false;
  reactor.Finish({grpc::StatusCode::DEADLINE_EXCEEDED, "deadline_passed: nobody waits any more"});
  return true;
}

// Answers a unary call with what `query` returns, run on `pool`, so that a store may block there and gRPC's
// threads don't. What nobody waits for any more is not run. Error besides the query's: overloaded
// (kResourceExhausted), at once where as many wait as may, and of new work also when half of its caller's
// time went by before its turn came. Were that run, all that is run would be late, and time-outs open the
// breaker that commands go through, too. kFinishing is for audits and for what operators ask for, who are
// few and must see what goes on: it may use the whole bound, and waits as long as its caller does.
template <typename Response>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, WorkerPool& pool, Response* response,
                                 std::function<Result<Response>()> query,
                                 resilience::Priority priority = resilience::Priority::kNormal) {
  using std::chrono::steady_clock;
  using std::chrono::system_clock;
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!pool.Admits(priority)) {
    reactor->Finish(ToStatus({Code::kResourceExhausted, "overloaded", "too many queries wait"}));
    return reactor;
  }
  steady_clock::time_point latest = steady_clock::time_point::max();
  if (priority == resilience::Priority::kNormal)
    latest = steady_clock::now() + (context->deadline() - system_clock::now()) / 2;
  pool.Post([context, reactor, response, latest, query = std::move(query)] {
    if (EndIfLeft(*context, *reactor)) return;
    if (steady_clock::now() > latest) {
      reactor->Finish(ToStatus({Code::kResourceExhausted, "overloaded", "it has waited too long"}));
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
