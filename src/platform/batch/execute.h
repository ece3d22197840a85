// Commands of a batch executor, for coroutines on a thread that runs an Asio executor.
#pragma once

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/inbox.h"

namespace boxoffice::batch {

// Submits the command and resumes with its outcome by `inbox`, which leads to the coroutine's thread. Both
// must live until the executor has stopped; the command, which is moved from, until this is awaited. Errors:
// as of Executor::Submit, and the outcome's.
template <typename Command, typename Outcome>
boost::asio::awaitable<Result<Outcome>> Execute(Executor<Command, Outcome>& batches, Inbox& inbox,
                                                Command& command, resilience::Terms terms = {}) {
  auto initiate = [&batches, &inbox, &command, terms](auto handler) {
    auto done = [&inbox, handler = std::move(handler)](Result<Outcome> outcome) mutable {
      inbox.Post([handler = std::move(handler), outcome = std::move(outcome)]() mutable {
        std::move(handler)(std::move(outcome));
      });
    };
    batches.Submit(std::move(command), std::move(done), terms);
  };
  return boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void(Result<Outcome>)>(
      initiate, boost::asio::use_awaitable);
}

}  // namespace boxoffice::batch
