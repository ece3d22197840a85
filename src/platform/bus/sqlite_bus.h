// The embedded bus: one log of all topics in one SQLite file, which several processes may share.
//
// Publishing: calls that come while another one commits share the next transaction (one fsync for all). A
// call returns after a commit with synchronous=FULL.
//
// Consuming: one thread per group. It is woken by what this process publishes, and finds by polling what
// others do. Marks of places are written without fsync: a lost one delivers events again, which consumers
// drop by their id.
//
// A failing event. Error code kUnavailable or kResourceExhausted: the consumer can't work now (its database
// is locked or gone), so the group waits and tries again, with backoff, for as long as it takes; nothing is
// parked for an outage. Any other code: the event is at fault. Its key is set aside at once, and others flow
// on; it is tried again `kMaxRetries` times with backoff, and then waits in the dead letters. Later events of
// a key that is set aside queue behind it, so that their order holds.
//
// A group must be subscribed by one process at a time (each service is one process on embedded stores).
// Nothing is ever removed from the log: it is what projections are rebuilt from.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/bus/subscriptions.h"
#include "platform/obs/metrics.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {

struct SqliteBusConfig {
  std::filesystem::path file;  // "bus.db"
  // How often to look for what other processes published: min_poll after a delivery, doubling to max_poll.
  milliseconds min_poll{20};
  milliseconds max_poll{1'000};
  // From one delivery to the next of a group, unless a full batch waits: gathers events, as a consumer pays
  // an fsync per batch. The first event after a quiet time is delivered at once.
  milliseconds min_gap{25};
  // After a failure; doubles up to the maximum.
  milliseconds retry_backoff{100};
  milliseconds max_retry_backoff{5'000};
};

class SqliteSubscription;

// Thread-safe.
class SqliteBus final : public Bus {
 public:
  // Opens or creates the file. `clock` and `metrics` must outlive the bus. Errors: database_unavailable,
  // schema_newer.
  [[nodiscard]] static Result<std::unique_ptr<SqliteBus>> Open(SqliteBusConfig config, const Clock& clock,
                                                               obs::Registry& metrics);
  // Ends all subscriptions.
  ~SqliteBus() override;

  // Errors: event_too_large (kInvalidArgument; none is appended), database_unavailable (they may have been
  // appended all the same; repeat).
  [[nodiscard]] Result<void> Publish(std::span<const Event> events) override;
  // A new group begins with the first event there is. Errors: already_subscribed, database_unavailable.
  [[nodiscard]] Result<void> Subscribe(const std::string& group, std::vector<std::string> topics,
                                       Consume consume) override;
  // Not from within `consume`.
  void Unsubscribe(const std::string& group) override;
  // In the order of publishing. Offsets are common to all topics, hence with gaps. An unknown topic: none.
  // Errors: position_malformed, database_unavailable.
  [[nodiscard]] Result<Page> Read(const std::string& topic, const Position& after, size_t limit) override;
  // Parked events are not counted. Errors: database_unavailable.
  [[nodiscard]] Result<int64_t> Lag(const std::string& group, std::span<const std::string> topics) override;
  // In the order of parking; keys that are still being tried again are not among them.
  [[nodiscard]] Result<std::vector<DeadLetter>> DeadLetters(size_t limit) override;
  // The key gets the full number of attempts anew. Takes effect when the group is subscribed, in any process
  // within max_poll. Again, while it is being tried: not_found.
  [[nodiscard]] Result<void> Replay(int64_t dead_letter_id) override;

 private:
  struct Writer;
  struct Reader;
  // A call of Publish that waits to be written.
  struct Call {
    std::span<const Event> events;
    Result<void> result;
    bool done = false;
  };
  SqliteBus(SqliteBusConfig config, const Clock& clock, obs::Registry& metrics, sql::Database writer,
            sql::Database reader);
  [[nodiscard]] Result<void> Append(std::span<Call* const> calls);
  void NudgeAll();

  const SqliteBusConfig config_;
  const Clock& clock_;
  obs::Registry& metrics_;
  obs::Counter& published_;
  obs::Histogram& publish_size_;

  std::mutex calls_mutex_;
  std::condition_variable calls_written_;
  std::vector<Call*> calls_;
  bool writing_ = false;            // one caller writes, for all that wait
  std::unique_ptr<Writer> writer_;  // belongs to the caller that set writing_

  std::mutex reader_mutex_;
  std::unique_ptr<Reader> reader_;

  Subscriptions<SqliteSubscription> subscriptions_;  // last: what they use outlives them
};

}  // namespace boxoffice::bus
