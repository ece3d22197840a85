// A PostgreSQL of its own for a test program: made in a temporary folder, on a free port of 127.0.0.1,
// killed, frozen and started again as the test likes, and gone at the end, also when the test aborts.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "platform/servers/child.h"
#include "testing/temp_dir.h"

namespace boxoffice::testbed {

// First in the body or SetUp of a test that needs one: where PostgreSQL is not installed, the test is
// skipped, or fails if BOXOFFICE_REQUIRE_ALL is set.
#define BOXOFFICE_NEED_POSTGRES()                                                             \
  do {                                                                                        \
    if (!::boxoffice::testbed::PostgresServer::Installed()) {                                 \
      if (std::getenv("BOXOFFICE_REQUIRE_ALL") != nullptr) FAIL() << "PostgreSQL is missing"; \
      GTEST_SKIP() << "PostgreSQL is not installed";                                          \
    }                                                                                         \
  } while (false)

// Use from the main thread: the server ends with the thread that started it.
class PostgresServer {
 public:
  struct Options {
    // Off: a commit does not wait for the disk, so nothing survives but a crash of the server alone.
    bool fsync = true;
    std::string more;  // lines for postgresql.conf
  };

  // Whether the programs of Debian's package `postgresql` are there.
  [[nodiscard]] static bool Installed();
  // The one that the tests of this program share, without fsync; started by the first call, stopped when the
  // program ends. What is committed survives Kill9 all the same. A test that kills or freezes it starts or
  // thaws it before it ends.
  [[nodiscard]] static PostgresServer& Shared();

  // Makes and starts a server; aborts, showing its log, if that fails. Takes about 2 s. Runs as another
  // user when root.
  PostgresServer() : PostgresServer(Options{}) {}
  explicit PostgresServer(const Options& options);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Makes an empty database and returns its URL. Some 50 ms.
  [[nodiscard]] std::string NewDatabase();
  // The URL of a database of that name.
  [[nodiscard]] std::string Url(const std::string& database) const;
  // How often a whole table of the database has been read, and not along an index, up to now by connections
  // that have ended. Waits until those that call themselves `application` have.
  [[nodiscard]] static int64_t ScansOf(const std::string& table, const std::string& url,
                                       const std::string& application);
  // The same, of the rows that were read along its indexes.
  [[nodiscard]] static int64_t RowsFoundIn(const std::string& table, const std::string& url,
                                           const std::string& application);
  // Waits until a statement in the database waits for a lock.
  static void AwaitBlocked(const std::string& url);

  // Ends every process of the server with SIGKILL. Again: no effect.
  void Kill9();
  // Starts it again, on the same port and data, and waits until it answers. When running: no effect.
  void Start();
  // Stops every process of the server where it stands (SIGSTOP), and lets them go on.
  void Freeze();
  void Thaw();
  [[nodiscard]] int port() const { return port_; }

 private:
  void SignalAll(int signal) const;  // and its children
  [[nodiscard]] std::string Log() const;

  TempDir dir_;
  std::filesystem::path data_ = dir_.path() / "data";
  int port_ = 0;
  std::optional<servers::Child> process_;
  bool frozen_ = false;
  int databases_ = 0;
};

}  // namespace boxoffice::testbed
