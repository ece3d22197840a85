// Commands of a batch executor, for whoever is on a thread that runs an Asio executor.
#pragma once

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/inbox.h"

namespace boxoffice::batch {

// Submits the command and calls `done` with its Result<Outcome> by `inbox`, which leads to the caller's
// thread. Both must live until the executor has stopped. Errors: as of Executor::Submit, and the outcome's.
template <typename Command, typename Outcome, typename Done>
void Submit(Executor<Command, Outcome>& batches, Inbox& inbox, Command&& command, Done done,
            resilience::Terms terms = {}) {
  auto told = [&inbox, done = std::move(done)](Result<Outcome> outcome) mutable {
    inbox.Post([done = std::move(done), outcome = std::move(outcome)]() mutable {
      std::move(done)(std::move(outcome));
    });
  };
  batches.Submit(std::move(command), std::move(told), terms);
}

// The same for coroutines. The command, which is moved from, must live until this is awaited.
template <typename Command, typename Outcome>
boost::asio::awaitable<Result<Outcome>> Execute(Executor<Command, Outcome>& batches, Inbox& inbox,
                                                Command& command, resilience::Terms terms = {}) {
  auto initiate = [&batches, &inbox, &command, terms](auto handler) {
    Submit(batches, inbox, std::move(command), std::move(handler), terms);
  };
  return boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void(Result<Outcome>)>(
      initiate, boost::asio::use_awaitable);
}

}  // namespace boxoffice::batch
