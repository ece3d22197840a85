// One connection to one server: requests are sent in a row, answers come in the same order.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "platform/redis/address.h"
#include "platform/redis/reply.h"

struct redisContext;

namespace boxoffice::dns {
class Lookup;
}

namespace boxoffice::redis {

using SteadyClock = std::chrono::steady_clock;

// Every error of a server that is not there, not ready or lost. kUnavailable: nothing was done; kUnknown: it
// may have been.
[[nodiscard]] std::unexpected<Error> DatabaseUnavailable(Code code, std::string detail);

// The reason of the error of a server that is older than what this client understands, 7.0.
inline constexpr std::string_view kTooOld = "redis_too_old";

// Belongs to one thread at a time. It opens itself when it is needed; after a failure not before a pause has
// passed (50 ms, doubling to 2 s, with jitter), so that a server that is down or frozen costs its callers a
// time-out now and then, and not each time.
class Connection {
 public:
  struct Login {
    std::string user;
    std::string password;
  };
  // `random` and `lookup` outlive it.
  Connection(Address address, Login login, std::chrono::milliseconds connect_timeout, Random& random,
             dns::Lookup& lookup);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] bool is_open() const { return context_ != nullptr; }
  // Whether Open would fail at once, because it has just failed.
  [[nodiscard]] bool pausing() const { return context_ == nullptr && SteadyClock::now() < open_at_; }
  // Whether it was lost, or could not be opened, when it was last used.
  [[nodiscard]] bool has_failed() const { return failures_ > 0; }

  // Looks its name up, connects, logs in and makes sure that the server answers and is of a version that will
  // do, if that is not so already; within the connect time-out. A server that does not tell its version is
  // taken. Errors: database_unavailable, redis_too_old (both kUnavailable).
  [[nodiscard]] Result<void> Open();
  // Queues a request. Open must have succeeded.
  void Add(std::span<const std::string_view> words);
  // Sends what is queued on all of `connections` and awaits the answers, until `deadline`. A connection on
  // which not all came is closed. Where `deadline` has passed already, nothing is sent and none is closed.
  static void Exchange(std::span<Connection* const> connections, SteadyClock::time_point deadline);
  // An answer (of which some are Redis's errors) for each request since the last time, in order. Errors:
  // database_unavailable: kUnavailable if not a byte of the request was sent, kUnknown otherwise.
  [[nodiscard]] std::vector<Result<Reply>> Take();
  // Closes it, as after a failure: the next Open comes after a pause, and looks up the address anew.
  void Lose(std::string detail);

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };
  [[nodiscard]] Result<void> Connect(SteadyClock::time_point deadline);
  [[nodiscard]] Result<void> AwaitConnected(redisContext* context, SteadyClock::time_point deadline);
  [[nodiscard]] Result<void> Greet(SteadyClock::time_point deadline);
  [[nodiscard]] bool ClosedByServer() const;
  [[nodiscard]] bool Waits() const { return context_ != nullptr && replies_.size() < starts_.size(); }
  void Write();
  void Read();

  const Address address_;
  const Login login_;
  const std::chrono::milliseconds connect_timeout_;
  Random& random_;
  dns::Lookup& lookup_;
  std::unique_ptr<redisContext, Free> context_;  // null: not open
  int failures_ = 0;                             // in a row
  bool too_old_ = false;                         // the server was, at the last Open
  SteadyClock::time_point open_at_;

  std::string out_;             // the requests of this exchange
  size_t written_ = 0;          // of out_
  std::vector<size_t> starts_;  // where in out_ each begins
  std::vector<Reply> replies_;
  std::string loss_;  // why the connection was lost in this exchange
};

}  // namespace boxoffice::redis
