// The event bus: topics of events, kept in order per key, delivered at least once to each consumer group. The
// embedded bus keeps its log in SQLite (sqlite_bus.h), the scaled one in Kafka (kafka_bus.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"

namespace boxoffice::bus {

// A CloudEvents 1.0 event in binary mode: the attributes beside the body.
struct Event {
  EventId id;               // ce_id; the same at every delivery
  std::string topic;        // "reservation"
  std::string key;          // the aggregate's id; events of one key keep their order
  std::string type;         // ce_type: "reservation.confirmed"
  std::string traceparent;  // empty: not traced
  std::string body;         // protobuf of boxoffice.bus.v1
  Timestamp time{};         // ce_time
};

// The longest body that is taken, in bytes.
inline constexpr size_t kMaxBodyBytes = 256 << 10;

// The bounds of one event, before any is published. Errors: event_too_large (kInvalidArgument).
[[nodiscard]] Result<void> CheckEvents(std::span<const Event> events);

// An event where it stands in a topic. All events of a key are in one partition.
struct Record {
  Event event;
  int partition = 0;   // from 0; the embedded bus has one
  int64_t offset = 0;  // grows within the partition; gaps are possible
};

// How far a reader of a topic has got, as its bus writes it: opaque, and good for as long as the topic is
// kept. Empty: nothing was read.
using Position = std::string;

struct Page {
  std::vector<Record> records;
  Position next;  // where the next page begins; the one that was given, if nothing was read
};

// What a consumer did with a batch: how many events, from the first, have had their effect and need not come
// again. Fewer than given: the next one failed with `error`. kUnavailable and kResourceExhausted say that the
// consumer can't work now: the group waits, and nothing is parked. Any other code blames the event: its key
// is set aside, tried again some times, and then parked in the dead letters. A throw blames the event as
// well.
struct Consumed {
  size_t done = 0;
  Error error;
};

// The answer of a consumer whose own store has failed: whatever the code (a commit that is unknown, a table
// that is not there), no event is to blame, but for a value that the store can't hold (kInvalidArgument).
[[nodiscard]] inline Consumed StoreFailed(Error error) {
  if (error.code != Code::kInvalidArgument) error.code = Code::kUnavailable;
  return {0, std::move(error)};
}

// An event that could not be consumed, with all later ones of its key behind it.
struct DeadLetter {
  int64_t id = 0;
  std::string group;
  Record record;
  Error error;
  int attempts = 0;
  Timestamp parked_at{};
};

// Thread-safe.
class Bus {
 public:
  virtual ~Bus() = default;

  // Appends events durably, in order; when it returns, no crash loses them. An event may be appended twice (a
  // publisher that did not see the answer): consumers drop the second by its id.
  [[nodiscard]] virtual Result<void> Publish(std::span<const Event> events) = 0;

  // Calls `consume` on a thread of the bus's with up to 500 records at a time, in order, starting where the
  // group had got to. The place is moved on after `consume` returns. Returns when subscribed; ends with
  // Unsubscribe or the bus.
  using Consume = std::function<Consumed(std::span<const Record>)>;
  [[nodiscard]] virtual Result<void> Subscribe(const std::string& group, std::vector<std::string> topics,
                                               Consume consume) = 0;
  // Ends the group's deliveries here; when it returns, `consume` does not run any more. Unknown group: no
  // effect.
  virtual void Unsubscribe(const std::string& group) = 0;

  // Up to `limit` records of a topic from `after` on, those of a key in their order: for rebuilds and the
  // auditor. Fewer only at the topic's end. Errors: position_malformed, and those of the bus's store.
  [[nodiscard]] virtual Result<Page> Read(const std::string& topic, const Position& after, size_t limit) = 0;
  // How many records of these topics a group has yet to consume: all, where it has no place yet, and none of
  // a topic that is not there.
  [[nodiscard]] virtual Result<int64_t> Lag(const std::string& group,
                                            std::span<const std::string> topics) = 0;

  [[nodiscard]] virtual Result<std::vector<DeadLetter>> DeadLetters(size_t limit) = 0;
  // Takes a dead letter's key out of the dead letters and delivers its events again to that group. Errors:
  // not_found.
  [[nodiscard]] virtual Result<void> Replay(int64_t dead_letter_id) = 0;
};

}  // namespace boxoffice::bus
