#include "platform/bus/kafka_record.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"

namespace boxoffice::bus::kafka {
namespace {

constexpr size_t kMaxDetailBytes = 4 << 10;
constexpr size_t kMaxAttributeBytes = 64 << 10;  // a key, a type and a traceparent together
constexpr std::array<std::string_view, 3> kStateNames{"queued", "retrying", "dead"};

void Add(rd_kafka_headers_t* headers, std::string_view name, std::string_view value) {
  const auto error =
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()),
                          value.empty() ? "" : value.data(), static_cast<ssize_t>(value.size()));
  CHECK(error == RD_KAFKA_RESP_ERR_NO_ERROR, "{}", name);
}

// Empty: it has none.
std::string_view Find(const rd_kafka_headers_t* headers, const char* name) {
  const void* value = nullptr;
  size_t size = 0;
  if (headers == nullptr || rd_kafka_header_get_last(headers, name, &value, &size) != 0) return {};
  return {static_cast<const char*>(value), size};
}

// What ToRfc3339 writes: "2026-11-22T10:00:00.000Z".
std::optional<Timestamp> ParseTime(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  if (text.size() != kShape.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [text](size_t at, size_t digits) {
    return *ParseNumber<unsigned>(text.substr(at, digits));
  };
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(number(0, 4))),
                                        std::chrono::month(number(5, 2)), std::chrono::day(number(8, 2)));
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days(day) + std::chrono::hours(number(11, 2)) +
         std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2)) +
         milliseconds(number(20, 3));
}

std::optional<Code> ParseCode(std::string_view name) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    if (CodeName(static_cast<Code>(code)) == name) return static_cast<Code>(code);
  }
  return std::nullopt;
}

const rd_kafka_headers_t* HeadersOf(const rd_kafka_message_t& message) {
  rd_kafka_headers_t* headers = nullptr;
  return rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : nullptr;
}

std::string Bytes(const void* data, size_t size) {
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

std::unexpected<Error> Malformed(const rd_kafka_message_t& message, std::string_view what) {
  return Fail(Code::kInternal, "event_malformed",
              fmt::format("{}[{}] offset {}: {}", rd_kafka_topic_name(message.rkt), message.partition,
                          message.offset, what));
}

}  // namespace

Owned<rd_kafka_headers_t> EventHeaders(const Event& event) {
  Owned<rd_kafka_headers_t> headers(rd_kafka_headers_new(8));
  Add(headers.get(), "ce_specversion", "1.0");
  Add(headers.get(), "ce_id", event.id.ToString());
  Add(headers.get(), "ce_source", "/boxoffice/" + event.topic);
  Add(headers.get(), "ce_type", event.type);
  Add(headers.get(), "ce_time", ToRfc3339(event.time));
  Add(headers.get(), "content-type", "application/protobuf");
  if (!event.traceparent.empty()) Add(headers.get(), "traceparent", event.traceparent);
  return headers;
}

Result<Record> ReadEvent(const rd_kafka_message_t& message, std::string topic) {
  const rd_kafka_headers_t* headers = HeadersOf(message);
  Record record;
  const std::optional<EventId> id = EventId::Parse(Find(headers, "ce_id"));
  const std::optional<Timestamp> time = ParseTime(Find(headers, "ce_time"));
  record.event.type = Find(headers, "ce_type");
  if (!id || !time || record.event.type.empty()) {
    return Malformed(message, "no ce_id, ce_time and ce_type of ours");
  }
  record.event.traceparent = Find(headers, "traceparent");
  // Nobody of ours publishes such a thing, and its dead letter, which is larger, might not be taken.
  if (message.len > kMaxBodyBytes ||
      message.key_len + record.event.type.size() + record.event.traceparent.size() > kMaxAttributeBytes) {
    return Malformed(message, "it is larger than an event of ours");
  }
  record.event.id = *id;
  record.event.topic = std::move(topic);
  record.event.key = Bytes(message.key, message.key_len);
  record.event.body = Bytes(message.payload, message.len);
  record.event.time = *time;
  record.partition = message.partition;
  record.offset = message.offset;
  return record;
}

std::string ParkedMessageKey(int64_t offset) { return fmt::format("{}", offset); }

Owned<rd_kafka_headers_t> ParkedHeaders(const ParkedEvent& parked, std::string_view group,
                                        std::string_view writer) {
  const Record& record = parked.record;
  Owned<rd_kafka_headers_t> headers = EventHeaders(record.event);
  Add(headers.get(), "dead_group", group);
  Add(headers.get(), "dead_topic", record.event.topic);
  Add(headers.get(), "dead_partition", fmt::format("{}", record.partition));
  Add(headers.get(), "dead_offset", fmt::format("{}", record.offset));
  Add(headers.get(), "dead_key", record.event.key);
  Add(headers.get(), "dead_state", kStateNames[static_cast<size_t>(parked.state)]);
  Add(headers.get(), "dead_attempts", fmt::format("{}", parked.attempts));
  Add(headers.get(), "dead_parked_at", ToRfc3339(parked.parked_at));
  Add(headers.get(), "dead_writer", writer);
  if (!parked.error.reason.empty()) {
    Add(headers.get(), "dead_error_code", CodeName(parked.error.code));
    Add(headers.get(), "dead_error_reason", parked.error.reason);
    Add(headers.get(), "dead_error_detail", std::string_view(parked.error.detail).substr(0, kMaxDetailBytes));
  }
  return headers;
}

Owned<rd_kafka_headers_t> DoneHeaders(std::string_view writer) {
  Owned<rd_kafka_headers_t> headers(rd_kafka_headers_new(1));
  Add(headers.get(), "dead_writer", writer);
  return headers;
}

Result<ParkedMessage> ReadParked(const rd_kafka_message_t& message, const KafkaBusConfig& config) {
  ParkedMessage parked;
  const std::optional<int64_t> offset = ParseNumber<int64_t>(Bytes(message.key, message.key_len));
  if (!offset) return Malformed(message, "its key is no offset");
  parked.offset = *offset;
  const rd_kafka_headers_t* headers = HeadersOf(message);
  parked.writer = Find(headers, "dead_writer");
  if (message.payload == nullptr) return parked;
  parked.group = Find(headers, "dead_group");
  const auto partition = ParseNumber<int>(Find(headers, "dead_partition"));
  const auto attempts = ParseNumber<int>(Find(headers, "dead_attempts"));
  const auto parked_at = ParseTime(Find(headers, "dead_parked_at"));
  const std::string_view state = Find(headers, "dead_state");
  const auto* const known = std::ranges::find(kStateNames, state);
  if (!partition || !attempts || !parked_at || known == kStateNames.end() || parked.group.empty()) {
    return Malformed(message, "its dead_ headers are not ours");
  }
  std::string topic(Find(headers, "dead_topic"));
  // What becomes of it is written to where these say, which has to be where it stands.
  if (*partition != message.partition ||
      DeadTopicName(config, topic, parked.group) != rd_kafka_topic_name(message.rkt)) {
    return Malformed(message, "its dead_ headers name another partition");
  }
  BOXOFFICE_ASSIGN(Record record, ReadEvent(message, std::move(topic)));
  record.partition = *partition;
  record.offset = parked.offset;
  record.event.key = Find(headers, "dead_key");
  Error error{ParseCode(Find(headers, "dead_error_code")).value_or(Code::kInternal),
              std::string(Find(headers, "dead_error_reason")),
              std::string(Find(headers, "dead_error_detail"))};
  parked.event = ParkedEvent{std::move(record), static_cast<ParkedState>(known - kStateNames.begin()),
                             std::move(error), *attempts, *parked_at};
  return parked;
}

int64_t DeadLetterId(std::string_view group, const Record& record) {
  constexpr int kJsonIntegerBits = 53;
  const std::string name =
      fmt::format("{}/{}/{}/{}", group, record.event.topic, record.partition, record.offset);
  uint64_t hash = Fnv1a(name);
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  return static_cast<int64_t>(hash >> (64 - kJsonIntegerBits)) | 1;  // never 0
}

}  // namespace boxoffice::bus::kafka
