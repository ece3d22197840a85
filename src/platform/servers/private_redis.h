// A Redis of this process' own, for a whole system on one machine: data in a folder, on 127.0.0.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "platform/servers/supervised.h"

namespace boxoffice::servers {

// It logs every write to an append-only file that is synced once a second, as a deployment should, so that a
// server that is killed comes back with what it had. For development and tests: it has no password. Not
// thread-safe.
class PrivateRedis {
 public:
  [[nodiscard]] static bool Installed();

  // Starts the server on a free port with the data that `folder` holds, and waits until it answers. Errors:
  // redis_missing, redis_folder, those of Child::Start, redis_not_started (see folder/log).
  [[nodiscard]] static Result<PrivateRedis> Start(const std::filesystem::path& folder);

  // "redis://127.0.0.1:12345"
  [[nodiscard]] std::string Url() const;
  // Ends it after a last sync, and waits; killed after `limit`.
  void Stop(std::chrono::milliseconds limit);

  [[nodiscard]] uint16_t port() const { return port_; }
  // Starts it again, on its port and with its data, if it has ended: see Supervised::Look.
  [[nodiscard]] Supervised& process() { return *process_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  PrivateRedis() = default;
  std::filesystem::path folder_;
  uint16_t port_ = 0;
  std::optional<Supervised> process_;
};

}  // namespace boxoffice::servers
