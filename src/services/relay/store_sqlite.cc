#include "services/relay/store_sqlite.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "platform/bus/processed_event.h"
#include "platform/sql/sqlite.h"
#include "services/relay/store_row.h"
#include "services/relay/throttle.h"

namespace boxoffice::sql {
std::span<const Migration> relay_sqlite_schema();
}

namespace boxoffice::relay {
namespace {

constexpr std::string_view kConsumer = "relay";
constexpr std::string_view kDeliveryColumns =
    "d.id, d.target_id, d.event_id, e.type, d.key, d.state, d.attempts, d.next_attempt_at_ms, d.last_status, "
    "d.last_error, d.created_at_ms, d.delivered_at_ms";

constexpr std::string_view kTargetColumns =
    "id, operation_key, url, event_types, secret, enabled, disabled_reason, created_at_ms, deleted, "
    "show_ids, payload, "
    "rate_per_s, old_secret, old_secret_until_ms, rotation_key, version, wants_since_ms, past_filters, "
    "paused_until_ms, creation_content, rotation_content";

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        processed_(*database_, std::string(kConsumer)),
        targets_(database_->Prepare(fmt::format("SELECT {} FROM target ORDER BY id", kTargetColumns))),
        waits_(database_->Prepare(
            "SELECT 1 FROM delivery WHERE state = 0 AND target_id = ?1 AND key = ?2 LIMIT 1")),
        has_version_(database_->Prepare("SELECT 1 FROM target WHERE id = ?1 AND version = ?2")),
        add_event_(database_->Prepare("INSERT INTO event VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")),
        add_delivery_(
            database_->Prepare("INSERT INTO delivery(target_id, event_id, key, state, attempts, "
                               "next_attempt_at_ms, last_status, "
                               "last_error, created_at_ms) VALUES(?1, ?2, ?3, 0, 0, ?4, 0, '', ?5)")),
        due_(database_->Prepare(
            fmt::format("SELECT {}, e.topic, e.traceparent, e.time_ms, e.body FROM delivery d JOIN event e "
                        "ON e.id = d.event_id "
                        "WHERE d.state = 0 AND d.target_id = ?1 AND d.next_attempt_at_ms <= ?2 AND NOT "
                        "EXISTS(SELECT 1 FROM target t WHERE t.id = ?1 AND (t.deleted OR NOT t.enabled)) "
                        "ORDER BY d.next_attempt_at_ms LIMIT ?3",
                        kDeliveryColumns))),
        next_due_(database_->Prepare(
            "SELECT min(next_attempt_at_ms) FROM delivery WHERE state = 0 AND target_id = ?1 "
            "AND next_attempt_at_ms IS NOT NULL")),
        update_(database_->Prepare(
            "UPDATE delivery SET state = ?2, attempts = ?3, next_attempt_at_ms = ?4, last_status = ?5, "
            "last_error = ?6, delivered_at_ms = ?7, ended_at_ms = CASE WHEN ?2 = 0 THEN ended_at_ms ELSE ?8 "
            "END WHERE id = ?1 AND state <> 1 AND (?2 = 1 OR (state = 0 AND attempts = ?3 - 1)) "
            "RETURNING id")),
        has_turn_(database_->Prepare(
            "SELECT 1 FROM delivery WHERE id = ?1 AND state = 0 AND next_attempt_at_ms IS NOT NULL")),
        release_(database_->Prepare(
            "UPDATE delivery SET next_attempt_at_ms = ?3 WHERE next_attempt_at_ms IS NULL AND id = "
            "(SELECT min(id) FROM delivery WHERE state = 0 AND target_id = ?1 AND key = ?2)")) {}

  Result<std::vector<Target>> LoadTargets() override {
    std::vector<Target> targets;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, targets_.Step());
      if (!more) return targets;
      targets.push_back(TargetAt(targets_));
    }
  }

  Result<int64_t> InsertTarget(const Target& target) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement insert = database_->Prepare(
        "INSERT INTO target(operation_key, url, event_types, secret, enabled, disabled_reason, "
        "created_at_ms, deleted, "
        "show_ids, payload, rate_per_s, creation_content) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
        "?11, ?12)");
    const std::string types = JoinEventTypes(target.event_types);  // outlives the statement
    const std::string shows = JoinShowIds(target.show_ids);
    insert
        .Bind(target.operation_key, target.url, types, std::nullopt, target.enabled, target.disabled_reason,
              ToUnixMs(target.created_at), target.deleted, shows, target.payload, target.rate_per_s,
              target.creation_content)
        .BindBlob(4, target.secret);
    BOXOFFICE_TRY(insert.Run());
    const int64_t id = database_->last_insert_rowid();
    BOXOFFICE_TRY(transaction.Commit());
    return id;
  }

  Result<void> DeleteTarget(int64_t target_id) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement erase = database_->Prepare(
        "UPDATE target SET deleted = 1, version = version + 1 WHERE id = ?1 AND NOT deleted");
    erase.Bind(target_id);
    BOXOFFICE_TRY(erase.Run());
    return transaction.Commit();
  }

  Result<void> ChangeTarget(const Target& target) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement update = database_->Prepare(
        "UPDATE target SET url = ?3, event_types = ?4, show_ids = ?5, payload = ?6, rate_per_s = ?7, enabled "
        "= ?8, "
        "disabled_reason = ?9, secret = ?10, old_secret = ?11, old_secret_until_ms = ?12, rotation_key = "
        "?13, wants_since_ms = ?14, past_filters = ?15, paused_until_ms = CASE WHEN url = ?3 AND enabled AND "
        "?8 THEN paused_until_ms ELSE 0 END, rotation_content = ?16, "
        "version = version + 1 WHERE id = ?1 AND version = ?2 AND deleted = 0 RETURNING id");
    const std::string types = JoinEventTypes(target.event_types);
    const std::string shows = JoinShowIds(target.show_ids);
    const std::string past = JoinPastFilters(target.past_filters);
    update
        .Bind(target.id, target.version, target.url, types, shows, target.payload, target.rate_per_s,
              target.enabled, target.disabled_reason, std::nullopt, std::nullopt,
              ToUnixMs(target.old_secret_until), target.rotation_key, ToUnixMs(target.wants_since), past,
              target.rotation_content)
        .BindBlob(10, target.secret)
        .BindBlob(11, target.old_secret);
    BOXOFFICE_ASSIGN(const bool changed, update.Step());
    if (!changed) return Fail(Code::kConflict, "constraint", "the target was changed meanwhile");
    update.Reset();
    return transaction.Commit();
  }

  Result<size_t> GiveUp(int64_t target_id, std::string_view why, Timestamp now, size_t limit) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement end = database_->Prepare(
        "UPDATE delivery SET state = 2, next_attempt_at_ms = NULL, last_error = ?2, ended_at_ms = ?3 WHERE "
        "id IN (SELECT id FROM delivery INDEXED BY delivery_waiting WHERE state = 0 AND target_id = ?1 AND "
        "EXISTS(SELECT 1 FROM target t WHERE t.id = ?1 AND (t.deleted OR NOT t.enabled)) "
        "ORDER BY key DESC, id DESC LIMIT ?4)");
    end.Bind(target_id, why, ToUnixMs(now), limit);
    BOXOFFICE_TRY(end.Run());
    const auto given_up = static_cast<size_t>(database_->changes());
    BOXOFFICE_TRY(transaction.Commit());
    return given_up;
  }

  Result<void> Pause(int64_t target_id, const std::string& url, Timestamp until) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement pause = database_->Prepare(
        "UPDATE target SET paused_until_ms = max(paused_until_ms, ?3) WHERE id = ?1 AND url = ?2 AND "
        "enabled");
    pause.Bind(target_id, url, ToUnixMs(until));
    BOXOFFICE_TRY(pause.Run());
    return transaction.Commit();
  }

  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    return processed_.AreProcessed(ids);
  }

  Result<std::set<TargetKey>> Waiting(const std::set<TargetKey>& keys) override {
    std::set<TargetKey> waiting;
    for (const TargetKey& key : keys) {
      waits_.Bind(key.first, std::nullopt).BindBlob(2, key.second);
      BOXOFFICE_ASSIGN(const bool found, waits_.Step());
      if (!found) continue;
      waits_.Reset();
      waiting.insert(key);
    }
    return waiting;
  }

  Result<void> Insert(const Accepted& accepted) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    for (const auto& [target_id, version] : accepted.target_versions) {
      has_version_.Bind(target_id, version);
      BOXOFFICE_ASSIGN(const bool has_version, has_version_.Step());
      if (!has_version) return Fail(Code::kConflict, "constraint", "a target was changed meanwhile");
      has_version_.Reset();
    }
    for (const InboxEvent& event : accepted.events) {
      BOXOFFICE_ASSIGN(const bool is_new, processed_.MarkNew(event.id));
      // Somebody else consumes for this store: what was decided is out of date.
      if (!is_new)
        return Fail(Code::kConflict, "constraint", "event " + event.id.ToString() + " was accepted before");
      add_event_
          .Bind(event.id, event.topic, std::nullopt, event.type, event.traceparent, ToUnixMs(event.time),
                event.body)
          .BindBlob(3, event.key);
      BOXOFFICE_TRY(add_event_.Run());
    }
    for (const Delivery& delivery : accepted.deliveries) {
      add_delivery_
          .Bind(delivery.target_id, delivery.event_id, std::nullopt, ToMs(delivery.next_attempt_at),
                ToUnixMs(delivery.created_at))
          .BindBlob(3, delivery.key);
      BOXOFFICE_TRY(add_delivery_.Run());
    }
    return transaction.Commit();
  }

  Result<std::vector<Outgoing>> Due(int64_t target_id, Timestamp now, size_t limit,
                                    const std::set<int64_t>& under_way, double rate_per_s) override {
    if (rate_per_s == 0) return DueUpTo(limit, target_id, now, under_way);
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement turn = database_->Prepare("SELECT turn_us FROM target WHERE id = ?1");
    turn.Bind(target_id);
    BOXOFFICE_ASSIGN(const bool found, turn.Step());
    const int64_t turn_us = found ? turn.Int(0) : 0;
    if (found) turn.Reset();
    const size_t turns = std::min(limit, TurnsNow(turn_us, now, rate_per_s));
    if (turns == 0) return std::vector<Outgoing>();
    BOXOFFICE_ASSIGN(std::vector<Outgoing> due, DueUpTo(turns, target_id, now, under_way));
    if (due.empty()) return due;
    sql::Statement take = database_->Prepare("UPDATE target SET turn_us = ?2 WHERE id = ?1");
    take.Bind(target_id, TurnAfter(turn_us, now, rate_per_s, due.size()));
    BOXOFFICE_TRY(take.Run());
    BOXOFFICE_TRY(transaction.Commit());
    return due;
  }

  Result<std::vector<Outgoing>> DueUpTo(size_t limit, int64_t target_id, Timestamp now,
                                        const std::set<int64_t>& under_way) {
    std::vector<Outgoing> due;
    due_.Bind(target_id, ToUnixMs(now), limit + under_way.size());
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, due_.Step());
      if (!more) break;
      if (under_way.contains(due_.Int(0))) continue;
      Outgoing& outgoing = due.emplace_back();
      outgoing.delivery = DeliveryAt(due_);
      outgoing.event = {outgoing.delivery.event_id,   std::string(due_.Text(12)), outgoing.delivery.key,
                        outgoing.delivery.event_type, std::string(due_.Text(13)), FromUnixMs(due_.Int(14)),
                        std::string(due_.Text(15))};
    }
    if (due.size() > limit) due.resize(limit);
    return due;
  }

  Result<std::optional<Timestamp>> NextDue(int64_t target_id) override {
    next_due_.Bind(target_id);
    BOXOFFICE_ASSIGN(const bool found, next_due_.Step());
    CHECK(found);
    const std::optional<Timestamp> next = TimeAt(next_due_, 0);
    next_due_.Reset();
    return next;
  }

  Result<void> Update(std::span<const Delivery> deliveries, Timestamp now) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    for (const Delivery& delivery : deliveries) {
      has_turn_.Bind(delivery.id);
      BOXOFFICE_ASSIGN(const bool had_turn, has_turn_.Step());
      if (had_turn) has_turn_.Reset();
      update_.Bind(delivery.id, delivery.state, delivery.attempts, ToMs(delivery.next_attempt_at),
                   delivery.last_status, delivery.last_error, ToMs(delivery.delivered_at), ToUnixMs(now));
      BOXOFFICE_ASSIGN(const bool changed, update_.Step());
      if (!changed) continue;
      update_.Reset();
      if (delivery.state == State::kPending || !had_turn) continue;
      release_.Bind(delivery.target_id, std::nullopt, ToUnixMs(now)).BindBlob(2, delivery.key);
      BOXOFFICE_TRY(release_.Run());
    }
    return transaction.Commit();
  }

  // One after the other: the second of a key sees the first one pending, and waits.
  Result<size_t> Replay(std::span<const int64_t> ids, Timestamp now) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement replay = database_->Prepare(
        "UPDATE delivery SET state = 0, attempts = 0, next_attempt_at_ms = CASE WHEN EXISTS(SELECT 1 FROM "
        "delivery p "
        "WHERE p.state = 0 AND p.target_id = delivery.target_id AND p.key = delivery.key) THEN NULL ELSE ?2 "
        "END "
        "WHERE id = ?1 AND state = 2 AND EXISTS(SELECT 1 FROM target t WHERE t.id = delivery.target_id AND "
        "t.enabled "
        "AND NOT t.deleted) RETURNING id");
    sql::Statement hasten = database_->Prepare(
        "UPDATE delivery SET next_attempt_at_ms = ?2 WHERE state = 0 AND next_attempt_at_ms > ?2 AND "
        "(target_id, key) = (SELECT d.target_id, d.key FROM delivery d WHERE d.id = ?1 AND d.state = 0)");
    sql::Statement end_pause = database_->Prepare(
        "UPDATE target SET paused_until_ms = 0 WHERE paused_until_ms <> 0 AND "
        "id = (SELECT d.target_id FROM delivery d WHERE d.id = ?1 AND d.state = 0)");
    size_t replayed = 0;
    for (const int64_t id : std::set<int64_t>(ids.begin(), ids.end())) {
      replay.Bind(id, ToUnixMs(now));
      BOXOFFICE_ASSIGN(const bool done, replay.Step());
      if (done) {
        replay.Reset();
        ++replayed;
      }
      hasten.Bind(id, ToUnixMs(now));
      BOXOFFICE_TRY(hasten.Run());
      end_pause.Bind(id);
      BOXOFFICE_TRY(end_pause.Run());
    }
    BOXOFFICE_TRY(transaction.Commit());
    return replayed;
  }

  Result<Hastened> Hasten(const RangeQuery& query, Timestamp now) override {
    if (query.target_ids.empty()) return Hastened{};
    const std::string targets = fmt::format("{}", fmt::join(query.target_ids, ","));
    const std::string is_of_range = fmt::format(
        "p.state = 0 AND p.target_id IN ({}) AND p.created_at_ms >= ?1 AND p.created_at_ms < ?2", targets);
    const auto prepare = [&](std::string_view begin, std::string_view end) {
      sql::Statement statement = database_->Prepare(fmt::format("{}{}{}", begin, is_of_range, end));
      statement.Bind(ToUnixMs(query.from), ToUnixMs(query.until));
      return statement;
    };
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement hasten =
        prepare(fmt::format("UPDATE delivery SET next_attempt_at_ms = {0} WHERE id IN (SELECT h.id FROM "
                            "delivery h WHERE h.state = 0 AND h.next_attempt_at_ms > {0} AND h.target_id IN "
                            "({1}) AND EXISTS(SELECT 1 FROM delivery p WHERE p.target_id = h.target_id AND "
                            "p.key = h.key AND ",
                            ToUnixMs(now), targets),
                fmt::format(") LIMIT {})", query.limit));
    BOXOFFICE_TRY(hasten.Run());
    const auto moved = static_cast<size_t>(database_->changes());
    if (moved == query.limit) {
      BOXOFFICE_TRY(transaction.Commit());
      return Hastened{moved, true};
    }
    // Left to itself, the planner walks over all that the log has of a target.
    sql::Statement end_pauses = prepare(
        "UPDATE target SET paused_until_ms = 0 WHERE paused_until_ms <> 0 AND EXISTS(SELECT 1 FROM delivery "
        "p INDEXED BY delivery_waiting WHERE p.target_id = target.id AND ",
        ")");
    BOXOFFICE_TRY(end_pauses.Run());
    sql::Statement count = prepare("SELECT count(*) FROM delivery p INDEXED BY delivery_waiting WHERE ", "");
    BOXOFFICE_ASSIGN(const bool found, count.Step());
    CHECK(found);
    const auto pending = static_cast<size_t>(count.Int(0));
    count.Reset();
    BOXOFFICE_TRY(transaction.Commit());
    return Hastened{pending, false};
  }

  Result<std::vector<Delivery>> ListDead(const RangeQuery& query) override {
    if (query.target_ids.empty()) return std::vector<Delivery>();
    sql::Statement rows = database_->Prepare(fmt::format(
        "SELECT {} FROM delivery d INDEXED BY delivery_dead JOIN event e ON e.id = d.event_id WHERE d.state "
        "= 2 AND d.created_at_ms >= ?1 AND d.created_at_ms < ?2 AND d.target_id IN ({}) ORDER BY d.id LIMIT "
        "?3",
        kDeliveryColumns, fmt::join(query.target_ids, ",")));
    rows.Bind(ToUnixMs(query.from), ToUnixMs(query.until), query.limit);
    std::vector<Delivery> dead;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, rows.Step());
      if (!more) return dead;
      dead.push_back(DeliveryAt(rows));
    }
  }

  Result<std::optional<InboxEvent>> FindEvent(const EventId& id) override {
    sql::Statement find =
        database_->Prepare("SELECT topic, key, type, traceparent, time_ms, body FROM event WHERE id = ?1");
    find.Bind(id);
    BOXOFFICE_ASSIGN(const bool found, find.Step());
    if (!found) return std::nullopt;
    InboxEvent event;
    event.id = id;
    event.topic = find.Text(0);
    event.key = find.Text(1);
    event.type = find.Text(2);
    event.traceparent = find.Text(3);
    event.time = FromUnixMs(find.Int(4));
    event.body = find.Text(5);
    return event;
  }

  Result<std::optional<Delivery>> Find(int64_t delivery_id) override {
    sql::Statement find = database_->Prepare(fmt::format(
        "SELECT {} FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.id = ?1", kDeliveryColumns));
    find.Bind(delivery_id);
    BOXOFFICE_ASSIGN(const bool found, find.Step());
    return found ? std::optional(DeliveryAt(find)) : std::nullopt;
  }

  Result<std::vector<Delivery>> List(const DeliveryQuery& query) override {
    std::string where;
    if (query.target_id != 0) where += " AND d.target_id = ?1";
    if (query.state) where += fmt::format(" AND d.state = {}", static_cast<int>(*query.state));
    if (query.before_id != 0) where += " AND d.id < ?2";
    if (query.event_id) where += " AND d.event_id = ?4";
    // A list that few are on walks over those of its state, not over the log.
    std::string_view index;
    if (query.state == State::kPending) index = "INDEXED BY delivery_pending";
    if (query.state == State::kDead)
      index = query.target_id == 0 ? "INDEXED BY delivery_dead" : "INDEXED BY delivery_dead_of_target";
    sql::Statement rows = database_->Prepare(
        fmt::format("SELECT {} FROM delivery d {} JOIN event e ON e.id = d.event_id WHERE ?1 = ?1 AND ?2 = "
                    "?2 AND ?4 IS ?4{} ORDER BY d.id DESC LIMIT ?3",
                    kDeliveryColumns, index, where));
    rows.Bind(query.target_id, query.before_id, query.limit, query.event_id);
    std::vector<Delivery> deliveries;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, rows.Step());
      if (!more) return deliveries;
      deliveries.push_back(DeliveryAt(rows));
    }
  }

  Result<size_t> Prune(Timestamp before, size_t limit) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    // In the words of the index delivery_ended.
    sql::Statement erase = database_->Prepare(
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE state <> 0 AND "
        "coalesce(ended_at_ms, created_at_ms) < ?1 ORDER BY coalesce(ended_at_ms, created_at_ms) LIMIT ?2) "
        "RETURNING event_id");
    erase.Bind(ToUnixMs(before), limit);
    std::vector<EventId> events;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, erase.Step());
      if (!more) break;
      events.push_back(erase.Id<EventId>(0));
    }
    sql::Statement erase_event = database_->Prepare(
        "DELETE FROM event WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_id = ?1)");
    for (const EventId& id : events) {
      erase_event.Bind(id);
      BOXOFFICE_TRY(erase_event.Run());
    }
    BOXOFFICE_TRY(transaction.Commit());
    return events.size();
  }

  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    BOXOFFICE_ASSIGN(const size_t count, processed_.Forget(before, limit));
    BOXOFFICE_TRY(transaction.Commit());
    return Forgotten{count, count == limit};
  }

 private:
  std::unique_ptr<sql::Database> database_;
  bus::ProcessedEvents processed_;
  sql::Statement targets_;  // read at each round
  sql::Statement waits_;
  sql::Statement has_version_;
  sql::Statement add_event_;
  sql::Statement add_delivery_;
  sql::Statement due_;
  sql::Statement next_due_;
  sql::Statement update_;
  sql::Statement has_turn_;
  sql::Statement release_;
};

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database opened, sql::Database::Open(file));
  auto database = std::make_unique<sql::Database>(std::move(opened));
  BOXOFFICE_TRY(database->Migrate(sql::relay_sqlite_schema()));
  return std::make_unique<SqliteStore>(std::move(database));
}

}  // namespace boxoffice::relay
