// What a process needs around its modules: its data folder for itself, the signals that end it, a bound for
// its ending, and the one line that says why it can't start.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "platform/sql/file_lock.h"

namespace boxoffice::module {

// What every process of ours returns, besides 0.
inline constexpr int kExitFailed = 1;     // it ran, and something went wrong, or the answer is no
inline constexpr int kExitCantStart = 2;  // it was called the wrong way, or lacks something from outside

// What this process makes from now on nobody but its owner reads or writes. Others may pass through its
// folders, as a PostgreSQL has to that runs as a user of its own. Where its umask keeps out more already,
// that stays.
void KeepFromOthers();

// A data folder that this process may use: held by locks (flock) that end with the object, and with the
// process. The whole system wants the folder for itself; of single services, each may be there once.
class DataFolder {
 public:
  // Creates `path` with keys/ and run/ in it if they are missing, after KeepFromOthers: what is in it is its
  // owner's alone. What root makes here, locks too, is the owner's of the folder that it is in, as a command
  // of root's may come before the service that runs as another user. `service` is empty for the whole system.
  // Errors: data_folder_unwritable, data_folder_in_use (detail: the path).
  [[nodiscard]] static Result<DataFolder> Open(const std::filesystem::path& path,
                                               std::string_view service = {});
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit DataFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
  std::optional<sql::FileLock> folder_lock_;
  std::optional<sql::FileLock> service_lock_;
};

// Where the service listens for the other processes on this data folder: "unix:DIR/run/seat.sock".
[[nodiscard]] std::string SocketAddress(const std::filesystem::path& data_dir, std::string_view service);

// SIGTERM, SIGINT, and SIGHUP where it is not ignored (nohup), as a thing to wait for. Make it before the
// first thread: all threads inherit that these signals are blocked. SIGPIPE is ignored from then on. While it
// is waited for, SIGUSR1 makes the log say more by one level, and SIGUSR2 less.
class StopSignals {
 public:
  StopSignals();
  // Blocks until one of them comes. From then on SIGINT ends the process at once, for the person who presses
  // Ctrl-C again, and the others have no effect, so that a supervisor who repeats itself does not cut the
  // stop short.
  void Wait();
  // Waits at most for `limit`: whether one came.
  [[nodiscard]] bool WaitFor(std::chrono::milliseconds limit);
  // For who never waits for them: from now on each of them ends the process at once, with 128 and its number,
  // also one that came before. So it does for the first process of a container, which the kernel spares a
  // signal without a handler.
  void EndProcess();
};

// Ends the process with kExitFailed if it has not been destroyed within `limit`. Nothing is lost by that:
// what was acknowledged is durable, and what was not is found at the next start.
class StopDeadline {
 public:
  explicit StopDeadline(std::chrono::milliseconds limit);
  ~StopDeadline();

 private:
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool done_ = false;
  std::thread thread_;
};

// Allows this process as many open files as the system lets it have: one per connection.
void RaiseFileLimit();
// Logs file_limit_low where it is not `connections` and some hundred more: what comes beyond would be refused
// by the system, without a word to its client.
void WarnOfFileLimit(uint64_t connections);

// One line for people: "can't start: gateway: port 8080 is taken (port_taken)". Without a line break.
[[nodiscard]] std::string DescribeFailure(const Error& error);

}  // namespace boxoffice::module
