#include "platform/bus/kafka_client.h"

#include <array>

#include <fmt/format.h>

#include "platform/obs/log.h"

namespace boxoffice::bus::kafka {
namespace {

constexpr size_t kMessageBytes = 512;  // what librdkafka's documentation gives its error texts

void LogLine(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  constexpr int kSyslogError = 3;
  constexpr int kSyslogInfo = 6;
  // A lost connection is reported at each attempt; what it costs us is logged where it is felt.
  obs::Log(level <= kSyslogError - 1 ? obs::Level::kError
           : level <= kSyslogInfo    ? obs::Level::kInfo
                                     : obs::Level::kDebug,
           "kafka", {{"client", rd_kafka_name(client)}, {"facility", facility}, {"text", text}});
}

}  // namespace

void PartitionQueues::Keep(rd_kafka_t* client, const rd_kafka_topic_partition_list_t& assigned) {
  for (const rd_kafka_topic_partition_t& part : Elements(assigned)) {
    Owned<rd_kafka_queue_t> queue(rd_kafka_queue_get_partition(client, part.topic, part.partition));
    if (queue) kept_.push_back(std::move(queue));
  }
}

void PartitionQueues::Drain() {
  for (const Owned<rd_kafka_queue_t>& queue : kept_) {
    while (Owned<rd_kafka_event_t>(rd_kafka_queue_poll(queue.get(), 0))) continue;
  }
  kept_.clear();
}

Result<Client> NewClient(rd_kafka_type_t type, const KafkaBusConfig& config, const Settings& settings,
                         const std::function<void(rd_kafka_conf_t*)>& prepare) {
  Owned<rd_kafka_conf_t> conf(rd_kafka_conf_new());
  std::array<char, kMessageBytes> text{};
  Settings all{{"bootstrap.servers", config.brokers},
               {"client.id", "boxoffice"},
               // A broker that does not answer is asked again, and keeps nobody from ending.
               {"socket.timeout.ms", fmt::format("{}", config.request_timeout.count())},
               // A broker that comes back is found within a second.
               {"reconnect.backoff.max.ms", "1000"},
               // A topic that comes into being, likewise, within some.
               {"topic.metadata.refresh.interval.ms", "10000"},
               {"topic.metadata.propagation.max.ms", "5000"},
               {"socket.keepalive.enable", "true"},
               {"socket.nagle.disable", "true"},
               {"log.connection.close", "false"}};
  all.insert(all.end(), settings.begin(), settings.end());
  all.insert(all.end(), config.properties.begin(), config.properties.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK) {
      return Fail(Code::kInvalidArgument, "bus_config", fmt::format("{}: {}", name, text.data()));
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), &LogLine);
  if (prepare) prepare(conf.get());
  Client client(rd_kafka_new(type, conf.get(), text.data(), text.size()));
  if (!client) return Fail(Code::kInvalidArgument, "bus_config", text.data());
  (void)conf.release();  // now the client's
  return client;
}

Error ToError(rd_kafka_resp_err_t error, std::string_view doing) {
  std::string detail = fmt::format("{}: {}", doing, rd_kafka_err2str(error));
  switch (error) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      return {Code::kUnavailable, "bus_topic_missing", std::move(detail)};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return {Code::kInvalidArgument, "event_too_large", std::move(detail)};
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return {Code::kPermissionDenied, "bus_permission_denied", std::move(detail)};
    default:
      return {Code::kUnavailable, "bus_unavailable", std::move(detail)};
  }
}

std::unexpected<Error> Failed(rd_kafka_resp_err_t error, std::string_view doing) {
  return std::unexpected(ToError(error, doing));
}

Result<int> PartitionCount(rd_kafka_t* client, const std::string& topic, milliseconds timeout) {
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  if (!handle) return Failed(rd_kafka_last_error(), topic);
  const rd_kafka_metadata_t* found = nullptr;
  if (const auto error = rd_kafka_metadata(client, 0, handle.get(), &found, Ms(timeout))) {
    return Failed(error, topic);
  }
  const Owned<const rd_kafka_metadata_t> metadata(found);
  if (metadata->topic_cnt != 1) return 0;
  const rd_kafka_metadata_topic_t& row = metadata->topics[0];
  if (row.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return 0;
  if (row.err != RD_KAFKA_RESP_ERR_NO_ERROR && row.partition_cnt == 0) return Failed(row.err, topic);
  return row.partition_cnt;
}

Result<std::vector<std::string>> TopicNames(rd_kafka_t* client, milliseconds timeout) {
  const rd_kafka_metadata_t* found = nullptr;
  if (const auto error = rd_kafka_metadata(client, 1, nullptr, &found, Ms(timeout))) {
    return Failed(error, "list of topics");
  }
  const Owned<const rd_kafka_metadata_t> metadata(found);
  std::vector<std::string> names;
  for (int i = 0; i < metadata->topic_cnt; ++i) names.emplace_back(metadata->topics[i].topic);
  return names;
}

std::string DeadTopicName(const KafkaBusConfig& config, std::string_view topic, std::string_view group) {
  return fmt::format("{}{}.{}{}", config.prefix, topic, group, kDeadSuffix);
}

}  // namespace boxoffice::bus::kafka
