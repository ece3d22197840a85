// The outbox: events are written in the same transaction as the change that they tell of, and published
// afterwards, so an event is as sure as its commit.
//
// The table is the service's own (its migration holds kOutboxSchema's columns); a Publisher reads it by
// partition, never by "id > last" (ids have gaps and commit out of order), and deletes what the bus has
// acknowledged.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/obs/metrics.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::outbox {

// Number of partitions; an event's partition is a hash of its key.
inline constexpr int kPartitions = 64;

// The table, for a service's first migration (a test of each service compares it).
//   CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, event_id BLOB NOT
//   NULL,
//     topic TEXT NOT NULL, key BLOB NOT NULL, type TEXT NOT NULL, traceparent TEXT NOT NULL, body BLOB NOT
//     NULL, time_ms INTEGER NOT NULL) STRICT;

// Writes events inside the caller's transaction. Belongs to the caller's connection and thread.
class Writer {
 public:
  explicit Writer(sql::Database& database);
  // Appends in order. Errors: event_too_large (nothing is written: the caller's transaction must not commit),
  // database_unavailable.
  [[nodiscard]] Result<void> Append(std::span<const bus::Event> events);

 private:
  sql::Statement insert_;
};

struct PublisherConfig {
  std::string service;  // labels metrics and logs
  std::filesystem::path database;
  size_t batch = 500;
  std::chrono::milliseconds min_poll{20};
  std::chrono::milliseconds max_poll{1000};
};

// Publishes what a service's outbox holds, on a thread of its own, in the order of writing. At least once: a
// crash between the bus's acknowledgement and the delete publishes again with the same event id. Thread-safe.
class Publisher {
 public:
  Publisher(PublisherConfig config, bus::Bus& bus, obs::Registry& metrics);
  ~Publisher() { Stop(); }
  // The database must have been migrated. Errors: database_unavailable.
  [[nodiscard]] Result<void> Start();
  // Says that something was committed: publish now rather than at the next poll.
  void Nudge();
  // Publishes what is there (one attempt), and ends. Again: no effect.
  void Stop();
  // Rows not yet published, as last counted; for the lag metric and the operator.
  [[nodiscard]] int64_t Pending() const;

 private:
  void Loop();
  [[nodiscard]] Result<size_t> PublishBatch();

  const PublisherConfig config_;
  bus::Bus& bus_;
  obs::Counter& published_;
  obs::Counter& failures_;
  obs::Histogram& lag_seconds_;
  std::unique_ptr<sql::Database> database_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool nudged_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace boxoffice::outbox
