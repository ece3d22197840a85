// Redis for tests: real servers of their own, on free ports of the loopback, with data in a temporary folder.
// They are killed by their ids when the object goes, and by the kernel when the test dies.
//
// They log every write to an append-only file that nobody syncs: a server that is killed comes back with what
// it had (AwaitLogged), and none waits for a disk that is busy with other tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "testing/process.h"
#include "testing/temp_dir.h"

// At the beginning of a test (or of its SetUp): it is skipped where Redis is not installed, and fails where
// everything has to be.
#define BOXOFFICE_NEEDS_REDIS()                                               \
  do {                                                                        \
    if (!::boxoffice::testbed::RedisIsInstalled()) {                          \
      if (::boxoffice::testbed::AllIsRequired()) FAIL() << "no redis-server"; \
      GTEST_SKIP() << "no redis-server";                                      \
    }                                                                         \
  } while (false)

namespace boxoffice::testbed {

[[nodiscard]] bool RedisIsInstalled();
[[nodiscard]] bool AllIsRequired();  // BOXOFFICE_REQUIRE_ALL is set

// One server. Not thread-safe. Whatever must work and does not aborts the test program.
class RedisServer {
 public:
  // `options` are appended to the server's own: {"--requirepass", "secret"}. Returns when it answers.
  explicit RedisServer(std::vector<std::string> options = {});

  [[nodiscard]] std::string Url() const;        // redis://127.0.0.1:port
  [[nodiscard]] std::string SocketUrl() const;  // redis+unix://path
  // As a user who may run the commands that docs/howto/managed-stores.md names, and no others.
  [[nodiscard]] std::string GuideUrl() const;
  // The commands and keys that ACLs have refused to somebody.
  [[nodiscard]] std::set<std::string> Refused() const;
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::filesystem::path log_folder() const { return dir_.path() / "appendonlydir"; }

  // Waits until the log has, in the kernel's hands at least, all that was acknowledged.
  void AwaitLogged() const;
  void Kill9();
  void Start();   // again, with the data that it had, on the same port
  void Freeze();  // SIGSTOP: connections stay, and nothing answers
  void Thaw();
  // Its append-only file can grow by a few bytes only, as on a disk that is full; and as much as it likes.
  void FillDisk();
  void FreeDisk();

  // Runs a command, as an operator would, and gives its reply as text: the elements of an array, an error
  // too.
  std::vector<std::string> Ask(const std::vector<std::string>& words) const;
  std::string AskOne(const std::vector<std::string>& words) const;

 private:
  friend class RedisCluster;
  [[nodiscard]] bool Answers() const;
  [[nodiscard]] bool TryStart();

  TempDir dir_;
  const std::vector<std::string> options_;
  uint16_t port_ = 0;
  std::optional<Process> process_;
};

// Three masters (nodes 0 to 2) and a replica of each (3 to 5), until something happens to them.
class RedisCluster {
 public:
  static constexpr size_t kMasters = 3;
  static constexpr size_t kNodes = 6;

  RedisCluster();

  [[nodiscard]] std::string Url() const;  // redis+cluster:// with three of the nodes
  [[nodiscard]] RedisServer& node(size_t i) { return *nodes_[i]; }
  // The node that is the master of the slot now; only of nodes that answer.
  [[nodiscard]] size_t MasterOf(uint16_t slot) const;
  // Waits until every node answers, all slots are served and every master has a replica that is up to date.
  void AwaitHealthy() const;
  // From now on a node that runs and is silent for so long counts as failed; if it is a master, its replica
  // takes over soon after. 15 s at first, so that no node is failed because the machine is busy; 2 s of a
  // node that was started again.
  void SetNodeTimeout(std::chrono::milliseconds timeout);
  // Deletes all keys.
  void FlushAll();

  // A slot moves as an operator moves it, in steps: from the first on, keys that are not at the old master
  // are asked for at the new one; with the last, the slot is the new one's.
  void BeginMove(uint16_t slot, size_t to);
  void MoveKeys(uint16_t slot, size_t to);
  void EndMove(uint16_t slot, size_t to);

 private:
  [[nodiscard]] std::set<std::string> ViewOf(size_t node) const;
  [[nodiscard]] bool Healthy() const;
  [[nodiscard]] std::string IdOf(size_t node) const;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

// One of each for the whole test program, started when it is first asked for, and empty each time.
[[nodiscard]] RedisServer& EmptyRedis();
[[nodiscard]] RedisCluster& EmptyRedisCluster();

}  // namespace boxoffice::testbed
