#include "platform/bus/kafka_lag.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace boxoffice::bus::kafka {
namespace {

// What the group has committed, in all partitions where it has.
Result<Partitions> Committed(rd_kafka_t* client, const KafkaBusConfig& config, const std::string& group) {
  const Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), Ms(config.request_timeout), nullptr, 0);
  const Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(client));
  const Owned<rd_kafka_ListConsumerGroupOffsets_t> request(
      rd_kafka_ListConsumerGroupOffsets_new((config.prefix + group).c_str(), nullptr));
  rd_kafka_ListConsumerGroupOffsets_t* requests[] = {request.get()};
  rd_kafka_ListConsumerGroupOffsets(client, requests, 1, options.get(), answers.get());
  const Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers.get(), Ms(2 * config.request_timeout)));
  if (!answer) return Failed(RD_KAFKA_RESP_ERR__TIMED_OUT, group);
  if (const auto error = rd_kafka_event_error(answer.get())) return Failed(error, group);
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(answer.get()), &count);
  if (count != 1) return Failed(RD_KAFKA_RESP_ERR__FAIL, group);
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return NewPartitions();
    return Failed(rd_kafka_error_code(error), group);
  }
  Partitions committed = NewPartitions();
  const rd_kafka_topic_partition_list_t* all = rd_kafka_group_result_partitions(groups[0]);
  if (all == nullptr) return committed;
  for (const rd_kafka_topic_partition_t& part : Elements(*all)) {
    if (part.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(part.err, group);
    if (part.offset < 0) continue;
    rd_kafka_topic_partition_list_add(committed.get(), part.topic, part.partition)->offset = part.offset;
  }
  return committed;
}

}  // namespace

Result<Partitions> Bounds(rd_kafka_t* client, const rd_kafka_topic_partition_list_t& parts, int64_t which,
                          milliseconds timeout) {
  Partitions bounds(rd_kafka_topic_partition_list_copy(&parts));
  if (bounds->cnt == 0) return bounds;
  for (rd_kafka_topic_partition_t& part : Elements(*bounds)) part.offset = which;
  if (const auto error = rd_kafka_offsets_for_times(client, bounds.get(), Ms(timeout)))
    return Failed(error, "offsets");
  for (const rd_kafka_topic_partition_t& part : Elements(*bounds)) {
    if (part.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(part.err, part.topic);
  }
  return bounds;
}

Result<int64_t> GroupLag(rd_kafka_t* client, const KafkaBusConfig& config, const std::string& group,
                         std::span<const std::string> topics) {
  const Partitions parts = NewPartitions();
  for (const std::string& topic : topics) {
    const std::string name = config.prefix + topic;
    BOXOFFICE_ASSIGN(const int count, PartitionCount(client, name, config.request_timeout));
    for (int i = 0; i < count; ++i) rd_kafka_topic_partition_list_add(parts.get(), name.c_str(), i);
  }
  // What has been consumed is read before the ends: so a lag of 0 was true at some moment.
  BOXOFFICE_ASSIGN(const Partitions committed, Committed(client, config, group));
  BOXOFFICE_ASSIGN(const Partitions firsts,
                   Bounds(client, *parts, RD_KAFKA_OFFSET_BEGINNING, config.request_timeout));
  BOXOFFICE_ASSIGN(const Partitions ends,
                   Bounds(client, *parts, RD_KAFKA_OFFSET_END, config.request_timeout));
  int64_t lag = 0;
  for (const rd_kafka_topic_partition_t& end : Elements(*ends)) {
    const auto* place = rd_kafka_topic_partition_list_find(committed.get(), end.topic, end.partition);
    if (place == nullptr) place = rd_kafka_topic_partition_list_find(firsts.get(), end.topic, end.partition);
    lag += std::max(end.offset - place->offset, int64_t{0});
  }
  return lag;
}

Result<Ends> TopicEnds(rd_kafka_t* client, const std::string& prefix, std::span<const std::string> topics,
                       milliseconds within) {
  // A request that is left no time is not made to wait for ever, which is what a time below 0 says.
  const auto until = std::chrono::steady_clock::now() + within;
  const auto left = [&] {
    const auto time = std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    return std::max(time, milliseconds(0));
  };
  Ends ends;
  const Partitions parts = NewPartitions();
  for (const std::string& topic : topics) {
    const std::string name = prefix + topic;
    BOXOFFICE_ASSIGN(const int count, PartitionCount(client, name, left()));
    ends[topic].resize(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) rd_kafka_topic_partition_list_add(parts.get(), name.c_str(), i);
  }
  BOXOFFICE_ASSIGN(const Partitions bounds, Bounds(client, *parts, RD_KAFKA_OFFSET_END, left()));
  for (const std::string& topic : topics) {
    const std::string name = prefix + topic;
    for (size_t i = 0; i < ends[topic].size(); ++i) {
      const auto* end =
          rd_kafka_topic_partition_list_find(bounds.get(), name.c_str(), static_cast<int32_t>(i));
      ends[topic][i] = end->offset;
    }
  }
  return ends;
}

}  // namespace boxoffice::bus::kafka
