// A request as a handler sees it, and the answer that it gives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "platform/http/headers.h"
#include "platform/http/url.h"

namespace boxoffice::http {

namespace asio = boost::asio;

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
inline constexpr size_t kMethods = 8;
[[nodiscard]] std::string_view MethodName(Method method);
[[nodiscard]] Method ParseMethod(std::string_view name);  // kOther if it is none of them

// A request. It belongs to its connection and lives until the handler's response (a stream to its end) is
// sent; views into it live as long. Not thread-safe: use it on the handler's executor.
class Request {
 public:
  [[nodiscard]] Method method() const { return method_; }
  // As received: "/v1/shows/7", without the query.
  [[nodiscard]] std::string_view path() const { return std::string_view(target_).substr(0, path_size_); }
  [[nodiscard]] std::string_view target() const { return target_; }
  // The decoded value of `{name}` in the route's pattern; a name that is not in it is a bug.
  [[nodiscard]] const std::string& parameter(std::string_view name) const;
  // A decoded query parameter; nullopt if absent.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const;
  [[nodiscard]] const QueryParameters& queries() const { return queries_; }
  // A header, its name in any case; the first if there are several; nullopt if absent.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // Of a header that is a list, all that came of it: its lines in their order, with commas between them (RFC
  // 9110, section 5.3); empty if absent.
  [[nodiscard]] std::string header_list(std::string_view name) const;
  [[nodiscard]] std::string_view body() const { return body_; }
  // The address of the peer, without the port.
  [[nodiscard]] std::string_view remote_address() const { return remote_address_; }
  // What whatever is called for this request is to be told: the caller's traceparent if it sent a valid one,
  // else a new one. While tracing is on, the request's own span (of the caller's trace, or of a new one). The
  // same at each call.
  [[nodiscard]] const std::string& traceparent() const;
  // What support asks for: the caller's X-Request-Id if that is well-formed (1 to 128 of letters, digits,
  // ".", "_" and
  // "-"), else the trace id. Answers of 400 and above carry it as X-Request-Id, and problems as `request_id`.
  [[nodiscard]] std::string_view request_id() const;

  // For the server, and for tests that call a handler by hand.
  void Clear();
  void SetMethod(Method method) { method_ = method; }
  // False: the query can't be used, see `query_error`.
  bool SetTarget(std::string_view target, Error* query_error);
  void AddHeader(std::string_view name, std::string_view value);
  void SetParameter(std::string_view name, std::string value) {
    parameters_.emplace_back(name, std::move(value));
  }
  void SetRemoteAddress(std::string address) { remote_address_ = std::move(address); }
  std::string& mutable_body() { return body_; }

 private:
  struct HeaderSpan {
    uint32_t name, value, end;  // offsets in headers_text_
  };
  Method method_ = Method::kGet;
  std::string target_;
  size_t path_size_ = 0;
  std::vector<std::pair<std::string, std::string>> parameters_;
  QueryParameters queries_;
  std::string headers_text_;
  std::vector<HeaderSpan> headers_;
  std::string body_;
  std::string remote_address_;
  mutable std::string traceparent_;
};

// Server-sent events to one client. Use it on the handler's executor, one Send at a time.
class SseStream {
 public:
  virtual ~SseStream() = default;
  // Sends an event and waits until the kernel has taken it, so that a slow client slows its own stream only;
  // one that takes nothing for ServerOptions::write_timeout is dropped. `event` and `id` may be empty (left
  // out) and hold no line break; `data` may have several lines. False: the client has left, or the server
  // drains; return then.
  virtual asio::awaitable<bool> Send(std::string event, std::string id, std::string data) = 0;
  // The same with text from FormatSseEvent, made once for many clients.
  virtual asio::awaitable<bool> SendFormatted(std::shared_ptr<const std::string> text) = 0;
  // Whether the client has left. What the handler is waiting for is cancelled at that moment as well, by
  // Asio's cancellation (a timer or a channel throws operation_aborted; letting that escape is fine).
  [[nodiscard]] virtual bool closed() const = 0;
};
[[nodiscard]] std::string FormatSseEvent(std::string_view event, std::string_view id, std::string_view data);

// Runs once the head is sent; the stream ends when it returns. Its Request is still there.
using SseBody = std::function<asio::awaitable<void>(SseStream&)>;

struct Response {
  int status = 200;
  std::string_view
      content_type;  // empty: none is sent; of a text that outlives the answer, as a literal does
  Headers headers;   // further ones: Content-Length, Connection and Date are the server's
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // if set, sent instead of `body`, without copying it
  SseBody stream;                                  // if set, there is no other body

  [[nodiscard]] std::string_view content() const {
    return shared_body ? *shared_body : std::string_view(body);
  }
};

// 200 with `application/json`; or another status.
[[nodiscard]] Response JsonResponse(std::string body, int status = 200);
// 200 with `text/event-stream`; keep-alive comments are the server's.
[[nodiscard]] Response SseResponse(SseBody body);

using Handler = std::function<asio::awaitable<Response>(Request&)>;

}  // namespace boxoffice::http
