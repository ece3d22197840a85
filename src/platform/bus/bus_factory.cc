#include "platform/bus/bus_factory.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/bus/kafka_admin.h"
#include "platform/bus/kafka_bus.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/obs/log.h"

namespace boxoffice::bus {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::string_view kKafka = "kafka:";

KafkaBusConfig KafkaConfig(std::string_view url) {
  KafkaBusConfig config;
  config.brokers = url.substr(kKafka.size());
  return config;
}

Result<void> MakeTopics(const KafkaBusConfig& config, const BusNeeds& needs) {
  std::vector<TopicSpec> specs;
  const auto add = [&](const std::string& topic, std::vector<std::string> groups) {
    TopicSpec spec;
    spec.name = topic;
    spec.partitions = needs.partitions;
    spec.replication_factor = needs.replication_factor;
    spec.groups = std::move(groups);
    specs.push_back(std::move(spec));
  };
  for (const std::string& topic : needs.published) {
    if (std::ranges::find(needs.consumed, topic) == needs.consumed.end()) add(topic, {});
  }
  for (const std::string& topic : needs.consumed) add(topic, {needs.group});
  if (specs.empty()) return {};
  BOXOFFICE_ASSIGN(const auto differences, CreateTopics(config, specs));
  for (const TopicDifference& other : differences) {
    obs::Log(obs::Level::kWarning, "topic_differs",
             {{"topic", other.topic},
              {"setting", other.setting},
              {"found", other.found},
              {"wanted", other.wanted}});
  }
  return {};
}

}  // namespace

std::string DefaultBusUrl(const std::filesystem::path& data_dir) {
  return fmt::format("{}{}", kSqlite, (data_dir / "bus.db").string());
}

std::string ClusterBusUrl(std::string_view brokers) { return fmt::format("{}{}", kKafka, brokers); }

Result<std::unique_ptr<Bus>> OpenBus(std::string_view url, const Clock& clock, obs::Registry& metrics) {
  if (url.starts_with(kSqlite)) {
    SqliteBusConfig config;
    config.file = url.substr(kSqlite.size());
    return SqliteBus::Open(std::move(config), clock, metrics);
  }
  if (url.starts_with(kKafka)) return KafkaBus::Open(KafkaConfig(url), clock, metrics);
  return Fail(Code::kInvalidArgument, "bus_url",
              fmt::format("bus.url is sqlite:FILE or kafka:HOST:PORT,HOST:PORT, not \"{}\"", url));
}

Result<void> PrepareBus(std::string_view url, const BusNeeds& needs) {
  if (url.starts_with(kKafka)) return MakeTopics(KafkaConfig(url), needs);
  // Topics of the log in SQLite need no making: opening it makes the file.
  const SystemClock clock;
  obs::Registry metrics;
  BOXOFFICE_TRY(OpenBus(url, clock, metrics));
  return {};
}

}  // namespace boxoffice::bus
