// How an event travels in a Kafka message: CloudEvents 1.0, Kafka protocol binding, binary content mode
// (cloudevents/spec, cloudevents/bindings/kafka-protocol-binding.md §3.2). And how an event that a group has
// set aside stands in the group's dead-letter topic. For the Kafka bus's own files.
//
// An event: key = the aggregate's id; value = the body; headers ce_specversion "1.0", ce_id, ce_source
// "/boxoffice/<topic>", ce_type, ce_time, content-type "application/protobuf", and traceparent if it is
// traced.
//
// An event that was set aside, in the partition with the number of its origin's: key = its offset at its
// origin, in decimal (below 0 once that log has lost its end); value and headers as above, and dead_group,
// dead_topic, dead_partition, dead_offset, dead_key (the event's own key), dead_state, dead_attempts,
// dead_parked_at, dead_writer; of the event that failed also dead_error_code, dead_error_reason,
// dead_error_detail. A message without a value says that this event is done with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"

namespace boxoffice::bus::kafka {

// Of the events of a key that is set aside, the first is retrying or dead; those behind it are queued.
enum class ParkedState { kQueued, kRetrying, kDead };

struct ParkedEvent {
  Record record;
  ParkedState state = ParkedState::kQueued;
  Error error;            // of the last attempt
  int attempts = 0;       // that failed
  Timestamp parked_at{};  // when it was set aside
};

[[nodiscard]] Owned<rd_kafka_headers_t> EventHeaders(const Event& event);
// `topic` without the prefix. Errors: event_malformed (not one of ours, or larger than those are).
[[nodiscard]] Result<Record> ReadEvent(const rd_kafka_message_t& message, std::string topic);

[[nodiscard]] std::string ParkedMessageKey(int64_t offset);
// `writer` names who says so, that a subscription can tell what others wrote from its own.
[[nodiscard]] Owned<rd_kafka_headers_t> ParkedHeaders(const ParkedEvent& parked, std::string_view group,
                                                      std::string_view writer);
// Of a message that says that an event is done with.
[[nodiscard]] Owned<rd_kafka_headers_t> DoneHeaders(std::string_view writer);
struct ParkedMessage {
  int64_t offset = 0;                // at the origin
  std::optional<ParkedEvent> event;  // none: it is done with
  std::string group;
  std::string writer;
};
// Errors: event_malformed (not one of ours, or not where ours would stand).
[[nodiscard]] Result<ParkedMessage> ReadParked(const rd_kafka_message_t& message,
                                               const KafkaBusConfig& config);

// Of an event that was set aside: the same in every process, and within the integers that JSON can hold.
[[nodiscard]] int64_t DeadLetterId(std::string_view group, const Record& record);

}  // namespace boxoffice::bus::kafka
