#include "platform/bus/kafka_subscription.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/bus/consume.h"
#include "platform/obs/log.h"

namespace boxoffice::bus::kafka {
namespace {

constexpr milliseconds kLongestWait{1'000};
constexpr milliseconds kLookForAnswer{50};  // to a commit
constexpr size_t kRetriesPerRound = 100;
constexpr milliseconds kReopenBackoff{100};
constexpr milliseconds kLongestReopenBackoff{5'000};

}  // namespace

Subscription::Subscription(std::string group, std::vector<std::string> topics, Bus::Consume consume,
                           std::string writer, const KafkaBusConfig& config, const Clock& clock,
                           Producer& producer, obs::Registry& metrics)
    : group_(std::move(group)),
      topics_(std::move(topics)),
      consume_(std::move(consume)),
      writer_(std::move(writer)),
      config_(config),
      clock_(clock),
      producer_(producer),
      consumed_count_(metrics.GetCounter("boxoffice_bus_consumed_total", "Events that had their effect",
                                         {{"group", group_}})),
      failures_count_(metrics.GetCounter("boxoffice_bus_consume_failures_total",
                                         "Deliveries that a consumer could not take", {{"group", group_}})),
      malformed_count_(metrics.GetCounter("boxoffice_bus_malformed_total",
                                          "Messages that are no events of ours, and were passed over",
                                          {{"group", group_}})),
      lag_(metrics.GetGauge("boxoffice_bus_lag", "Events that wait for a consumer group",
                            {{"group", group_}})),
      parked_gauge_(metrics.GetGauge("boxoffice_bus_parked_keys", "Keys that are set aside after a failure",
                                     {{"group", group_}})) {
  CHECK(!topics_.empty(), "{} subscribes to something", group_);
}

Subscription::~Subscription() { Stop(); }

Result<void> Subscription::Start() {
  BOXOFFICE_TRY(Open());
  thread_ = std::thread([this] { Loop(); });
  return {};
}

void Subscription::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (wake_) rd_kafka_queue_yield(wake_.get());
  }
  stopped_.notify_all();
  CHECK(thread_.get_id() != std::this_thread::get_id(), "a consumer does not unsubscribe itself");
  if (thread_.joinable()) thread_.join();
}

Result<void> Subscription::Open() {
  const milliseconds heartbeat = std::max(config_.session_timeout / 10, milliseconds(100));
  const Settings settings{{"group.id", config_.prefix + group_},
                          {"enable.auto.commit", "false"},
                          {"enable.auto.offset.store", "false"},
                          {"auto.offset.reset", "earliest"},
                          {"partition.assignment.strategy", "roundrobin"},
                          {"session.timeout.ms", fmt::format("{}", config_.session_timeout.count())},
                          {"heartbeat.interval.ms", fmt::format("{}", heartbeat.count())},
                          {"fetch.error.backoff.ms", "100"}};
  BOXOFFICE_ASSIGN(Client client, NewClient(RD_KAFKA_CONSUMER, config_, settings, [this](auto* conf) {
                     rd_kafka_conf_set_opaque(conf, this);
                     rd_kafka_conf_set_rebalance_cb(conf, &OnRebalance);
                   }));
  rd_kafka_poll_set_consumer(client.get());
  const Partitions topics = NewPartitions();
  for (const std::string& topic : topics_) {
    rd_kafka_topic_partition_list_add(topics.get(), (config_.prefix + topic).c_str(), RD_KAFKA_PARTITION_UA);
  }
  if (const auto error = rd_kafka_subscribe(client.get(), topics.get())) return Failed(error, group_);
  client_ = std::move(client);
  answers_.reset(rd_kafka_queue_new(client_.get()));
  const std::scoped_lock lock(mutex_);
  wake_.reset(rd_kafka_queue_get_consumer(client_.get()));
  return {};
}

// Gives the partitions up, and tells the group.
void Subscription::Close() {
  if (!client_) return;
  {
    const std::scoped_lock lock(mutex_);
    wake_.reset();
  }
  if (const auto error = rd_kafka_consumer_close(client_.get())) {
    obs::Log(obs::Level::kWarning, "kafka_close_failed",
             {{"group", group_}, {"detail", rd_kafka_err2str(error)}});
  }
  // Of a client that librdkafka has given up, nothing was revoked. What the next one would commit of it,
  // before it is a member, throws it out again.
  pending_.clear();
  places_.clear();
  assigned_ = false;
  paused_ = false;
  answers_.reset();
  queues_.Drain();
  committing_ = false;
  client_.reset();
}

void Subscription::Reopen() {
  Close();
  {
    std::unique_lock lock(mutex_);
    const milliseconds backoff = RetryBackoff(++reopened_, kReopenBackoff, kLongestReopenBackoff);
    stopped_.wait_for(lock, backoff, [this] { return stopping_.load(); });
  }
  if (stopping_) return;
  // It was opened with these settings before, but a file that they name may be being exchanged.
  if (const Result<void> opened = Open(); !opened) {
    obs::Log(obs::Level::kError, "kafka_reopen_failed",
             {{"group", group_}, {"reason", opened.error().reason}, {"detail", opened.error().detail}});
    return;
  }
  reopen_ = false;
}

void Subscription::Loop() {
  while (!stopping_) {
    if (reopen_) {
      Reopen();
      continue;
    }
    Gather();
    if (!stopping_) RunRound();
    if (TakeAnswer(milliseconds(0))) Commit();  // what had its effect meanwhile
    if (const auto now = SteadyClock::now(); now - lag_shown_ > std::chrono::seconds(1)) {
      ShowLag();
      Commit();  // what could not be committed before
      lag_shown_ = now;
    }
  }
  Close();
}

void Subscription::Gather() {
  const auto now = SteadyClock::now();
  auto until = now + kLongestWait;
  if (!pending_.empty() || outages_ > 0) until = std::min(until, not_before_);
  for (const auto& [key, place] : places_) {
    const auto due = place.parked.NextDue();
    if (due) until = std::min(until, outages_ > 0 ? std::max(*due, not_before_) : *due);
  }
  if (committing_) until = std::min(until, now + kLookForAnswer);
  const auto wait = std::chrono::ceil<milliseconds>(until - now);
  bool more = Poll(std::max(wait, milliseconds(0)));
  while (more && pending_.size() < kMaxBatch && !stopping_) more = Poll(milliseconds(0));
}

// Whether there may be more at once. Calls OnRebalance.
bool Subscription::Poll(milliseconds longest) {
  const Owned<rd_kafka_message_t> message(rd_kafka_consumer_poll(client_.get(), Ms(longest)));
  if (!message || reopen_) return false;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    obs::Log(obs::Level::kWarning, "kafka_consumer_error",
             {{"group", group_}, {"detail", rd_kafka_message_errstr(message.get())}});
    if (message->err == RD_KAFKA_RESP_ERR__FATAL) reopen_ = true;
    return false;
  }
  Take(*message);
  return true;
}

void Subscription::Take(const rd_kafka_message_t& message) {
  std::string topic = TopicOf(rd_kafka_topic_name(message.rkt));
  const std::string dead_suffix = fmt::format(".{}{}", group_, kDeadSuffix);
  if (topic.ends_with(dead_suffix)) {
    topic.resize(topic.size() - dead_suffix.size());
    TakeParked(message, {topic, message.partition});
    return;
  }
  const auto place = places_.find({topic, message.partition});
  if (place == places_.end()) return;  // not ours any more
  Result<Record> record = ReadEvent(message, std::move(topic));
  const int64_t expected = place->second.arrived;
  const Arrival arrival =
      Arrive(place->first.first, message.partition, message.offset, record, place->second, pending_);
  if (arrival == Arrival::kAgain) return;
  const bool back = arrival == Arrival::kBack;
  if (back || arrival == Arrival::kExpired) {
    // Back: the cluster has lost the end of its log, and what was written since stands where that was. It is
    // consumed from the log's beginning; what was consumed before is dropped by its id.
    obs::Log(obs::Level::kError, back ? "kafka_log_went_back" : "kafka_events_expired",
             {{"group", group_},
              {"topic", place->first.first},
              {"partition", message.partition},
              {"from", expected},
              {"to", message.offset}});
  }
  if (back) place->second.went_back = true;
  if (record) return;
  malformed_count_.Add();
  obs::Log(obs::Level::kError, "event_malformed", {{"group", group_}, {"detail", record.error().detail}});
  MovePlaces();
}

// What others write into our dead-letter partitions after we have read them: a Replay, or the last words of
// a former owner that was taken for dead.
void Subscription::TakeParked(const rd_kafka_message_t& message, const PlaceKey& key) {
  const auto place = places_.find(key);
  if (place == places_.end()) return;
  Result<ParkedMessage> parked = ReadParked(message, config_);
  if (!parked) {
    obs::Log(obs::Level::kError, "event_malformed", {{"group", group_}, {"detail", parked.error().detail}});
  } else if (parked->writer == writer_) {
    return;
  } else if (parked->event) {
    place->second.parked.Put(*std::move(parked->event));
  } else {
    place->second.parked.Erase(parked->offset);
  }
}

void Subscription::RunRound() {
  const auto now = SteadyClock::now();
  if (outages_ > 0 && now < not_before_) return;
  Result<void> done = SetParkedBack();
  if (done) done = RetryDue();
  if (done && !pending_.empty() && (now >= not_before_ || pending_.size() >= kMaxBatch)) {
    done = DeliverPending();
  }
  if (!done) {
    obs::Log(obs::Level::kWarning, "bus_group_waits",
             {{"group", group_}, {"reason", done.error().reason}, {"detail", done.error().detail}});
    SetPaused(true);
    not_before_ = SteadyClock::now() + Backoff(++outages_);
  } else {
    outages_ = 0;
    SetPaused(false);
  }
}

// Where a log has gone back or is another one, what is set aside gets offsets before it: at its own, what was
// written since would be taken for it. The lowest first, so that whatever a write takes the place of stands
// further down already.
Result<void> Subscription::SetParkedBack() {
  for (auto& [key, place] : places_) {
    if (!place.went_back) continue;
    ParkedKeys before = place.parked.BeforeTheLog();
    std::vector<Outgoing> messages;
    std::set<int64_t> taken;
    for (const ParkedEvent* event : before.InOrder()) {
      messages.push_back(ParkedMessageOf(*event));
      taken.insert(event->record.offset);
    }
    for (const ParkedEvent* event : place.parked.InOrder()) {
      if (!taken.contains(event->record.offset)) messages.push_back(DoneMessageOf(event->record));
    }
    BOXOFFICE_TRY(producer_.Send(messages));
    place.parked = std::move(before);
    place.went_back = false;
  }
  return {};
}

Result<void> Subscription::DeliverPending() {
  size_t begin = 0;
  Result<void> result;
  while (begin < pending_.size() && result) {
    const Result<Delivery> delivery = DeliverFrom(begin);
    if (!delivery) {
      result = std::unexpected(delivery.error());
    } else {
      begin += delivery->dealt_with;
      if (delivery->outage) result = std::unexpected(*delivery->outage);
    }
  }
  if (begin == 0) return result;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(begin));
  MovePlaces();
  Commit();
  outages_ = 0;  // it got on; what failed behind that is a first failure
  not_before_ = SteadyClock::now() + config_.min_gap;
  return result;
}

// The records from `begin` on that can be dealt with now.
Subscription::Batch Subscription::NextBatch(size_t begin) {
  Batch batch;
  batch.records = std::span(pending_).subspan(begin, std::min(pending_.size() - begin, kMaxBatch));
  size_t bytes = ParkedBytes();
  for (size_t i = 0; i < batch.records.size(); ++i) {
    const Record& record = batch.records[i];
    const ParkedKeys& parked = PlaceOf(record).parked;
    const bool aside = parked.Find(record.event.key) != nullptr;
    if (aside && !parked.Knows(record.event.key, record.offset)) bytes += SizeOf(record.event);
    if (aside && bytes > config_.max_parked_bytes) {
      batch.records = batch.records.first(i);
      batch.full = true;
      break;
    }
    if (aside) {
      batch.aside.push_back(i);
    } else {
      batch.flowing.push_back(i);
    }
  }
  return batch;
}

Result<Subscription::Delivery> Subscription::DeliverFrom(size_t begin) {
  const Batch batch = NextBatch(begin);
  std::vector<Record> copies;
  for (const size_t i : batch.flowing) {
    if (!batch.aside.empty()) copies.push_back(batch.records[i]);
  }
  const std::span<const Record> flowing =
      batch.aside.empty() ? batch.records : std::span<const Record>(copies);
  Consumed consumed = flowing.empty() ? Consumed{} : Give(flowing);

  Delivery delivery{batch.records.size(), std::nullopt};
  if (batch.full) delivery.outage = Error{Code::kResourceExhausted, "parked_full", group_};
  std::optional<ParkedEvent> failed;
  if (consumed.done < flowing.size()) {
    delivery.dealt_with = batch.flowing[consumed.done];
    const Record& record = batch.records[delivery.dealt_with];
    LogConsumeFailed(group_, record.event, consumed.error);
    if (IsOutage(consumed.error)) {
      delivery.outage = std::move(consumed.error);
    } else if (ParkedBytes() >= config_.max_parked_bytes) {
      delivery.outage = Error{Code::kResourceExhausted, "parked_full", group_};
    } else {
      failed = ParkedEvent{record, ParkedState::kRetrying, std::move(consumed.error), 1, clock_.Now()};
      delivery.outage.reset();
    }
  }
  std::vector<ParkedEvent> parked;
  for (const size_t i : batch.aside) {
    if (i >= delivery.dealt_with) break;
    parked.push_back({.record = batch.records[i], .state = ParkedState::kQueued, .parked_at = clock_.Now()});
  }
  if (failed) {
    parked.push_back(*std::move(failed));
    ++delivery.dealt_with;
  }
  BOXOFFICE_TRY(Park(std::move(parked)));
  return delivery;
}

Consumed Subscription::Give(std::span<const Record> records) {
  Consumed consumed = ConsumeGuarded(consume_, records, group_);
  consumed_count_.Add(consumed.done);
  if (consumed.done < records.size()) failures_count_.Add();
  return consumed;
}

Result<void> Subscription::Park(std::vector<ParkedEvent> events) {
  // An event that came again, since the place before it was not committed.
  std::erase_if(events, [this](const ParkedEvent& event) {
    return PlaceOf(event.record).parked.Knows(event.record.event.key, event.record.offset);
  });
  if (events.empty()) return {};
  std::vector<Outgoing> messages;
  for (const ParkedEvent& event : events) messages.push_back(ParkedMessageOf(event));
  BOXOFFICE_TRY(producer_.Send(messages));
  for (ParkedEvent& event : events) {
    const bool failed = event.state == ParkedState::kRetrying;
    const std::string key = event.record.event.key;
    ParkedKeys& parked = PlaceOf(event.record).parked;
    parked.Put(std::move(event));
    if (failed) parked.SetDue(key, SteadyClock::now() + Backoff(1));
  }
  return {};
}

Result<void> Subscription::RetryDue() {
  size_t left = kRetriesPerRound;
  for (const auto& [at, place] : places_) {
    for (const std::string& key : place.parked.Due(SteadyClock::now())) {
      if (left-- == 0 || stopping_) return {};
      BOXOFFICE_TRY(RetryKey(at, key));
    }
  }
  return {};
}

Result<void> Subscription::RetryKey(const PlaceKey& at, const std::string& key) {
  ParkedKeys& parked = places_.at(at).parked;
  const std::map<int64_t, ParkedEvent>& events = parked.Find(key)->events;
  std::vector<Record> records;
  for (auto it = events.begin(); it != events.end() && records.size() < kMaxBatch; ++it) {
    records.push_back(it->second.record);
  }
  const Consumed consumed = Give(records);
  std::vector<Outgoing> messages;
  for (size_t i = 0; i < consumed.done; ++i) messages.push_back(DoneMessageOf(records[i]));
  std::optional<ParkedEvent> failed;
  if (consumed.done < records.size()) {
    failed = events.at(records[consumed.done].offset);
    LogConsumeFailed(group_, failed->record.event, consumed.error);
    if (!IsOutage(consumed.error)) {
      ++failed->attempts;
      failed->error = consumed.error;
      failed->state = failed->attempts > kMaxRetries ? ParkedState::kDead : ParkedState::kRetrying;
      messages.push_back(ParkedMessageOf(*failed));
    }
  }
  BOXOFFICE_TRY(producer_.Send(messages));
  for (size_t i = 0; i < consumed.done; ++i) parked.Erase(records[i].offset);
  if (!failed) return {};
  const milliseconds backoff = Backoff(std::max(failed->attempts, 1));
  if (failed->state == ParkedState::kDead) {
    LogDeadLetter(group_, DeadLetterId(group_, failed->record), failed->record.event, failed->error);
  }
  parked.Put(*std::move(failed));
  parked.SetDue(key, SteadyClock::now() + backoff);
  return {};
}

Outgoing Subscription::ParkedMessageOf(const ParkedEvent& parked) const {
  const Record& record = parked.record;
  return {DeadTopicName(config_, record.event.topic, group_),
          record.partition,
          ParkedMessageKey(record.offset),
          record.event.body,
          ParkedHeaders(parked, group_, writer_),
          record.event.id.ToString()};
}

Outgoing Subscription::DoneMessageOf(const Record& record) const {
  return {DeadTopicName(config_, record.event.topic, group_),
          record.partition,
          ParkedMessageKey(record.offset),
          std::nullopt,
          DoneHeaders(writer_),
          record.event.id.ToString()};
}

size_t Subscription::ParkedBytes() const {
  size_t bytes = 0;
  for (const auto& [key, place] : places_) bytes += place.parked.bytes();
  return bytes;
}

Subscription::Place& Subscription::PlaceOf(const Record& record) {
  return places_.at({record.event.topic, record.partition});
}

void Subscription::MovePlaces() {
  for (auto& [key, place] : places_) place.next = place.arrived;
  for (auto record = pending_.rbegin(); record != pending_.rend(); ++record) {
    PlaceOf(*record).next = record->offset;
  }
}

milliseconds Subscription::Backoff(int failures) const {
  return RetryBackoff(failures, config_.retry_backoff, config_.max_retry_backoff);
}

std::string Subscription::TopicOf(std::string_view full_name) const {
  return std::string(full_name.substr(std::min(config_.prefix.size(), full_name.size())));
}

}  // namespace boxoffice::bus::kafka
