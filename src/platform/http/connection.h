// Internal to the server: one connection, from accept to close.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "platform/http/message.h"
#include "platform/http/request_parser.h"
#include "platform/http/router.h"
#include "platform/http/server.h"
#include "platform/http/unsent_bodies.h"

namespace boxoffice::http {

using asio::ip::tcp;
using SteadyTime = std::chrono::steady_clock::time_point;

class Connection;

// What all connections of a server share. Thread-safe.
class ConnectionRegistry {
 public:
  void Add(const std::shared_ptr<Connection>& connection);
  void Remove(Connection* connection);
  [[nodiscard]] size_t size() const { return size_.load(); }
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> All();
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> Expired(SteadyTime now);
  [[nodiscard]] bool WaitEmpty(std::chrono::milliseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections_;
  std::atomic<size_t> size_{0};
};

struct ServerShared {
  ServerShared(std::vector<ServingLoop> on, ServerOptions as)
      : loops(std::move(on)), options(std::move(as)) {}

  const std::vector<ServingLoop> loops;
  const ServerOptions options;
  ConnectionRegistry registry;
  UnsentBodies unsent{options.max_unsent};  // those that are not shared
  std::atomic<bool> leaving{false};
  std::atomic<bool> draining{false};
};

// Runs on its executor only (a strand, where the io_context has several threads), but for expired(). There is
// no timer per connection: the server's sweep looks at deadlines a few times a second, which costs a request
// nothing but reading the clock.
class Connection final : public std::enable_shared_from_this<Connection>, private SseStream {
 public:
  // `socket` is of `loop`, one of the shared ones. `refused`: answers nothing but 503.
  Connection(tcp::socket socket, std::shared_ptr<ServerShared> shared, const ServingLoop& loop, bool refused);
  ~Connection() override;

  // Serves until the end; keeps the connection alive.
  asio::awaitable<void> Run();

  [[nodiscard]] bool expired(SteadyTime now) const {
    return deadline_.load(std::memory_order_relaxed) <= now;
  }
  // From any thread: the deadline has passed; its answer is given up (of a slow reader: if that is its next
  // by then, so is that); the server drains; the server stops.
  void PostTimeout();
  void PostGiveUp();
  void PostDrain();
  void PostStop();

 private:
  // What the coroutine waits for.
  enum class Phase { kIdle, kReading, kHandling, kWriting, kStreaming, kLingering };
  enum class Wrote { kAll, kPart, kFailed };

  void Enter(Phase phase, std::chrono::milliseconds limit, SteadyTime now = std::chrono::steady_clock::now());
  void OnTimeout();
  void OnDrain();
  void Close();

  asio::awaitable<void> Serve();
  asio::awaitable<bool> ReadRequest();
  bool TakeIn(boost::beast::error_code error, size_t size);
  bool TakeLate();
  asio::awaitable<bool> SendContinue();
  bool SkipEmptyLine();
  bool AcceptHead();
  bool AdmitBody();
  bool Refuse(int status, std::string_view reason, std::string detail = {});
  void RefuseUnreadable(boost::beast::error_code error);
  asio::awaitable<void> Answer();
  Response HandlerThrew(const std::string& what);
  [[nodiscard]] bool HasBody(const Response& response) const;
  std::string_view Compose(Response& response);
  Wrote TryWrite(std::string_view head, std::string_view body, size_t* written);
  asio::awaitable<bool> Write(std::string_view head, std::string_view body);
  asio::awaitable<bool> WriteOn(std::string_view head, std::string_view body, size_t written);
  asio::awaitable<void> RunStream(SseBody body);
  asio::awaitable<void> Produce(SseBody body);
  void LogStreamError(const std::exception& error);
  void KeepStreamAlive();
  void EndStream();
  asio::awaitable<void> Linger();
  void Report(int status, size_t response_bytes);
  void Trace(int status) const;

  // SseStream
  asio::awaitable<bool> Send(std::string event, std::string id, std::string data) override;
  asio::awaitable<bool> SendFormatted(std::shared_ptr<const std::string> text) override;
  [[nodiscard]] bool closed() const override { return stream_closed_; }

  tcp::socket socket_;
  std::shared_ptr<ServerShared> shared_;
  const ServingLoop& loop_;  // in shared_
  const bool refused_;
  std::string remote_address_;
  boost::beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  Request request_;
  Router::Match match_;
  std::optional<Response> early_;  // what is answered instead of calling the handler
  std::string head_;               // of the response; keeps its memory between requests

  Phase phase_ = Phase::kIdle;
  std::atomic<SteadyTime> deadline_{SteadyTime::max()};
  SteadyTime started_ = std::chrono::steady_clock::now();  // the first byte of the request
  SteadyTime answered_ = started_;                         // the last byte of the answer before it
  bool timed_out_ = false;                                 // the deadline passed while reading
  bool drained_ = false;                                   // idle when the drain began
  bool stopped_ = false;
  bool keep_alive_ = true;  // after the response
  bool unread_ = false;     // the client may still be sending when the connection ends

  // Of a stream.
  std::string stream_left_;  // bytes of a keep-alive comment that the kernel did not take
  bool stream_closed_ = false;
  bool stream_done_ = false;
  bool stream_writing_ = false;
  asio::cancellation_signal stream_cancel_;
  asio::steady_timer stream_ended_;
};

}  // namespace boxoffice::http
