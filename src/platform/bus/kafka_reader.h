// Reads partitions of Kafka from given offsets to their ends, outside of any consumer group; for the Kafka
// bus's own files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

struct Part {
  std::string topic;  // with the prefix
  int32_t partition = 0;
  int64_t next = 0;  // the offset to read from; after reading, of what comes next
};

// Belongs to one thread at a time.
class Reader {
 public:
  // Errors: bus_config. Reaches for no broker yet.
  [[nodiscard]] static Result<Reader> Open(const KafkaBusConfig& config);

  // What to do with a message: false ends the reading, and the message counts as read.
  using Take = std::function<bool(const rd_kafka_message_t&)>;
  // Gives each message of `parts` to `take`, those of a partition in order, up to the ends of all, and moves
  // `next`. An offset that the cluster has deleted counts as the first that it still has. Errors:
  // bus_topic_missing, bus_permission_denied, bus_unavailable (not done within request_timeout since the last
  // message).
  [[nodiscard]] Result<void> Read(std::span<Part> parts, const Take& take);

  [[nodiscard]] rd_kafka_t* client() const { return client_.get(); }

 private:
  Reader(const KafkaBusConfig& config, Client client) : config_(&config), client_(std::move(client)) {}
  [[nodiscard]] Result<void> ReadAssigned(std::span<Part> parts, const Take& take);

  const KafkaBusConfig* config_;
  Client client_;
};

}  // namespace boxoffice::bus::kafka
