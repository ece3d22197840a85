// Where every service of a system keeps its data, and the bus: while the system is stopped, for `export`,
// `import` and `restore`, or while it runs, for `backup` and `doctor`.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/result.h"
#include "boxoffice/environment_file.h"
#include "boxoffice/private_stores.h"
#include "platform/module/process.h"
#include "platform/module/program.h"
#include "platform/module/serve.h"

namespace boxoffice {

struct PlacesOptions {
  // A folder with SERVICE.toml of each service, and the variables of units (services.env, SERVICE.env);
  // empty: none.
  std::filesystem::path config;
  std::filesystem::path data;  // the data folder; with `config`: empty, or over what the files say
  // The data folder is that of `up --scaled`: its servers are started, and stopped at the end.
  bool own_servers = false;
  bool make = false;                            // what is not there is made; else it is an error
  std::optional<std::string> kafka_class_path;  // of own servers; nullopt: they have no Kafka
};

struct Place {
  module::ServiceProgram program;
  module::ProcessConfig config;
};

// The same result; of a failure, the detail says whose it is.
template <typename T>
[[nodiscard]] Result<T> FailureOf(std::string_view service, Result<T> result) {
  if (!result) result.error().detail = fmt::format("{}: {}", service, result.error().detail);
  return result;
}

// That the data folder is of the form that is asked for, or of none yet: the other form's stores are
// elsewhere in it, so whoever opened it would make empty ones, and share its bus. Both forms may have run in
// it already: then it is of either. Error: no_data_folder (kNotFound).
[[nodiscard]] Result<void> CheckFormOfFolder(const std::filesystem::path& data, bool own_servers);

// The same of a service that is started, or brought up to date, by itself: that it makes no empty store in
// the data folder of own servers, which was of either form from then on. Error: no_data_folder.
[[nodiscard]] Result<void> CheckStoreOfFolder(const module::ServiceProgram& program,
                                              const module::ProcessConfig& config);

// Whether the data folder of own servers has a Kafka. What a start left that failed before it was made is
// none.
[[nodiscard]] bool HasKafka(const std::filesystem::path& data);
// That the events of a data folder of own servers are where they would be looked for, or nowhere yet: on the
// other bus, consumers would find a log without what they have not read. Error: other_bus (kInvalidArgument).
[[nodiscard]] Result<void> CheckBusOfFolder(const std::filesystem::path& data, bool kafka);

// Holds the locks of the data folders meanwhile. Not thread-safe; its servers end with the main thread.
class Places {
 public:
  // Errors: no_data_folder (kNotFound; also: it is of the other form, or none has run there; nothing is made
  // then), other_bus, data_folder_in_use (a system runs there), data_folder_unwritable,
  // config (also: services that name different buses), and those of PrivateStores.
  [[nodiscard]] static Result<std::unique_ptr<Places>> Open(const PlacesOptions& options);
  // The same of a system that may run: nothing is locked, started or made. Own servers run already. Errors:
  // no_data_folder, config.
  [[nodiscard]] static Result<std::unique_ptr<Places>> OpenRunning(const PlacesOptions& options);
  ~Places();
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  // Of every service, in the order of ServicePrograms.
  [[nodiscard]] const std::vector<Place>& all() const { return all_; }
  // Of those who publish, consume, or count events, which is the same; what others say of a bus is for
  // nobody.
  [[nodiscard]] const std::string& bus_url() const;
  // All that are published to, sorted.
  [[nodiscard]] std::vector<std::string> Topics() const;

 private:
  Places() = default;
  [[nodiscard]] Result<void> Lock(const std::filesystem::path& folder, const std::string& service);
  [[nodiscard]] Result<void> OpenOwn(const PlacesOptions& options);
  [[nodiscard]] Result<void> CheckOneBus() const;
  [[nodiscard]] Result<void> OpenConfigured(const PlacesOptions& options);
  [[nodiscard]] Result<void> EnterShared(const std::filesystem::path& folder);
  // As its unit starts it, where `folder` is that of the configuration.
  [[nodiscard]] Result<void> Add(module::ServiceProgram program, const std::filesystem::path& folder,
                                 const std::filesystem::path& data);

  std::optional<EnvironmentFiles> shared_;  // connections look at it too (PGSERVICEFILE)
  std::vector<module::DataFolder> locks_;
  std::optional<PrivateStores> servers_;
  std::vector<Place> all_;
};

}  // namespace boxoffice
