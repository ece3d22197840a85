// The topics of the Kafka bus: made before anything is published, never by chance.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus {

// A topic, with the dead-letter topics of the groups that consume it.
struct TopicSpec {
  std::string name;  // without the prefix: "reservation"
  // The most processes of a group that can share the work. Never changed afterwards: a key's events would be
  // in two partitions, and out of order.
  int partitions = 12;
  // An event is acknowledged once two replicas have it, from 3 on; of fewer, once it is on a disk.
  int replication_factor = 1;
  std::optional<milliseconds> retention;  // none: for ever, as projections are rebuilt from it
  std::vector<std::string> groups;
};

// A topic that has another setting than asked for; it was left as it is.
struct TopicDifference {
  std::string topic;    // with the prefix
  std::string setting;  // "partitions", "replication.factor", or Kafka's name of it: "retention.ms"
  std::string found;
  std::string wanted;
};

// Creates the topics of `specs` that are not there, with the groups' dead-letter topics
// (<topic>.<group>.dead: compacted, as many partitions as the topic has), and returns when they can be used.
// A dead-letter topic whose topic has got more partitions gets as many. Again: no effect. What is there with
// other settings is returned, and so is what the cluster makes only where it decides itself about unclean
// elections, if it allows them. Whoever may not ask for settings (Kafka's right DescribeConfigs) is told of
// the partitions and replicas alone, and that is logged. The right to make topics is needed for those that
// are not there, and that to alter one for more partitions. Errors:
// topic_refused (kInvalidArgument: the cluster does not make it so; names it and says why), bus_config,
// bus_permission_denied, bus_unavailable.
[[nodiscard]] Result<std::vector<TopicDifference>> CreateTopics(const KafkaBusConfig& config,
                                                                const std::vector<TopicSpec>& specs);

// What of `specs` is not there, or has fewer partitions than a group's consumer needs: a sentence each.
// Errors: bus_config, bus_permission_denied, bus_unavailable.
[[nodiscard]] Result<std::vector<std::string>> MissingTopics(const KafkaBusConfig& config,
                                                             const std::vector<TopicSpec>& specs);

}  // namespace boxoffice::bus
