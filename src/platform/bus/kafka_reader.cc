#include "platform/bus/kafka_reader.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace boxoffice::bus::kafka {

using SteadyClock = std::chrono::steady_clock;

Result<Reader> Reader::Open(const KafkaBusConfig& config) {
  // It joins no group and commits nothing; librdkafka wants a name to assign partitions by hand.
  const Settings settings{{"group.id", config.prefix + "reader"},
                          {"enable.auto.commit", "false"},
                          {"enable.auto.offset.store", "false"},
                          {"auto.offset.reset", "earliest"},
                          {"enable.partition.eof", "true"},
                          // The end of an idle partition is known when a fetch comes back empty.
                          {"fetch.wait.max.ms", "10"}};
  BOXOFFICE_ASSIGN(Client client, NewClient(RD_KAFKA_CONSUMER, config, settings));
  rd_kafka_poll_set_consumer(client.get());
  return Reader(config, std::move(client));
}

Result<void> Reader::Read(std::span<Part> parts, const Take& take) {
  if (parts.empty()) return {};
  const Partitions list = NewPartitions();
  for (const Part& part : parts) {
    rd_kafka_topic_partition_list_add(list.get(), part.topic.c_str(), part.partition)->offset = part.next;
  }
  if (const auto error = rd_kafka_assign(client_.get(), list.get())) return Failed(error, "assignment");
  PartitionQueues queues;
  queues.Keep(client_.get(), *list);
  Result<void> read = ReadAssigned(parts, take);
  rd_kafka_assign(client_.get(), nullptr);
  rd_kafka_assign(client_.get(), nullptr);  // it is answered once the first has been carried out
  queues.Drain();
  return read;
}

Result<void> Reader::ReadAssigned(std::span<Part> parts, const Take& take) {
  std::vector<bool> at_end(parts.size());
  size_t open = parts.size();
  auto deadline = SteadyClock::now() + config_->request_timeout;
  while (open > 0) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
    if (left <= milliseconds(0)) {
      const auto late = std::ranges::find(at_end, false) - at_end.begin();
      return Failed(RD_KAFKA_RESP_ERR__TIMED_OUT, parts[static_cast<size_t>(late)].topic);
    }
    const Owned<rd_kafka_message_t> message(rd_kafka_consumer_poll(client_.get(), Ms(left)));
    if (!message) continue;
    // No connection: it goes on by itself, or time runs out.
    if (message->rkt == nullptr || message->err == RD_KAFKA_RESP_ERR__TRANSPORT) continue;
    const std::string_view topic = rd_kafka_topic_name(message->rkt);
    const auto part = std::ranges::find_if(parts, [&](const Part& candidate) {
      return candidate.partition == message->partition && candidate.topic == topic;
    });
    if (part == parts.end()) continue;  // of an earlier reading
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      part->next = std::max(part->next, message->offset);
      const auto index = static_cast<size_t>(part - parts.begin());
      if (!at_end[index]) --open;
      at_end[index] = true;
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(message->err, topic);
    if (message->offset < part->next) continue;
    part->next = message->offset + 1;
    deadline = SteadyClock::now() + config_->request_timeout;
    if (!take(*message)) return {};
  }
  return {};
}

}  // namespace boxoffice::bus::kafka
