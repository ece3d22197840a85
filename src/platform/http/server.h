// An HTTP/1.1 server on Asio coroutines: the listening, the limits and the end of connections. What is
// answered is the router's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "platform/http/message.h"
#include "platform/http/router.h"

namespace boxoffice::http {

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address
  uint16_t port = 0;                  // 0: a free one, see port()
  size_t max_connections = 20'000;    // past it: 503 with Retry-After
  size_t max_refused = 256;           // that are told so at a time; past it they are closed unanswered
  size_t max_body = 64 * 1024;        // bytes; past it 413. A route may allow more
  uint32_t max_header = 8 * 1024;     // bytes; past it 431. Also of a chunk's extension and of a trailer
  // Headers that a request may have once: with one of them twice it gets 400, as one with two
  // Hosts does, rather than having one of the two counted and the other dropped.
  std::vector<std::string> given_once;
  // A connection without a request is closed after this.
  std::chrono::milliseconds idle_timeout{60'000};
  // From a request's first byte to its last, past it 408; a body that was announced gets 1 s more per 128
  // KiB.
  std::chrono::milliseconds read_timeout{10'000};
  // A client that takes nothing of an answer for this long is dropped; so is one that has not taken all of it
  // after as long and 1 s more per slowest_reader bytes.
  std::chrono::milliseconds write_timeout{30'000};
  size_t slowest_reader = 8 * 1024;  // bytes per second, at least 1; less than any phone's connection
  // Of bodies that are one answer's own (Response::body), of 16 KiB and more, that clients have not taken at
  // once, all connections together hold so many bytes. Past it whoever has been at it for longest is dropped.
  size_t max_unsent = 128 * 1024 * 1024;
  std::chrono::milliseconds sse_keep_alive{15'000};
  // Called for each connection that is closed unanswered, on the thread that accepts.
  std::function<void()> dropped;
  // Called with every answer before it is sent, also with those that the server gives itself: what all are to
  // carry.
  std::function<void(const Request&, Response&)> finish;
  // Whose spans its requests are (platform/obs/span.h); empty: they have none.
  std::string traced_as;
  // Routes without spans, by their patterns: what balancers and scrapers ask all the time.
  std::vector<std::string> untraced;
  // True: each io_context is run by one thread, so connections need no strand. Always with several.
  bool single_threaded = false;
};

// A request that has been answered.
struct RequestInfo {
  Method method = Method::kGet;
  std::string_view route;  // the route's pattern, "" if there was none: few values, fit for a metric's label
  std::string_view path;
  std::string_view remote_address;
  size_t request_bytes = 0;   // of the body
  size_t response_bytes = 0;  // of the body; 0 for a stream
};

// Called on a connection's thread when the answer (of a stream: the head) was handed to the kernel; must be
// thread-safe and quick. The time is from the request's first byte.
using AccessHook = std::function<void(const RequestInfo&, int status, std::chrono::microseconds)>;

// An event loop that serves connections, and what it answers.
struct ServingLoop {
  asio::io_context* io = nullptr;  // outlives the server
  Router router;
  AccessHook hook;  // may be empty
};

// Listens, and serves each connection by a coroutine on one of the caller's event loops.
// Requests of one connection are answered one after the other, in order; pipelining, keep-alive, HEAD and
// `Expect: 100-continue` work. What goes wrong before a handler is answered by a problem (problem.h) with one
// of these codes:
//   400 request_malformed, path_malformed, query_malformed, query_duplicate; 404 route_not_found;
//   405 method_not_allowed; 408 request_timeout; 413 body_too_large; 415 content_encoding_unsupported (of a
//   body that is compressed); 431 header_too_large; 503 too_many_connections; 500 internal_error when a
//   handler throws (logged).
// All functions are thread-safe.
class Server {
 public:
  // Starts to listen, and serves on `io`, which any number of threads may run. Errors: kUnavailable
  // port_taken (detail: the address); kInvalidArgument listen_failed (no such address of this machine, not
  // allowed, …). `io` must outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> Listen(asio::io_context& io, Router router,
                                                              ServerOptions options = {},
                                                              AccessHook hook = {});
  // The same on several loops, at least one, each run by one thread: connections go to them in turn, and stay
  // where they are. The first one listens, too.
  [[nodiscard]] static Result<std::unique_ptr<Server>> Listen(std::vector<ServingLoop> loops,
                                                              ServerOptions options);
  ~Server();  // Stop()

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] size_t connections() const;
  // Of the long bodies that clients have not taken yet, as ServerOptions::max_unsent counts them.
  [[nodiscard]] size_t unsent_bytes() const;

  // From now on every answer is the last of its connection (`Connection: close`), so that clients open the
  // next one elsewhere; accepts and serves all the same. A repeat does nothing.
  void Leave();
  // Accepts no more, closes idle connections, ends streams, and lets requests in flight be answered with
  // `Connection: close`. Returns at once; a repeat does nothing.
  void Drain();
  // Waits until no connection is left, at most for `limit`: whether that is so. Not on a thread of the
  // io_context.
  [[nodiscard]] bool WaitDrained(std::chrono::milliseconds limit);
  // Closes everything. Returns at once; handlers that are running end by themselves, their answers are
  // dropped.
  void Stop();

 private:
  struct Core;
  friend class Connection;
  explicit Server(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::http
