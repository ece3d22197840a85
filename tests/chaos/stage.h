// The scaled system as it is to be broken: every service twice, as processes, on servers of its own, each way
// between them through a proxy, each process with a clock of its own, each server's files on a disk of its
// own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "boxoffice/cluster.h"
#include "boxoffice/private_stores.h"
#include "chaos/proxy.h"

namespace boxoffice::chaos {

struct StageOptions {
  std::filesystem::path data;                   // empty, and there
  std::filesystem::path programs;               // where boxoffice and the preloaded clock are
  std::optional<std::string> kafka_class_path;  // none: the bus is a SQLite file
  bool disks = false;                           // needs what AllowDisks tells
};

// Not thread-safe; use it from the main thread: what it starts ends when that does.
class Stage {
 public:
  // Enters a mount namespace of its own, in which disks can be made that go with this process. False: it may
  // not, as who is not root. Before there are threads.
  [[nodiscard]] static bool AllowDisks();
  // `wait` as of Cluster::Start. Errors: those of Cluster, PrivateStores and Proxy; disk (it can't be
  // mounted).
  [[nodiscard]] static Result<std::unique_ptr<Stage>> Start(const StageOptions& options,
                                                            const Cluster::Wait& wait);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Starts what has ended again; what there is to say of it. Call it some times a second.
  [[nodiscard]] std::vector<std::string> Look();
  // Ends all processes, by SIGTERM, and by SIGKILL what does not go. False: some did not. Again: no effect.
  bool Stop();

  struct Running {
    std::string name;     // "seat-1"
    std::string service;  // "seat"
    uint16_t port = 0;
    std::string admin;
    pid_t pid = 0;
  };
  [[nodiscard]] std::vector<Running> Replicas() const;
  [[nodiscard]] std::vector<Running> ReplicasOf(const std::string& service) const;
  // A server's process: "postgresql", "redis", "kafka"; 0: there is none.
  [[nodiscard]] pid_t ServerPid(const std::string& name) const;
  [[nodiscard]] std::vector<uint16_t> Gateways() const;
  // Whether it runs, and says that it is ready.
  [[nodiscard]] static bool IsReady(const Running& replica);
  [[nodiscard]] const std::vector<std::unique_ptr<Link>>& links() const { return proxy_.links(); }

  // By how much a replica's wall clock is ahead of the others'.
  void SetClock(const std::string& replica, milliseconds ahead);
  // Names of the disks: "postgres", "redis", "bus"; none without `disks`.
  [[nodiscard]] std::vector<std::string> disks() const;
  // Not a byte is left on it, until it is freed again.
  [[nodiscard]] Result<void> FillDisk(const std::string& name);
  void FreeDisk(const std::string& name);

 private:
  explicit Stage(StageOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Result<void> MountDisks();
  [[nodiscard]] Result<ClusterConfig> Plan();

  const StageOptions options_;
  Proxy proxy_;
  std::optional<PrivateStores> stores_;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace boxoffice::chaos
