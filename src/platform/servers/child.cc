#include "platform/servers/child.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

namespace boxoffice::servers {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kCantExec = 127;
constexpr uint16_t kFirstPort = 10'100;
constexpr uint16_t kPorts = 20'000;
constexpr uint32_t kPortsOfAProcess = 100;

std::unexpected<Error> NotStarted(const std::vector<std::string>& command, std::string_view why) {
  return Fail(Code::kUnavailable, "child_not_started",
              fmt::format("{}: {}", command.empty() ? "" : command.front(), why));
}

struct Identity {
  uid_t user = 0;
  gid_t group = 0;
};

// In the child, between fork and exec: only what is safe there.
[[noreturn]] void Exec(char* const* arguments, char* const* environment, const char* working_dir, int out,
                       int log, const Identity* identity, int death_signal, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  setpgid(0, 0);  // Ctrl-C is for the parent, who ends its children in order
  if (working_dir[0] != '\0' && chdir(working_dir) != 0) _exit(kCantExec);
  if (identity != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(identity->group) != 0 || setuid(identity->user) != 0)) {
    _exit(kCantExec);
  }
  prctl(PR_SET_PDEATHSIG, death_signal);  // after setuid, which clears it
  if (getppid() != parent) _exit(kCantExec);
  if (dup2(out, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) _exit(kCantExec);
  execve(arguments[0], arguments, environment);
  _exit(kCantExec);
}

// For execve: pointers into `words`, and a null one.
std::vector<char*> PointersTo(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// "NAME=value" each.
std::vector<std::string> EnvironmentWith(const Child::Environment& changes) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (!changes.contains(std::string(text.substr(0, text.find('='))))) variables.emplace_back(text);
  }
  for (const auto& [name, value] : changes) {
    if (value) variables.push_back(fmt::format("{}={}", name, *value));
  }
  return variables;
}

int MillisecondsUntil(SteadyClock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - SteadyClock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000));
}

// A socket at this port of 127.0.0.1; -1: somebody else has it.
int Bound(uint16_t port, int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

Result<Child> Child::Start(const std::vector<std::string>& command, const Options& options) {
  if (command.empty() || access(command.front().c_str(), X_OK) != 0)
    return NotStarted(command, "there is no such program");
  Identity identity;
  if (!options.user.empty()) {
    const passwd* user = getpwnam(options.user.c_str());
    if (user == nullptr) return NotStarted(command, "there is no user " + options.user);
    identity = {user->pw_uid, user->pw_gid};
  }
  std::vector<std::string> words = command;
  const std::vector<char*> arguments = PointersTo(words);
  std::vector<std::string> variables = EnvironmentWith(options.environment);
  const std::vector<char*> environment = PointersTo(variables);
  const std::string working_dir = options.working_dir.string();
  const int log = open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return NotStarted(command, fmt::format("{}: {}", options.log.string(), std::strerror(errno)));
  int out[2] = {-1, log};
  if (options.read_stdout && pipe2(out, O_CLOEXEC) != 0) {
    close(log);
    return NotStarted(command, std::strerror(errno));
  }
  Child child;
  const pid_t parent = getpid();
  child.pid_ = fork();
  if (child.pid_ == 0) {
    Exec(arguments.data(), environment.data(), working_dir.c_str(), out[1], log,
         options.user.empty() ? nullptr : &identity, options.death_signal, parent);
  }
  if (options.read_stdout) close(out[1]);
  close(log);
  child.stdout_ = out[0];
  if (child.pid_ < 0) return NotStarted(command, std::strerror(errno));
  // Not by <sys/pidfd.h>, which glibc 2.36 declares for C only.
  child.pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0));
  if (child.pidfd_ < 0) return NotStarted(command, std::strerror(errno));
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      stdout_(std::exchange(other.stdout_, -1)),
      buffer_(std::move(other.buffer_)),
      ended_(other.ended_) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::exchange(other.pidfd_, -1);
    stdout_ = std::exchange(other.stdout_, -1);
    buffer_ = std::move(other.buffer_);
    ended_ = other.ended_;
  }
  return *this;
}

Child::~Child() { Kill(); }

void Child::Kill() {
  if (pid_ > 0 && !ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (int* fd : {&pidfd_, &stdout_}) {
    if (*fd >= 0) close(std::exchange(*fd, -1));
  }
  pid_ = -1;
}

std::optional<std::string> Child::ReadLine(milliseconds timeout) {
  const auto end = SteadyClock::now() + timeout;
  while (true) {
    if (const size_t line_end = buffer_.find('\n'); line_end != std::string::npos) {
      std::string line = buffer_.substr(0, line_end);
      buffer_.erase(0, line_end + 1);
      return line;
    }
    pollfd waited{stdout_, POLLIN, 0};
    if (stdout_ < 0 || poll(&waited, 1, MillisecondsUntil(end)) <= 0) return std::nullopt;
    char chunk[4096];
    const ssize_t size = read(stdout_, chunk, sizeof chunk);
    if (size <= 0) {
      if (buffer_.empty()) return std::nullopt;
      return std::exchange(buffer_, {});  // a last line without its break
    }
    buffer_.append(chunk, static_cast<size_t>(size));
  }
}

void Child::Signal(int signal) const {
  if (pid_ > 0 && !ended_) kill(pid_, signal);
}

std::optional<int> Child::Wait(milliseconds timeout) {
  if (ended_) return ended_;
  CHECK(pid_ > 0, "it was moved from");
  pollfd waited{pidfd_, POLLIN, 0};
  const auto end = SteadyClock::now() + timeout;
  while (poll(&waited, 1, MillisecondsUntil(end)) < 0 && errno == EINTR) {
  }
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended_;
}

Result<void> RunChild(const std::vector<std::string>& command, Child::Options options, milliseconds timeout) {
  options.read_stdout = false;
  BOXOFFICE_ASSIGN(Child child, Child::Start(command, options));
  const auto code = child.Wait(timeout);
  if (code == 0) return {};
  return Fail(Code::kUnavailable, "child_failed",
              fmt::format("`{}` {}; see {}", fmt::join(command, " "),
                          code ? fmt::format("ended with {}", *code) : "did not end", options.log.string()));
}

bool TakePort(uint16_t port) {
  const int taken = Bound(port, SOCK_DGRAM);
  if (taken < 0) return false;
  const int free = Bound(port, SOCK_STREAM);
  close(free < 0 ? taken : free);
  return free >= 0;
}

Result<uint16_t> FreePort() {
  // Each process begins elsewhere, so that it need not walk over what others have.
  static std::atomic<uint32_t> next = static_cast<uint32_t>(getpid()) * kPortsOfAProcess;
  for (int attempt = 0; attempt < kPorts; ++attempt) {
    const auto port = static_cast<uint16_t>(kFirstPort + next++ % kPorts);
    if (TakePort(port)) return port;
  }
  return Fail(Code::kUnavailable, "no_free_port", "no free port was found");
}

}  // namespace boxoffice::servers
