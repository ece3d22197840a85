// An Apache Kafka broker of its own for a test program: one process in KRaft mode, on free ports of
// 127.0.0.1, with data in a temporary folder; killed, frozen and started again as the test likes, and gone at
// the end, also when the test aborts.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "testing/process.h"
#include "testing/temp_dir.h"

// First in the body or SetUp of a test that needs one: where Java or Kafka's jars are missing, the test is
// skipped, or fails if BOXOFFICE_REQUIRE_ALL is set.
#ifdef __SANITIZE_THREAD__
#define BOXOFFICE_NEED_KAFKA() \
  GTEST_SKIP() << "librdkafka starts its threads by C11's thrd_create, which ThreadSanitizer does not see"
#else
#define BOXOFFICE_NEED_KAFKA()                                                           \
  do {                                                                                   \
    if (!::boxoffice::testbed::KafkaBroker::Installed()) {                               \
      if (std::getenv("BOXOFFICE_REQUIRE_ALL") != nullptr) FAIL() << "Kafka is missing"; \
      GTEST_SKIP() << "Kafka is not installed";                                          \
    }                                                                                    \
  } while (false)
#endif

namespace boxoffice::testbed {

// Use from the main thread: the broker ends with the thread that started it.
class KafkaBroker {
 public:
  // Whether there is a Java runtime, and the jars are in the cache or could be fetched (tools/dev/kafka.sh,
  // some seconds, once).
  [[nodiscard]] static bool Installed();
  // The jars, as java's -cp takes them; empty: not Installed.
  [[nodiscard]] static const std::string& ClassPath();
  // The one that the tests of this program share; started by the first call, stopped when the program ends.
  // A test that kills or freezes it starts or thaws it before it ends.
  [[nodiscard]] static KafkaBroker& Shared();

  // Makes and starts a broker, some 6 s; aborts, showing its log, if that fails. It creates no topic by
  // itself.
  KafkaBroker();
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  [[nodiscard]] std::string address() const;  // "127.0.0.1:PORT"; whoever comes here may do everything
  // Whoever comes here may do what ACLs allow the user that he logs in as (SASL_SSL, PLAIN); at first
  // nothing.
  [[nodiscard]] std::string bound_address() const;
  // Whose certificate it has there; a file of PEM.
  [[nodiscard]] std::filesystem::path bound_authority() const { return dir_.path() / "bound.crt"; }
  static constexpr const char* kBoundUser = "bound";
  static constexpr const char* kBoundPassword = "secret";

  void Kill9();
  // Again, with the data that it had, on the same port; waits until every partition has its leader.
  void Start();
  void Freeze();  // SIGSTOP: connections stay, and nothing answers
  void Thaw();

 private:
  void Certify();
  void Format();
  [[nodiscard]] bool Answers() const;
  [[nodiscard]] std::string Log() const;

  TempDir dir_;
  const uint16_t port_;
  const uint16_t controller_port_;
  const uint16_t bound_port_;
  std::optional<Process> process_;
};

}  // namespace boxoffice::testbed
