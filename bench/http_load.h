// Many keep-alive connections driven from one thread: epoll and raw bytes, because on the machine that is
// measured every microsecond of the generator's is taken from the system.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace boxoffice::bench {

using SteadyClock = std::chrono::steady_clock;

struct Answer {
  uint64_t tag = 0;
  int status = 0;         // 0: the connection broke, or nothing came for too long; it may have been done
  std::string_view body;  // until the callback returns
  std::chrono::nanoseconds latency{0};  // from the request's handing over to the answer's last byte
};

struct LoadPlan {
  // Appends the next request to `out` and names it; false: there are no more.
  std::function<bool(std::string& out, uint64_t& tag)> ask;
  std::function<void(const Answer& answer)> take;
  size_t depth = 1;                                                // requests under way on one connection
  SteadyClock::time_point until = SteadyClock::time_point::max();  // nothing is asked after it
  std::chrono::seconds stall_limit{30};  // with no answer at all for so long, the rest is given up
};

// Not thread-safe.
class HttpLoad {
 public:
  // Connects to 127.0.0.1. Error: connect_failed.
  [[nodiscard]] static Result<std::unique_ptr<HttpLoad>> Connect(uint16_t port, size_t connections);
  ~HttpLoad();

  // A closed loop: every connection has plan.depth requests under way until there are no more or the time is
  // over; returns when all are answered. A connection that breaks is opened again. Ends early if
  // Interrupted().
  void Run(const LoadPlan& plan);
  // One request. Error: connection_lost.
  struct Reply {
    int status = 0;
    std::string body;
  };
  [[nodiscard]] Result<Reply> Call(const std::string& request,
                                   std::chrono::seconds limit = std::chrono::seconds(60));

 private:
  struct Connection;
  explicit HttpLoad(uint16_t port);
  [[nodiscard]] Result<void> Open(Connection& connection);
  void Fill(Connection& connection, const LoadPlan& plan);
  void Flush(Connection& connection, const LoadPlan& plan);
  void Receive(Connection& connection, const LoadPlan& plan);
  // Answers what was under way with status 0.
  void Lose(Connection& connection, const LoadPlan& plan);
  void Reopen(Connection& connection, const LoadPlan& plan);
  void WatchWritable(Connection& connection, bool watch);

  const uint16_t port_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  bool exhausted_ = false;
  size_t under_way_ = 0;
};

}  // namespace boxoffice::bench
