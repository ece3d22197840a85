// One service as a process of its own, on a data folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "e2e/system.h"

namespace boxoffice::e2e {

// Starts in its constructor, and returns once it is ready or has ended; is killed in its destructor.
class Service {
 public:
  // `boxoffice serve SERVICE`. Its data is in folder/data, its log in folder/stderr.
  Service(const std::string& service, const std::filesystem::path& folder,
          const std::vector<std::string>& flags);
  // The same of another build's boxoffice-SERVICE.
  [[nodiscard]] static Service Of(const std::filesystem::path& executable,
                                  const std::filesystem::path& folder, const std::vector<std::string>& flags);

  [[nodiscard]] bool ready() const { return ready_line_.starts_with("ready "); }
  [[nodiscard]] const std::string& ready_line() const { return ready_line_; }
  // What it, and whoever shares its folder, has logged.
  [[nodiscard]] std::string Log() const;
  // GET, of its address for machines.
  [[nodiscard]] Reply Admin(const std::string& path) const { return Api(admin_port_).Call("GET", path); }
  Process& process() { return *process_; }

 private:
  Service(std::vector<std::string> program, const std::filesystem::path& folder,
          const std::vector<std::string>& flags);

  const std::filesystem::path log_;
  std::optional<Process> process_;
  std::string ready_line_;
  uint16_t admin_port_ = 0;
};

}  // namespace boxoffice::e2e
