#include "platform/module/process_metrics.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

namespace boxoffice::module {
namespace {

double CpuSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double OpenFiles() {
  std::error_code error;
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd", error);
  return error ? 0 : static_cast<double>(std::distance(begin(entries), end(entries)));
}

double MaxFiles() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

double Threads() {
  std::error_code error;
  const auto entries = std::filesystem::directory_iterator("/proc/self/task", error);
  return error ? 0 : static_cast<double>(std::distance(begin(entries), end(entries)));
}

std::filesystem::space_info Space(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::space(folder, error);
}

bool Healthy(const std::vector<Health>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &Health::module);
  return found != all.end() && found->problem.empty();
}

}  // namespace

void AddProcessMetrics(obs::Registry& metrics, const std::filesystem::path& data_dir,
                       const std::function<std::vector<Health>()>& health) {
  metrics.AddCounterCallback("process_cpu_seconds_total", "Processor time that the process has used", {},
                             CpuSeconds);
  metrics.AddCallback("process_resident_memory_bytes", "Memory that the process has in use", {},
                      ResidentBytes);
  metrics.AddCallback("process_open_fds", "Files and connections that the process has open", {}, OpenFiles);
  metrics.AddCallback("process_max_fds", "Files and connections that it may have open", {}, MaxFiles);
  metrics.AddCallback("process_threads", "Threads that the process has", {}, Threads);
  metrics.GetGauge("process_start_time_seconds", "When the process began to serve, since 1970")
      .Set(static_cast<double>(ToUnixMs(SystemClock().Now())) / 1000);
  metrics.AddCallback("boxoffice_data_disk_free_bytes", "Room on the disk of the data folder", {},
                      [data_dir] { return static_cast<double>(Space(data_dir).available); });
  metrics.AddCallback("boxoffice_data_disk_size_bytes", "Size of the disk of the data folder", {},
                      [data_dir] { return static_cast<double>(Space(data_dir).capacity); });
  for (const Health& module : health()) {
    metrics.AddCallback("boxoffice_module_healthy", "1 while the module can do its work, as /readyz has it",
                        {{"module", module.module}},
                        [health, name = module.module] { return Healthy(health(), name) ? 1.0 : 0.0; });
  }
}

}  // namespace boxoffice::module
