#include <algorithm>
#include <utility>

#include "base/check.h"
#include "platform/obs/log.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::outbox {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

struct Publisher::Table {
  explicit Table(sql::Database opened)
      : database(std::move(opened)),
        // In the order of writing. SQLite has one writer at a time, so this is the order of commits; were it
        // not, events of one key would still be in order, since their writers take turns at the aggregate's
        // row.
        read(
            database.Prepare("SELECT seq, event_id, topic, key, type, traceparent, body, time_ms FROM outbox "
                             "ORDER BY seq LIMIT ?1")),
        erase(database.Prepare("DELETE FROM outbox WHERE seq = ?1")),
        count(database.Prepare(
            "SELECT count(*), (SELECT time_ms FROM outbox ORDER BY seq LIMIT 1) FROM outbox")) {}
  sql::Database database;
  sql::Statement read;
  sql::Statement erase;
  sql::Statement count;
};

Publisher::Publisher(PublisherConfig config, bus::Bus& bus, obs::Registry& metrics)
    : config_(std::move(config)),
      clock_(config_.clock != nullptr ? *config_.clock : system_clock_),
      bus_(bus),
      published_(metrics.GetCounter("boxoffice_outbox_published_total", "Events that the bus has taken",
                                    {{"service", config_.service}})),
      failures_(metrics.GetCounter("boxoffice_outbox_failures_total", "Attempts to publish that failed",
                                   {{"service", config_.service}})),
      pending_gauge_(metrics.GetGauge("boxoffice_outbox_pending", "Events not yet published",
                                      {{"service", config_.service}})),
      lag_seconds_(metrics.GetHistogram("boxoffice_outbox_lag_seconds", "From the event to its publication",
                                        obs::SecondsBounds(), {{"service", config_.service}})) {}

Publisher::~Publisher() { Stop(); }

Result<void> Publisher::Start() {
  CHECK(table_ == nullptr, "a publisher starts once");
  // kNormal: a delete that is lost with the power publishes again.
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(config_.database, sql::Durability::kNormal));
  BOXOFFICE_TRY(CheckSchema(database));
  table_ = std::make_unique<Table>(std::move(database));
  Count();
  thread_ = std::thread([this] { Loop(); });
  return {};
}

void Publisher::Nudge() {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    nudged_ = true;
    wake = idle_;
  }
  if (wake) wake_.notify_one();
}

void Publisher::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Publisher::Wait(milliseconds longest, milliseconds shortest) {
  std::unique_lock lock(mutex_);
  const auto now = SteadyClock::now();
  if (wake_.wait_until(lock, now + shortest, [this] { return stopping_; })) return false;
  idle_ = true;
  wake_.wait_until(lock, now + longest, [this] { return stopping_ || nudged_; });
  idle_ = false;
  nudged_ = false;
  return !stopping_;
}

void Publisher::Loop() {
  milliseconds poll{0};
  milliseconds gap{0};
  milliseconds backoff = config_.backoff;
  auto counted = SteadyClock::now();
  while (Wait(poll, gap)) {
    const Result<size_t> published = PublishBatch();
    if (!published) {
      failures_.Add();
      obs::Log(obs::Level::kWarning, "outbox_publish_failed",
               {{"service", config_.service},
                {"reason", published.error().reason},
                {"detail", published.error().detail}});
      poll = gap = backoff;
      backoff = std::min(backoff * 2, config_.max_backoff);
    } else {
      backoff = config_.backoff;
      if (*published == config_.batch) {
        poll = gap = milliseconds(0);
      } else if (*published > 0) {
        gap = config_.min_gap;
        poll = std::max(gap, config_.min_poll);
      } else {
        gap = milliseconds(0);
        poll = std::min(std::max(poll * 2, config_.min_poll), config_.max_poll);
      }
    }
    // At once where the last count is known to be wrong or may stay for long.
    const bool stale = !published || (*published == 0 && Pending() > 0);
    if (const auto now = SteadyClock::now(); stale || now - counted > std::chrono::seconds(1)) {
      Count();
      counted = now;
    }
  }
  while (PublishBatch().value_or(0) > 0) {
  }
  Count();
}

Result<size_t> Publisher::PublishBatch() {
  BOXOFFICE_TRY(DeleteAcknowledged());
  read_.clear();
  table_->read.Bind(config_.batch);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, table_->read.Step());
    if (!more) break;
    const sql::Statement& row = table_->read;
    if (events_.size() == read_.size()) events_.emplace_back();
    bus::Event& event = events_[read_.size()];
    const std::optional<EventId> id = EventId::FromBytes(row.Text(1));
    CHECK(id.has_value(), "the outbox holds event ids of 16 bytes");
    event.id = *id;
    event.topic = row.Text(2);
    event.key = row.Text(3);
    event.type = row.Text(4);
    event.traceparent = row.Text(5);
    event.body = row.Text(6);
    event.time = FromUnixMs(row.Int(7));
    read_.push_back(row.Int(0));
  }
  if (read_.empty()) return 0;
  const std::span<const bus::Event> events = std::span(events_).first(read_.size());
  BOXOFFICE_TRY(bus_.Publish(events));
  published_.Add(events.size());
  const Timestamp now = clock_.Now();
  for (const bus::Event& event : events) {
    lag_seconds_.Observe(std::chrono::duration<double>(now - event.time).count());
  }
  std::swap(acknowledged_, read_);
  BOXOFFICE_TRY(DeleteAcknowledged());
  return events.size();
}

// Before more is read: what the bus has already taken is published twice only by a crash.
Result<void> Publisher::DeleteAcknowledged() {
  if (acknowledged_.empty()) return {};
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(table_->database));
  for (const int64_t seq : acknowledged_) {
    table_->erase.Bind(seq);
    BOXOFFICE_TRY(table_->erase.Run());
  }
  BOXOFFICE_TRY(transaction.Commit());
  acknowledged_.clear();
  return {};
}

void Publisher::Count() {
  const Result<bool> found = table_->count.Step();
  if (!found) return;
  Status now{.pending = table_->count.Int(0), .oldest = {}};
  if (!table_->count.IsNull(1)) now.oldest = FromUnixMs(table_->count.Int(1));
  table_->count.Reset();
  pending_gauge_.Set(static_cast<double>(now.pending));
  const std::scoped_lock lock(status_mutex_);
  status_ = now;
}

Status Publisher::status() const {
  const std::scoped_lock lock(status_mutex_);
  return status_;
}

}  // namespace boxoffice::outbox
