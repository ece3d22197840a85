// Which addresses a host has. getaddrinfo blocks, and Asio asks it on one thread per io_context, where a name
// that hangs holds up all others: hence a few threads for the whole process.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"

namespace boxoffice::dns {

namespace asio = boost::asio;

// Thread-safe. Of one host at most one look-up is under way: whoever asks meanwhile waits for its answer,
// which nobody remembers. Its threads know no executor, so one who waits may vanish with its io_context.
class Lookup {
 public:
  using Addresses = std::vector<asio::ip::address>;
  // Blocks until it knows. Called on several threads, for different hosts.
  using Find = std::function<Result<Addresses>(const std::string& host)>;
  // Rung when there is an answer. Of the executor of whoever waits; to be given closed, and to be closed
  // (there) by whoever will wait no longer.
  using Bell = asio::posix::stream_descriptor;

  // The one of this process. It is never destroyed: a look-up that hangs does not hold up the end.
  [[nodiscard]] static Lookup& OfProcess();

  // With getaddrinfo. Errors: lookup_failed.
  Lookup();
  explicit Lookup(Find find);
  // Waits for the look-ups that are under way; whoever waits for any gets lookup_failed.
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // An address is its own answer, and asks nobody. `bell` outlives the wait. Errors: kUnavailable
  // lookup_failed (no such host, the bell was closed, kMaxHosts wait already), and those of `find`.
  [[nodiscard]] asio::awaitable<Result<Addresses>> Resolve(std::string host, Bell& bell);
  // The same for who has no executor: blocks until there is an answer, and not past `deadline`. Errors: the
  // same, and lookup_failed where the time is over.
  [[nodiscard]] Result<Addresses> ResolveBy(const std::string& host,
                                            std::chrono::steady_clock::time_point deadline);
  // The same of several, at once, in their order: each has all of the time.
  [[nodiscard]] std::vector<Result<Addresses>> ResolveAllBy(std::span<const std::string> hosts,
                                                            std::chrono::steady_clock::time_point deadline);

  static constexpr size_t kThreads = 8;  // so many hosts that hang hold up the others
  static constexpr size_t kMaxHosts = 1'000;

 private:
  struct Waiter;
  struct Shared;
  class Leaving;
  [[nodiscard]] static Result<Addresses> AnswerOf(const Waiter& waiter);
  [[nodiscard]] Result<std::shared_ptr<Waiter>> Ask(const std::string& host, Bell& bell);
  [[nodiscard]] Result<void> Enqueue(const std::string& host, const std::shared_ptr<Waiter>& waiter);

  const std::shared_ptr<Shared> shared_;
  std::vector<std::jthread> threads_;  // guarded by the mutex of what is shared
};

}  // namespace boxoffice::dns
