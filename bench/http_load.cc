#include "bench/http_load.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bench/interrupt.h"
#include "bench/response_scan.h"

namespace boxoffice::bench {

struct HttpLoad::Connection {
  struct Request {
    uint64_t tag;
    SteadyClock::time_point since;
  };
  int fd = -1;
  std::string out;
  size_t sent = 0;
  std::string in;
  std::deque<Request> under_way;  // in the order of asking, which is the order of the answers
  bool watches_writable = false;
};

HttpLoad::HttpLoad(uint16_t port) : port_(port) {}

Result<std::unique_ptr<HttpLoad>> HttpLoad::Connect(uint16_t port, size_t connections) {
  auto load = std::unique_ptr<HttpLoad>(new HttpLoad(port));
  load->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  CHECK(load->epoll_ >= 0);
  for (size_t i = 0; i < connections; ++i) {
    load->connections_.push_back(std::make_unique<Connection>());
    BOXOFFICE_TRY(load->Open(*load->connections_.back()));
  }
  return load;
}

HttpLoad::~HttpLoad() {
  for (const auto& connection : connections_) {
    if (connection->fd >= 0) ::close(connection->fd);
  }
  if (epoll_ >= 0) ::close(epoll_);
}

Result<void> HttpLoad::Open(Connection& connection) {
  connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connection.fd < 0 ||
      ::connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const std::string detail = fmt::format("127.0.0.1:{}: {}", port_, std::strerror(errno));
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = -1;
    return Fail(Code::kUnavailable, "connect_failed", detail);
  }
  const int on = 1;
  ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &connection;
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0);
  connection.watches_writable = false;
  return {};
}

void HttpLoad::Run(const LoadPlan& plan) {
  exhausted_ = false;
  for (const auto& connection : connections_) {
    // A server closes what has been idle; a request sent there would count as lost.
    char byte = 0;
    const bool closed = connection->fd < 0 || ::recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    if (closed) {
      Reopen(*connection, plan);
    } else {
      Fill(*connection, plan);
    }
  }
  std::array<epoll_event, 256> events;
  auto last_answer = SteadyClock::now();
  while (under_way_ > 0 && !Interrupted()) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), 1000);
    const auto now = SteadyClock::now();
    if (count > 0) last_answer = now;
    if (count == 0 && now - last_answer > plan.stall_limit) break;
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
      if ((events[static_cast<size_t>(i)].events & EPOLLOUT) != 0) Flush(connection, plan);
      if ((events[static_cast<size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        Receive(connection, plan);
    }
  }
  for (const auto& connection : connections_) {
    if (!connection->under_way.empty()) Lose(*connection, plan);
  }
}

Result<HttpLoad::Reply> HttpLoad::Call(const std::string& request, std::chrono::seconds limit) {
  Reply reply;
  bool asked = false;
  LoadPlan plan;
  plan.stall_limit = limit;
  plan.ask = [&](std::string& out, uint64_t&) {
    if (!asked) out += request;
    return !std::exchange(asked, true);
  };
  plan.take = [&](const Answer& answer) { reply = {answer.status, std::string(answer.body)}; };
  Run(plan);
  if (reply.status == 0)
    return Fail(Code::kUnknown, "connection_lost", request.substr(0, request.find('\r')));
  return reply;
}

void HttpLoad::Fill(Connection& connection, const LoadPlan& plan) {
  while (!exhausted_ && connection.under_way.size() < plan.depth) {
    const auto now = SteadyClock::now();
    uint64_t tag = 0;
    if (now >= plan.until || Interrupted() || !plan.ask(connection.out, tag)) {
      exhausted_ = true;
      break;
    }
    connection.under_way.push_back({tag, now});
    ++under_way_;
  }
  if (!connection.out.empty()) Flush(connection, plan);
}

void HttpLoad::Flush(Connection& connection, const LoadPlan& plan) {
  while (connection.sent < connection.out.size()) {
    const ssize_t size = ::send(connection.fd, connection.out.data() + connection.sent,
                                connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      WatchWritable(connection, true);
      return;
    }
    if (size < 0) {
      Reopen(connection, plan);
      return;
    }
    connection.sent += static_cast<size_t>(size);
  }
  connection.out.clear();
  connection.sent = 0;
  if (connection.watches_writable) WatchWritable(connection, false);
}

void HttpLoad::Receive(Connection& connection, const LoadPlan& plan) {
  if (connection.fd < 0) return;  // lost while the same round of events was handled
  static thread_local std::array<char, 64 * 1024> buffer;
  const ssize_t size = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (size <= 0) {
    Reopen(connection, plan);
    return;
  }
  // Nearly always the whole answer came at once, and need not be copied.
  std::string_view bytes(buffer.data(), static_cast<size_t>(size));
  if (!connection.in.empty()) {
    connection.in.append(bytes);
    bytes = connection.in;
  }
  bool close = false;
  while (!bytes.empty() && !close) {
    ScannedResponse response;
    const Scan scan = ScanResponse(bytes, response);
    if (scan == Scan::kMore) break;
    if (scan == Scan::kMalformed || connection.under_way.empty()) {
      Reopen(connection, plan);
      return;
    }
    const Connection::Request request = connection.under_way.front();
    connection.under_way.pop_front();
    --under_way_;
    plan.take({request.tag, response.status, response.body, SteadyClock::now() - request.since});
    bytes.remove_prefix(response.size);
    close = response.close;
  }
  if (close) {
    Reopen(connection, plan);
    return;
  }
  if (bytes.data() != connection.in.data() || bytes.size() != connection.in.size())
    connection.in = std::string(bytes);
  Fill(connection, plan);
}

void HttpLoad::Lose(Connection& connection, const LoadPlan& plan) {
  if (connection.fd >= 0) ::close(connection.fd);  // epoll forgets it
  connection.fd = -1;
  connection.out.clear();
  connection.sent = 0;
  connection.in.clear();
  const auto now = SteadyClock::now();
  while (!connection.under_way.empty()) {
    const Connection::Request request = connection.under_way.front();
    connection.under_way.pop_front();
    --under_way_;
    plan.take({request.tag, 0, {}, now - request.since});
  }
}

void HttpLoad::Reopen(Connection& connection, const LoadPlan& plan) {
  Lose(connection, plan);
  if (exhausted_ || Interrupted()) return;
  if (Open(connection)) Fill(connection, plan);
}

void HttpLoad::WatchWritable(Connection& connection, bool watch) {
  epoll_event event{};
  event.events = EPOLLIN | (watch ? EPOLLOUT : 0U);
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  connection.watches_writable = watch;
}

}  // namespace boxoffice::bench
