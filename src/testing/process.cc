#include "testing/process.h"

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "testing/temp_dir.h"

namespace boxoffice::testbed {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// In the child, between fork and exec: only what is safe there.
[[noreturn]] void Exec(char* const* arguments, const char* working_dir, const char* stderr_file, int out,
                       pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before
  if (working_dir[0] != '\0' && chdir(working_dir) != 0) _exit(127);
  const int err = open(stderr_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (err < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) _exit(127);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

std::filesystem::path BinDir() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

Process::Process(const std::vector<std::string>& command, const Options& options) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string working_dir = options.working_dir.string();
  const std::string stderr_file = options.stderr_file.empty() ? "/dev/null" : options.stderr_file.string();
  int out[2];
  CHECK(pipe2(out, O_CLOEXEC) == 0);
  const pid_t parent = getpid();
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) Exec(arguments.data(), working_dir.c_str(), stderr_file.c_str(), out[1], parent);
  close(out[1]);
  stdout_ = out[0];
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      stdout_(std::exchange(other.stdout_, -1)),
      buffer_(std::move(other.buffer_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    stdout_ = std::exchange(other.stdout_, -1);
    buffer_ = std::move(other.buffer_);
  }
  return *this;
}

Process::~Process() { Kill(); }

void Process::Kill() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  if (stdout_ >= 0) close(std::exchange(stdout_, -1));
}

std::optional<std::string> Process::ReadLine(milliseconds timeout) {
  const auto until = SteadyClock::now() + timeout;
  while (true) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(until - SteadyClock::now()).count();
    pollfd waited{stdout_, POLLIN, 0};
    if (left <= 0 || poll(&waited, 1, static_cast<int>(left)) <= 0) return std::nullopt;
    char chunk[4096];
    const ssize_t size = read(stdout_, chunk, sizeof chunk);
    if (size <= 0) {
      if (buffer_.empty()) return std::nullopt;
      return std::exchange(buffer_, {});  // a last line without its break
    }
    buffer_.append(chunk, static_cast<size_t>(size));
  }
}

void Process::Signal(int signal) const {
  CHECK(pid_ > 0);
  kill(pid_, signal);
  if (signal != SIGSTOP) return;
  siginfo_t stopped{};
  CHECK(waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WEXITED | WNOWAIT) == 0);
}

std::optional<int> Process::Wait(milliseconds timeout) {
  CHECK(pid_ > 0);
  const auto until = SteadyClock::now() + timeout;
  while (true) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (SteadyClock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(milliseconds(5));
  }
}

Finished RunCommand(const std::vector<std::string>& command, milliseconds timeout,
                    const std::filesystem::path& working_dir) {
  const testbed::TempDir dir;
  const auto err = dir.path() / "stderr";
  Process process(command, {working_dir, err});
  Finished finished;
  const auto until = SteadyClock::now() + timeout;
  while (const auto line =
             process.ReadLine(std::chrono::duration_cast<milliseconds>(until - SteadyClock::now()))) {
    finished.out += *line + "\n";
  }
  const auto left = std::chrono::duration_cast<milliseconds>(until - SteadyClock::now());
  finished.exit_code = process.Wait(std::max(left, milliseconds(1000))).value_or(-1);
  std::ostringstream text;
  text << std::ifstream(err).rdbuf();
  finished.err = text.str();
  return finished;
}

}  // namespace boxoffice::testbed
