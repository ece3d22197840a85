#include "bench/system_process.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include <boost/algorithm/string/split.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/generator.h"

namespace boxoffice::bench {
namespace {

constexpr std::chrono::seconds kStartLimit{60};
constexpr std::chrono::seconds kStopLimit{10};

std::unexpected<Error> StartFailed(std::string detail) {
  return Fail(Code::kUnavailable, "start_failed", std::move(detail));
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void Become(char* const* arguments, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the generator is gone, also by kill -9: so is the system
  ::setpgid(0, 0);                     // Ctrl-C is for the generator, which then ends this process
  ::dup2(out, STDOUT_FILENO);
  ::execv(arguments[0], arguments);
  constexpr std::string_view kMessage = "can't run the program to be measured\n";
  const ssize_t ignored = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  (void)ignored;
  ::_exit(127);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// User and kernel time; 0 if it has ended.
CpuTime CpuOf(pid_t pid) {
  const std::string stat = ReadFile(fmt::format("/proc/{}/stat", pid));
  // The second field is the program's name in brackets, which may hold anything; user and system time are the
  // 12th and 13th after it (proc(5)).
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0;
  int64_t kernel = 0;
  fields >> user >> kernel;
  return CpuTime((user + kernel) * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

// A process, whatever it has started, and so on.
std::vector<pid_t> WithDescendants(pid_t root) {
  std::vector<pid_t> found{root};
  for (size_t i = 0; i < found.size(); ++i) {
    std::error_code error;
    for (const auto& thread :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", found[i]), error)) {
      std::istringstream children(ReadFile(thread.path() / "children"));
      pid_t child = 0;
      while (children >> child) found.push_back(child);
    }
  }
  return found;
}

}  // namespace

Result<SystemProcess> SystemProcess::Start(
    const std::filesystem::path& program, const std::filesystem::path& data_root,
    const std::vector<std::string>& more,
    const std::vector<std::pair<std::string, std::string>>& environment) {
  SystemProcess system;
  std::string folder = (data_root / "boxoffice-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr)
    return StartFailed(fmt::format("{}: {}", folder, std::strerror(errno)));
  system.data_dir_ = folder;
  ::chmod(folder.c_str(), 0711);  // PostgreSQL may run as another user, and has to get to its own folder
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return StartFailed(std::strerror(errno));
  std::vector<std::string> words = {program.string(), "up", "--no-seed", "--port", "0", "--data", folder};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // Before the fork, after which little is safe; this process has one thread now, and reads none of them.
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  system.pid_ = ::fork();
  if (system.pid_ == 0) Become(arguments.data(), pipe[1]);
  for (const auto& [name, value] : environment) ::unsetenv(name.c_str());
  ::close(pipe[1]);
  auto ready = system.pid_ < 0 ? Result<void>(StartFailed(std::strerror(errno))) : system.WaitReady(pipe[0]);
  ::close(pipe[0]);
  if (!ready) return std::unexpected(ready.error());
  return system;
}

// Reads what it prints until "ready http://127.0.0.1:PORT".
Result<void> SystemProcess::WaitReady(int out) {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  std::string text;
  while (std::chrono::steady_clock::now() < deadline && !Interrupted()) {
    pollfd wait{out, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t size = ::read(out, buffer, sizeof(buffer));
    if (size <= 0) return StartFailed("it ended before it was ready");
    text.append(buffer, static_cast<size_t>(size));
    const size_t start = text.starts_with("ready ") ? 0 : text.find("\nready ");
    if (start == std::string::npos || text.find('\n', start + 1) == std::string::npos) continue;
    const std::string_view line = std::string_view(text).substr(start, text.find('\n', start + 1) - start);
    const std::string_view digits = line.substr(line.rfind(':') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), port_);
    if (port_ == 0) return StartFailed(fmt::format("no port in \"{}\"", line));
    return {};
  }
  return StartFailed("it was not ready in time");
}

SystemProcess::SystemProcess(SystemProcess&& other) noexcept
    : data_dir_(std::exchange(other.data_dir_, {})),
      pid_(std::exchange(other.pid_, -1)),
      port_(other.port_) {}

SystemProcess::~SystemProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + kStopLimit;
    while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) ::kill(pid_, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  std::error_code ignored;
  if (!data_dir_.empty()) std::filesystem::remove_all(data_dir_, ignored);
}

std::string PartOf(std::string_view command_line) {
  std::vector<std::string> words;
  boost::split(words, command_line, [](char c) { return c == '\0' || c == ' '; });
  const auto is = [](const std::string& word, std::string_view program) {
    return std::filesystem::path(word).filename() == program;
  };
  const auto word_at = [&](size_t place) { return words.size() > place ? words[place] : std::string(); };
  // "postgres: USER DATABASE HOST(PORT) …" of a connection, "postgres: checkpointer " of its own.
  if (words[0] == "postgres:")
    return word_at(3).find('(') == std::string::npos ? "PostgreSQL's own" : "PostgreSQL of " + words[2];
  if (is(words[0], "postgres")) return "PostgreSQL's own";
  if (is(words[0], "redis-server")) return "Redis";
  if (is(words[0], "java")) return "Kafka";
  return word_at(1) == "serve" ? word_at(2) : word_at(1);
}

CpuTime SystemProcess::Cpu() const {
  CpuTime sum{0};
  for (const auto& [part, cpu] : CpuOfParts()) sum += cpu;
  return sum;
}

CpuByPart SystemProcess::CpuOfParts() const {
  CpuByPart parts;
  for (const pid_t pid : WithDescendants(pid_))
    parts[PartOf(ReadFile(fmt::format("/proc/{}/cmdline", pid)))] += CpuOf(pid);
  return parts;
}

int64_t SystemProcess::PeakMemory() const {
  const std::string status = ReadFile(fmt::format("/proc/{}/status", pid_));
  const size_t line = status.find("VmHWM:");
  if (line == std::string::npos) return 0;
  std::istringstream field(status.substr(line + 6));
  int64_t kib = 0;
  field >> kib;
  return kib * 1024;
}

std::string SystemProcess::FileSystem() const {
  struct statfs info{};
  if (::statfs(data_dir_.c_str(), &info) != 0) return "unknown";
  switch (info.f_type) {
    case 0xEF53:
      return "ext4";
    case 0x01021994:
      return "tmpfs";
    case 0x58465342:
      return "xfs";
    case 0x9123683E:
      return "btrfs";
    case 0x794c7630:
      return "overlay";
    default:
      return fmt::format("{:#x}", static_cast<uint64_t>(info.f_type));
  }
}

CpuTime MachineCpu() {
  // "cpu", then user, nice, system, idle, iowait, irq, softirq, steal in ticks (proc(5)).
  std::istringstream fields(ReadFile("/proc/stat"));
  std::string name;
  fields >> name;
  int64_t busy = 0;
  for (int i = 0; i < 8; ++i) {
    int64_t ticks = 0;
    fields >> ticks;
    if (i != 3 && i != 4) busy += ticks;
  }
  return CpuTime(busy * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

CpuTime OwnCpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& time) { return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; };
  return CpuTime(micros(usage.ru_utime) + micros(usage.ru_stime));
}

}  // namespace boxoffice::bench
