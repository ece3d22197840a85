#include "platform/bus/kafka_bus.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "platform/bus/consume.h"
#include "platform/bus/kafka_lag.h"
#include "platform/bus/kafka_producer.h"
#include "platform/bus/kafka_reader.h"
#include "platform/bus/kafka_subscription.h"
#include "platform/obs/log.h"

namespace boxoffice::bus {
namespace {

using kafka::Part;

constexpr std::string_view kReplayWriter = "replay";
// What one reading takes of a topic, if its page does not want more.
constexpr size_t kReadAheadBytes = 8 << 20;

// A position is "PARTITION:OFFSET,…": where each partition goes on.
Position WritePosition(const std::vector<Part>& parts) {
  std::string text;
  for (const Part& part : parts) {
    if (part.next == 0) continue;
    fmt::format_to(std::back_inserter(text), "{}{}:{}", text.empty() ? "" : ",", part.partition, part.next);
  }
  return text;
}

Result<void> ReadPosition(const Position& position, std::vector<Part>& parts) {
  const char* at = position.data();
  const char* const end = at + position.size();
  while (at != end) {
    int32_t partition = -1;
    int64_t next = -1;
    const auto [colon, bad_partition] = std::from_chars(at, end, partition);
    if (bad_partition != std::errc() || colon == end || *colon != ':') break;
    const auto [comma, bad_next] = std::from_chars(colon + 1, end, next);
    if (bad_next != std::errc() || next < 0 || (comma != end && *comma != ',')) break;
    const auto part = std::ranges::find(parts, partition, &Part::partition);
    if (part == parts.end()) break;
    part->next = next;
    at = comma == end ? end : comma + 1;
  }
  if (at == end) return {};
  return Fail(Code::kInvalidArgument, "position_malformed", position);
}

std::vector<Part> PartsOf(const std::string& full_name, int count) {
  std::vector<Part> parts;
  for (int32_t partition = 0; partition < count; ++partition) parts.push_back({full_name, partition, 0});
  return parts;
}

}  // namespace

// What was read of a topic beyond the last page.
struct KafkaBus::Ahead {
  std::string topic;
  Position begin;             // of the records
  std::vector<Part> given;    // the same
  std::vector<Part> fetched;  // where they end
  std::deque<Record> records;
  bool passed_over = false;  // whether the last reading met a message that is no event
};

Result<std::unique_ptr<KafkaBus>> KafkaBus::Open(KafkaBusConfig config, const Clock& clock,
                                                 obs::Registry& metrics) {
  std::unique_ptr<KafkaBus> bus(new KafkaBus(std::move(config), clock, metrics));
  BOXOFFICE_ASSIGN(bus->producer_, kafka::Producer::Open(bus->config_));
  BOXOFFICE_ASSIGN(kafka::Reader reader, kafka::Reader::Open(bus->config_));
  bus->reader_ = std::make_unique<kafka::Reader>(std::move(reader));
  return bus;
}

KafkaBus::KafkaBus(KafkaBusConfig config, const Clock& clock, obs::Registry& metrics)
    : config_(std::move(config)),
      clock_(clock),
      metrics_(metrics),
      published_(metrics.GetCounter("boxoffice_bus_published_total", "Events appended to the log")),
      publish_size_(metrics.GetHistogram("boxoffice_bus_publish_size", "Events appended in one transaction",
                                         obs::SizeBounds())),
      malformed_(metrics.GetCounter("boxoffice_bus_malformed_total",
                                    "Messages that are no events of ours, and were passed over",
                                    {{"group", ""}})),
      ahead_(std::make_unique<Ahead>()) {}

KafkaBus::~KafkaBus() = default;

Result<void> KafkaBus::Publish(std::span<const Event> events) {
  if (events.empty()) return {};
  BOXOFFICE_TRY(CheckEvents(events));
  std::vector<kafka::Outgoing> messages;
  messages.reserve(events.size());
  for (const Event& event : events) {
    messages.push_back({.topic = config_.prefix + event.topic,
                        .key = event.key,
                        .value = event.body,
                        .headers = kafka::EventHeaders(event),
                        .name = fmt::format("{} {}", event.type, event.id.ToString())});
  }
  BOXOFFICE_TRY(producer_->Send(messages));
  published_.Add(events.size());
  publish_size_.Observe(static_cast<double>(events.size()));
  return {};
}

Result<void> KafkaBus::Subscribe(const std::string& group, std::vector<std::string> topics, Consume consume) {
  return subscriptions_.Add(group, [&] {
    SeededRandom random(SystemSeed());
    return std::make_shared<kafka::Subscription>(group, std::move(topics), std::move(consume),
                                                 Uuid::MakeV7(clock_.Now(), random).ToString(), config_,
                                                 clock_, *producer_, metrics_);
  });
}

void KafkaBus::Unsubscribe(const std::string& group) { subscriptions_.Remove(group); }

Result<void> KafkaBus::ReadAhead(const std::string& topic, const Position& after, size_t limit) {
  const bool goes_on = ahead_->topic == topic && ahead_->begin == after;
  if (goes_on && ahead_->records.size() >= limit) return {};
  const std::string full_name = config_.prefix + topic;
  BOXOFFICE_ASSIGN(const int count,
                   kafka::PartitionCount(reader_->client(), full_name, config_.request_timeout));
  if (!goes_on || ahead_->fetched.size() != static_cast<size_t>(count)) {
    std::vector<Part> parts = PartsOf(full_name, count);
    BOXOFFICE_TRY(ReadPosition(after, parts));
    *ahead_ = {.topic = topic, .begin = after, .given = parts, .fetched = parts, .records = {}};
  }
  ahead_->passed_over = false;
  size_t bytes = 0;
  const auto take = [&](const rd_kafka_message_t& message) {
    Result<Record> record = kafka::ReadEvent(message, topic);
    if (!record) {
      malformed_.Add();
      obs::Log(obs::Level::kError, "event_malformed", {{"detail", record.error().detail}});
      ahead_->passed_over = true;
      return true;
    }
    bytes += sizeof(Record) + record->event.body.size();
    ahead_->records.push_back(*std::move(record));
    return ahead_->records.size() < limit || bytes < kReadAheadBytes;
  };
  Result<void> read = reader_->Read(ahead_->fetched, take);
  // A page that is whole all the same is given; the next one meets the error.
  if (read || ahead_->records.size() >= limit) return {};
  *ahead_ = {};
  return read;
}

Result<Page> KafkaBus::Read(const std::string& topic, const Position& after, size_t limit) {
  const std::scoped_lock lock(reader_mutex_);
  BOXOFFICE_TRY(ReadAhead(topic, after, limit));
  Page page{{}, after};
  std::deque<Record>& records = ahead_->records;
  while (page.records.size() < limit && !records.empty()) {
    ahead_->given[static_cast<size_t>(records.front().partition)].next = records.front().offset + 1;
    page.records.push_back(std::move(records.front()));
    records.pop_front();
  }
  if (!page.records.empty() || ahead_->passed_over) {
    // Where only what is no event was there, too: whoever goes on from the page's end is not told of it
    // again.
    if (records.empty()) ahead_->given = ahead_->fetched;
    page.next = WritePosition(ahead_->given);
  } else {
    ahead_->fetched = ahead_->given;  // nothing was there: whoever asks again begins at the same place
  }
  ahead_->begin = page.next;
  return page;
}

Result<int64_t> KafkaBus::Lag(const std::string& group, std::span<const std::string> topics) {
  const std::scoped_lock lock(reader_mutex_);
  return kafka::GroupLag(reader_->client(), config_, group, topics);
}

Result<std::vector<DeadLetter>> KafkaBus::ReadDeadLetters() {
  BOXOFFICE_ASSIGN(const std::vector<std::string> topics,
                   kafka::TopicNames(reader_->client(), config_.request_timeout));
  std::vector<Part> parts;
  for (const std::string& topic : topics) {
    if (!topic.starts_with(config_.prefix) || !topic.ends_with(kafka::kDeadSuffix)) continue;
    BOXOFFICE_ASSIGN(const int count,
                     kafka::PartitionCount(reader_->client(), topic, config_.request_timeout));
    std::ranges::move(PartsOf(topic, count), std::back_inserter(parts));
  }
  struct Folded {
    kafka::ParkedKeys parked;
    std::string group;
  };
  std::map<std::pair<std::string, int32_t>, Folded> partitions;
  const auto take = [&](const rd_kafka_message_t& message) {
    Result<kafka::ParkedMessage> parked = kafka::ReadParked(message, config_);
    if (!parked) {
      obs::Log(obs::Level::kError, "event_malformed", {{"detail", parked.error().detail}});
      return true;
    }
    Folded& folded = partitions[{rd_kafka_topic_name(message.rkt), message.partition}];
    if (parked->event) {
      folded.group = std::move(parked->group);
      folded.parked.Put(*std::move(parked->event));
    } else {
      folded.parked.Erase(parked->offset);
    }
    return true;
  };
  BOXOFFICE_TRY(reader_->Read(parts, take));
  std::vector<DeadLetter> letters;
  for (const auto& [at, folded] : partitions) {
    for (const auto& [name, key] : folded.parked.keys()) {
      if (!key.dead()) continue;
      const kafka::ParkedEvent& first = key.first();
      letters.push_back({kafka::DeadLetterId(folded.group, first.record), folded.group, first.record,
                         first.error, first.attempts, first.parked_at});
    }
  }
  std::ranges::stable_sort(letters, {}, &DeadLetter::parked_at);
  return letters;
}

Result<std::vector<DeadLetter>> KafkaBus::DeadLetters(size_t limit) {
  const std::scoped_lock lock(reader_mutex_);
  BOXOFFICE_ASSIGN(std::vector<DeadLetter> letters, ReadDeadLetters());
  if (letters.size() > limit) letters.resize(limit);
  return letters;
}

Result<void> KafkaBus::Replay(int64_t dead_letter_id) {
  const std::scoped_lock lock(reader_mutex_);
  BOXOFFICE_ASSIGN(const std::vector<DeadLetter> letters, ReadDeadLetters());
  const auto letter = std::ranges::find(letters, dead_letter_id, &DeadLetter::id);
  if (letter == letters.end()) {
    return Fail(Code::kNotFound, "not_found", fmt::format("no dead letter {}", dead_letter_id));
  }
  const Record& record = letter->record;
  const kafka::ParkedEvent anew{record, kafka::ParkedState::kRetrying, letter->error, 0, letter->parked_at};
  std::vector<kafka::Outgoing> messages;
  messages.push_back({kafka::DeadTopicName(config_, record.event.topic, letter->group), record.partition,
                      kafka::ParkedMessageKey(record.offset), record.event.body,
                      kafka::ParkedHeaders(anew, letter->group, kReplayWriter), record.event.id.ToString()});
  return producer_->Send(messages);
}

}  // namespace boxoffice::bus
