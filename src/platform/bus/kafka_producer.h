// Sends messages to Kafka and waits until the cluster has them; for the Kafka bus's own files.
//
// Idempotent, acks=all: a message is there once and durably when it is acknowledged, and those of one
// partition in the order of sending. Calls at the same time share requests.
//
// No message expires by itself: if one could, a later one of the same key might still get through, and stand
// before it when both are sent again. A call that runs out of time gives the whole client up, with all that
// is on its way, and the next call begins with a new one. So what arrives of a call is always its beginning,
// per partition, and a repeat adds nothing but copies.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

struct Outgoing {
  std::string topic;                          // with the prefix
  int32_t partition = RD_KAFKA_PARTITION_UA;  // unassigned: by the key, as Java's clients do
  std::string key;
  std::optional<std::string_view> value;  // must live as long as the call
  Owned<rd_kafka_headers_t> headers;      // sent once
  std::string name;                       // for an error's detail
};

// Thread-safe.
class Producer {
 public:
  // Errors: bus_config. Reaches for no broker yet.
  [[nodiscard]] static Result<std::unique_ptr<Producer>> Open(const KafkaBusConfig& config);
  // Nobody may be in Send.
  ~Producer();

  // Returns when all are acknowledged, or one has failed for good, within publish_timeout (and a second).
  // Errors, whose detail names the first message that failed: bus_unavailable, bus_topic_missing,
  // bus_permission_denied, event_too_large. Any of the messages may be there all the same: send all again.
  [[nodiscard]] Result<void> Send(std::span<Outgoing> messages);

 private:
  struct Call;
  struct Slot;
  struct Connection;

  explicit Producer(const KafkaBusConfig& config) : config_(config) {}
  [[nodiscard]] Result<std::shared_ptr<Connection>> Connect();
  // What was not sent for want of room waits for it until `deadline`.
  [[nodiscard]] Result<void> Produce(Connection& connection, Outgoing& message, Slot& slot,
                                     std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] Result<void> Collect(const std::shared_ptr<Connection>& connection, const Call& call,
                                     std::span<const Outgoing> messages,
                                     std::chrono::steady_clock::time_point deadline);
  // Under the lock: no call begins with it any more, and those that wait stop waiting.
  void GiveUp(const std::shared_ptr<Connection>& connection);
  // The last call that leaves a connection which was given up ends it.
  void Leave(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Connection>& connection);
  static void Delivered(rd_kafka_t* client, const rd_kafka_message_t* message, void* self);

  const KafkaBusConfig& config_;
  std::mutex mutex_;
  std::condition_variable changed_;  // a call is complete, room in the queue, a connection failed or ended
  std::shared_ptr<Connection> connection_;
};

}  // namespace boxoffice::bus::kafka
