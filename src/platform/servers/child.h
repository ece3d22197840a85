// A program that this process starts and ends: by its id, and never outliving this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace boxoffice::servers {

// A running program, in a process group of its own, so that Ctrl-C does not reach it. Start it from a thread
// that lives as long as this process wants it to: the kernel ends it with that thread. Not thread-safe.
class Child {
 public:
  // Changes of it, by name; nullopt: without that variable.
  using Environment = std::map<std::string, std::optional<std::string>>;
  struct Options {
    std::filesystem::path working_dir;  // empty: this process' own
    std::filesystem::path log;          // its stderr is appended there
    bool read_stdout = false;           // by ReadLine; otherwise it goes to the log as well
    std::string user;                   // run as that one; empty: as this process
    Environment environment;            // over this process' own
    int death_signal = 15;              // what the kernel sends it when this process ends: SIGTERM
  };
  // Errors: child_not_started (kUnavailable): no such program, user or folder; the log can't be written.
  [[nodiscard]] static Result<Child> Start(const std::vector<std::string>& command, const Options& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();  // kills it if it still runs

  // The next line of its stdout, without the line break, which the last may lack; nullopt: it closed stdout,
  // or wrote none in time.
  [[nodiscard]] std::optional<std::string> ReadLine(std::chrono::milliseconds timeout);
  // Has no effect once it has ended.
  void Signal(int signal) const;
  // Its exit code, or 128 + the signal that ended it; nullopt: it still runs after `timeout`. The same again
  // once it has ended.
  [[nodiscard]] std::optional<int> Wait(std::chrono::milliseconds timeout);
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  Child() = default;
  void Kill();
  pid_t pid_ = -1;
  int pidfd_ = -1;
  int stdout_ = -1;
  std::string buffer_;
  std::optional<int> ended_;
};

// Runs a command to its end; its output goes to `options.log`. Errors: child_not_started; child_failed
// (kUnavailable): another exit code than 0, or not ended within `timeout`, in which case it was killed.
[[nodiscard]] Result<void> RunChild(const std::vector<std::string>& command, Child::Options options,
                                    std::chrono::milliseconds timeout);

// Takes a port of 127.0.0.1 for this process, until it ends, unless somebody listens there or has taken it:
// false. It is seconds until a server listens where it was told to, and another system may start meanwhile:
// so the UDP port of that number stays bound, by which others see that it is taken. Thread-safe.
[[nodiscard]] bool TakePort(uint16_t port);

// Takes one that is below those that the kernel gives to outgoing connections: a server that is started again
// finds its port free. Thread-safe. Errors: no_free_port.
[[nodiscard]] Result<uint16_t> FreePort();

}  // namespace boxoffice::servers
