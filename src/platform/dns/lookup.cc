#include "platform/dns/lookup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace boxoffice::dns {
namespace {

std::unexpected<Error> LookupFailed(std::string detail) {
  return Fail(Code::kUnavailable, "lookup_failed", std::move(detail));
}

std::string MessageOf(int error) { return std::error_code(error, std::generic_category()).message(); }

Result<Lookup::Addresses> AskSystem(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return LookupFailed(error == EAI_SYSTEM ? MessageOf(errno) : ::gai_strerror(error));
  Lookup::Addresses addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    const bool is_ip = entry->ai_family == AF_INET || entry->ai_family == AF_INET6;
    if (!is_ip || entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  ::freeaddrinfo(found);
  return addresses;
}

// Of what is an address: itself.
std::optional<Lookup::Addresses> ReadAddress(const std::string& host) {
  boost::system::error_code is_name;
  const asio::ip::address literal = asio::ip::make_address(host, is_name);
  if (is_name) return std::nullopt;
  return Lookup::Addresses(1, literal);
}

}  // namespace

// Guarded by the mutex of what is shared. A pipe whose writing end is closed rings the bell at its other end:
// a thread that posted to the executor instead could find its io_context gone. Who blocks has none (-1).
struct Lookup::Waiter {
  explicit Waiter(int end) : writing_end(end) {}
  ~Waiter() { Ring(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  void Ring() {
    if (writing_end >= 0) ::close(std::exchange(writing_end, -1));
  }

  int writing_end;
  std::optional<Result<Addresses>> answer;
};

struct Lookup::Shared {
  explicit Shared(Find how) : find(std::move(how)) {}

  void Run() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      --idle;
      if (stopping) return;
      const std::string host = std::move(queue.front());
      queue.pop_front();
      if (waiting[host].empty()) {  // they have all left
        waiting.erase(host);
        continue;
      }
      lock.unlock();
      const Result<Addresses> answer = find(host);
      lock.lock();
      const std::vector<std::shared_ptr<Waiter>> waiters = std::move(waiting[host]);
      waiting.erase(host);
      for (const std::shared_ptr<Waiter>& waiter : waiters) {
        waiter->answer = answer;
        waiter->Ring();
      }
      answered.notify_all();
    }
  }

  const Find find;
  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable answered;
  std::deque<std::string> queue;  // hosts that no thread has taken yet
  // By host: who waits for it, perhaps nobody any more. It is in the queue, or its look-up is under way.
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> waiting;
  size_t idle = 0;  // threads
  bool stopping = false;
};

// The mutex is held.
Result<Lookup::Addresses> Lookup::AnswerOf(const Waiter& waiter) {
  if (waiter.answer) return *waiter.answer;
  return LookupFailed("no answer in time");
}

// Takes one who waits no longer out, also where its coroutine is destroyed while it waits.
class Lookup::Leaving {
 public:
  Leaving(std::shared_ptr<Shared> shared, std::string host, std::shared_ptr<Waiter> waiter)
      : shared_(std::move(shared)), host_(std::move(host)), waiter_(std::move(waiter)) {}
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;
  ~Leaving() {
    const std::scoped_lock lock(shared_->mutex);
    const auto found = shared_->waiting.find(host_);
    if (found != shared_->waiting.end()) std::erase(found->second, waiter_);
  }
  [[nodiscard]] Result<Addresses> Answer() const {
    const std::scoped_lock lock(shared_->mutex);
    return AnswerOf(*waiter_);
  }

 private:
  const std::shared_ptr<Shared> shared_;
  const std::string host_;
  const std::shared_ptr<Waiter> waiter_;
};

Lookup& Lookup::OfProcess() {
  static auto* const lookup = new Lookup();
  return *lookup;
}

Lookup::Lookup() : Lookup(AskSystem) {}

Lookup::Lookup(Find find) : shared_(std::make_shared<Shared>(std::move(find))) {}

Lookup::~Lookup() {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->queue.clear();
    for (const auto& [host, waiters] : shared_->waiting) {
      for (const std::shared_ptr<Waiter>& waiter : waiters) waiter->Ring();
    }
  }
  shared_->changed.notify_all();
  shared_->answered.notify_all();
  threads_.clear();  // joins
}

Result<std::shared_ptr<Lookup::Waiter>> Lookup::Ask(const std::string& host, Bell& bell) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return LookupFailed(MessageOf(errno));
  auto waiter = std::make_shared<Waiter>(ends[1]);
  boost::system::error_code error;
  bell.assign(ends[0], error);
  if (error) {
    ::close(ends[0]);
    return LookupFailed(error.message());
  }
  BOXOFFICE_TRY(Enqueue(host, waiter));
  return waiter;
}

Result<void> Lookup::Enqueue(const std::string& host, const std::shared_ptr<Waiter>& waiter) {
  const std::scoped_lock lock(shared_->mutex);
  auto& waiting = shared_->waiting;
  const bool is_under_way = waiting.contains(host);
  if (!is_under_way && waiting.size() >= kMaxHosts) return LookupFailed("too many hosts are being looked up");
  waiting[host].push_back(waiter);
  if (is_under_way) return {};
  shared_->queue.push_back(host);
  if (shared_->idle < shared_->queue.size() && threads_.size() < kThreads) {
    try {
      threads_.emplace_back([shared = shared_] { shared->Run(); });
    } catch (const std::system_error& none) {  // those that there are do it
      if (threads_.empty()) {
        shared_->queue.clear();
        waiting.clear();
        return LookupFailed(none.what());
      }
    }
  }
  shared_->changed.notify_one();
  return {};
}

asio::awaitable<Result<Lookup::Addresses>> Lookup::Resolve(std::string host, Bell& bell) {
  const std::optional<Addresses> itself = ReadAddress(host);
  if (itself) co_return *itself;
  const Result<std::shared_ptr<Waiter>> waiter = Ask(host, bell);
  if (!waiter) co_return std::unexpected(waiter.error());
  const Leaving leaving(shared_, host, *waiter);
  (void)co_await bell.async_wait(Bell::wait_read, asio::as_tuple(asio::use_awaitable));
  Result<Addresses> answer = leaving.Answer();
  co_return answer;
}

std::vector<Result<Lookup::Addresses>> Lookup::ResolveAllBy(std::span<const std::string> hosts,
                                                            std::chrono::steady_clock::time_point deadline) {
  std::vector<Result<Addresses>> answers;
  std::vector<std::shared_ptr<Waiter>> waiters(hosts.size());
  std::deque<Leaving> leaving;
  for (size_t i = 0; i < hosts.size(); ++i) {
    std::optional<Addresses> itself = ReadAddress(hosts[i]);
    answers.emplace_back(std::move(itself).value_or(Addresses()));
    if (!answers[i]->empty()) continue;
    auto waiter = std::make_shared<Waiter>(-1);
    if (const Result<void> queued = Enqueue(hosts[i], waiter); !queued) {
      answers[i] = std::unexpected(queued.error());
      continue;
    }
    leaving.emplace_back(shared_, hosts[i], waiter);
    waiters[i] = std::move(waiter);
  }
  const auto is_answered = [](const std::shared_ptr<Waiter>& waiter) { return !waiter || waiter->answer; };
  std::unique_lock lock(shared_->mutex);
  (void)shared_->answered.wait_until(
      lock, deadline, [&] { return shared_->stopping || std::ranges::all_of(waiters, is_answered); });
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (waiters[i]) answers[i] = AnswerOf(*waiters[i]);
  }
  return answers;
}

Result<Lookup::Addresses> Lookup::ResolveBy(const std::string& host,
                                            std::chrono::steady_clock::time_point deadline) {
  return std::move(ResolveAllBy(std::span(&host, 1), deadline).front());
}

}  // namespace boxoffice::dns
