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

namespace boxoffice::rehearsal {

using SteadyClock = std::chrono::steady_clock;

struct Answer {
  uint64_t tag = 0;
  int status = 0;         // 0: the connection broke, or nothing came for too long; it may have been done
  std::string_view body;  // until the callback returns
  // From the time at which the request was due (in a closed loop: was handed over) to the answer's last byte.
  std::chrono::nanoseconds latency{0};
  std::chrono::nanoseconds waited{0};  // of it, until there was a connection for the request
  int retry_after_s = 0;               // of Retry-After; 0: there is none
  std::string_view etag;               // as it came, until the callback returns
};

// Where to connect.
struct Endpoint {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};
// From "http://host[:port][/]". Error: kInvalidArgument url (detail: why; https is not spoken).
[[nodiscard]] Result<Endpoint> ParseEndpoint(std::string_view url);

// Appends a request to `out`. `headers` are whole lines, each ended by CR LF; an empty jwt is left out.
void AppendRequest(std::string& out, std::string_view method, std::string_view path, std::string_view jwt,
                   std::string_view headers, std::string_view body, std::string_view host = "bench");

struct LoadPlan {
  // Appends the next request to `out` and names it; false: there are no more.
  std::function<bool(std::string& out, uint64_t& tag)> ask;
  std::function<void(const Answer& answer)> take;
  // An open loop: when the next request is to be asked, whatever is under way; time_point::max(): an answer
  // has to come first. Each takes a connection that has nothing under way (depth is 1), and waits, with its
  // clock running, where there is none. Asked again after every answer. It ends when nothing is due and
  // nothing under way. Empty: a closed loop.
  std::function<SteadyClock::time_point()> due;
  size_t depth = 1;                                                // requests under way on one connection
  SteadyClock::time_point until = SteadyClock::time_point::max();  // nothing is asked after it
  std::chrono::seconds stall_limit{30};  // with no answer at all for so long, the rest is given up
  // An answer that takes longer is not waited for: its connection is opened again (status 0).
  std::chrono::seconds request_limit{3600};
  std::function<void()> each_second;  // may be empty; called in an open loop; may make something due
};

// Not thread-safe.
class HttpLoad {
 public:
  // Connects to 127.0.0.1. Error: connect_failed.
  [[nodiscard]] static Result<std::unique_ptr<HttpLoad>> Connect(uint16_t port, size_t connections);
  // To each of `endpoints` (at least one) by turns. Each of them must be there now; one that is gone later is
  // tried again every second, and in an open loop so is a connection that ended before it had answered
  // anything (but 503). Errors: connect_failed, host_unknown.
  [[nodiscard]] static Result<std::unique_ptr<HttpLoad>> Connect(const std::vector<Endpoint>& endpoints,
                                                                 size_t connections);
  ~HttpLoad();

  // Without plan.due a closed loop: every connection has plan.depth requests under way until there are no
  // more or the time is over; returns when all are answered. A connection that breaks is opened again. Ends
  // early if Interrupted().
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
  struct Address;
  HttpLoad();
  // Without `wait` it may still be connecting then.
  [[nodiscard]] Result<void> Open(Connection& connection, bool wait);
  void EndConnecting(Connection& connection, const LoadPlan& plan);
  void RunOpenLoop(const LoadPlan& plan);
  // Hands over what is due to connections that are free; returns when the next is.
  SteadyClock::time_point AskDue(const LoadPlan& plan);
  // What each_second does, and connections that are overdue or gone.
  void Tidy(const LoadPlan& plan, SteadyClock::time_point now);
  void Wait(const LoadPlan& plan, std::chrono::nanoseconds limit);
  void Fill(Connection& connection, const LoadPlan& plan);
  void Flush(Connection& connection, const LoadPlan& plan);
  void Receive(Connection& connection, const LoadPlan& plan);
  // Answers what was under way with status 0.
  void Lose(Connection& connection, const LoadPlan& plan);
  void Reopen(Connection& connection, const LoadPlan& plan);
  void WatchWritable(Connection& connection, bool watch);

  std::vector<std::unique_ptr<Address>> addresses_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> idle_;  // of an open loop: those with nothing under way, the longest first
  bool exhausted_ = false;
  size_t under_way_ = 0;
  SteadyClock::time_point last_event_;
};

}  // namespace boxoffice::rehearsal
