#include "rehearsal/http_load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "rehearsal/interrupt.h"
#include "rehearsal/response_scan.h"

namespace boxoffice::rehearsal {

namespace {

constexpr std::chrono::seconds kConnectLimit{2};
constexpr std::chrono::seconds kRetryOpening{1};

}  // namespace

struct HttpLoad::Address {
  std::string name;  // for messages
  sockaddr_storage address{};
  socklen_t size = 0;
};

struct HttpLoad::Connection {
  struct Request {
    uint64_t tag;
    SteadyClock::time_point since;  // due
    SteadyClock::time_point sent;
  };
  const Address* address = nullptr;
  int fd = -1;
  std::string out;
  size_t sent = 0;
  std::string in;
  std::deque<Request> under_way;  // in the order of asking, which is the order of the answers
  bool watches_writable = false;
  bool connecting = false;                // nobody has answered there yet
  bool idle = false;                      // is in idle_
  bool answered = false;                  // since it was opened, and not only that the server is full
  SteadyClock::time_point opened_last{};  // or tried to
};

Result<Endpoint> ParseEndpoint(std::string_view url) {
  const auto wrong = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, "url", fmt::format("{}: {}", url, why));
  };
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://"))
    return wrong("the generator speaks no TLS; give it the gateways behind what ends TLS, or a port-forward");
  if (!url.starts_with(kScheme)) return wrong("is not http://HOST[:PORT]");
  std::string_view rest = url.substr(kScheme.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  Endpoint endpoint{"", 80};
  const size_t colon = rest.ends_with(']') ? std::string_view::npos : rest.rfind(':');
  std::string_view host = rest.substr(0, colon);
  if (colon != std::string_view::npos) {
    endpoint.port = ParseNumber<uint16_t>(rest.substr(colon + 1)).value_or(0);
    if (endpoint.port == 0) return wrong("its port is no number from 1 to 65535");
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("/?#@ ") != std::string_view::npos)
    return wrong("is not http://HOST[:PORT]");
  endpoint.host = host;
  return endpoint;
}

void AppendRequest(std::string& out, std::string_view method, std::string_view path, std::string_view jwt,
                   std::string_view headers, std::string_view body, std::string_view host) {
  out.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n");
  if (!jwt.empty()) out.append("Authorization: Bearer ").append(jwt).append("\r\n");
  out.append(headers);
  if (!body.empty()) out.append("Content-Type: application/json\r\n");
  if (!body.empty() || method == "POST")
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  out.append("\r\n").append(body);
}

HttpLoad::HttpLoad() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { CHECK(epoll_ >= 0); }

Result<std::unique_ptr<HttpLoad>> HttpLoad::Connect(uint16_t port, size_t connections) {
  return Connect({Endpoint{"127.0.0.1", port}}, connections);
}

Result<std::unique_ptr<HttpLoad>> HttpLoad::Connect(const std::vector<Endpoint>& endpoints,
                                                    size_t connections) {
  CHECK(!endpoints.empty());
  auto load = std::unique_ptr<HttpLoad>(new HttpLoad());
  for (const Endpoint& endpoint : endpoints) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error =
        ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
    if (error != 0)
      return Fail(Code::kUnavailable, "host_unknown",
                  fmt::format("{}: {}", endpoint.host, ::gai_strerror(error)));
    auto address = std::make_unique<Address>();
    address->name = fmt::format("{}:{}", endpoint.host, endpoint.port);
    std::memcpy(&address->address, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    ::freeaddrinfo(found);
    load->addresses_.push_back(std::move(address));
  }
  for (size_t i = 0; i < connections; ++i) {
    load->connections_.push_back(std::make_unique<Connection>());
    load->connections_.back()->address = load->addresses_[i % load->addresses_.size()].get();
    BOXOFFICE_TRY(load->Open(*load->connections_.back(), /*wait=*/true));
  }
  return load;
}

HttpLoad::~HttpLoad() {
  for (const auto& connection : connections_) {
    if (connection->fd >= 0) ::close(connection->fd);
  }
  if (epoll_ >= 0) ::close(epoll_);
}

Result<void> HttpLoad::Open(Connection& connection, bool wait) {
  connection.opened_last = SteadyClock::now();
  connection.answered = false;
  const auto& address = *connection.address;
  const int type = SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK);
  connection.fd = ::socket(address.address.ss_family, type, 0);
  const timeval limit{kConnectLimit.count(), 0};  // on Linux, of connect too
  const bool connected =
      connection.fd >= 0 &&
      ::setsockopt(connection.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
      ::connect(connection.fd, reinterpret_cast<const sockaddr*>(&address.address), address.size) == 0;
  connection.connecting = !connected && !wait && connection.fd >= 0 && errno == EINPROGRESS;
  if (!connected && !connection.connecting) {
    const std::string detail = fmt::format("{}: {}", address.name, std::strerror(errno));
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = -1;
    return Fail(Code::kUnavailable, "connect_failed", detail);
  }
  const int on = 1;
  ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | (connection.connecting ? EPOLLOUT : 0U);
  event.data.ptr = &connection;
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0);
  connection.watches_writable = connection.connecting;
  return {};
}

// It has been connected, or never will be: then it is tried again as one that has gone.
void HttpLoad::EndConnecting(Connection& connection, const LoadPlan& plan) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
    return Lose(connection, plan);
  connection.connecting = false;
  WatchWritable(connection, false);
  Fill(connection, plan);
}

void HttpLoad::Run(const LoadPlan& plan) {
  exhausted_ = false;
  last_event_ = SteadyClock::now();
  idle_.clear();
  for (const auto& connection : connections_) {
    connection->idle = false;
    // A server closes what has been idle; a request sent there would count as lost.
    char byte = 0;
    const bool closed = connection->fd < 0 || connection->connecting ||
                        ::recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    if (closed) {
      Reopen(*connection, plan);
    } else {
      Fill(*connection, plan);
    }
  }
  if (plan.due) {
    RunOpenLoop(plan);
  } else {
    while (under_way_ > 0 && !Interrupted() && SteadyClock::now() - last_event_ <= plan.stall_limit)
      Wait(plan, std::chrono::seconds(1));
  }
  exhausted_ = true;  // nothing is asked for what is lost now
  for (const auto& connection : connections_) {
    if (!connection->under_way.empty()) Lose(*connection, plan);
  }
}

void HttpLoad::RunOpenLoop(const LoadPlan& plan) {
  auto tidy_at = SteadyClock::now() + std::chrono::seconds(1);
  while (!Interrupted()) {
    // First, as it may make something due, which would otherwise wait for what was due next before.
    if (SteadyClock::now() >= tidy_at) {
      Tidy(plan, SteadyClock::now());
      tidy_at += std::chrono::seconds(1);
    }
    const auto next = AskDue(plan);
    const auto now = SteadyClock::now();
    if (now >= plan.until || next == SteadyClock::time_point::max()) {
      exhausted_ = exhausted_ || now >= plan.until;
      if (under_way_ == 0) return;
      if (now - last_event_ > plan.stall_limit) return;
    }
    // With no connection free, it is an answer that is waited for.
    Wait(plan, std::min(idle_.empty() ? tidy_at : next, tidy_at) - now);
  }
}

SteadyClock::time_point HttpLoad::AskDue(const LoadPlan& plan) {
  while (!exhausted_) {
    const auto due = plan.due();
    const auto now = SteadyClock::now();
    if (due > now || now >= plan.until) return due;
    const auto is_free = [](const Connection& one) {
      return one.fd >= 0 && !one.connecting && one.under_way.empty();
    };
    while (!idle_.empty() && !is_free(*idle_.front())) {
      idle_.front()->idle = false;
      idle_.pop_front();
    }
    if (idle_.empty()) return due;
    // By turns: of the newest first, a server that sheds at once would be asked for all.
    Connection& connection = *idle_.front();
    uint64_t tag = 0;
    if (!plan.ask(connection.out, tag)) {
      exhausted_ = true;
      break;
    }
    idle_.pop_front();
    connection.idle = false;
    connection.under_way.push_back({tag, due, now});
    ++under_way_;
    Flush(connection, plan);
  }
  return SteadyClock::time_point::max();
}

void HttpLoad::Tidy(const LoadPlan& plan, SteadyClock::time_point now) {
  for (const auto& connection : connections_) {
    const bool late =
        !connection->under_way.empty() && now - connection->under_way.front().sent > plan.request_limit;
    const bool gone = connection->fd < 0 && now - connection->opened_last > kRetryOpening;
    const bool unreachable = connection->connecting && now - connection->opened_last > kConnectLimit;
    if (late || gone || unreachable) Reopen(*connection, plan);
  }
  if (plan.each_second) plan.each_second();
}

// At most `limit`; negative counts as none.
void HttpLoad::Wait(const LoadPlan& plan, std::chrono::nanoseconds limit) {
  std::array<epoll_event, 256> events;
  const auto nanos = std::max<int64_t>(0, limit.count());
  const timespec timeout{static_cast<time_t>(nanos / 1'000'000'000),
                         static_cast<long>(nanos % 1'000'000'000)};
  const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  if (count > 0) last_event_ = SteadyClock::now();
  for (int i = 0; i < count; ++i) {
    auto& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
    if (connection.connecting) {
      EndConnecting(connection, plan);
      continue;
    }
    if ((events[static_cast<size_t>(i)].events & EPOLLOUT) != 0) Flush(connection, plan);
    if ((events[static_cast<size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
      Receive(connection, plan);
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
    return Fail(Code::kUnknown, "connection_lost",
                request.substr(0, request.find(" HTTP/")) + ": the connection was lost, or no answer came");
  return reply;
}

void HttpLoad::Fill(Connection& connection, const LoadPlan& plan) {
  if (plan.due) {
    if (connection.under_way.empty() && !std::exchange(connection.idle, true)) idle_.push_back(&connection);
    return;
  }
  while (!exhausted_ && connection.under_way.size() < plan.depth) {
    const auto now = SteadyClock::now();
    uint64_t tag = 0;
    if (now >= plan.until || Interrupted() || !plan.ask(connection.out, tag)) {
      exhausted_ = true;
      break;
    }
    connection.under_way.push_back({tag, now, now});
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
    connection.answered = connection.answered || response.status != 503;
    plan.take({request.tag, response.status, response.body, SteadyClock::now() - request.since,
               request.sent - request.since, response.retry_after_s, response.etag});
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
  connection.connecting = false;
  connection.out.clear();
  connection.sent = 0;
  connection.in.clear();
  const auto now = SteadyClock::now();
  while (!connection.under_way.empty()) {
    const Connection::Request request = connection.under_way.front();
    connection.under_way.pop_front();
    --under_way_;
    plan.take({request.tag, 0, {}, now - request.since, request.sent - request.since, 0, {}});
  }
}

void HttpLoad::Reopen(Connection& connection, const LoadPlan& plan) {
  Lose(connection, plan);
  if (exhausted_ || Interrupted()) return;
  // Whatever takes connections and ends them would be flooded with them: Tidy tries again.
  const bool useless = !connection.answered && SteadyClock::now() - connection.opened_last <= kRetryOpening;
  if (plan.due && useless) return;
  // In an open loop all others would be late while this one is waited for.
  if (Open(connection, /*wait=*/!plan.due) && !connection.connecting) Fill(connection, plan);
}

void HttpLoad::WatchWritable(Connection& connection, bool watch) {
  epoll_event event{};
  event.events = EPOLLIN | (watch ? EPOLLOUT : 0U);
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  connection.watches_writable = watch;
}

}  // namespace boxoffice::rehearsal
