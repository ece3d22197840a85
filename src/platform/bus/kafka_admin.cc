#include "platform/bus/kafka_admin.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "platform/bus/kafka_client.h"
#include "platform/obs/log.h"

namespace boxoffice::bus {
namespace {

using namespace kafka;  // the client's wrappers, here only

constexpr int kPauseMs = 20;  // from one look at what is being made to the next

struct Wanted {
  std::string name;
  int partitions = 0;
  int replication_factor = 0;
  std::map<std::string, std::string> settings;
};

// A replica that lacks acknowledged events may not come to lead. Some hosted clusters decide about that
// alone.
constexpr const char* kUnclean = "unclean.leader.election.enable";

// With those that make what is acknowledged outlast a loss of power. A broker acknowledges what it has in its
// memory, and writes it to the disk half a minute later: where no other is sure to have it, it writes first.
std::map<std::string, std::string> WithDurability(const TopicSpec& spec,
                                                  std::map<std::string, std::string> settings) {
  settings["min.insync.replicas"] = spec.replication_factor >= 3 ? "2" : "1";
  if (spec.replication_factor < 3) settings["flush.messages"] = "1";
  settings[kUnclean] = "false";
  return settings;
}

std::vector<Wanted> TopicsOf(const KafkaBusConfig& config, const std::vector<TopicSpec>& specs) {
  std::vector<Wanted> wanted;
  for (const TopicSpec& spec : specs) {
    wanted.push_back(
        {config.prefix + spec.name, spec.partitions, spec.replication_factor,
         WithDurability(spec,
                        {{"cleanup.policy", "delete"},
                         {"retention.ms", spec.retention ? fmt::format("{}", spec.retention->count()) : "-1"},
                         {"retention.bytes", "-1"}})});
  }
  return wanted;
}

// `topics` are those of `specs`, in their order, as they are there.
std::vector<Wanted> DeadTopicsOf(const KafkaBusConfig& config, const std::vector<TopicSpec>& specs,
                                 const std::vector<Wanted>& topics) {
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < specs.size(); ++i) {
    for (const std::string& group : specs[i].groups) {
      wanted.push_back({DeadTopicName(config, specs[i].name, group), topics[i].partitions,
                        specs[i].replication_factor,
                        WithDurability(specs[i], {{"cleanup.policy", "compact"}})});
    }
  }
  return wanted;
}

// Asks the cluster and waits for its answer.
template <typename Ask>
Result<Owned<rd_kafka_event_t>> AskAdmin(rd_kafka_t* client, rd_kafka_admin_op_t operation,
                                         milliseconds timeout, Ask ask) {
  const Owned<rd_kafka_AdminOptions_t> options(rd_kafka_AdminOptions_new(client, operation));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), Ms(timeout), nullptr, 0);
  if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS || operation == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS) {
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), Ms(timeout), nullptr, 0);
  }
  const Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(client));
  ask(options.get(), answers.get());
  Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers.get(), Ms(2 * timeout)));
  if (!answer) return Failed(RD_KAFKA_RESP_ERR__TIMED_OUT, "topics");
  if (const auto error = rd_kafka_event_error(answer.get())) return Failed(error, "topics");
  return answer;
}

Result<Owned<rd_kafka_NewTopic_t>> MakeRequest(const Wanted& topic) {
  char text[512];
  Owned<rd_kafka_NewTopic_t> request(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions,
                                                           topic.replication_factor, text, sizeof text));
  if (!request) return Fail(Code::kInvalidArgument, "topic_refused", fmt::format("{}: {}", topic.name, text));
  for (const auto& [name, value] : topic.settings) {
    rd_kafka_NewTopic_set_config(request.get(), name.c_str(), value.c_str());
  }
  return request;
}

bool IsOfSettings(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_INVALID_CONFIG || error == RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
}

// The topics that were there before. `refused`: those that were not made, perhaps for kUnclean.
Result<std::vector<Wanted>> Create(rd_kafka_t* client, const std::vector<Wanted>& wanted,
                                   milliseconds timeout, std::vector<Wanted>& refused) {
  std::vector<Owned<rd_kafka_NewTopic_t>> requests;
  std::vector<rd_kafka_NewTopic_t*> pointers;
  for (const Wanted& topic : wanted) {
    BOXOFFICE_ASSIGN(Owned<rd_kafka_NewTopic_t> request, MakeRequest(topic));
    pointers.push_back(request.get());
    requests.push_back(std::move(request));
  }
  BOXOFFICE_ASSIGN(
      const Owned<rd_kafka_event_t> answer,
      AskAdmin(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout, [&](auto* options, auto* answers) {
        rd_kafka_CreateTopics(client, pointers.data(), pointers.size(), options, answers);
      }));
  size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
  std::vector<Wanted> existing;
  for (const rd_kafka_topic_result_t* result : std::span(results, count)) {
    const std::string_view name = rd_kafka_topic_result_name(result);
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto topic = std::ranges::find(wanted, name, &Wanted::name);
    if (topic == wanted.end()) continue;
    if (IsOfSettings(error) && topic->settings.contains(kUnclean)) {
      refused.push_back(*topic);
      continue;
    }
    if (error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      Error failed = ToError(error, name);
      if (failed.reason != "bus_permission_denied") {
        const char* text = rd_kafka_topic_result_error_string(result);
        return Fail(Code::kInvalidArgument, "topic_refused",
                    fmt::format("{}: {}", name, text != nullptr ? text : rd_kafka_err2str(error)));
      }
      // A cluster asks for the right to make a topic before it looks whether it has that one.
      BOXOFFICE_ASSIGN(const int partitions, PartitionCount(client, std::string(name), timeout));
      if (partitions == 0) return std::unexpected(std::move(failed));
    }
    existing.push_back(*topic);
  }
  return existing;
}

// Makes without kUnclean what was refused with it.
Result<void> CreateWithout(rd_kafka_t* client, std::vector<Wanted> refused, milliseconds timeout) {
  if (refused.empty()) return {};
  for (Wanted& topic : refused) topic.settings.erase(kUnclean);
  std::vector<Wanted> none;
  BOXOFFICE_TRY(Create(client, refused, timeout, none));
  return {};
}

void Compare(const Wanted& topic, std::string_view setting, std::string found, std::string wanted,
             std::vector<TopicDifference>& differences) {
  if (found == wanted) return;
  differences.push_back({topic.name, std::string(setting), std::move(found), std::move(wanted)});
}

// What the cluster says of a topic that it has: some of it may not have heard of one that another process has
// just made.
Result<Owned<const rd_kafka_metadata_t>> Describe(rd_kafka_t* client, const std::string& topic,
                                                  milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  while (true) {
    const rd_kafka_metadata_t* found = nullptr;
    if (const auto error = rd_kafka_metadata(client, 0, handle.get(), &found, Ms(timeout))) {
      return Failed(error, topic);
    }
    Owned<const rd_kafka_metadata_t> metadata(found);
    if (metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > 0) return metadata;
    if (std::chrono::steady_clock::now() > deadline) {
      return Failed(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, topic);
    }
    rd_kafka_poll(client, kPauseMs);
  }
}

Result<void> CompareSettings(rd_kafka_t* client, const std::vector<Wanted>& topics, milliseconds timeout,
                             std::vector<TopicDifference>& differences) {
  std::vector<Owned<rd_kafka_ConfigResource_t>> requests;
  std::vector<rd_kafka_ConfigResource_t*> pointers;
  for (const Wanted& topic : topics) {
    requests.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.name.c_str()));
    pointers.push_back(requests.back().get());
  }
  BOXOFFICE_ASSIGN(
      const Owned<rd_kafka_event_t> answer,
      AskAdmin(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout, [&](auto* options, auto* answers) {
        rd_kafka_DescribeConfigs(client, pointers.data(), pointers.size(), options, answers);
      }));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer.get()), &count);
  for (const rd_kafka_ConfigResource_t* resource : std::span(resources, count)) {
    const std::string_view name = rd_kafka_ConfigResource_name(resource);
    if (const auto error = rd_kafka_ConfigResource_error(resource)) {
      const Error failed = ToError(error, name);
      if (failed.reason != "bus_permission_denied") return std::unexpected(failed);
      obs::Log(obs::Level::kWarning, "topic_not_compared", {{"topic", name}, {"detail", failed.detail}});
      continue;
    }
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** configs = rd_kafka_ConfigResource_configs(resource, &entries);
    for (const Wanted& topic : topics) {
      if (topic.name != name) continue;
      for (const rd_kafka_ConfigEntry_t* entry : std::span(configs, entries)) {
        const auto wanted = topic.settings.find(rd_kafka_ConfigEntry_name(entry));
        const char* value = rd_kafka_ConfigEntry_value(entry);
        if (wanted == topic.settings.end() || value == nullptr) continue;
        Compare(topic, wanted->first, value, wanted->second, differences);
      }
    }
  }
  return {};
}

// RD_KAFKA_RESP_ERR_NO_ERROR: all of its partitions are.
Result<rd_kafka_resp_err_t> WhetherLed(rd_kafka_t* client, const Wanted& topic, milliseconds timeout) {
  // Asked anew: of partitions that have come since it last was, the client hears seconds later by itself.
  BOXOFFICE_ASSIGN(const int known, PartitionCount(client, topic.name, timeout));
  if (known < topic.partitions) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  const Partitions ends = NewPartitions();
  for (int partition = 0; partition < topic.partitions; ++partition) {
    rd_kafka_topic_partition_list_add(ends.get(), topic.name.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_END;
  }
  auto error = rd_kafka_offsets_for_times(client, ends.get(), Ms(timeout));
  for (const rd_kafka_topic_partition_t& part : Elements(*ends)) {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = part.err;
  }
  return error;
}

// A topic is made known before its partitions are led: until they are, each answers that it is not.
Result<void> WaitUntilLed(rd_kafka_t* client, const std::vector<Wanted>& topics, milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (const Wanted& topic : topics) {
    while (true) {
      BOXOFFICE_ASSIGN(const rd_kafka_resp_err_t error, WhetherLed(client, topic, timeout));
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
      if (std::chrono::steady_clock::now() > deadline) return Failed(error, topic.name);
      rd_kafka_poll(client, kPauseMs);
    }
  }
  return {};
}

// Lets a topic have as many partitions as wanted.
Result<void> Extend(rd_kafka_t* client, const Wanted& topic, milliseconds timeout) {
  char text[512];
  const Owned<rd_kafka_NewPartitions_t> more(rd_kafka_NewPartitions_new(
      topic.name.c_str(), static_cast<size_t>(topic.partitions), text, sizeof text));
  if (!more) return Fail(Code::kInvalidArgument, "topic_refused", fmt::format("{}: {}", topic.name, text));
  rd_kafka_NewPartitions_t* requests[] = {more.get()};
  BOXOFFICE_ASSIGN(
      const Owned<rd_kafka_event_t> answer,
      AskAdmin(client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, timeout, [&](auto* options, auto* answers) {
        rd_kafka_CreatePartitions(client, requests, 1, options, answers);
      }));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(answer.get()), &count);
  for (const rd_kafka_topic_result_t* result : std::span(results, count)) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
    // Invalid: it has them, as another process has been quicker.
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS) continue;
    return Failed(error, topic.name);
  }
  return {};
}

// Makes those of `wanted` that are not there, and lets those that are `grow`, if they may. Afterwards
// `wanted` has the partitions that there are.
Result<void> Ensure(rd_kafka_t* client, std::vector<Wanted>& wanted, bool grow, milliseconds timeout,
                    std::vector<TopicDifference>& differences) {
  if (wanted.empty()) return {};
  std::vector<Wanted> refused;
  BOXOFFICE_ASSIGN(std::vector<Wanted> existing, Create(client, wanted, timeout, refused));
  BOXOFFICE_TRY(CreateWithout(client, refused, timeout));
  std::vector<Wanted> changed;
  for (Wanted& topic : wanted) {
    if (std::ranges::find(existing, topic.name, &Wanted::name) == existing.end()) {
      changed.push_back(topic);
      continue;
    }
    BOXOFFICE_ASSIGN(const Owned<const rd_kafka_metadata_t> found, Describe(client, topic.name, timeout));
    const rd_kafka_metadata_topic_t& row = found->topics[0];
    Compare(topic, "replication.factor", fmt::format("{}", row.partitions[0].replica_cnt),
            fmt::format("{}", topic.replication_factor), differences);
    if (grow && row.partition_cnt < topic.partitions) {
      BOXOFFICE_TRY(Extend(client, topic, timeout));
      changed.push_back(topic);
      continue;
    }
    Compare(topic, "partitions", fmt::format("{}", row.partition_cnt), fmt::format("{}", topic.partitions),
            differences);
    topic.partitions = row.partition_cnt;
  }
  BOXOFFICE_TRY(WaitUntilLed(client, changed, timeout));
  std::ranges::move(refused, std::back_inserter(existing));
  if (existing.empty()) return {};
  return CompareSettings(client, existing, timeout, differences);
}

}  // namespace

Result<std::vector<TopicDifference>> CreateTopics(const KafkaBusConfig& config,
                                                  const std::vector<TopicSpec>& specs) {
  std::vector<TopicDifference> differences;
  if (specs.empty()) return differences;
  BOXOFFICE_ASSIGN(const Client client, NewClient(RD_KAFKA_PRODUCER, config, {}));
  std::vector<Wanted> topics = TopicsOf(config, specs);
  BOXOFFICE_TRY(Ensure(client.get(), topics, /*grow=*/false, config.request_timeout, differences));
  std::vector<Wanted> dead = DeadTopicsOf(config, specs, topics);
  BOXOFFICE_TRY(Ensure(client.get(), dead, /*grow=*/true, config.request_timeout, differences));
  return differences;
}

Result<std::vector<std::string>> MissingTopics(const KafkaBusConfig& config,
                                               const std::vector<TopicSpec>& specs) {
  BOXOFFICE_ASSIGN(const Client client, NewClient(RD_KAFKA_PRODUCER, config, {}));
  std::vector<std::string> missing;
  for (const TopicSpec& spec : specs) {
    const std::string name = config.prefix + spec.name;
    BOXOFFICE_ASSIGN(const int count, PartitionCount(client.get(), name, config.request_timeout));
    if (count == 0) missing.push_back(fmt::format("there is no topic {}", name));
    for (const std::string& group : spec.groups) {
      const std::string dead = DeadTopicName(config, spec.name, group);
      BOXOFFICE_ASSIGN(const int dead_count, PartitionCount(client.get(), dead, config.request_timeout));
      if (dead_count == 0) {
        missing.push_back(fmt::format("there is no topic {}", dead));
      } else if (dead_count < count) {
        missing.push_back(
            fmt::format("{} has fewer partitions ({}) than {} ({})", dead, dead_count, name, count));
      }
    }
  }
  return missing;
}

}  // namespace boxoffice::bus
