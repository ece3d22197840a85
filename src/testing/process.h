// A program that a test starts: ended by its id, and never outliving the test.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace boxoffice::testbed {

// The folder of this test program, where the others are built.
[[nodiscard]] std::filesystem::path BinDir();

// Not thread-safe. If the test dies, the kernel kills the process.
class Process {
 public:
  struct Options {
    std::filesystem::path working_dir;  // empty: the test's own
    std::filesystem::path stderr_file;  // appended to; empty: /dev/null
  };
  // Starts `command` (its first word is the path of a program).
  Process(const std::vector<std::string>& command, const Options& options);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();  // kills it if it still runs

  // The next line of its stdout, without the line break; nullopt: it closed stdout, or did not write one in
  // time.
  [[nodiscard]] std::optional<std::string> ReadLine(std::chrono::milliseconds timeout);
  // With SIGSTOP it returns when all of its threads stand still: until then one may answer yet.
  void Signal(int signal) const;
  // Its exit code, or 128 + the signal that ended it; nullopt: it still runs after `timeout`.
  [[nodiscard]] std::optional<int> Wait(std::chrono::milliseconds timeout);
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void Kill();
  pid_t pid_ = -1;
  int stdout_ = -1;
  std::string buffer_;
};

// Runs a command to its end.
struct Finished {
  int exit_code = -1;  // -1: did not end in time, and was killed
  std::string out;
  std::string err;
};
[[nodiscard]] Finished RunCommand(const std::vector<std::string>& command, std::chrono::milliseconds timeout,
                                  const std::filesystem::path& working_dir = {});

}  // namespace boxoffice::testbed
