// Work that must not keep a thread of the edge from all whom it serves: it waits for a disk, or takes long.
#pragma once

#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// Calls a copy of `start` with a function that takes a Value, and resumes on `executor` with what that is
// called with: once, on whichever thread.
template <typename Value, typename Start>
boost::asio::awaitable<Value> AwaitElsewhere(const boost::asio::any_io_executor& executor,
                                             const Start& start) {
  namespace asio = boost::asio;
  auto initiate = [executor, start](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start([shared, executor](Value told) {
      auto value = std::make_shared<Value>(std::move(told));
      asio::post(executor, [shared, value] { std::move (*shared)(std::move(*value)); });
    });
  };
  return asio::async_initiate<decltype(asio::use_awaitable), void(Value)>(initiate, asio::use_awaitable);
}

// Runs a copy of `work` on `pool`, and resumes on `executor` with the value that it returns. The pool must
// run as long as somebody waits.
template <typename Work>
auto RunElsewhere(rpc::WorkerPool& pool, const boost::asio::any_io_executor& executor, const Work& work) {
  const auto start = [&pool, work](const auto& told) { pool.Post([work, told] { told(work()); }); };
  return AwaitElsewhere<decltype(work())>(executor, start);
}

}  // namespace boxoffice::gateway
