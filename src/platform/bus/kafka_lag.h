// How far a consumer group of Kafka is behind, and where topics end; for the bus's own files.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "platform/bus/bus_factory.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

// Records between what a group has committed and the ends of these topics' partitions; all of a partition in
// which it has committed nothing yet. Topics without prefix. Errors: bus_unavailable, bus_permission_denied.
[[nodiscard]] Result<int64_t> GroupLag(rd_kafka_t* client, const KafkaBusConfig& config,
                                       const std::string& group, std::span<const std::string> topics);

// These partitions with their firsts (RD_KAFKA_OFFSET_BEGINNING) or ends (RD_KAFKA_OFFSET_END) as offsets: as
// "times", they are those of Kafka's protocol, ListOffsets. One request to each broker that leads some; those
// of another topic than the client has had to do with cost one more. Errors: bus_unavailable,
// bus_topic_missing, bus_permission_denied.
[[nodiscard]] Result<Partitions> Bounds(rd_kafka_t* client, const rd_kafka_topic_partition_list_t& parts,
                                        int64_t which, milliseconds timeout);

// Of topics without `prefix`. Takes `within` at most, all in all. Errors: bus_unavailable,
// bus_permission_denied.
[[nodiscard]] Result<Ends> TopicEnds(rd_kafka_t* client, const std::string& prefix,
                                     std::span<const std::string> topics, milliseconds within);

}  // namespace boxoffice::bus::kafka
