// Work that must not keep a thread of the edge from all whom it serves: it waits for a disk, or takes long.
#pragma once

#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// Runs a copy of `work` on `pool`, and resumes on `executor` with the value that it returns. The pool must
// run as long as somebody waits.
template <typename Work>
auto RunElsewhere(rpc::WorkerPool& pool, const boost::asio::any_io_executor& executor, const Work& work) {
  namespace asio = boost::asio;
  using Value = decltype(work());
  auto initiate = [&pool, executor, work](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    pool.Post([work, shared, executor] {
      auto value = std::make_shared<Value>(work());
      asio::post(executor, [shared, value] { std::move (*shared)(std::move(*value)); });
    });
  };
  return asio::async_initiate<decltype(asio::use_awaitable), void(Value)>(initiate, asio::use_awaitable);
}

}  // namespace boxoffice::gateway
