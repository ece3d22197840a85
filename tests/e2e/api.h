// The REST interface as a client program sees it: JSON over a connection that is kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>

#include "platform/http/client.h"

namespace boxoffice::e2e {

namespace json = boost::json;

struct Reply {
  int status = 0;    // 0: no answer (see `error`)
  json::value body;  // null if it is empty or no JSON
  std::string text;  // as it came
  http::HeaderList headers;
  std::string error;

  [[nodiscard]] std::string header(std::string_view name) const;
  // A member of the body, "" where it is missing; "failure.code" looks inside. Numbers and booleans as JSON
  // writes them.
  [[nodiscard]] std::string at(std::string_view path) const;
  [[nodiscard]] int64_t number(std::string_view path) const;  // 0 where there is none
};
// For messages of tests: status and body.
std::ostream& operator<<(std::ostream& out, const Reply& reply);

// One connection, opened when it is needed and again when it was lost: to the next of the ports where it is
// refused, or where the last answer closed it, as a load balancer does. Not thread-safe.
class Api {
 public:
  explicit Api(uint16_t port) : ports_{port} {}
  explicit Api(std::vector<uint16_t> ports) : ports_(std::move(ports)) {}
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // A request is repeated only where a connection that was kept turns out to be closed: any other lost answer
  // is the caller's to judge.
  Reply Call(std::string method, std::string path, http::HeaderList headers = {}, std::string body = {});
  // The same for what may be repeated, by its Idempotency-Key or by itself, until it is decided: what has no
  // answer, is still going on or was not let in, as on a busy machine, is asked again for 20 s. The last
  // answer.
  Reply CallUntilDecided(const std::string& method, const std::string& path, const http::HeaderList& headers,
                         const std::string& body = {});
  // As Call, where all are well: what the gateway has waited for in vain (a 503 that took a second and more),
  // as on a machine that stood still, is asked again for 20 s. What is refused at once is refused.
  Reply CallPatiently(const std::string& method, const std::string& path, const http::HeaderList& headers,
                      const std::string& body = {});
  // Where it calls next.
  [[nodiscard]] uint16_t port() const { return ports_[current_]; }
  void SetTimeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

 private:
  template <typename T>
  T Run(http::asio::awaitable<T> work);
  Reply CallOnce(const http::ClientRequest& request);
  // Call, again for 20 s as long as the reply is `open`.
  Reply CallWhile(const std::function<bool(const Reply&)>& open, const std::string& method,
                  const std::string& path, const http::HeaderList& headers, const std::string& body);
  Result<void> Connect();

  const std::vector<uint16_t> ports_;
  size_t current_ = 0;  // of the ports
  std::chrono::milliseconds timeout_{30'000};
  boost::asio::io_context io_;
  std::unique_ptr<http::ClientConnection> connection_;
};

// Runs `work` for each number below `count`, on all connections at once.
void ForEachAtOnce(int connections, int count, const std::function<void(int connection, int number)>& work);

}  // namespace boxoffice::e2e
