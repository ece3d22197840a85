#include "platform/bus/sqlite_subscription.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "platform/bus/consume.h"
#include "platform/bus/sqlite_record.h"
#include "platform/obs/log.h"

namespace boxoffice::bus {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::string TopicList(std::span<const int64_t> ids) { return fmt::format("{}", fmt::join(ids, ", ")); }

}  // namespace

struct SqliteSubscription::Store {
  Store(sql::Database opened, std::span<const int64_t> topic_ids)
      : database(std::move(opened)),
        end(database.Prepare("SELECT coalesce(max(offset), 0) FROM log")),
        read(database.Prepare(fmt::format("SELECT {} FROM log l CROSS JOIN topic t ON t.id = l.topic "
                                          "WHERE l.offset > ?1 AND l.offset <= ?2 AND l.topic IN ({}) "
                                          "ORDER BY l.offset LIMIT ?3",
                                          kRecordColumns, TopicList(topic_ids)))),
        move(database.Prepare("UPDATE place SET offset = ?3, consumed = ?4 "
                              "WHERE consumer_group = ?1 AND topic = ?2")),
        park(database.Prepare(
            "INSERT INTO parked_key(consumer_group, topic, key, attempts, retry_at_ms, error_code, "
            "error_reason, error_detail, parked_at_ms) VALUES(?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8)")),
        park_event(database.Prepare("INSERT INTO parked_event VALUES(?1, ?2)")),
        // Or further off than any pause: the clock has gone back since. Keys of a topic that the group has
        // left stay due until it is back, and are left out.
        due(database.Prepare(
            fmt::format("SELECT id, topic, key, attempts FROM parked_key WHERE consumer_group = ?1 "
                        "AND topic IN ({}) AND (retry_at_ms <= ?2 OR retry_at_ms > ?3) ORDER BY id LIMIT 100",
                        TopicList(topic_ids)))),
        next_retry(database.Prepare(
            fmt::format("SELECT min(retry_at_ms) FROM parked_key WHERE consumer_group = ?1 AND topic IN ({})",
                        TopicList(topic_ids)))),
        parked_records(
            database.Prepare(fmt::format("SELECT {} FROM parked_event e "
                                         "JOIN log l ON l.offset = e.offset JOIN topic t ON t.id = l.topic "
                                         "WHERE e.parked_key = ?1 ORDER BY e.offset LIMIT ?2",
                                         kRecordColumns))),
        unpark_event(database.Prepare("DELETE FROM parked_event WHERE parked_key = ?1 AND offset = ?2")),
        unpark(database.Prepare("DELETE FROM parked_key WHERE id = ?1")),
        retry(database.Prepare("UPDATE parked_key SET attempts = ?2, retry_at_ms = ?3, error_code = ?4, "
                               "error_reason = ?5, error_detail = ?6 WHERE id = ?1")),
        lag(database.Prepare(fmt::format("SELECT coalesce(sum(t.appended - p.consumed), 0) FROM place p "
                                         "JOIN topic t ON t.id = p.topic "
                                         "WHERE p.consumer_group = ?1 AND p.topic IN ({})",
                                         TopicList(topic_ids)))) {}
  sql::Database database;
  sql::Statement end, read, move, park, park_event, due, next_retry, parked_records, unpark_event, unpark,
      retry, lag;
};

SqliteSubscription::SqliteSubscription(std::string group, std::vector<std::string> topics,
                                       Bus::Consume consume, const SqliteBusConfig& config,
                                       const Clock& clock, obs::Registry& metrics)
    : group_(std::move(group)),
      topics_(std::move(topics)),
      consume_(std::move(consume)),
      config_(config),
      clock_(clock),
      consumed_count_(metrics.GetCounter("boxoffice_bus_consumed_total", "Events that had their effect",
                                         {{"group", group_}})),
      failures_count_(metrics.GetCounter("boxoffice_bus_consume_failures_total",
                                         "Deliveries that a consumer could not take", {{"group", group_}})),
      lag_(metrics.GetGauge("boxoffice_bus_lag", "Events that wait for a consumer group",
                            {{"group", group_}})),
      parked_gauge_(metrics.GetGauge("boxoffice_bus_parked_keys", "Keys that are set aside after a failure",
                                     {{"group", group_}})) {
  CHECK(!topics_.empty(), "{} subscribes to something", group_);
}

SqliteSubscription::~SqliteSubscription() { Stop(); }

Result<void> SqliteSubscription::Start() {
  // kNormal: a place that is lost with the power delivers again.
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(config_.file, sql::Durability::kNormal));
  std::vector<int64_t> topic_ids;
  {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database));
    sql::Statement add_topic = database.Prepare(
        "INSERT INTO topic(name, appended) VALUES(?1, 0) ON CONFLICT(name) DO UPDATE SET name = name "
        "RETURNING id");
    sql::Statement add_place =
        database.Prepare("INSERT INTO place VALUES(?1, ?2, 0, 0) ON CONFLICT DO NOTHING");
    for (const std::string& topic : topics_) {
      add_topic.Bind(topic);
      BOXOFFICE_ASSIGN(const bool found, add_topic.Step());
      CHECK(found);
      topic_ids.push_back(add_topic.Int(0));
      add_topic.Reset();
      add_place.Bind(group_, topic_ids.back());
      BOXOFFICE_TRY(add_place.Run());
    }
    BOXOFFICE_TRY(transaction.Commit());
  }
  store_ = std::make_unique<Store>(std::move(database), topic_ids);
  BOXOFFICE_TRY(LoadState());
  thread_ = std::thread([this] { Loop(); });
  return {};
}

void SqliteSubscription::Nudge() { nudged_.Nudge(); }

void SqliteSubscription::Stop() {
  nudged_.Stop();
  CHECK(thread_.get_id() != std::this_thread::get_id(), "a consumer does not unsubscribe itself");
  if (thread_.joinable()) thread_.join();
  turn_.reset();
}

void SqliteSubscription::Loop() {
  milliseconds poll{0};
  milliseconds gap{0};
  auto lag_shown = SteadyClock::now() - std::chrono::hours(1);
  while (nudged_.Wait(poll, gap)) {
    Result<Round> round = RunRound();
    if (!round) {
      obs::Log(obs::Level::kError, "bus_store_failed",
               {{"group", group_}, {"reason", round.error().reason}, {"detail", round.error().detail}});
      stale_ = true;
      round = Round{.pause = Backoff(++outages_)};
    }
    if (round->pause > milliseconds(0)) {
      poll = gap = round->pause;
    } else if (round->full) {
      poll = gap = milliseconds(0);
    } else if (round->delivered) {
      gap = config_.min_gap;
      poll = std::max(gap, std::min(config_.min_poll, round->next_retry));
    } else {
      gap = milliseconds(0);
      poll = std::min({std::max(poll * 2, config_.min_poll), config_.max_poll, round->next_retry});
    }
    if (const auto now = SteadyClock::now(); now - lag_shown > std::chrono::seconds(1)) {
      ShowLag();
      lag_shown = now;
    }
  }
}

Result<bool> SqliteSubscription::HasTurn() {
  if (turn_) return true;
  const std::string file = fmt::format("{}.{}.lock", config_.file.string(), group_);
  BOXOFFICE_ASSIGN(turn_, sql::FileLock::Try(file, sql::FileLock::Kind::kExclusive));
  stale_ = true;  // another process has consumed until now
  return turn_.has_value();
}

Result<SqliteSubscription::Round> SqliteSubscription::RunRound() {
  BOXOFFICE_ASSIGN(const bool has_turn, HasTurn());
  if (!has_turn) return Round{.pause = config_.max_poll};
  if (stale_) BOXOFFICE_TRY(LoadState());
  milliseconds next_retry = config_.max_poll;
  if (!parked_.empty()) {
    BOXOFFICE_ASSIGN(next_retry, RetryParked());
  }
  BOXOFFICE_ASSIGN(Round round, DeliverRound());
  round.next_retry = round.delivered && !parked_.empty() ? config_.min_poll : next_retry;
  return round;
}

Result<void> SqliteSubscription::LoadState() {
  std::vector<Place> places;
  sql::Statement place_rows = store_->database.Prepare(
      "SELECT t.name, t.id, p.offset, p.consumed FROM place p JOIN topic t ON t.id = p.topic "
      "WHERE p.consumer_group = ?1 ORDER BY t.id");
  place_rows.Bind(group_);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, place_rows.Step());
    if (!more) break;
    Place place{std::string(place_rows.Text(0)), place_rows.Int(1), place_rows.Int(2), place_rows.Int(3)};
    // A topic that the group has left keeps its place for a later return.
    if (std::ranges::find(topics_, place.topic) != topics_.end()) places.push_back(std::move(place));
  }
  std::map<Key, int64_t> parked;
  sql::Statement key_rows =
      store_->database.Prepare("SELECT id, topic, key FROM parked_key WHERE consumer_group = ?1");
  key_rows.Bind(group_);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, key_rows.Step());
    if (!more) break;
    const auto place = std::ranges::find(places, key_rows.Int(1), &Place::topic_id);
    if (place != places.end()) parked.emplace(Key(place - places.begin(), key_rows.Text(2)), key_rows.Int(0));
  }
  places_ = std::move(places);
  parked_ = std::move(parked);
  aside_.clear();
  seen_ = std::ranges::min(places_, {}, &Place::offset).offset;
  stale_ = false;
  return {};
}

Result<SqliteSubscription::Round> SqliteSubscription::DeliverRound() {
  BOXOFFICE_ASSIGN(const bool found, store_->end.Step());
  CHECK(found);
  const int64_t end = store_->end.Int(0);
  store_->end.Reset();
  if (end <= seen_) return Round{};
  store_->read.Bind(seen_, end, kMaxBatch);
  BOXOFFICE_ASSIGN(std::vector<Record> records, ReadRecords(store_->read));
  const bool full = records.size() == kMaxBatch;
  const int64_t upto = full ? records.back().offset : end;
  // A topic that was added later starts behind the others.
  std::erase_if(records, [&](const Record& record) {
    return record.offset <= places_[PlaceOf(record.event.topic)].offset;
  });
  if (records.empty()) {
    seen_ = upto;
    return Round{.full = full};
  }
  BOXOFFICE_ASSIGN(Round round, Deliver(std::move(records), upto));
  round.full = full && round.pause == milliseconds(0);
  return round;
}

Result<SqliteSubscription::Round> SqliteSubscription::Deliver(std::vector<Record> records, int64_t end) {
  SetParkedAside(records);
  while (!records.empty()) {
    const Consumed consumed = Give(records);
    const std::span<const Record> handled = std::span(records).first(consumed.done);
    if (consumed.done == records.size()) {
      BOXOFFICE_TRY(Settle(end, handled, nullptr, nullptr));
      outages_ = 0;
      return Round{.delivered = true};
    }
    const Record& failed = records[consumed.done];
    LogConsumeFailed(group_, failed.event, consumed.error);
    if (IsOutage(consumed.error)) {
      outages_ = consumed.done > 0 ? 1 : outages_ + 1;
      if (consumed.done > 0) BOXOFFICE_TRY(Settle(handled.back().offset, handled, nullptr, nullptr));
      aside_.clear();  // they are read again
      return Round{.delivered = consumed.done > 0, .pause = Backoff(outages_)};
    }
    outages_ = 0;
    BOXOFFICE_TRY(Settle(failed.offset, handled, &failed, &consumed.error));
    records.erase(records.begin(), records.begin() + static_cast<ptrdiff_t>(consumed.done) + 1);
    SetParkedAside(records);
  }
  BOXOFFICE_TRY(Settle(end, {}, nullptr, nullptr));
  return Round{.delivered = true};
}

Consumed SqliteSubscription::Give(std::span<const Record> records) {
  Consumed consumed = ConsumeGuarded(consume_, records, group_);
  consumed_count_.Add(consumed.done);
  if (consumed.done < records.size()) failures_count_.Add();
  return consumed;
}

void SqliteSubscription::SetParkedAside(std::vector<Record>& records) {
  if (parked_.empty()) return;
  std::erase_if(records, [this](const Record& record) {
    const size_t place = PlaceOf(record.event.topic);
    const auto it = parked_.find(Key(place, record.event.key));
    if (it == parked_.end()) return false;
    aside_.push_back({it->second, record.offset, place});
    return true;
  });
}

Result<void> SqliteSubscription::Settle(int64_t upto, std::span<const Record> handled, const Record* failed,
                                        const Error* error) {
  std::vector<Place> places = places_;
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(store_->database));
  if (failed != nullptr) BOXOFFICE_TRY(Park(*failed, *error));
  for (const Record& record : handled) ++places[PlaceOf(record.event.topic)].consumed;
  for (const Aside& aside : aside_) {
    if (aside.offset > upto) continue;
    store_->park_event.Bind(aside.parked_key, aside.offset);
    BOXOFFICE_TRY(store_->park_event.Run());
    ++places[aside.place].consumed;
  }
  for (Place& place : places) {
    if (place.offset >= upto) continue;
    place.offset = upto;
    store_->move.Bind(group_, place.topic_id, place.offset, place.consumed);
    BOXOFFICE_TRY(store_->move.Run());
  }
  BOXOFFICE_TRY(transaction.Commit());
  places_ = std::move(places);
  std::erase_if(aside_, [&](const Aside& aside) { return aside.offset <= upto; });
  seen_ = std::max(seen_, upto);
  return {};
}

Result<void> SqliteSubscription::Park(const Record& failed, const Error& error) {
  const size_t place = PlaceOf(failed.event.topic);
  const int64_t now_ms = ToUnixMs(clock_.Now());
  store_->park
      .Bind(group_, places_[place].topic_id, std::nullopt, now_ms + Backoff(1).count(), error.code,
            error.reason, error.detail, now_ms)
      .BindBlob(3, failed.event.key);
  BOXOFFICE_TRY(store_->park.Run());
  const int64_t id = store_->database.last_insert_rowid();
  parked_.emplace(Key(place, failed.event.key), id);
  aside_.push_back({id, failed.offset, place});
  return {};
}

// How long until the next key is due.
Result<milliseconds> SqliteSubscription::RetryParked() {
  struct Due {
    int64_t id;
    Key key;
    int attempts;
  };
  std::vector<Due> due;
  const int64_t now_ms = ToUnixMs(clock_.Now());
  store_->due.Bind(group_, now_ms, now_ms + config_.max_retry_backoff.count());
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, store_->due.Step());
    if (!more) break;
    const auto place = std::ranges::find(places_, store_->due.Int(1), &Place::topic_id);
    CHECK(place != places_.end());
    due.push_back({store_->due.Int(0), Key(place - places_.begin(), store_->due.Text(2)),
                   static_cast<int>(store_->due.Int(3))});
  }
  for (const Due& parked : due) BOXOFFICE_TRY(RetryKey(parked.id, parked.key, parked.attempts));
  store_->next_retry.Bind(group_);
  BOXOFFICE_ASSIGN(const bool found, store_->next_retry.Step());
  CHECK(found);
  const bool any = !store_->next_retry.IsNull(0);
  const int64_t next_ms = store_->next_retry.Int(0);
  store_->next_retry.Reset();
  if (!any) return config_.max_poll;
  return std::clamp(milliseconds(next_ms - ToUnixMs(clock_.Now())), milliseconds(1), config_.max_poll);
}

Result<void> SqliteSubscription::RetryKey(int64_t parked_key, const Key& key, int attempts) {
  store_->parked_records.Bind(parked_key, kMaxBatch);
  BOXOFFICE_ASSIGN(const std::vector<Record> records, ReadRecords(store_->parked_records));
  const Consumed consumed = records.empty() ? Consumed{} : Give(records);
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(store_->database));
  for (size_t i = 0; i < consumed.done; ++i) {
    store_->unpark_event.Bind(parked_key, records[i].offset);
    BOXOFFICE_TRY(store_->unpark_event.Run());
  }
  const bool all = consumed.done == records.size();
  if (all && records.size() < kMaxBatch) {
    store_->unpark.Bind(parked_key);
    BOXOFFICE_TRY(store_->unpark.Run());
  } else if (!all) {
    // Past the first of its events, the failure is another one's.
    if (consumed.done > 0) attempts = 0;
    if (!IsOutage(consumed.error)) ++attempts;
    const bool dead = attempts > kMaxRetries;
    const std::optional<int64_t> retry_at =
        dead ? std::nullopt : std::optional(ToUnixMs(clock_.Now()) + Backoff(std::max(attempts, 1)).count());
    const Error& error = consumed.error;
    store_->retry.Bind(parked_key, attempts, retry_at, error.code, error.reason, error.detail);
    BOXOFFICE_TRY(store_->retry.Run());
    if (dead) LogDeadLetter(group_, parked_key, records[consumed.done].event, error);
  }
  BOXOFFICE_TRY(transaction.Commit());
  if (all && records.size() < kMaxBatch) parked_.erase(key);
  return {};
}

void SqliteSubscription::ShowLag() {
  if (!turn_) {  // it is for the one that consumes to tell
    lag_.Set(0);
    parked_gauge_.Set(0);
    return;
  }
  parked_gauge_.Set(static_cast<double>(parked_.size()));
  store_->lag.Bind(group_);
  auto found = store_->lag.Step();
  if (!found) return;
  lag_.Set(static_cast<double>(store_->lag.Int(0)));
  store_->lag.Reset();
}

size_t SqliteSubscription::PlaceOf(const std::string& topic) const {
  const auto it = std::ranges::find(places_, topic, &Place::topic);
  CHECK(it != places_.end(), "{} is not subscribed to {}", group_, topic);
  return static_cast<size_t>(it - places_.begin());
}

milliseconds SqliteSubscription::Backoff(int failures) const {
  return RetryBackoff(failures, config_.retry_backoff, config_.max_retry_backoff);
}

}  // namespace boxoffice::bus
