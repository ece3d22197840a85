// What every bus does with a consumer's answer; for the buses' own files.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"

namespace boxoffice::bus {

// The most records that a consumer is given at a time.
inline constexpr size_t kMaxBatch = 500;
// After the first attempt, until a key becomes a dead letter.
inline constexpr int kMaxRetries = 5;

// The consumer can't work now, whatever the event.
[[nodiscard]] inline bool IsOutage(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

// Gives the records to the consumer, and turns a throw into an error of the record that throws. `group` is
// for messages.
[[nodiscard]] Consumed ConsumeGuarded(const Bus::Consume& consume, std::span<const Record> records,
                                      std::string_view group);

// How long to wait after so many failures in a row (1 and up): `first`, doubling to `longest`.
[[nodiscard]] milliseconds RetryBackoff(int failures, milliseconds first, milliseconds longest);

// Says in the log which event a consumer could not take, and which one waits in the dead letters from now on.
void LogConsumeFailed(std::string_view group, const Event& event, const Error& error);
void LogDeadLetter(std::string_view group, int64_t id, const Event& event, const Error& error);

}  // namespace boxoffice::bus
