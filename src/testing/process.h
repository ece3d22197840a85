// A program that a test starts: ended by its id, and never outliving the test.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/servers/child.h"

namespace boxoffice::testbed {

// The folder of this test program, where the others are built.
[[nodiscard]] std::filesystem::path BinDir();

// If the test dies, the kernel kills the process.
class Process : public servers::Child {
 public:
  struct Options {
    std::filesystem::path working_dir;  // empty: the test's own
    std::filesystem::path stderr_file;  // appended to; empty: /dev/null
  };
  // Starts `command` (its first word is the path of a program, which is there).
  Process(const std::vector<std::string>& command, const Options& options);

  // With SIGSTOP it returns when all of its threads stand still: until then one may answer yet.
  void Signal(int signal) const;
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
