// One consumer group of the embedded bus: its thread, its places and its parked keys.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/nudge.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/obs/metrics.h"
#include "platform/sql/file_lock.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {

// Start, Stop and Nudge are thread-safe; all else runs on its own thread. Invariant: places, parked keys and
// parked events in memory are those of the last commit; after a failed one they are read again. So one
// process of a group consumes at a time, which a lock beside the file sees to; the others wait for it.
class SqliteSubscription {
 public:
  SqliteSubscription(std::string group, std::vector<std::string> topics, Bus::Consume consume,
                     const SqliteBusConfig& config, const Clock& clock, obs::Registry& metrics);
  ~SqliteSubscription();
  [[nodiscard]] Result<void> Start();
  // There may be something to deliver.
  void Nudge();
  // Waits for a delivery that is under way. Again: no effect.
  void Stop();

 private:
  struct Store;
  struct Place {
    std::string topic;
    int64_t topic_id = 0;
    int64_t offset = 0;
    int64_t consumed = 0;
  };
  // A record whose key is parked, until the place has moved past it.
  struct Aside {
    int64_t parked_key = 0;
    int64_t offset = 0;
    size_t place = 0;  // index
  };
  // What a round has done: whether more waits (go on at once), how long to pause after a failure, and when a
  // parked key is due.
  struct Round {
    bool delivered = false;
    bool full = false;
    milliseconds pause{0};
    milliseconds next_retry{0};
  };
  using Key = std::pair<size_t, std::string>;  // index of the place, key

  void Loop();
  [[nodiscard]] Result<void> LoadState();
  // Whether it is this process that consumes for the group.
  [[nodiscard]] Result<bool> HasTurn();
  [[nodiscard]] Result<Round> RunRound();
  [[nodiscard]] Result<Round> DeliverRound();
  [[nodiscard]] Result<Round> Deliver(std::vector<Record> records, int64_t end);
  // Moves the places to `upto`, past `handled` and what was set aside up to there; with `failed`, parks its
  // key in the same transaction.
  [[nodiscard]] Result<void> Settle(int64_t upto, std::span<const Record> handled, const Record* failed,
                                    const Error* error);
  [[nodiscard]] Result<void> Park(const Record& failed, const Error& error);
  [[nodiscard]] Result<milliseconds> RetryParked();
  [[nodiscard]] Result<void> RetryKey(int64_t parked_key, const Key& key, int attempts);
  // To the consumer.
  [[nodiscard]] Consumed Give(std::span<const Record> records);
  void SetParkedAside(std::vector<Record>& records);
  void ShowLag();

  [[nodiscard]] size_t PlaceOf(const std::string& topic) const;
  [[nodiscard]] milliseconds Backoff(int failures) const;

  const std::string group_;
  const std::vector<std::string> topics_;
  const Bus::Consume consume_;
  const SqliteBusConfig& config_;
  const Clock& clock_;
  obs::Counter& consumed_count_;
  obs::Counter& failures_count_;
  obs::Gauge& lag_;
  obs::Gauge& parked_gauge_;

  std::unique_ptr<Store> store_;
  std::optional<sql::FileLock> turn_;  // to consume
  std::vector<Place> places_;
  std::map<Key, int64_t> parked_;  // → parked_key.id
  std::vector<Aside> aside_;
  int64_t seen_ = 0;    // the log has nothing more for us up to here
  bool stale_ = false;  // a commit failed: read the state again
  int outages_ = 0;     // rounds in a row that the consumer could not work

  Nudged nudged_;
  std::thread thread_;
};

}  // namespace boxoffice::bus
