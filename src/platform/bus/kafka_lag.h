// How far a consumer group of Kafka is behind; for the Kafka bus's own files.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

// Records between what a group has committed and the ends of these topics' partitions; all of a partition in
// which it has committed nothing yet. Topics without prefix. Errors: bus_unavailable, bus_permission_denied.
[[nodiscard]] Result<int64_t> GroupLag(rd_kafka_t* client, const KafkaBusConfig& config,
                                       const std::string& group, std::span<const std::string> topics);

}  // namespace boxoffice::bus::kafka
