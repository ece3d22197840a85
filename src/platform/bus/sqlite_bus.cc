#include "platform/bus/sqlite_bus.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"
#include "platform/bus/consume.h"
#include "platform/bus/sqlite_record.h"
#include "platform/bus/sqlite_subscription.h"

namespace boxoffice::sql {
std::span<const Migration> bus_sqlite_schema();
}

namespace boxoffice::bus {

struct SqliteBus::Writer {
  explicit Writer(sql::Database opened)
      : database(std::move(opened)),
        append(database.Prepare("INSERT INTO log(topic, event_id, key, type, traceparent, body, time_ms) "
                                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")),
        count(database.Prepare("INSERT INTO topic(name, appended) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE "
                               "SET appended = appended + excluded.appended RETURNING id")) {}
  sql::Database database;
  sql::Statement append;
  sql::Statement count;
};

struct SqliteBus::Reader {
  explicit Reader(sql::Database opened)
      : database(std::move(opened)),
        read(database.Prepare(
            fmt::format("SELECT {} FROM log l JOIN topic t ON t.id = l.topic "
                        "WHERE l.topic = (SELECT id FROM topic WHERE name = ?1) AND l.offset > ?2 "
                        "ORDER BY l.offset LIMIT ?3",
                        kRecordColumns))),
        lag(database.Prepare("SELECT t.appended - coalesce(p.consumed, 0) FROM topic t LEFT JOIN place p "
                             "ON p.topic = t.id AND p.consumer_group = ?1 WHERE t.name = ?2")),
        dead_letters(database.Prepare(fmt::format(
            "SELECT {}, k.id, k.consumer_group, k.error_code, k.error_reason, k.error_detail, k.attempts, "
            "k.parked_at_ms FROM parked_key k "
            "JOIN log l ON l.offset = (SELECT min(offset) FROM parked_event WHERE parked_key = k.id) "
            "JOIN topic t ON t.id = l.topic "
            "WHERE k.retry_at_ms IS NULL ORDER BY k.id LIMIT ?1",
            kRecordColumns))),
        replay(database.Prepare(
            "UPDATE parked_key SET attempts = 0, retry_at_ms = ?2 WHERE id = ?1 AND retry_at_ms IS NULL")) {}
  sql::Database database;
  sql::Statement read;
  sql::Statement lag;
  sql::Statement dead_letters;
  sql::Statement replay;
};

Result<std::unique_ptr<SqliteBus>> SqliteBus::Open(SqliteBusConfig config, const Clock& clock,
                                                   obs::Registry& metrics) {
  BOXOFFICE_ASSIGN(sql::Database writer, sql::Database::Open(config.file));
  BOXOFFICE_TRY(writer.Migrate(sql::bus_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reader, sql::Database::Open(config.file));
  return std::unique_ptr<SqliteBus>(
      new SqliteBus(std::move(config), clock, metrics, std::move(writer), std::move(reader)));
}

SqliteBus::SqliteBus(SqliteBusConfig config, const Clock& clock, obs::Registry& metrics, sql::Database writer,
                     sql::Database reader)
    : config_(std::move(config)),
      clock_(clock),
      metrics_(metrics),
      published_(metrics.GetCounter("boxoffice_bus_published_total", "Events appended to the log")),
      publish_size_(metrics.GetHistogram("boxoffice_bus_publish_size", "Events appended in one transaction",
                                         obs::SizeBounds())),
      writer_(std::make_unique<Writer>(std::move(writer))),
      reader_(std::make_unique<Reader>(std::move(reader))) {}

SqliteBus::~SqliteBus() = default;

Result<void> SqliteBus::Publish(std::span<const Event> events) {
  if (events.empty()) return {};
  BOXOFFICE_TRY(CheckEvents(events));
  Call own{events, {}, false};
  std::unique_lock lock(calls_mutex_);
  calls_.push_back(&own);
  calls_written_.wait(lock, [&] { return own.done || !writing_; });
  if (own.done) return own.result;
  writing_ = true;
  const std::vector<Call*> calls = std::exchange(calls_, {});
  lock.unlock();
  const Result<void> result = Append(calls);
  lock.lock();
  for (Call* call : calls) {
    call->result = result;
    call->done = true;
  }
  writing_ = false;
  lock.unlock();
  calls_written_.notify_all();
  if (result) NudgeAll();
  return result;
}

Result<void> SqliteBus::Append(std::span<Call* const> calls) {
  struct Topic {
    std::string_view name;
    int64_t events = 0;
    int64_t id = 0;
  };
  std::vector<Topic> topics;  // a handful
  const auto find = [&](std::string_view name) -> Topic& {
    for (Topic& topic : topics) {
      if (topic.name == name) return topic;
    }
    return topics.emplace_back(Topic{name});
  };
  size_t total = 0;
  for (const Call* call : calls) {
    for (const Event& event : call->events) ++find(event.topic).events;
    total += call->events.size();
  }
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(writer_->database));
  for (Topic& topic : topics) {
    writer_->count.Bind(topic.name, topic.events);
    BOXOFFICE_ASSIGN(const bool found, writer_->count.Step());
    CHECK(found);
    topic.id = writer_->count.Int(0);
    writer_->count.Reset();
  }
  for (const Call* call : calls) {
    for (const Event& event : call->events) {
      writer_->append
          .Bind(find(event.topic).id, event.id, std::nullopt, event.type, event.traceparent, std::nullopt,
                ToUnixMs(event.time))
          .BindBlob(3, event.key)
          .BindBlob(6, event.body);
      BOXOFFICE_TRY(writer_->append.Run());
    }
  }
  BOXOFFICE_TRY(transaction.Commit());
  published_.Add(total);
  publish_size_.Observe(static_cast<double>(total));
  return {};
}

void SqliteBus::NudgeAll() {
  subscriptions_.ForEach([](SqliteSubscription& subscription) { subscription.Nudge(); });
}

Result<void> SqliteBus::Subscribe(const std::string& group, std::vector<std::string> topics,
                                  Consume consume) {
  return subscriptions_.Add(group, [&] {
    return std::make_shared<SqliteSubscription>(group, std::move(topics), std::move(consume), config_, clock_,
                                                metrics_);
  });
}

void SqliteBus::Unsubscribe(const std::string& group) { subscriptions_.Remove(group); }

Result<Page> SqliteBus::Read(const std::string& topic, const Position& after, size_t limit) {
  const auto offset = after.empty() ? std::optional<int64_t>(0) : ParseNumber<int64_t>(after);
  if (!offset) return Fail(Code::kInvalidArgument, "position_malformed", after);
  const std::scoped_lock lock(reader_mutex_);
  BOXOFFICE_ASSIGN(std::vector<Record> records, ReadRecords(reader_->read.Bind(topic, *offset, limit)));
  Position next = records.empty() ? after : fmt::format("{}", records.back().offset);
  return Page{std::move(records), std::move(next)};
}

Result<int64_t> SqliteBus::Lag(const std::string& group, std::span<const std::string> topics) {
  const std::scoped_lock lock(reader_mutex_);
  int64_t lag = 0;
  for (const std::string& topic : topics) {
    reader_->lag.Bind(group, topic);
    BOXOFFICE_ASSIGN(const bool found, reader_->lag.Step());
    if (found) lag += reader_->lag.Int(0);
    reader_->lag.Reset();
  }
  return lag;
}

Result<std::vector<DeadLetter>> SqliteBus::DeadLetters(size_t limit) {
  const std::scoped_lock lock(reader_mutex_);
  sql::Statement& row = reader_->dead_letters.Bind(limit);
  std::vector<DeadLetter> letters;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, row.Step());
    if (!more) return letters;
    DeadLetter& letter = letters.emplace_back();
    letter.record = ReadRecord(row);
    int column = kRecordColumnCount;
    letter.id = row.Int(column++);
    letter.group = row.Text(column++);
    letter.error.code = static_cast<Code>(row.Int(column++));
    letter.error.reason = row.Text(column++);
    letter.error.detail = row.Text(column++);
    letter.attempts = static_cast<int>(row.Int(column++));
    letter.parked_at = FromUnixMs(row.Int(column++));
  }
}

Result<void> SqliteBus::Replay(int64_t dead_letter_id) {
  {
    const std::scoped_lock lock(reader_mutex_);
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(reader_->database));
    reader_->replay.Bind(dead_letter_id, ToUnixMs(clock_.Now()));
    BOXOFFICE_TRY(reader_->replay.Run());
    if (reader_->database.changes() == 0) {
      return Fail(Code::kNotFound, "not_found", fmt::format("no dead letter {}", dead_letter_id));
    }
    BOXOFFICE_TRY(transaction.Commit());
  }
  NudgeAll();
  return {};
}

}  // namespace boxoffice::bus
