// librdkafka's C API behind RAII; for the Kafka bus's own files.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "base/result.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

struct Destroy {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_conf_t* p) const { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_headers_t* p) const { rd_kafka_headers_destroy(p); }
  void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_NewPartitions_t* p) const { rd_kafka_NewPartitions_destroy(p); }
  void operator()(rd_kafka_ConfigResource_t* p) const { rd_kafka_ConfigResource_destroy(p); }
  void operator()(rd_kafka_ListConsumerGroupOffsets_t* p) const {
    rd_kafka_ListConsumerGroupOffsets_destroy(p);
  }
  void operator()(rd_kafka_topic_partition_list_t* p) const { rd_kafka_topic_partition_list_destroy(p); }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy>;

using Client = Owned<rd_kafka_t>;
using Partitions = Owned<rd_kafka_topic_partition_list_t>;
[[nodiscard]] inline Partitions NewPartitions() { return Partitions(rd_kafka_topic_partition_list_new(16)); }
[[nodiscard]] inline std::span<rd_kafka_topic_partition_t> Elements(
    const rd_kafka_topic_partition_list_t& list) {
  return {list.elems, static_cast<size_t>(list.cnt)};
}

// The queues of the partitions that a consumer has. librdkafka leaves a mark in the queue of each one that is
// given up; the mark holds the partition, and that its broker's thread. Destroying the client takes marks
// away, but not those of a topic that was deleted: it would wait for that thread for ever (mended in
// librdkafka 2.6.1, by its pull request 4724). Belongs to the consumer's thread.
class PartitionQueues {
 public:
  // After rd_kafka_assign of these.
  void Keep(rd_kafka_t* client, const rd_kafka_topic_partition_list_t& assigned);
  // Takes out what is left in those that were kept, and keeps none. They must have been given up: what
  // arrives for another assignment would be taken out too.
  void Drain();

 private:
  std::vector<Owned<rd_kafka_queue_t>> kept_;
};

using Settings = std::vector<std::pair<std::string, std::string>>;

// A producer or consumer with the bus's settings and, over them, `settings`; `prepare` may add callbacks. No
// broker needs to be there yet. Its log goes to ours. Errors: bus_config (kInvalidArgument; names the
// setting).
[[nodiscard]] Result<Client> NewClient(rd_kafka_type_t type, const KafkaBusConfig& config,
                                       const Settings& settings,
                                       const std::function<void(rd_kafka_conf_t*)>& prepare = {});

// What an error of librdkafka is here: bus_topic_missing, event_too_large (kInvalidArgument),
// bus_permission_denied, and for all else bus_unavailable. `doing` goes into the detail.
[[nodiscard]] Error ToError(rd_kafka_resp_err_t error, std::string_view doing);
[[nodiscard]] std::unexpected<Error> Failed(rd_kafka_resp_err_t error, std::string_view doing);

// The partitions of a topic, 0 if there is no such topic. Errors: bus_unavailable, bus_permission_denied.
[[nodiscard]] Result<int> PartitionCount(rd_kafka_t* client, const std::string& topic, milliseconds timeout);
// The names of all topics. Errors: as above.
[[nodiscard]] Result<std::vector<std::string>> TopicNames(rd_kafka_t* client, milliseconds timeout);

// The topic of the keys that a group has set aside of a topic; both names without prefix.
[[nodiscard]] std::string DeadTopicName(const KafkaBusConfig& config, std::string_view topic,
                                        std::string_view group);
inline constexpr std::string_view kDeadSuffix = ".dead";

// Whole milliseconds for librdkafka's time-outs.
[[nodiscard]] inline int Ms(milliseconds time) { return static_cast<int>(time.count()); }

}  // namespace boxoffice::bus::kafka
