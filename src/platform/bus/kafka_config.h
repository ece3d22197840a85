// Where a Kafka cluster is and how the bus uses it.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace boxoffice::bus {

struct KafkaBusConfig {
  std::string brokers;  // "host:port,host:port": some of the cluster's, the others are found
  // Put before the names of topics and groups, so that systems can share a cluster.
  std::string prefix;
  // Further settings of librdkafka, by its names: "security.protocol", "ssl.ca.location", "sasl.username" …
  std::vector<std::pair<std::string, std::string>> properties;
  // Until Publish gives up.
  milliseconds publish_timeout{10'000};
  // How long the producer waits for more events, so that calls share a request.
  milliseconds linger{1};
  // For everything that asks the cluster and waits for the answer: Read, Lag, DeadLetters, Replay, topics.
  milliseconds request_timeout{10'000};
  // A consumer that has not been heard of for so long loses its partitions to the group's others.
  milliseconds session_timeout{10'000};
  // How long a group that gives partitions up waits until what had its effect is committed. What is not comes
  // again, and is dropped by its id.
  milliseconds commit_timeout{3'000};
  // From one delivery to the next of a group, unless a full batch waits: gathers events, as a consumer pays
  // an fsync per batch. The first event after a quiet time is delivered at once.
  milliseconds min_gap{25};
  // After a failure; doubles up to the maximum.
  milliseconds retry_backoff{100};
  milliseconds max_retry_backoff{5'000};
  // The bodies and keys of events that a group's keys which are set aside hold in memory, per process. Past
  // it, the group waits until someone decides about its dead letters.
  size_t max_parked_bytes = 64 << 20;
};

}  // namespace boxoffice::bus
