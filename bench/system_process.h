// The system that is measured: a fresh `boxoffice up` on a folder of its own, as a child of this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace boxoffice::bench {

// CPU time of a process, user and kernel.
using CpuTime = std::chrono::microseconds;

// By what a process does: "reservation", "PostgreSQL of reservation" (a connection's process, by its
// database), "Redis", "up".
using CpuByPart = std::map<std::string, CpuTime>;
// What the process with this command line does, whose words a 0 ends; see CpuByPart.
[[nodiscard]] std::string PartOf(std::string_view command_line);

// Not thread-safe. Whatever happens to this process, the child does not outlive it; its folder goes with the
// object.
class SystemProcess {
 public:
  // Starts `program` up --no-seed with `arguments` on a free port, with a new folder under `data_root`, and
  // returns when it is ready; `environment` is set for it alone. Errors: start_failed.
  [[nodiscard]] static Result<SystemProcess> Start(
      const std::filesystem::path& program, const std::filesystem::path& data_root,
      const std::vector<std::string>& arguments,
      const std::vector<std::pair<std::string, std::string>>& environment);
  SystemProcess(SystemProcess&& other) noexcept;
  SystemProcess& operator=(SystemProcess&&) = delete;
  ~SystemProcess();

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& data_dir() const { return data_dir_; }
  // With all the processes that it has started; those of them that have ended are left out.
  [[nodiscard]] CpuTime Cpu() const;
  // The same by parts.
  [[nodiscard]] CpuByPart CpuOfParts() const;
  // The most memory that it has had, in bytes.
  [[nodiscard]] int64_t PeakMemory() const;
  // Of the data folder: "ext4", "tmpfs", …
  [[nodiscard]] std::string FileSystem() const;

 private:
  SystemProcess() = default;
  [[nodiscard]] Result<void> WaitReady(int out);

  std::filesystem::path data_dir_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

// Of this process.
[[nodiscard]] CpuTime OwnCpu();
// Of the whole machine, all CPUs together; what the hypervisor took away counts as well.
[[nodiscard]] CpuTime MachineCpu();

}  // namespace boxoffice::bench
