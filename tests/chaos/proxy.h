// Ways from one process to another that can be made slow, cut, or broken: TCP through a port of ours.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::chaos {

namespace asio = boost::asio;

// One way: whoever connects to `port` reaches the target. What is set holds for connections that are open and
// those that come. Thread-safe.
class Link {
 public:
  Link(std::string from, std::string to, std::string target)
      : from_(std::move(from)), to_(std::move(to)), target_(std::move(target)) {}
  [[nodiscard]] const std::string& from() const { return from_; }  // a service: "reservation"
  [[nodiscard]] const std::string& to() const { return to_; }      // "wallet-1", "postgresql"
  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] uint16_t port() const { return port_; }

  // Each piece of data is so much later, in both directions.
  void Delay(milliseconds by) { delay_ms_ = by.count(); }
  // Nothing comes through, neither data nor the end of a connection, until it is let through again, when all
  // of it comes, as by TCP's own repeats.
  void Cut(bool there, bool back) {
    cut_[0] = there;
    cut_[1] = back;
  }
  // Connections that are open now break, on both sides.
  void Reset() { ++resets_; }

 private:
  friend class Proxy;
  const std::string from_;
  const std::string to_;
  const std::string target_;
  uint16_t port_ = 0;
  std::atomic<int64_t> delay_ms_ = 0;
  std::atomic<bool> cut_[2] = {false, false};
  std::atomic<uint64_t> resets_ = 0;
};

// All ways, on one thread of their own.
class Proxy {
 public:
  Proxy();
  ~Proxy();  // closes all
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // A way to `target`, "127.0.0.1:5432"; lives as long as this. Error: proxy (no port).
  [[nodiscard]] Result<Link*> Add(std::string from, std::string to, std::string target);
  [[nodiscard]] const std::vector<std::unique_ptr<Link>>& links() const { return links_; }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::vector<std::unique_ptr<Link>> links_;
  std::jthread thread_;
};

}  // namespace boxoffice::chaos
