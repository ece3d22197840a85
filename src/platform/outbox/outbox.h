// The outbox: events are written in the same transaction as the change that they tell of, and published
// afterwards, so an event is as sure as its commit.
//
// The table is the service's own (kOutboxSchema's text in its migrations); a row of it holds several events
// of one transaction. A Publisher reads it from its beginning, never by "id > last" (ids have gaps and commit
// out of order), and deletes, one by one, exactly the rows of which the bus has acknowledged every event.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/nudge.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/obs/metrics.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::outbox {

// The tables, for a service's migrations. `outbox` has what the version before packed rows wrote, an event a
// row: it is published before everything in `outbox_batch`, and nothing is added to it.
inline constexpr std::string_view kOutboxSchema =
    "CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, event_id BLOB "
    "NOT NULL, "
    "topic TEXT NOT NULL, key BLOB NOT NULL, type TEXT NOT NULL, traceparent TEXT NOT NULL, body BLOB NOT "
    "NULL, "
    "time_ms INTEGER NOT NULL) STRICT; "
    "CREATE TABLE outbox_batch(seq INTEGER PRIMARY KEY AUTOINCREMENT, events INTEGER NOT NULL, oldest_ms "
    "INTEGER NOT NULL, body BLOB NOT NULL) STRICT;";

// Whether the database has those tables. Errors: outbox_schema (kInternal), naming the column that lacks;
// database_unavailable.
[[nodiscard]] Result<void> CheckSchema(sql::Database& database);

// Writes events inside the caller's transaction. Belongs to the caller's connection and thread.
class Writer {
 public:
  explicit Writer(sql::Database& database);
  // Appends in order, as few rows. Errors: event_too_large (kInvalidArgument; nothing is written, and the
  // caller's transaction must not commit), database_unavailable.
  [[nodiscard]] Result<void> Append(std::span<const bus::Event> events);

 private:
  sql::Statement insert_;
};

// So many rows of a table are counted at most: a count takes some 10 ms, however much waits.
inline constexpr int64_t kCountedRows = 10'000;

// What waits to be published; of more than kCountedRows rows, what the first of them hold.
struct Status {
  int64_t pending = 0;              // at least
  std::optional<Timestamp> oldest;  // when it was made; nullopt: nothing waits
};

// The reason of an error of Table::Erase: the numbers may stand for other rows by now.
inline constexpr std::string_view kNumbersDoubtful = "outbox_numbers_doubtful";

// The rows of an outbox, as a publisher sees them. Belongs to one thread. Errors: database_unavailable,
// outbox_row_damaged.
class Table {
 public:
  virtual ~Table() = default;
  // Puts up to `limit` events at the beginning of `events`, which grows as needed, and the number of the row
  // of each at the same places of `seqs`, which is empty before: from the table's beginning, in the order of
  // writing for each key, all events of a row or none, and one row at least, however many events it has.
  // Whether more may wait.
  [[nodiscard]] virtual Result<bool> Read(size_t limit, std::vector<bus::Event>& events,
                                          std::vector<int64_t>& seqs) = 0;
  // Deletes exactly the rows with these numbers, which come as Read gave them. Again: no effect. Errors also:
  // outbox_numbers_doubtful (kUnavailable: nothing was deleted, nor will be; what is there still is read
  // again).
  [[nodiscard]] virtual Result<void> Erase(std::span<const int64_t> seqs) = 0;
  // Of all events, whoever may publish them.
  [[nodiscard]] virtual Result<Status> Count() = 0;
};

// The outbox of a database that has been migrated. Errors: database_unavailable, outbox_schema.
[[nodiscard]] Result<std::unique_ptr<Table>> OpenSqliteTable(const std::filesystem::path& file);

// Opens the outbox that a publisher empties; called once, by its Start.
using OpenTable = std::function<Result<std::unique_ptr<Table>>()>;

struct PublisherConfig {
  std::string service;   // labels metrics and logs
  OpenTable open_table;  // never empty
  size_t batch = 500;
  // How often to look without being nudged: min_poll after a batch, doubling to max_poll.
  std::chrono::milliseconds min_poll{20};
  std::chrono::milliseconds max_poll{1000};
  // From one batch to the next, unless a full one waits: gathers events, as the bus pays an fsync for each.
  // The first event after a quiet time goes at once.
  std::chrono::milliseconds min_gap{25};
  // After a failure; doubles up to the maximum.
  std::chrono::milliseconds backoff{100};
  std::chrono::milliseconds max_backoff{5000};
};

// Publishes what a service's outbox holds, on a thread of its own, in the order of writing. At least once: a
// crash, or the loss of the connection to the database, between the bus's acknowledgement and the delete
// publishes again with the same event id. While the bus fails, the rows stay and the publisher tries again
// with backoff. Thread-safe.
class Publisher {
 public:
  // `clock` is what the events are dated by: it tells their lag, and which are late (late_events.h). `bus`,
  // `clock` and `metrics` must outlive it.
  Publisher(PublisherConfig config, bus::Bus& bus, const Clock& clock, obs::Registry& metrics);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  // The database must have been migrated. Errors: database_unavailable, outbox_schema.
  [[nodiscard]] Result<void> Start();
  // Instead of Start, where the caller's thread is to do the work: Open once, then PublishBatch again and
  // again. Errors of both as of Start, and those of the bus; the second says how many were published.
  [[nodiscard]] Result<void> Open();
  [[nodiscard]] Result<size_t> PublishBatch();
  // Says that something was committed: publish now rather than at the next poll. Cheap.
  void Nudge();
  // Publishes what is there (until a first failure), but no more than a count tells, and not what others
  // write meanwhile, and ends. Again, or before Start: no effect.
  void Stop();
  // Events not yet published, for the operator: as counted a second or two ago, or at one of the last tries
  // while the bus fails.
  [[nodiscard]] Status status() const;
  [[nodiscard]] int64_t Pending() const { return status().pending; }

 private:
  void Loop();
  [[nodiscard]] Result<void> DeleteAcknowledged();
  void Count();

  const PublisherConfig config_;
  bus::Bus& bus_;
  const Clock& clock_;
  obs::Counter& published_;
  obs::Counter& failures_;
  obs::Gauge& pending_gauge_;
  obs::Gauge& oldest_gauge_;
  obs::Histogram& lag_seconds_;

  mutable std::mutex status_mutex_;
  Status status_;

  // Of the thread.
  std::unique_ptr<Table> table_;
  std::vector<bus::Event> events_;
  std::vector<int64_t> read_;
  std::vector<int64_t> acknowledged_;  // on the bus, but perhaps still in the table
  bool more_ = false;                  // waits behind what was published last

  Nudged nudged_;
  std::thread thread_;
};

}  // namespace boxoffice::outbox
