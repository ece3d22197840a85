// Reads that may block, from the sagas' thread.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace boxoffice::reservation {

// Runs `read` on `pool`, and resumes where the caller runs. `read` must live until then: it is a local of the
// caller's.
template <typename Pool, typename Read>
boost::asio::awaitable<std::invoke_result_t<Read&>> ReadOn(Pool& pool, Read& read) {
  auto run = [](Read* what) -> boost::asio::awaitable<std::invoke_result_t<Read&>> { co_return (*what)(); };
  auto running = run(&read);
  auto result =
      co_await boost::asio::co_spawn(pool.get_executor(), std::move(running), boost::asio::use_awaitable);
  co_return result;
}

// The same where there may be no pool: then `read` runs at once.
template <typename Pool, typename Read>
boost::asio::awaitable<std::invoke_result_t<Read&>> ReadOn(Pool* pool, Read& read) {
  if (pool == nullptr) co_return read();
  auto result = co_await ReadOn(*pool, read);
  co_return result;
}

}  // namespace boxoffice::reservation
