#include "platform/module/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "platform/obs/log.h"
#include "platform/sql/folder_owner.h"

namespace boxoffice::module {
namespace {

using LockKind = sql::FileLock::Kind;

Result<sql::FileLock> Lock(const std::filesystem::path& file, LockKind kind) {
  auto lock = sql::FileLock::Try(file, kind);
  if (!lock) return Fail(Code::kPermissionDenied, "data_folder_unwritable", lock.error().detail);
  if (!*lock) return Fail(Code::kUnavailable, "data_folder_in_use", file.parent_path().string());
  return **std::move(lock);
}

// Makes it if it is missing, for the owner of the folder that it is in.
Result<void> MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(folder, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "data_folder_unwritable",
                fmt::format("{}: {}", folder.string(), error.message()));
  }
  const int made = is_new ? ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  if (made < 0) return {};
  sql::GiveToOwnerOf(folder.parent_path(), made);
  ::close(made);
  return {};
}

// Whoever is started by nohup goes on when its terminal goes.
bool ActsOnHangUp() {
  struct sigaction action{};
  return ::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler != SIG_IGN;
}

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  if (ActsOnHangUp()) sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  return set;
}

// Whether it was one of the signals that turn the log.
bool TurnLog(int signal) {
  if (signal != SIGUSR1 && signal != SIGUSR2) return false;
  const int level = static_cast<int>(obs::LogLevel()) + (signal == SIGUSR1 ? -1 : 1);
  constexpr int kLeast = static_cast<int>(obs::Level::kError);
  obs::SetLogLevel(static_cast<obs::Level>(std::clamp(level, 0, kLeast)));
  return true;
}

void EndWith(int signal) { std::_Exit(128 + signal); }

// What the reasons mean that people meet when they start a process, where the detail does not say it.
std::string_view Meaning(std::string_view reason) {
  if (reason == "schema_newer") return "the database was written by a newer version of Boxoffice";
  if (reason == "database_unavailable") return "the database can't be opened";
  if (reason == "data_folder_unwritable") return "the data folder can't be written";
  if (reason == "data_folder_in_use") return "another process uses the data folder";
  return {};
}

}  // namespace

void KeepFromOthers() {
  constexpr mode_t kReadAndWrite = 0066;
  umask(umask(0077) | kReadAndWrite);  // what another thread makes between the two is its owner's too
}

Result<DataFolder> DataFolder::Open(const std::filesystem::path& path, std::string_view service) {
  KeepFromOthers();
  for (const auto& folder : {path, path / "keys", path / "run"}) BOXOFFICE_TRY(MakeFolder(folder));
  DataFolder folder(path);
  BOXOFFICE_ASSIGN(folder.folder_lock_,
                   Lock(path / "lock", service.empty() ? LockKind::kExclusive : LockKind::kShared));
  if (!service.empty()) {
    BOXOFFICE_ASSIGN(folder.service_lock_,
                     Lock(path / "run" / fmt::format("{}.lock", service), LockKind::kExclusive));
  }
  return folder;
}

std::string SocketAddress(const std::filesystem::path& data_dir, std::string_view service) {
  return fmt::format("unix:{}", (data_dir / "run" / fmt::format("{}.sock", service)).string());
}

StopSignals::StopSignals() {
  const sigset_t set = StopSet();
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
}

void StopSignals::Wait() {
  while (!WaitFor(std::chrono::hours(1))) {
  }
}

bool StopSignals::WaitFor(std::chrono::milliseconds limit) {
  const sigset_t set = StopSet();
  const timespec timeout{limit.count() / 1000, (limit.count() % 1000) * 1'000'000};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  if (signal < 0 || TurnLog(signal)) return false;
  sigset_t again;
  sigemptyset(&again);
  sigaddset(&again, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &again, nullptr);
  return true;
}

void StopSignals::EndProcess() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    if (signal == SIGHUP && !ActsOnHangUp()) continue;
    std::signal(signal, EndWith);
    sigaddset(&set, signal);
  }
  CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

StopDeadline::StopDeadline(std::chrono::milliseconds limit) {
  thread_ = std::thread([this, limit] {
    std::unique_lock lock(mutex_);
    if (stopped_.wait_for(lock, limit, [this] { return done_; })) return;
    obs::Log(obs::Level::kError, "stop_took_too_long", {{"limit_ms", limit.count()}});
    std::_Exit(kExitFailed);
  });
}

StopDeadline::~StopDeadline() {
  {
    const std::scoped_lock lock(mutex_);
    done_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void WarnOfFileLimit(uint64_t connections) {
  constexpr uint64_t kOtherFiles = 300;  // to the services, their replicas and clients of their own
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= connections + kOtherFiles) return;
  obs::Log(obs::Level::kWarning, "file_limit_low",
           {{"limit", limit.rlim_cur}, {"needed", connections + kOtherFiles}});
}

std::string DescribeFailure(const Error& error) {
  const std::string_view meaning = Meaning(error.reason);
  std::string line = "can't start";
  for (const std::string_view part : {std::string_view(error.detail), meaning}) {
    if (!part.empty()) line.append(": ").append(part);
  }
  line += fmt::format(" ({})", error.reason);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

}  // namespace boxoffice::module
