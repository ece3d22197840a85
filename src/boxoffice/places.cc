#include "boxoffice/places.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "boxoffice/service_programs.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/keys.h"
#include "platform/module/store_url.h"
#include "platform/sql/postgres_url.h"

namespace boxoffice {
namespace {

// The gateway has no store, and the auditor, who reads the bus.
bool IsOnBus(const Place& place) {
  const module::ServiceProgram& program = place.program;
  return !program.topics.empty() || !program.consumed_topics.empty() || !program.migrate;
}

std::unexpected<Error> NoDataFolder(std::string detail) {
  return Fail(Code::kNotFound, "no_data_folder", std::move(detail));
}

// Whether the other form has run in the data folder, and the one that is asked for has not.
bool IsOfOtherForm(const std::filesystem::path& data, bool own_servers) {
  std::error_code error;
  // Of own servers PostgreSQL is always one. Its folder alone is left by a start that failed.
  const bool has_servers = std::filesystem::is_directory(data / "postgres" / "data", error);
  const bool has_files = std::filesystem::exists(data / "seat.db", error);
  return has_servers != has_files && has_servers != own_servers;
}

// That the data folder is one of the form that is asked for: `sign` is what it has.
Result<void> CheckFolder(const PlacesOptions& options, const std::filesystem::path& sign) {
  BOXOFFICE_TRY(CheckFormOfFolder(options.data, options.own_servers));
  std::error_code error;
  if (!options.make && !std::filesystem::is_directory(sign, error))
    return NoDataFolder(fmt::format("there is no {}", sign.string()));
  return {};
}

}  // namespace

Result<void> CheckFormOfFolder(const std::filesystem::path& data, bool own_servers) {
  if (!IsOfOtherForm(data, own_servers)) return {};
  const std::string_view cure = own_servers
                                    ? "`up` without --scaled: leave --scaled out, or give another --data"
                                    : "`up --scaled`: give --scaled, or another --data";
  return NoDataFolder(fmt::format("{} is of {}", data.string(), cure));
}

Result<void> CheckStoreOfFolder(const module::ServiceProgram& program, const module::ProcessConfig& config) {
  // The gateway has no store, and with --config maybe no data folder either.
  const bool is_in_folder = program.migrate && config.store_url == module::DefaultStoreUrl(config.data);
  if (!is_in_folder || !IsOfOtherForm(config.data, /*own_servers=*/false)) return {};
  return NoDataFolder(
      fmt::format("{0} is of `up --scaled`, which brings its stores up to date when it starts: give another "
                  "--data, or, while it runs, `boxoffice migrate --config {0}/config --data {0}`",
                  config.data.string()));
}

bool HasKafka(const std::filesystem::path& data) {
  std::error_code error;
  return std::filesystem::exists(data / "kafka" / "ports", error);
}

Result<void> CheckBusOfFolder(const std::filesystem::path& data, bool kafka) {
  std::error_code error;
  const bool has_kafka = HasKafka(data);
  if (kafka == has_kafka || (kafka && !std::filesystem::exists(data / "bus.db", error))) return {};
  return Fail(Code::kInvalidArgument, "other_bus",
              has_kafka
                  ? fmt::format("the events of {} are in its Kafka: leave --no-kafka out, or give "
                                "another --data",
                                data.string())
                  : fmt::format("the events of {} are in its bus.db: give --no-kafka, or another --data",
                                data.string()));
}

Places::~Places() {
  if (servers_) servers_->Stop();
}

Result<std::unique_ptr<Places>> Places::Open(const PlacesOptions& options) {
  auto places = std::unique_ptr<Places>(new Places());
  if (options.config.empty())
    BOXOFFICE_TRY(CheckFolder(options, options.own_servers ? options.data / "postgres" : options.data));
  BOXOFFICE_TRY(options.own_servers ? places->OpenOwn(options) : places->OpenConfigured(options));
  BOXOFFICE_TRY(places->CheckOneBus());
  return places;
}

Result<std::unique_ptr<Places>> Places::OpenRunning(const PlacesOptions& options) {
  auto places = std::unique_ptr<Places>(new Places());
  if (options.config.empty())
    BOXOFFICE_TRY(CheckFolder(options, options.own_servers ? options.data / "config" : options.data));
  BOXOFFICE_TRY(places->EnterShared(options.config));
  for (module::ServiceProgram& program : ServicePrograms()) {
    std::filesystem::path data = options.data;
    if (options.own_servers) data = data / "replicas" / (program.service + "-1");
    BOXOFFICE_TRY(places->Add(std::move(program),
                              options.own_servers ? options.data / "config" : options.config, data));
  }
  BOXOFFICE_TRY(places->CheckOneBus());
  return places;
}

Result<void> Places::EnterShared(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  BOXOFFICE_ASSIGN(EnvironmentFiles entered, EnvironmentFiles::Enter({SharedVariables(folder)}));
  shared_.emplace(std::move(entered));
  return {};
}

Result<void> Places::Add(module::ServiceProgram program, const std::filesystem::path& folder,
                         const std::filesystem::path& data) {
  std::filesystem::path file;
  std::vector<std::filesystem::path> variables;
  if (!folder.empty()) {
    file = folder / (program.service + ".toml");
    variables.push_back(VariablesOf(folder, program.service));
  }
  BOXOFFICE_ASSIGN(const EnvironmentFiles entered, EnvironmentFiles::Enter(variables));
  BOXOFFICE_ASSIGN(module::ProcessConfig config, module::ReadConfig(program, file, data));
  // Its connections are made when the variables of another service are entered, or none.
  if (module::IsPostgres(config.store_url)) {
    config.store_url =
        sql::pg::WithVariables(config.store_url, [](const char* name) { return std::getenv(name); });
  }
  all_.push_back({std::move(program), std::move(config)});
  return {};
}

const std::string& Places::bus_url() const {
  const auto found = std::ranges::find_if(all_, IsOnBus);
  return (found != all_.end() ? *found : all_.front()).config.bus_url;
}

Result<void> Places::CheckOneBus() const {
  const auto first = std::ranges::find_if(all_, IsOnBus);
  for (const Place& place : all_) {
    if (!IsOnBus(place) || place.config.bus_url == bus_url()) continue;
    return Fail(Code::kInvalidArgument, "config",
                fmt::format("{} and {} name different buses: {} and {}", first->program.service,
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
  BOXOFFICE_TRY(CheckBusOfFolder(options.data, options.kafka_class_path.has_value()));
  BOXOFFICE_TRY(Lock(options.data, {}));
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
  BOXOFFICE_TRY(EnterShared(options.config));
  for (module::ServiceProgram& program : ServicePrograms()) {
    BOXOFFICE_TRY(Add(std::move(program), options.config, options.data));
    const Place& added = all_.back();
    if (!options.config.empty()) BOXOFFICE_TRY(Lock(added.config.data, added.program.service));
  }
  if (!options.config.empty()) return {};
  // Whatever has run there has made its bus; where that is elsewhere, it can't be told.
  std::error_code error;
  if (!options.make && bus_url() == bus::DefaultBusUrl(options.data) &&
      !std::filesystem::exists(options.data / "bus.db", error))
    return NoDataFolder(fmt::format("no system has run in {}: there is no bus.db", options.data.string()));
  return Lock(options.data, {});
}

std::vector<std::string> Places::Topics() const {
  std::set<std::string> topics;
  for (const Place& place : all_) topics.insert(place.program.topics.begin(), place.program.topics.end());
  return {topics.begin(), topics.end()};
}

}  // namespace boxoffice
