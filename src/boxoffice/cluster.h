// The whole of Boxoffice as processes on one machine: every service as one or several of its own, started,
// watched and ended by this one.
//
// In the data folder: config/SERVICE.toml, which all replicas of a service read; replicas/SERVICE-N, the data
// folder of each; logs/SERVICE-N.log; cluster.json, what runs (`boxoffice ps`).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>
#include <grpcpp/channel.h>

#include "base/result.h"
#include "platform/module/program.h"
#include "platform/servers/supervised.h"

namespace boxoffice {

// A server that the services keep their data in, for `boxoffice ps`.
struct Server {
  std::string name;     // "postgresql"
  std::string address;  // "127.0.0.1:5432"
  pid_t pid = 0;
};

// A process of the cluster.
struct Replica {
  std::string service;
  int number = 1;
  std::string listen;  // 127.0.0.1:9001
  std::string admin;   // 127.0.0.1:9002
  std::filesystem::path log;
  std::vector<std::string> command;        // how it is started
  [[nodiscard]] std::string name() const;  // "seat-1"
};

struct ClusterConfig {
  std::filesystem::path data_dir;  // exists, and is this process' own (module::DataFolder)
  uint16_t port = 8080;            // of the first gateway; 0: a free one
  int replicas = 1;                // of each service
  std::string log_level = "warning";
  std::string log_form = "json";
  std::map<std::string, std::string> store_urls;  // by service; of every one that has a store
  std::string bus_url;
  std::map<std::string, std::string> more_config;  // by service: TOML, appended to what it is told
  // For every process, over its configuration: what is in no file, as it may hold a secret. Of the
  // environment that this process has, nothing is over what a file says.
  std::map<std::string, std::string> environment;
  std::function<std::vector<Server>()> servers;  // as they run now
  // For tests, who put themselves in between. What serves; empty: this program.
  std::filesystem::path program;
  // Where a caller finds a replica; empty: where it listens.
  std::function<std::string(std::string_view caller, const Replica& callee)> reach;
  // Words that are put before a replica's command, and become it: "/usr/bin/env NAME=VALUE"; empty: none.
  std::function<std::vector<std::string>(const Replica& replica)> wrap;
};

// Not thread-safe; use it from the main thread: the processes end when it does.
class Cluster {
 public:
  // Waits for that long; false: the start is to be broken off.
  using Wait = std::function<bool(std::chrono::milliseconds)>;

  explicit Cluster(ClusterConfig config) : config_(std::move(config)) {}
  ~Cluster();  // kills what still runs
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Migrates the stores, starts every replica, and returns when all are ready, one of each service serves
  // where the others stand by, and all are connected to one of each service that they call. Errors:
  // cluster_config (the files can't be written), child_not_started, child_failed, replica_ended (with the
  // last line of its log), not_ready (in time), stopped (by `wait`).
  [[nodiscard]] Result<void> Start(const Wait& wait);
  // Ends all, callers before those that they call, each by SIGTERM, and by SIGKILL if it takes too long.
  // False: that was so for some. Again: no effect.
  bool Stop();

  // Starts replicas again that have ended by themselves, and tells of them: "seat-1 (pid 123) ended with 137;
  // …" (servers::Supervised::Look). Writes down who runs now, servers too.
  [[nodiscard]] std::vector<std::string> Look();

  [[nodiscard]] uint16_t port() const { return port_; }
  // All that were planned, in the order of their start, and the process that each is now, or was last.
  [[nodiscard]] std::vector<std::pair<Replica, pid_t>> Processes() const;
  // To a replica of a service that can be reached.
  [[nodiscard]] std::shared_ptr<grpc::Channel> Channel(std::string_view service) const;

 private:
  struct Running {
    Replica replica;
    servers::Supervised process;
  };
  [[nodiscard]] Result<void> Plan();
  [[nodiscard]] Result<void> WriteConfig(const module::ServiceProgram& program);
  [[nodiscard]] Result<void> ShareKeys(const Replica& replica) const;
  [[nodiscard]] Result<void> Migrate(const module::ServiceProgram& program) const;
  [[nodiscard]] Result<void> Launch(const Replica& replica);
  [[nodiscard]] Result<void> AwaitReady(const Wait& wait);
  [[nodiscard]] Result<void> Await(const Wait& wait, const Replica& replica,
                                   const std::function<bool()>& ready);
  [[nodiscard]] Result<void> CheckAlive();
  [[nodiscard]] std::string State() const;
  [[nodiscard]] Result<void> WriteState();
  [[nodiscard]] std::string Program() const;
  // `caller`: empty: this process, which goes straight there.
  [[nodiscard]] std::string AddressesOf(std::string_view service, std::string_view caller) const;

  const ClusterConfig config_;
  uint16_t port_ = 0;
  std::vector<Replica> plan_;
  std::map<std::string, servers::Child::Environment> environments_;  // by service
  std::vector<Running> running_;
  std::string state_;  // as written
};

// Prints "boxoffice: <news>" on stderr, and goes on where that takes nothing: a disk that is full under it is
// no reason to end all processes.
void Tell(std::string_view news);

// What cluster.json in this folder says, with "running" for each process as it is now. Error:
// no_cluster (kNotFound).
[[nodiscard]] Result<boost::json::value> DescribeCluster(const std::filesystem::path& data_dir);

}  // namespace boxoffice
