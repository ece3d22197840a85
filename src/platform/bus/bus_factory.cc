#include "platform/bus/bus_factory.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/host_port.h"
#include "base/text.h"
#include "platform/bus/kafka_admin.h"
#include "platform/bus/kafka_bus.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_lag.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/obs/log.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::string_view kKafka = "kafka:";
constexpr size_t kMaxPrefix = 200;  // a topic's name has 249 characters at most

// By these events keep their order, and none is passed over: they are the bus's own, under all their names.
constexpr std::array<std::string_view, 12> kOwnSettings{
    "acks",        "auto.offset.reset",  "delivery.timeout.ms",   "enable.auto.commit",
    "group.id",    "enable.idempotence", "enable.partition.eof",  "enable.auto.offset.store",
    "partitioner", "message.timeout.ms", "request.required.acks", "partition.assignment.strategy"};

// No error repeats more of the URL than a name: there may be a password in it.
std::unexpected<Error> NotSuch(std::string_view what) {
  return Fail(Code::kInvalidArgument, "bus_url", fmt::format("bus.url: {}", what));
}

// Kafka takes no other topic, and only says so of one that is to be made.
bool MayBeginTopics(std::string_view prefix) {
  return prefix.size() <= kMaxPrefix && std::ranges::all_of(prefix, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

bool AreBrokers(std::string_view text) {
  while (true) {
    const size_t comma = text.find(',');
    const auto broker = ParseHostPort(text.substr(0, comma));
    if (!broker || broker->port == 0 || broker->host.contains('/')) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

Result<KafkaBusConfig> KafkaConfig(std::string_view url) {
  KafkaBusConfig config;
  url.remove_prefix(kKafka.size());
  const size_t question = std::min(url.find('?'), url.size());
  config.brokers = url.substr(0, question);
  if (!AreBrokers(config.brokers))
    return NotSuch(
        "behind kafka: come its brokers, HOST:PORT,HOST:PORT, without // and with ports of 1 to 65535");
  for (std::string_view left = url.substr(std::min(question + 1, url.size())); !left.empty();) {
    const std::string_view setting = left.substr(0, left.find('&'));
    left.remove_prefix(std::min(setting.size() + 1, left.size()));
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string_view::npos) return NotSuch("a setting is NAME=VALUE");
    const std::string name(setting.substr(0, equals));
    auto value = PercentDecodeBytes(setting.substr(equals + 1));
    if (!value) return NotSuch("a % that two hexadecimal digits do not follow");
    if (name == "prefix") {
      config.prefix = *std::move(value);
      if (!MayBeginTopics(config.prefix)) {
        return NotSuch(
            fmt::format("a prefix is of letters, digits, '.', '_' and '-', {} at most", kMaxPrefix));
      }
    } else if (std::ranges::find(kOwnSettings, name) != kOwnSettings.end()) {
      obs::Log(obs::Level::kWarning, "bus_setting_ignored", {{"name", name}});
    } else {
      config.properties.emplace_back(name, *std::move(value));
    }
  }
  return config;
}

std::vector<TopicSpec> SpecsOf(const BusNeeds& needs) {
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
  return specs;
}

Result<void> MakeTopics(const KafkaBusConfig& config, const BusNeeds& needs) {
  BOXOFFICE_ASSIGN(const auto differences, CreateTopics(config, SpecsOf(needs)));
  for (const TopicDifference& other : differences) {
    obs::Log(obs::Level::kWarning, "topic_differs",
             {{"topic", other.topic},
              {"setting", other.setting},
              {"found", other.found},
              {"wanted", other.wanted}});
  }
  return {};
}

// The offsets of the log are of all topics together.
class SqliteEnds final : public EndReader {
 public:
  SqliteEnds(sql::Database database, std::vector<std::string> topics)
      : database_(std::move(database)), topics_(std::move(topics)) {}
  Result<Ends> Read(milliseconds /*within*/) override {  // reading waits for nobody
    sql::Statement last = database_.Prepare("SELECT coalesce(max(offset), 0) FROM log");
    BOXOFFICE_TRY(last.Step());
    Ends ends;
    for (const std::string& topic : topics_) ends[topic] = {last.Int(0) + 1};
    return ends;
  }

 private:
  sql::Database database_;
  const std::vector<std::string> topics_;
};

class KafkaEnds final : public EndReader {
 public:
  KafkaEnds(kafka::Client client, std::string prefix, std::vector<std::string> topics)
      : client_(std::move(client)), prefix_(std::move(prefix)), topics_(std::move(topics)) {}
  Result<Ends> Read(milliseconds within) override {
    return kafka::TopicEnds(client_.get(), prefix_, topics_, within);
  }

 private:
  const kafka::Client client_;
  const std::string prefix_;
  const std::vector<std::string> topics_;
};

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
  if (url.starts_with(kKafka)) {
    BOXOFFICE_ASSIGN(KafkaBusConfig config, KafkaConfig(url));
    return KafkaBus::Open(std::move(config), clock, metrics);
  }
  const std::string_view scheme = url.substr(0, url.find(':'));
  return NotSuch(fmt::format("it is sqlite:FILE or kafka:HOST:PORT,HOST:PORT, not \"{}{}\"", scheme,
                             scheme.size() < url.size() ? ":…" : ""));
}

Result<std::unique_ptr<EndReader>> OpenEnds(std::string_view url, std::vector<std::string> topics) {
  std::unique_ptr<EndReader> ends;
  if (url.starts_with(kKafka)) {
    BOXOFFICE_ASSIGN(KafkaBusConfig config, KafkaConfig(url));
    BOXOFFICE_ASSIGN(kafka::Client client, kafka::NewClient(RD_KAFKA_CONSUMER, config, {}));
    ends = std::make_unique<KafkaEnds>(std::move(client), std::move(config.prefix), std::move(topics));
  } else {
    const std::filesystem::path file = url.starts_with(kSqlite) ? url.substr(kSqlite.size()) : "";
    std::error_code error;
    if (!file.empty() && !std::filesystem::is_regular_file(file, error))
      return Fail(Code::kNotFound, "no_bus", fmt::format("there is no {}", file.string()));
    // As a bus first, for the errors of that.
    const SystemClock clock;
    obs::Registry metrics;
    BOXOFFICE_TRY(OpenBus(url, clock, metrics));
    BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
    ends = std::make_unique<SqliteEnds>(std::move(database), std::move(topics));
  }
  BOXOFFICE_TRY(ends->Read(kEndsWithin));
  return ends;
}

Result<std::vector<std::string>> MissingOf(std::string_view url, const BusNeeds& needs) {
  if (url.starts_with(kKafka)) {
    BOXOFFICE_ASSIGN(const KafkaBusConfig config, KafkaConfig(url));
    return MissingTopics(config, SpecsOf(needs));
  }
  BOXOFFICE_TRY(OpenEnds(url, {}));
  return std::vector<std::string>();
}

Result<void> PrepareBus(std::string_view url, const BusNeeds& needs) {
  if (url.starts_with(kKafka)) {
    BOXOFFICE_ASSIGN(const KafkaBusConfig config, KafkaConfig(url));
    return MakeTopics(config, needs);
  }
  // Topics of the log in SQLite need no making: opening it makes the file.
  const SystemClock clock;
  obs::Registry metrics;
  BOXOFFICE_TRY(OpenBus(url, clock, metrics));
  return {};
}

}  // namespace boxoffice::bus
