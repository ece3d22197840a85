#include "platform/http/connect.h"

#include <algorithm>
#include <memory>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace boxoffice::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

enum class Attempt { kRuns, kEnded, kLate };

// The timer's handler may run after the attempt has ended, when the coroutine is gone: so what both look at
// belongs to both.
asio::awaitable<error_code> ConnectWithin(tcp::socket& socket, tcp::endpoint endpoint,
                                          steady_clock::time_point until) {
  const auto attempt = std::make_shared<Attempt>(Attempt::kRuns);
  asio::steady_timer timer(socket.get_executor(), until);
  timer.async_wait([attempt, &socket](error_code cancelled) {
    if (cancelled || *attempt != Attempt::kRuns) return;
    *attempt = Attempt::kLate;
    error_code ignored;
    socket.close(ignored);
  });
  auto [error] = co_await socket.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  if (*attempt == Attempt::kLate) error = asio::error::timed_out;
  *attempt = Attempt::kEnded;
  co_return error;
}

}  // namespace

asio::awaitable<error_code> ConnectInTurn(tcp::socket& socket, std::vector<tcp::endpoint> endpoints,
                                          steady_clock::time_point until) {
  error_code error = asio::error::not_found;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const steady_clock::time_point now = steady_clock::now();
    if (now >= until) break;  // the caller has closed the socket, or is about to
    const auto share = (until - now) / static_cast<int64_t>(endpoints.size() - i);
    const steady_clock::time_point end = now + std::max<steady_clock::duration>(share, kLeastShare);
    error_code ignored;
    socket.close(ignored);  // of the attempt before
    if (end < until && i + 1 < endpoints.size()) {
      error = co_await ConnectWithin(socket, endpoints[i], end);
    } else {
      const auto [last] = co_await socket.async_connect(endpoints[i], asio::as_tuple(asio::use_awaitable));
      error = last;
    }
    if (!error) break;
  }
  co_return error;
}

}  // namespace boxoffice::http
