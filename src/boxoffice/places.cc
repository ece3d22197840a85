#include "boxoffice/places.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "boxoffice/service_programs.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/keys.h"

namespace boxoffice {

Places::~Places() {
  if (servers_) servers_->Stop();
}

Result<std::unique_ptr<Places>> Places::Open(const PlacesOptions& options) {
  auto places = std::unique_ptr<Places>(new Places());
  // Of own servers PostgreSQL is always one.
  const std::filesystem::path sign = options.own_servers ? options.data / "postgres" : options.data;
  if (options.config.empty()) {
    std::error_code error;
    if (!options.make && !std::filesystem::is_directory(sign, error))
      return Fail(Code::kNotFound, "no_data_folder", fmt::format("there is no {}", sign.string()));
    BOXOFFICE_TRY(places->Lock(options.data, {}));
  }
  BOXOFFICE_TRY(options.own_servers ? places->OpenOwn(options) : places->OpenConfigured(options));
  BOXOFFICE_TRY(places->CheckOneBus());
  return places;
}

Result<std::unique_ptr<Places>> Places::OpenRunning(const PlacesOptions& options) {
  auto places = std::unique_ptr<Places>(new Places());
  const std::filesystem::path sign = options.own_servers ? options.data / "config" : options.data;
  std::error_code error;
  if (options.config.empty() && !std::filesystem::is_directory(sign, error))
    return Fail(Code::kNotFound, "no_data_folder", fmt::format("there is no {}", sign.string()));
  for (module::ServiceProgram& program : ServicePrograms()) {
    std::filesystem::path config = options.own_servers ? options.data / "config" : options.config;
    std::filesystem::path data = options.data;
    if (!config.empty()) config /= program.service + ".toml";
    if (options.own_servers) data = data / "replicas" / (program.service + "-1");
    BOXOFFICE_ASSIGN(module::ProcessConfig read, module::ReadConfig(program, config, data));
    places->all_.push_back({std::move(program), std::move(read)});
  }
  BOXOFFICE_TRY(places->CheckOneBus());
  return places;
}

Result<void> Places::CheckOneBus() const {
  for (const Place& place : all_) {
    if (place.config.bus_url == bus_url()) continue;
    return Fail(Code::kInvalidArgument, "config",
                fmt::format("{} and {} name different buses: {} and {}", all_.front().program.service,
                            place.program.service, config::MaskPassword(bus_url()),
                            config::MaskPassword(place.config.bus_url)));
  }
  return {};
}

Result<void> Places::Lock(const std::filesystem::path& folder, const std::string& service) {
  auto locked = module::DataFolder::Open(folder, service);
  if (!locked && locked.error().reason == "data_folder_in_use")
    locked.error().detail = fmt::format("{} is in use: stop the system first", folder.string());
  if (!locked) return std::unexpected(std::move(locked).error());
  locks_.push_back(*std::move(locked));
  return {};
}

Result<void> Places::OpenOwn(const PlacesOptions& options) {
  BOXOFFICE_ASSIGN(servers_, PrivateStores::Start(options.data, options.kafka_class_path));
  const std::filesystem::path data = std::filesystem::absolute(options.data);
  const std::string bus = servers_->bus_url().empty() ? bus::DefaultBusUrl(data) : servers_->bus_url();
  for (module::ServiceProgram& program : ServicePrograms()) {
    module::ProcessConfig config;
    config.data = data / "replicas" / (program.service + "-1");
    const auto url = servers_->store_urls().find(program.service);
    if (url != servers_->store_urls().end()) config.store_url = url->second;
    config.bus_url = bus;
    all_.push_back({std::move(program), std::move(config)});
  }
  return {};
}

Result<void> Places::OpenConfigured(const PlacesOptions& options) {
  for (module::ServiceProgram& program : ServicePrograms()) {
    const std::filesystem::path file =
        options.config.empty() ? options.config : options.config / (program.service + ".toml");
    BOXOFFICE_ASSIGN(module::ProcessConfig config, module::ReadConfig(program, file, options.data));
    if (!options.config.empty()) BOXOFFICE_TRY(Lock(config.data, program.service));
    all_.push_back({std::move(program), std::move(config)});
  }
  return {};
}

std::vector<std::string> Places::Topics() const {
  std::set<std::string> topics;
  for (const Place& place : all_) topics.insert(place.program.topics.begin(), place.program.topics.end());
  return {topics.begin(), topics.end()};
}

}  // namespace boxoffice
