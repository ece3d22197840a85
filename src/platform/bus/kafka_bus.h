// The bus on Apache Kafka, through librdkafka: any number of processes publish and share the work of a group.
//
// Publishing: idempotent producer, acks=all, key = the aggregate's id; CloudEvents 1.0 in binary mode
// (kafka_record.h), so that any consumer of CloudEvents can read the topics. Calls at the same time share
// requests. A call returns when the cluster has acknowledged every event.
//
// Consuming: one thread per group and process. The places are the group's committed offsets; they are
// committed after the effect. When a replica comes or goes, each gives up its partitions and gets others:
// what had its effect is committed before, what is not comes again to whoever has the partition then.
//
// A failing event: the contract of bus.h, as on the embedded bus. A key that is set aside stands, with its
// events, in the group's dead-letter topic <topic>.<group>.dead (kafka_record.h), so it stays set aside over
// restarts and rebalances. docs/adr/0006 has the reasons and the limits.
//
// Topics are made by CreateTopics (kafka_admin.h), the dead-letter topics of the groups included. A group
// whose dead-letter topic is missing, or has fewer partitions than its topic, waits, and says so in the log.
//
// When the cluster is away, Publish fails within publish_timeout, and the groups wait and go on by
// themselves.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/bus/kafka_config.h"
#include "platform/bus/subscriptions.h"
#include "platform/obs/metrics.h"

namespace boxoffice::bus {

namespace kafka {
class Producer;
class Reader;
class Subscription;
}  // namespace kafka

// Thread-safe.
class KafkaBus final : public Bus {
 public:
  // Reaches for no broker yet: they may come later. `clock` and `metrics` must outlive the bus. Errors:
  // bus_config (kInvalidArgument; names the setting).
  [[nodiscard]] static Result<std::unique_ptr<KafkaBus>> Open(KafkaBusConfig config, const Clock& clock,
                                                              obs::Registry& metrics);
  // Ends all subscriptions.
  ~KafkaBus() override;

  // Within publish_timeout and a second. Errors, whose detail names the first event that was not taken:
  // event_too_large (kInvalidArgument; none is published if it is over kMaxBodyBytes), bus_topic_missing,
  // bus_unavailable (any of them may have been published all the same; repeat all), bus_permission_denied.
  [[nodiscard]] Result<void> Publish(std::span<const Event> events) override;
  // Returns at once; the group is joined in the background. A new group begins with the first event there is.
  // Errors: already_subscribed, bus_config.
  [[nodiscard]] Result<void> Subscribe(const std::string& group, std::vector<std::string> topics,
                                       Consume consume) override;
  // Not from within `consume`. While the cluster is down it takes up to publish_timeout and session_timeout;
  // a cluster that takes connections and answers nothing is waited for (librdkafka ends no group whose commit
  // is under way): a process that has to end ends by its StopDeadline.
  void Unsubscribe(const std::string& group) override;
  // Events of different keys in no particular order. A message that is no event of ours is passed over, as a
  // group does: logged, and counted in boxoffice_bus_malformed_total without a group, whenever it is read. An
  // unknown topic: none. Some megabytes more than the page are read and kept, for a caller that goes on from
  // its end: to begin a reading costs the brokers up to a megabyte of each partition. Errors:
  // position_malformed, bus_unavailable, bus_permission_denied.
  [[nodiscard]] Result<Page> Read(const std::string& topic, const Position& after, size_t limit) override;
  // By what is committed, of all processes; parked events are not counted. Errors: bus_unavailable,
  // bus_permission_denied.
  [[nodiscard]] Result<int64_t> Lag(const std::string& group, std::span<const std::string> topics) override;
  // Of all groups, in the order of parking; keys that are still being tried again are not among them. Reads
  // all dead-letter topics. Errors: bus_unavailable, bus_permission_denied.
  [[nodiscard]] Result<std::vector<DeadLetter>> DeadLetters(size_t limit) override;
  // The key gets the full number of attempts anew, wherever its partition is consumed. Again, while it is
  // being tried: not_found.
  [[nodiscard]] Result<void> Replay(int64_t dead_letter_id) override;

 private:
  struct Ahead;

  KafkaBus(KafkaBusConfig config, const Clock& clock, obs::Registry& metrics);
  // Sees to it that `ahead_` begins at `after` and has `limit` records, or all that there are. Under
  // reader_mutex_.
  [[nodiscard]] Result<void> ReadAhead(const std::string& topic, const Position& after, size_t limit);
  // All dead letters, in the order of parking. Under reader_mutex_.
  [[nodiscard]] Result<std::vector<DeadLetter>> ReadDeadLetters();

  const KafkaBusConfig config_;
  const Clock& clock_;
  obs::Registry& metrics_;
  obs::Counter& published_;
  obs::Histogram& publish_size_;
  obs::Counter& malformed_;
  std::unique_ptr<kafka::Producer> producer_;

  std::mutex reader_mutex_;
  std::unique_ptr<kafka::Reader> reader_;
  const std::unique_ptr<Ahead> ahead_;

  Subscriptions<kafka::Subscription> subscriptions_;  // last: what they use outlives them
};

}  // namespace boxoffice::bus
