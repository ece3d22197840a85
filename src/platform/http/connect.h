// A connection to a host that has several addresses.
#pragma once

#include <chrono>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace boxoffice::http {

// Tries one address after the other. Each has its share of the time that is left, but not less than
// kLeastShare, so that a route that swallows everything (IPv6 is often one) leaves time for the next.
// `socket` outlives it, and its executor is that of the coroutine: a strand, or one that a single thread
// runs. The caller closes the socket at `until`, which ends it. Errors: the last address's, not_found where
// there is none.
[[nodiscard]] boost::asio::awaitable<boost::system::error_code> ConnectInTurn(
    boost::asio::ip::tcp::socket& socket, std::vector<boost::asio::ip::tcp::endpoint> endpoints,
    std::chrono::steady_clock::time_point until);

inline constexpr std::chrono::milliseconds kLeastShare{500};

}  // namespace boxoffice::http
