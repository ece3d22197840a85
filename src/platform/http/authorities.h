// By whom the servers of https are believed, read once for many requests.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace boxoffice::http {

// Reading the system's authorities takes tens of milliseconds of the thread that asks, which may be the one
// that serves all calls: so what was read is kept. Thread-safe.
class Authorities {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::hours kKept{1};
  // A server whose certificate is no good must not have them read for each request.
  static constexpr std::chrono::seconds kBeyondDoubt{10};

  // Those of a PEM file; if `ca_file` is empty, the system's. They are read where the file is another than
  // before, by its name or its time; after kKept; and after a Doubt. Error: kUnavailable
  // authorities_unreadable (detail: OpenSSL's words), which keeps nothing.
  [[nodiscard]] Result<std::shared_ptr<boost::asio::ssl::context>> Get(const std::string& ca_file, Time now);
  // None of them is known to believe a server: they are read anew, unless they were in the last kBeyondDoubt.
  void Doubt(Time now);

 private:
  std::mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> read_;  // null: nothing is kept
  std::string ca_file_;                              // whose it is
  std::filesystem::file_time_type file_time_{};
  Time read_at_{};
};

}  // namespace boxoffice::http
