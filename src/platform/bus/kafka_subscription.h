// One consumer group of the Kafka bus in this process: its member of the group, its partitions and its keys
// that are set aside. For the Kafka bus's own files.
//
// The group's protocol is the eager one: at a rebalance every member gives up all partitions and gets some
// anew. What is given up here ends in one place and one way (commit what had its effect, forget the rest),
// and what comes is read from the cluster, so there is nothing to keep consistent across a rebalance; a
// rebalance costs a second, and happens when a replica comes or goes.
//
// With a partition of a topic, its owner reads the partition of the same number of the group's dead-letter
// topic: before it consumes anything, to the end, and from then on for what others write there (Replay). Only
// the owner of the one writes to the other, and a place moves past an event after its dead letter is there:
// see docs/adr/0006.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/bus/kafka_arrival.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_config.h"
#include "platform/bus/kafka_parked.h"
#include "platform/bus/kafka_producer.h"
#include "platform/bus/kafka_reader.h"
#include "platform/obs/metrics.h"

namespace boxoffice::bus::kafka {

// Start and Stop are thread-safe; all else runs on its own thread, librdkafka's callbacks included.
class Subscription {
 public:
  // `config`, `clock` and `producer` must outlive it. `writer` is unlike that of any other subscription.
  Subscription(std::string group, std::vector<std::string> topics, Bus::Consume consume, std::string writer,
               const KafkaBusConfig& config, const Clock& clock, Producer& producer, obs::Registry& metrics);
  ~Subscription();
  // Joins the group in the background: waits for the cluster as long as it takes. Errors: bus_config.
  [[nodiscard]] Result<void> Start();
  // Waits for a delivery that is under way. Again: no effect.
  void Stop();

 private:
  using SteadyClock = std::chrono::steady_clock;
  using PlaceKey = std::pair<std::string, int32_t>;  // topic without the prefix, partition
  struct Place : Progress {
    int64_t committed = -1;  // the last `next` that the cluster is known to have; -1: none
    ParkedKeys parked;
    bool went_back = false;  // the log did, or is another one, and `parked` has to be set before it
  };
  // Pending records that are dealt with at once, and which of them (by their index) the consumer gets.
  struct Batch {
    std::span<const Record> records;
    std::vector<size_t> flowing;
    std::vector<size_t> aside;  // their keys are set aside
    bool full = false;          // there is no room to set the next one aside
  };
  // What becomes of the records of a delivery.
  struct Delivery {
    size_t dealt_with = 0;        // how many, from the first
    std::optional<Error> outage;  // why no more are to be tried now
  };

  void Loop();
  [[nodiscard]] Result<void> Open();
  void Close();
  // Waits for what is to come, at most until something is to be done.
  void Gather();
  bool Poll(milliseconds longest);
  void Take(const rd_kafka_message_t& message);
  void TakeParked(const rd_kafka_message_t& message, const PlaceKey& key);
  void RunRound();
  void Reopen();

  [[nodiscard]] Result<void> SetParkedBack();
  [[nodiscard]] Result<void> DeliverPending();
  [[nodiscard]] Batch NextBatch(size_t begin);
  [[nodiscard]] Result<Delivery> DeliverFrom(size_t begin);
  [[nodiscard]] Result<void> RetryDue();
  [[nodiscard]] Result<void> RetryKey(const PlaceKey& at, const std::string& key);
  [[nodiscard]] Consumed Give(std::span<const Record> records);
  // Writes to the dead-letter topics, and then to `places_`. Errors: of the producer.
  [[nodiscard]] Result<void> Park(std::vector<ParkedEvent> events);
  [[nodiscard]] Outgoing ParkedMessageOf(const ParkedEvent& parked) const;
  [[nodiscard]] Outgoing DoneMessageOf(const Record& record) const;
  [[nodiscard]] size_t ParkedBytes() const;
  [[nodiscard]] Place& PlaceOf(const Record& record);
  // After a change of `pending_`: a place is where its first pending record is, or at what arrived.
  void MovePlaces();

  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* list,
                          void* self);
  void Assign(const rd_kafka_topic_partition_list_t& list);
  // What the cluster knows of those partitions, into `places_`; and in `parts` where their dead letters are
  // read on.
  [[nodiscard]] Result<void> LoadPlaces(const rd_kafka_topic_partition_list_t& list,
                                        std::vector<Part>& parts);
  [[nodiscard]] Result<void> LoadOffsets(const rd_kafka_topic_partition_list_t& list);
  void Revoke();
  // Begins to commit what is not known as committed, unless a commit is under way.
  void Commit();
  void CommitAndWait();
  // Waits for the answer to the commit that is under way; whether it came, and was a success.
  bool TakeAnswer(milliseconds longest);
  void SetPaused(bool paused);
  void ShowLag();
  void AskLag();

  [[nodiscard]] milliseconds Backoff(int failures) const;
  // Without the prefix.
  [[nodiscard]] std::string TopicOf(std::string_view full_name) const;

  const std::string group_;
  const std::vector<std::string> topics_;
  const Bus::Consume consume_;
  const std::string writer_;
  const KafkaBusConfig& config_;
  const Clock& clock_;
  Producer& producer_;
  obs::Counter& consumed_count_;
  obs::Counter& failures_count_;
  obs::Counter& malformed_count_;
  obs::Gauge& lag_;
  obs::Gauge& parked_gauge_;

  Client client_;
  Owned<rd_kafka_queue_t> answers_;  // of `client_`, to its commits
  PartitionQueues queues_;           // of the last assignment
  std::map<PlaceKey, Place> places_;
  std::map<PlaceKey, int64_t> untaken_;   // where partitions go on that were ours, and could not be taken
  std::vector<Record> pending_;           // arrived, in order; all of `places_`
  SteadyClock::time_point not_before_{};  // the next delivery
  SteadyClock::time_point lag_shown_{};
  SteadyClock::time_point lag_asked_{};
  int outages_ = 0;          // rounds in a row that the consumer or the cluster could not work
  bool assigned_ = false;    // `places_` are all of the partitions that are ours
  bool paused_ = false;      // nothing arrives
  bool committing_ = false;  // a commit's answer has not been taken from `answers_`
  bool reopen_ = false;      // the client is to be made anew
  int reopened_ = 0;         // so often in a row, without an assignment in between that could be taken

  std::atomic<bool> stopping_ = false;
  Owned<rd_kafka_queue_t> wake_;  // of `client_`
  std::mutex mutex_;              // of `wake_`
  std::condition_variable stopped_;
  std::thread thread_;
};

}  // namespace boxoffice::bus::kafka
