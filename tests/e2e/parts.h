// The processes of a scaled system, as `boxoffice ps` lists them: to be killed, frozen, and waited for.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>
#include <sys/types.h>

#include "e2e/system.h"

namespace boxoffice::e2e {

// A replica of a service, or a server that keeps data.
struct Part {
  std::string name;  // "seat", "postgresql"
  pid_t pid = 0;
  bool running = false;
  std::string listen;
  std::string admin;  // "" for a server
  std::filesystem::path log;
};

[[nodiscard]] json::value Ps(const System& system);
// All of that name, by number.
[[nodiscard]] std::vector<Part> PartsOf(const System& system, std::string_view name);

// Not there, or ended and not waited for (a zombie).
[[nodiscard]] bool IsGone(pid_t pid);

// Processes that are stopped (SIGSTOP) with all that they have started, until this goes.
class Frozen {
 public:
  explicit Frozen(const std::vector<Part>& parts);
  ~Frozen();
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<pid_t> pids_;
};

// While it lives, processes that are started wait a minute for an approval: sagas stay in the middle for as
// long as the test likes, however slow this machine is.
class PatientPayments {
 public:
  PatientPayments();
  ~PatientPayments();
  PatientPayments(const PatientPayments&) = delete;
  PatientPayments& operator=(const PatientPayments&) = delete;
};

void Kill9(const std::vector<Part>& parts);
// Waits until all of that name run and answer that they are ready (where they can be asked), and none is one
// of `before`, which were killed. False: not in time.
[[nodiscard]] bool AwaitRestart(const System& system, const std::vector<Part>& before,
                                milliseconds timeout = seconds(60));

// The sum of a metric over the replicas of a service, whatever its labels; -1: somebody could not be asked.
[[nodiscard]] double SumOf(const System& system, std::string_view service, std::string_view metric);

}  // namespace boxoffice::e2e
