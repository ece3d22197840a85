// What the tests of the outbox share: events, and a bus that shows what was published.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/bus.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/postgres.h"
#include "platform/sql/sqlite.h"
#include "testing/fake_bus.h"

namespace boxoffice::outbox {

inline bus::Event MakeEvent(Random& random, std::string key, std::string body) {
  const Timestamp now = SystemClock().Now();
  return {EventId::Make(now, random),
          "seat",
          std::move(key),
          "seat.held",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          std::move(body),
          now};
}

inline std::vector<std::string> Bodies(const std::vector<bus::Event>& events) {
  std::vector<std::string> bodies;
  for (const bus::Event& event : events) bodies.push_back(event.body);
  return bodies;
}

// All that waits, which nobody else may be publishing.
inline std::vector<bus::Event> EventsIn(Table& table) {
  std::vector<bus::Event> events;
  std::vector<int64_t> seqs;
  EXPECT_TRUE(table.Read(100'000, events, seqs));
  events.resize(seqs.size());
  return events;
}

// Writes events in a transaction, as a replica of the version before packed rows does.
inline void WriteOld(sql::Database& database, const std::vector<bus::Event>& events) {
  auto transaction = sql::Transaction::Begin(database).value();
  sql::Statement insert = database.Prepare(
      "INSERT INTO outbox(partition, event_id, topic, key, type, traceparent, body, time_ms) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  for (const bus::Event& event : events) {
    insert
        .Bind(18, event.id, event.topic, std::nullopt, event.type, event.traceparent, std::nullopt,
              ToUnixMs(event.time))
        .BindBlob(4, event.key)
        .BindBlob(7, event.body);
    ASSERT_TRUE(insert.Run());
  }
  ASSERT_TRUE(transaction.Commit());
}
inline void AddOld(sql::pg::Batch& batch, const std::vector<bus::Event>& events) {
  using sql::pg::Bytes;
  using sql::pg::Column;
  batch.Add(
      "INSERT INTO outbox(partition, event_id, topic, key, type, traceparent, body, time_ms) SELECT "
      "partition, event_id, topic, key, type, traceparent, body, time_ms FROM unnest($1, $2, $3, $4, $5, $6, "
      "$7, $8) WITH ORDINALITY i(partition, event_id, topic, key, type, traceparent, body, time_ms, place) "
      "ORDER BY place",
      Column(events, [](const bus::Event&) { return 18; }), Column(events, &bus::Event::id),
      Column(events, &bus::Event::topic),
      Column(events, [](const bus::Event& event) { return Bytes{event.key}; }),
      Column(events, &bus::Event::type), Column(events, &bus::Event::traceparent),
      Column(events, [](const bus::Event& event) { return Bytes{event.body}; }),
      Column(events, [](const bus::Event& event) { return ToUnixMs(event.time); }));
}

// A bus that keeps what it takes, and fails or hangs when told to. Thread-safe.
class FakeBus final : public testbed::FakeBus {
 public:
  Result<void> Publish(std::span<const bus::Event> events) override {
    std::unique_lock lock(mutex_);
    ++attempts_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hanging_; });
    if (failing_) return Fail(Code::kUnavailable, "down");
    events_.insert(events_.end(), events.begin(), events.end());
    changed_.notify_all();
    return {};
  }
  void SetFailing(bool failing) {
    const std::scoped_lock lock(mutex_);
    failing_ = failing;
  }
  // Keeps whoever publishes waiting, as if that process had stopped.
  void SetHanging(bool hanging) {
    const std::scoped_lock lock(mutex_);
    hanging_ = hanging;
    changed_.notify_all();
  }
  // What it has taken, once that is `count` events, or after a minute.
  std::vector<bus::Event> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return events_.size() >= count; });
    return events_;
  }
  void WaitForAttempts(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return attempts_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bus::Event> events_;
  bool failing_ = false;
  bool hanging_ = false;
  int attempts_ = 0;
};

}  // namespace boxoffice::outbox
