#include "platform/bus/kafka_lag.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

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

Result<int64_t> GroupLag(rd_kafka_t* client, const KafkaBusConfig& config, const std::string& group) {
  BOXOFFICE_ASSIGN(const Partitions committed, Committed(client, config, group));
  if (committed->cnt == 0) {
    return Fail(Code::kNotFound, "not_found", fmt::format("no consumer group {}", group));
  }
  const Partitions ends(rd_kafka_topic_partition_list_copy(committed.get()));
  // The "time" -1 stands for the end (Kafka protocol, ListOffsets).
  for (rd_kafka_topic_partition_t& end : Elements(*ends)) end.offset = RD_KAFKA_OFFSET_END;
  if (const auto error = rd_kafka_offsets_for_times(client, ends.get(), Ms(config.request_timeout))) {
    return Failed(error, group);
  }
  int64_t lag = 0;
  for (const rd_kafka_topic_partition_t& part : Elements(*committed)) {
    const auto* end = rd_kafka_topic_partition_list_find(ends.get(), part.topic, part.partition);
    if (end == nullptr) continue;
    if (end->err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(end->err, group);
    lag += std::max(end->offset - part.offset, int64_t{0});
  }
  return lag;
}

}  // namespace boxoffice::bus::kafka
