// A PostgreSQL of this process' own, for a whole system on one machine: data in a folder, on 127.0.0.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/servers/supervised.h"

namespace boxoffice::servers {

// Which of the installed versions ("9.6", "15") runs data of this version: that one, or the newest where
// there is no data yet. None: that one is not installed.
[[nodiscard]] std::optional<std::string> ChooseVersion(std::span<const std::string> installed,
                                                       std::string_view of_data);

// Durable as PostgreSQL is by default. Whoever has an account on this machine may connect: it is for
// development and tests. Where this process is root, PostgreSQL runs as the user postgres, because it refuses
// to run as root. Not thread-safe.
class PrivatePostgres {
 public:
  static constexpr int kMaxConnections = 320;  // at a time, to all databases together

  // Whether PostgreSQL's server programs are installed.
  [[nodiscard]] static bool Installed();
  // Where one of its programs is ("pgbench"), of the newest version; it need not be there.
  [[nodiscard]] static std::filesystem::path Program(std::string_view name);

  // Makes the database cluster in `folder` at the first call (one that was killed meanwhile counts for
  // nothing), starts the server on a free port and waits
  // until it answers. Errors: postgres_missing, postgres_version (the folder's data needs one that is not
  // installed), postgres_folder (the user postgres can't get there), those of
  // RunChild, postgres_not_started (see its log, folder/log).
  [[nodiscard]] static Result<PrivatePostgres> Start(const std::filesystem::path& folder);

  // Makes an empty database; if it is there already: no effect. Errors: of RunChild.
  [[nodiscard]] Result<void> CreateDatabase(const std::string& name);
  // "postgresql://boxoffice@127.0.0.1:12345/seat"
  [[nodiscard]] std::string Url(const std::string& database) const;
  // Ends it as PostgreSQL's "fast" does, and waits; killed after `limit`: nothing that was committed is lost.
  void Stop(std::chrono::milliseconds limit);

  [[nodiscard]] uint16_t port() const { return port_; }
  // Starts it again, on its port and with its data, if it has ended: see Supervised::Look.
  [[nodiscard]] Supervised& process() { return *process_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  PrivatePostgres() = default;
  [[nodiscard]] Child::Options Options() const;
  [[nodiscard]] Result<void> Ask(const std::string& database, const std::string& sql) const;

  std::filesystem::path folder_;
  std::filesystem::path programs_;  // of the version of its data
  uint16_t port_ = 0;
  std::optional<Supervised> process_;
};

}  // namespace boxoffice::servers
