// For the tests of this room: a server on a free port and its own thread, and a client that speaks bytes.
#pragma once

#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <sys/time.h>

#include "platform/http/server.h"

namespace boxoffice::http {

// A blocking connection; reads give up after a minute.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
    const timeval limit{60, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  RawClient& Send(std::string_view text) {
    boost::system::error_code error;
    asio::write(socket_, asio::buffer(text), error);
    return *this;
  }
  // All up to and including `end`; what came if the connection ended before.
  std::string ReadUntil(std::string_view end) {
    while (received_.find(end) == std::string::npos && ReadSome()) {
    }
    const size_t found = received_.find(end);
    return Take(found == std::string::npos ? received_.size() : found + end.size());
  }
  // One response with a Content-Length; `is_head`: that has no body all the same.
  std::string ReadResponse(bool is_head = false) {
    std::string response = ReadUntil("\r\n\r\n");
    const size_t field = response.find("Content-Length: ");
    if (field == std::string::npos || is_head) return response;
    size_t size = 0;
    const char* digits = response.data() + field + 16;
    if (std::from_chars(digits, response.data() + response.size(), size).ec != std::errc()) return response;
    while (received_.size() < size && ReadSome()) {
    }
    return response + Take(std::min(size, received_.size()));
  }
  // All to the end of the connection.
  std::string ReadAll() {
    while (ReadSome()) {
    }
    return Take(received_.size());
  }
  // Whether the server closes, within the minute.
  bool AtEnd() {
    ReadSome();
    return received_.empty() && ended_;
  }
  void Close() { socket_.close(); }

 private:
  bool ReadSome() {
    char buffer[16 * 1024];
    const ssize_t size = ::recv(socket_.native_handle(), buffer, sizeof(buffer), 0);
    if (size > 0) received_.append(buffer, static_cast<size_t>(size));
    ended_ = size == 0 || (size < 0 && errno != EAGAIN);
    return size > 0;
  }
  std::string Take(size_t size) {
    std::string text = received_.substr(0, size);
    received_.erase(0, size);
    return text;
  }

  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  std::string received_;
  bool ended_ = false;
};

class TestServer {
 public:
  explicit TestServer(Router router, ServerOptions options = {}, AccessHook hook = {}, int threads = 1)
      : work_(asio::make_work_guard(io_)) {
    options.single_threaded = threads == 1;
    server_ = *Server::Listen(io_, std::move(router), std::move(options), std::move(hook));
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { io_.run(); });
  }
  ~TestServer() {
    server_->Stop();
    (void)server_->WaitDrained(std::chrono::seconds(5));
    io_.stop();
  }
  Server& server() { return *server_; }
  RawClient Connect() { return RawClient(server_->port()); }
  [[nodiscard]] std::string Url(std::string_view target) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(target);
  }
  asio::io_context& io() { return io_; }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<Server> server_;
  std::vector<std::jthread> threads_;
};

}  // namespace boxoffice::http
