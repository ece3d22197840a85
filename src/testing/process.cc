#include "testing/process.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

#include <sys/wait.h>

#include "base/check.h"
#include "testing/temp_dir.h"

namespace boxoffice::testbed {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

servers::Child StartChild(const std::vector<std::string>& command, const Process::Options& options) {
  servers::Child::Options of_child;
  of_child.working_dir = options.working_dir;
  of_child.log = options.stderr_file.empty() ? std::filesystem::path("/dev/null") : options.stderr_file;
  of_child.read_stdout = true;
  of_child.death_signal = SIGKILL;
  Result<servers::Child> child = servers::Child::Start(command, of_child);
  CHECK(child.has_value(), "{}", child.error().detail);
  return *std::move(child);
}

}  // namespace

std::filesystem::path BinDir() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

Process::Process(const std::vector<std::string>& command, const Options& options)
    : Child(StartChild(command, options)) {}

void Process::Signal(int signal) const {
  Child::Signal(signal);
  if (signal != SIGSTOP) return;
  siginfo_t stopped{};
  CHECK(waitid(P_PID, static_cast<id_t>(pid()), &stopped, WSTOPPED | WEXITED | WNOWAIT) == 0);
}

Finished RunCommand(const std::vector<std::string>& command, milliseconds timeout,
                    const std::filesystem::path& working_dir) {
  const testbed::TempDir dir;
  const auto err = dir.path() / "stderr";
  Process process(command, {working_dir, err});
  Finished finished;
  const auto until = SteadyClock::now() + timeout;
  const auto left = [until] { return std::chrono::duration_cast<milliseconds>(until - SteadyClock::now()); };
  while (left() > milliseconds(0)) {
    const auto line = process.ReadLine(left());
    if (!line) break;
    finished.out += *line + "\n";
  }
  finished.exit_code = process.Wait(std::max(left(), milliseconds(1000))).value_or(-1);
  std::ostringstream text;
  text << std::ifstream(err).rdbuf();
  finished.err = text.str();
  return finished;
}

}  // namespace boxoffice::testbed
