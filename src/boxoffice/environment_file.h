// Files of variables, as systemd's EnvironmentFile= reads them: where units keep what is secret of a service.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace boxoffice {

// NAME=VALUE on each line; what begins with # or ; is a comment. A value may stand in quotes, a backslash
// takes the next character as it is (between double quotes only one of "\\`$, between single ones none), and
// a line goes on behind a backslash at its end. Error: config, which names the line.
[[nodiscard]] Result<std::map<std::string, std::string>> ReadVariables(std::string_view text,
                                                                       std::string_view file);

// In the folder with SERVICE.toml of each service: what boxoffice@SERVICE.service is told besides, of all
// services, and of one.
[[nodiscard]] inline std::filesystem::path SharedVariables(const std::filesystem::path& folder) {
  return folder / "services.env";
}
[[nodiscard]] inline std::filesystem::path VariablesOf(const std::filesystem::path& folder,
                                                       std::string_view service) {
  return folder / (std::string(service) + ".env");
}

// While it lives, variables of files are those of this process, over its own; then all is as it was. For the
// main thread, while no other one reads the environment.
class EnvironmentFiles {
 public:
  // The later over the earlier; one that is not there says nothing. Error: config (a line is wrong, or a file
  // can't be read: whoever went on without it would take another store for the service's).
  [[nodiscard]] static Result<EnvironmentFiles> Enter(const std::vector<std::filesystem::path>& files);
  ~EnvironmentFiles();
  EnvironmentFiles(EnvironmentFiles&& other) noexcept : before_(std::move(other.before_)) {
    other.before_.clear();
  }
  EnvironmentFiles(const EnvironmentFiles&) = delete;
  EnvironmentFiles& operator=(const EnvironmentFiles&) = delete;

 private:
  EnvironmentFiles() = default;
  [[nodiscard]] Result<void> Add(const std::filesystem::path& file);

  struct Was {
    std::string name;
    std::optional<std::string> value;  // nullopt: there was none
  };
  std::vector<Was> before_;  // undone from its end
};

}  // namespace boxoffice
