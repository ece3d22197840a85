// An HTTP/1.1 client on Asio coroutines. It follows no redirects, keeps no cookies and has no pool.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "platform/http/authorities.h"
#include "platform/http/message.h"

namespace boxoffice::http {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct ClientRequest {
  std::string method = "GET";
  std::string url;     // "http://host[:port]/path?query", or https; of a ClientConnection only "/path?query"
  HeaderList headers;  // Host, Content-Length and Connection are set by the client
  std::string body;
  // For all of it, from the name's look-up to the last byte; of a host's several addresses, each has a share.
  std::chrono::milliseconds timeout{30'000};
  size_t max_response = 1024 * 1024;  // bytes of the body
  // The answer's status and headers are all that is asked for: it is had once they are there, whatever its
  // body is, or becomes; that stays unread, `body` empty, and the connection is closed.
  bool head_is_enough = false;
  // Whether an address that the URL's host has may be connected to: 4 or 16 bytes. Empty: any. It is asked
  // once the name has been looked up, and no other address is connected to, so a name that changes its mind
  // gains nothing.
  std::function<bool(std::span<const uint8_t>)> allow_address;
};

struct ClientResponse {
  int status = 0;
  HeaderList headers;
  std::string body;

  // A header, its name in any case; nullopt if absent.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

// Trust for https.
struct TlsOptions {
  std::string ca_file;  // PEM; empty: the system's authorities
  // What was read of them, for all requests that are sent with copies of this.
  std::shared_ptr<Authorities> authorities = std::make_shared<Authorities>();
};

// Whether a request can be sent to it: "http://host[:port]/path?query", or https.
[[nodiscard]] bool IsUrl(std::string_view url);

// Sends one request on a connection of its own. Any status is a success. Errors:
//   kInvalidArgument url_malformed (also: a header with a line break);
//   kUnavailable address_refused: `allow_address` allows none of the host's addresses, and none was connected
//   to; kUnavailable connect_failed: not one byte was sent (no such host, refused, a bad certificate, or the
//   time-out passed before); kUnknown timeout, connection_lost, response_malformed, response_too_large: the
//   request may have had its effect.
// Returns at the time-out whatever the network does. Cancelling it is not supported: the time-out ends it.
[[nodiscard]] asio::awaitable<Result<ClientResponse>> Fetch(ClientRequest request, TlsOptions tls = {});

// The same without coroutines, for a command line and for tests: blocks the thread.
[[nodiscard]] Result<ClientResponse> FetchBlocking(ClientRequest request, const TlsOptions& tls = {});
// The same of many, which are sent at once, so that the time-outs of those that do not answer pass together:
// the answers, in order.
[[nodiscard]] std::vector<Result<ClientResponse>> FetchAllBlocking(std::vector<ClientRequest> requests,
                                                                   const TlsOptions& tls = {});

// A plain (http) connection for one request after the other: what tests and benchmarks use that send many to
// one server. Use it from one executor (a strand or a single thread), and one Roundtrip at a time.
class ClientConnection {
 public:
  // Errors: kUnavailable connect_failed. `executor` must be a strand's or run by one thread.
  [[nodiscard]] static asio::awaitable<Result<std::unique_ptr<ClientConnection>>> Connect(
      asio::any_io_executor executor, std::string host, uint16_t port,
      std::chrono::milliseconds timeout = std::chrono::milliseconds(5'000));
  ~ClientConnection();

  // `request.url` is "/path?query". Errors as for Fetch; a connection that the peer had closed before the
  // request was sent gives kUnknown connection_lost too, as it can't be told apart. After an error, or a
  // response with `Connection: close`, the connection is closed.
  [[nodiscard]] asio::awaitable<Result<ClientResponse>> Roundtrip(ClientRequest request);
  [[nodiscard]] bool is_open() const;
  void Close();

 private:
  struct State;
  explicit ClientConnection(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace boxoffice::http
