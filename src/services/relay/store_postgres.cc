#include "services/relay/store_postgres.h"

#include <algorithm>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "platform/bus/processed_event_postgres.h"
#include "platform/sql/postgres_read.h"
#include "services/relay/store_row.h"
#include "services/relay/throttle.h"

namespace boxoffice::sql {
std::span<const Migration> relay_postgres_schema();
}

namespace boxoffice::relay {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using sql::pg::ReadOne;
using sql::pg::Row;

constexpr std::string_view kConsumer = "relay";

#define BOXOFFICE_DELIVERY_COLUMNS                                                            \
  "d.id, d.target_id, d.event_id, e.type, d.key, d.state, d.attempts, d.next_attempt_at_ms, " \
  "d.last_status, d.last_error, d.created_at_ms, d.delivered_at_ms"

constexpr std::string_view kSelectTargets =
    "SELECT id, operation_key, url, event_types, secret, enabled, disabled_reason, created_at_ms, deleted, "
    "show_ids, "
    "payload, rate_per_s, old_secret, old_secret_until_ms, rotation_key, version, wants_since_ms, "
    "past_filters, paused_until_ms, creation_content, rotation_content FROM target ORDER BY id";
constexpr std::string_view kInsertTarget =
    "INSERT INTO target(operation_key, url, event_types, secret, enabled, disabled_reason, created_at_ms, "
    "deleted, show_ids, payload, rate_per_s, creation_content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
    "$10, $11, $12) RETURNING id";
constexpr std::string_view kDeleteTarget =
    "UPDATE target SET deleted = true, version = version + 1 WHERE id = $1 AND NOT deleted";
constexpr std::string_view kChangeTarget =
    "UPDATE target SET url = $3, event_types = $4, show_ids = $5, payload = $6, rate_per_s = $7, enabled = "
    "$8, "
    "disabled_reason = $9, secret = $10, old_secret = $11, old_secret_until_ms = $12, rotation_key = $13, "
    "wants_since_ms = $14, past_filters = $15, paused_until_ms = CASE WHEN url = $3 AND enabled AND $8 THEN "
    "paused_until_ms ELSE 0 END, rotation_content = $16, version = version + 1 WHERE id = $1 AND version = "
    "$2 AND NOT deleted RETURNING id";
constexpr std::string_view kPause =
    "UPDATE target SET paused_until_ms = greatest(paused_until_ms, $3) WHERE id = $1 AND url = $2 AND "
    "enabled";
// In the order of delivery_waiting, so that no other index will do. The target is locked, so none that it
// names becomes anything else meanwhile, and none comes to a target that another has enabled.
constexpr std::string_view kGiveUp =
    "UPDATE delivery SET state = 2, next_attempt_at_ms = NULL, last_error = $2, ended_at_ms = $3, "
    "owner = '', lease_until_ms = 0 WHERE id = ANY(ARRAY(SELECT id FROM delivery WHERE state = 0 AND "
    "target_id = $1 AND (SELECT deleted OR NOT enabled FROM target WHERE id = $1) "
    "ORDER BY key DESC, id DESC LIMIT $4))";
// See the schema.
constexpr std::string_view kLockTargets =
    "SELECT enabled AND NOT deleted, id, version FROM target WHERE id = ANY($1) ORDER BY id FOR UPDATE";

// Whether a key has a pending delivery. By a value rather than EXISTS, which the server may turn into a join
// with all that are pending: it takes them for few until it has counted them.
#define BOXOFFICE_ONE_IS_PENDING(of)                                                                  \
  "(SELECT true FROM delivery p WHERE p.state = 0 AND p.target_id = " of ".target_id AND p.key = " of \
  ".key LIMIT 1)"
constexpr std::string_view kSelectWaiting =
    "SELECT target_id, key FROM (SELECT unnest($1) AS target_id, unnest($2) AS key) i "
    "WHERE " BOXOFFICE_ONE_IS_PENDING("i");
constexpr std::string_view kInsertEvents =
    "INSERT INTO event(id, topic, key, type, traceparent, time_ms, body) SELECT unnest($1), "
    "unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7) ON CONFLICT DO NOTHING";
// Whether one is due is judged here, where no delivery of its target begins or ends.
constexpr std::string_view kInsertDeliveries =
    "INSERT INTO delivery(target_id, event_id, key, state, attempts, next_attempt_at_ms, last_status, "
    "last_error, created_at_ms) SELECT target_id, event_id, key, 0, 0, CASE WHEN first AND "
    BOXOFFICE_ONE_IS_PENDING("i") " IS NULL THEN created_at_ms END, 0, '', created_at_ms "
    "FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY i(target_id, event_id, key, first, created_at_ms, place) "
    "ORDER BY place";

// SKIP LOCKED: what another is claiming or ending is not for us. $5: what is being sent already.
constexpr std::string_view kClaim =
    "WITH due AS (SELECT id FROM delivery WHERE state = 0 AND target_id = $1 AND next_attempt_at_ms <= $2 "
    "AND id <> ALL($5) AND (owner = $4 OR lease_until_ms < " BOXOFFICE_PG_NOW_MS
    ") AND (SELECT deleted OR NOT enabled FROM target WHERE id = $1) IS NOT TRUE ORDER BY "
    "next_attempt_at_ms, id LIMIT $3 FOR UPDATE SKIP LOCKED) "
    "UPDATE delivery d SET owner = $4, lease_until_ms = " BOXOFFICE_PG_NOW_MS
    " + $6 FROM due, event e WHERE d.id = due.id AND e.id = d.event_id "
    "RETURNING " BOXOFFICE_DELIVERY_COLUMNS ", e.topic, e.traceparent, e.time_ms, e.body";
// The row's lock makes replicas take turns in taking turns.
constexpr std::string_view kLockTurn = "SELECT turn_us FROM target WHERE id = $1 FOR UPDATE";
constexpr std::string_view kTakeTurn = "UPDATE target SET turn_us = $2 WHERE id = $1";
// By their ids, and saying nothing of the state, as an index of all that are pending would look cheap to the
// server; what is not pending has no owner.
constexpr std::string_view kRelease =
    "UPDATE delivery SET owner = '', lease_until_ms = 0 WHERE id = ANY($2) AND owner = $1";
// In the order of delivery_due, so that no other index will do.
constexpr std::string_view kSelectNextDue =
    "SELECT next_attempt_at_ms FROM delivery WHERE state = 0 AND target_id = $1 AND "
    "next_attempt_at_ms IS NOT NULL ORDER BY next_attempt_at_ms, id LIMIT 1";
// Moves along the edges of delivery.h only, for several replicas may speak of one delivery: whoever's lease
// ended, or whose delivery was given up or replayed, says nothing any more but that it was delivered.
constexpr std::string_view kUpdate =
    "UPDATE delivery d SET state = i.state, attempts = i.attempts, "
    "next_attempt_at_ms = i.next_attempt_at_ms, last_status = i.last_status, "
    "last_error = i.last_error, delivered_at_ms = i.delivered_at_ms, "
    "ended_at_ms = CASE WHEN i.state = 0 THEN d.ended_at_ms ELSE $9 END, owner = '', "
    "lease_until_ms = 0 FROM (SELECT unnest($1) AS id, unnest($2) AS state, unnest($3) AS attempts, "
    "unnest($4) AS next_attempt_at_ms, unnest($5) AS last_status, unnest($6) AS last_error, "
    "unnest($7) AS delivered_at_ms) i WHERE d.id = i.id AND d.state <> 1 AND (i.state = 1 "
    "OR (d.state = 0 AND d.attempts = i.attempts - 1 AND d.owner IN ('', $8))) RETURNING d.target_id, "
    "d.key, d.state, d.id";
// Which of these have the turn of their key. Targets are locked, so none loses or gets it before kUpdate.
constexpr std::string_view kSelectTurns =
    "SELECT id, state = 0 AND next_attempt_at_ms IS NOT NULL FROM delivery WHERE id = ANY($1)";
constexpr std::string_view kReleaseNext =
    "UPDATE delivery SET next_attempt_at_ms = $3 WHERE next_attempt_at_ms IS NULL "
    "AND id IN (SELECT (SELECT min(d.id) FROM delivery d WHERE d.state = 0 "
    "AND d.target_id = i.target_id AND d.key = i.key) FROM (SELECT unnest($1) AS target_id, "
    "unnest($2) AS key) i)";

// Of a key, the first of these is due, if none is pending. Targets are locked (see the schema), so none
// becomes so.
constexpr std::string_view kLockTargetsOf =
    "SELECT 1 FROM target WHERE id IN (SELECT target_id FROM delivery WHERE id = ANY($1)) ORDER BY id FOR "
    "UPDATE";
constexpr std::string_view kReplay =
    "WITH dead AS (SELECT d.id, row_number() OVER (PARTITION BY d.target_id, d.key ORDER BY d.id) = 1 AND "
    BOXOFFICE_ONE_IS_PENDING("d") " IS NULL AS first "
    "FROM delivery d JOIN target t ON t.id = d.target_id WHERE d.id = ANY($1) AND d.state = 2 AND "
    "t.enabled AND NOT t.deleted) "
    "UPDATE delivery d SET state = 0, attempts = 0, next_attempt_at_ms = CASE WHEN first THEN $2 END, "
    "owner = '', lease_until_ms = 0 FROM dead WHERE d.id = dead.id AND d.state = 2 RETURNING d.id";
// Whoever has the turn of a key of these. They are found by their ids, for state < 1 has no index (see
// kRelease).
constexpr std::string_view kHasten =
    "UPDATE delivery SET next_attempt_at_ms = $2 WHERE state = 0 AND next_attempt_at_ms > $2 AND (target_id, "
    "key) IN (SELECT d.target_id, d.key FROM delivery d WHERE d.id = ANY($1) AND d.state < 1)";
constexpr std::string_view kEndPauses =
    "UPDATE target SET paused_until_ms = 0 WHERE paused_until_ms <> 0 AND id IN (SELECT d.target_id FROM "
    "delivery d WHERE d.id = ANY($1) AND d.state < 1)";
// The same of a range: $1 targets, made at $2 or later, and before $3.
constexpr std::string_view kHastenRange =
    "UPDATE delivery SET next_attempt_at_ms = $4 WHERE id = ANY(ARRAY(SELECT h.id FROM delivery h WHERE "
    "h.state = 0 AND h.next_attempt_at_ms > $4 AND h.target_id = ANY($1) AND (SELECT true FROM delivery p "
    "WHERE p.state = 0 AND p.target_id = h.target_id AND p.key = h.key AND p.created_at_ms >= $2 AND "
    "p.created_at_ms < $3 LIMIT 1) LIMIT $5))";
constexpr std::string_view kEndPausesOfRange =
    "UPDATE target SET paused_until_ms = 0 WHERE paused_until_ms <> 0 AND id = ANY($1) AND (SELECT true FROM "
    "delivery p WHERE p.state = 0 AND p.target_id = target.id AND p.created_at_ms >= $2 AND p.created_at_ms "
    "< $3 LIMIT 1)";
constexpr std::string_view kCountPending =
    "SELECT count(*) FROM delivery WHERE state = 0 AND target_id = ANY($1) AND created_at_ms >= $2 AND "
    "created_at_ms < $3";
constexpr std::string_view kListDead =
    "SELECT " BOXOFFICE_DELIVERY_COLUMNS
    " FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.state + 0 = 2 AND d.created_at_ms >= $1 AND "
    "d.created_at_ms < $2 AND d.target_id = ANY($3) ORDER BY d.id LIMIT $4";
constexpr std::string_view kFindEvent =
    "SELECT topic, key, type, traceparent, time_ms, body FROM event WHERE id = $1";
constexpr std::string_view kFind =
    "SELECT " BOXOFFICE_DELIVERY_COLUMNS " FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.id = $1";
// With the conditions of a query between the two.
constexpr std::string_view kListWhere =
    "SELECT " BOXOFFICE_DELIVERY_COLUMNS " FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.id < $1";
constexpr std::string_view kListEnd = " ORDER BY d.id DESC LIMIT $2";
// In the words of the index delivery_ended.
constexpr std::string_view kPrune =
    "DELETE FROM delivery WHERE id = ANY(ARRAY(SELECT id FROM delivery WHERE state <> 0 AND "
    "coalesce(ended_at_ms, created_at_ms) < $1 ORDER BY coalesce(ended_at_ms, created_at_ms) LIMIT $2 "
    "FOR UPDATE SKIP LOCKED)) RETURNING event_id";
// Two that prune deliveries of one event take turns here, so that the second sees that none is left.
constexpr std::string_view kLockEvents = "SELECT 1 FROM event WHERE id = ANY($1) ORDER BY id FOR UPDATE";
constexpr std::string_view kPruneEvents =
    "DELETE FROM event e WHERE e.id = ANY($1) AND "
    "(SELECT true FROM delivery WHERE event_id = e.id LIMIT 1) IS NULL";
#undef BOXOFFICE_ONE_IS_PENDING
#undef BOXOFFICE_DELIVERY_COLUMNS

Outgoing OutgoingAt(const Row& row) {
  Delivery delivery = DeliveryAt(row);
  InboxEvent event{delivery.event_id,
                   std::string(row.Text(12)),
                   delivery.key,
                   delivery.event_type,
                   std::string(row.Text(13)),
                   FromUnixMs(row.Int(14)),
                   std::string(row.Text(15)),
                   0};
  return {std::move(delivery), std::move(event)};
}

constexpr auto kKeyOf = [](const auto& keyed) { return Bytes{keyed.key}; };

class PostgresStore final : public Store {
 public:
  PostgresStore(std::unique_ptr<sql::pg::Connection> connection, milliseconds lease)
      : connection_(std::move(connection)), lease_(lease) {
    SeededRandom random{SystemSeed()};
    owner_ = fmt::format("{:016x}{:016x}", random.Next(), random.Next());
  }
  // Where it fails, the leases end by themselves.
  ~PostgresStore() override {
    if (given_out_.empty()) return;
    Batch batch;
    batch.Add(kRelease, owner_, Column(given_out_));
    (void)connection_->Write(batch);
  }

  Result<std::vector<Target>> LoadTargets() override {
    BOXOFFICE_ASSIGN(const auto rows, ReadOne(*connection_, kSelectTargets));
    std::vector<Target> targets;
    for (const Row row : rows) {
      targets.push_back(TargetAt(row));
    }
    return targets;
  }

  Result<int64_t> InsertTarget(const Target& target) override {
    Batch batch;
    batch.Add(kInsertTarget, target.operation_key, target.url, JoinEventTypes(target.event_types),
              Bytes{target.secret}, target.enabled, target.disabled_reason, ToUnixMs(target.created_at),
              target.deleted, JoinShowIds(target.show_ids), target.payload, target.rate_per_s,
              target.creation_content);
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    return results[0][0].Int(0);
  }

  Result<void> DeleteTarget(int64_t target_id) override {
    Batch batch;
    batch.Add(kDeleteTarget, target_id);
    BOXOFFICE_TRY(connection_->Write(batch));
    return {};
  }

  Result<void> ChangeTarget(const Target& target) override {
    Batch batch;
    batch.Add(kChangeTarget, target.id, target.version, target.url, JoinEventTypes(target.event_types),
              JoinShowIds(target.show_ids), target.payload, target.rate_per_s, target.enabled,
              target.disabled_reason, Bytes{target.secret}, Bytes{target.old_secret},
              ToUnixMs(target.old_secret_until), target.rotation_key, ToUnixMs(target.wants_since),
              JoinPastFilters(target.past_filters), target.rotation_content);
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    if (results[0].empty()) return Fail(Code::kConflict, "constraint", "the target was changed meanwhile");
    return {};
  }

  Result<size_t> GiveUp(int64_t target_id, std::string_view why, Timestamp now, size_t limit) override {
    Batch batch;
    batch.Add(kLockTargets, Column(std::span(&target_id, 1)));
    const size_t given_up = batch.Add(kGiveUp, target_id, Bytes{why}, ToUnixMs(now), limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    return static_cast<size_t>(results[given_up].affected());
  }

  Result<void> Pause(int64_t target_id, const std::string& url, Timestamp until) override {
    Batch batch;
    batch.Add(kPause, target_id, url, ToUnixMs(until));
    BOXOFFICE_TRY(connection_->Write(batch));
    return {};
  }

  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    Batch batch;
    bus::AddProcessed(batch, kConsumer, ids);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    std::set<EventId> found;
    for (const Row row : results[0]) found.insert(row.Id<EventId>(0));
    std::vector<bool> processed;
    processed.reserve(ids.size());
    for (const EventId& id : ids) processed.push_back(found.contains(id));
    return processed;
  }

  Result<std::set<TargetKey>> Waiting(const std::set<TargetKey>& keys) override {
    BOXOFFICE_ASSIGN(const auto rows,
                     ReadOne(*connection_, kSelectWaiting, Column(keys, &TargetKey::first),
                             Column(keys, [](const TargetKey& key) { return Bytes{key.second}; })));
    std::set<TargetKey> waiting;
    for (const Row row : rows) waiting.emplace(row.Int(0), row.Text(1));
    return waiting;
  }

  Result<void> Insert(const Accepted& accepted) override {
    std::vector<EventId> ids;
    for (const InboxEvent& event : accepted.events) ids.push_back(event.id);
    Batch batch;
    const size_t marked = bus::AddMark(batch, kConsumer, ids);
    const size_t locked = batch.Add(kLockTargets, Column(accepted.deliveries, &Delivery::target_id));
    AddInserts(accepted, batch);
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
    // Somebody else consumes for this store, or changed the target: what was decided is out of date.
    if (results[marked].size() < ids.size()) {
      return Fail(Code::kConflict, "constraint", "an event was accepted before");
    }
    for (const Row row : results[locked]) {
      if (!row.Bool(0)) return Fail(Code::kConflict, "constraint", "a target takes nothing any more");
      const auto chose = accepted.target_versions.find(row.Int(1));
      if (chose != accepted.target_versions.end() && chose->second != row.Int(2))
        return Fail(Code::kConflict, "constraint", "a target was changed meanwhile");
    }
    return transaction.Commit();
  }

  Result<std::vector<Outgoing>> Due(int64_t target_id, Timestamp now, size_t limit,
                                    const std::set<int64_t>& under_way, double rate_per_s) override {
    Batch claim;
    if (rate_per_s == 0) {
      AddClaim(claim, target_id, now, limit, under_way);
      BOXOFFICE_ASSIGN(const auto results, connection_->Write(claim));
      return DueIn(results[0]);
    }
    Batch lock;
    lock.Add(kLockTurn, target_id);
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto turn, transaction.Run(lock));
    const int64_t turn_us = turn[0].empty() ? 0 : turn[0][0].Int(0);
    const size_t turns = std::min(limit, TurnsNow(turn_us, now, rate_per_s));
    if (turns == 0) return std::vector<Outgoing>();
    AddClaim(claim, target_id, now, turns, under_way);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(claim));
    Batch take;
    take.Add(kTakeTurn, target_id, TurnAfter(turn_us, now, rate_per_s, results[0].size()));
    BOXOFFICE_TRY(transaction.Commit(take));
    return DueIn(results[0]);
  }

  Result<std::optional<Timestamp>> NextDue(int64_t target_id) override {
    BOXOFFICE_ASSIGN(const auto rows, ReadOne(*connection_, kSelectNextDue, target_id));
    return rows.empty() ? std::nullopt : TimeAt(rows[0], 0);
  }

  Result<void> Update(std::span<const Delivery> deliveries, Timestamp now) override {
    if (deliveries.empty()) return {};
    std::vector<Delivery> sorted(deliveries.begin(), deliveries.end());
    std::ranges::sort(sorted, {}, &Delivery::id);
    Batch batch;
    batch.Add(kLockTargets, Column(sorted, &Delivery::target_id));
    const size_t turns = batch.Add(kSelectTurns, Column(sorted, &Delivery::id));
    const size_t updated =
        batch.Add(kUpdate, Column(sorted, &Delivery::id), Column(sorted, &Delivery::state),
                  Column(sorted, &Delivery::attempts),
                  Column(sorted, [](const Delivery& delivery) { return ToMs(delivery.next_attempt_at); }),
                  Column(sorted, &Delivery::last_status),
                  Column(sorted, [](const Delivery& delivery) { return Bytes{delivery.last_error}; }),
                  Column(sorted, [](const Delivery& delivery) { return ToMs(delivery.delivered_at); }),
                  owner_, ToUnixMs(now));
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
    // Only what has ended by this, and had the turn, lets the next one go.
    std::set<int64_t> had_turn;
    for (const Row row : results[turns]) {
      if (row.Bool(1)) had_turn.insert(row.Int(0));
    }
    std::vector<TargetKey> ended;
    for (const Row row : results[updated]) {
      const bool is_pending = static_cast<State>(row.Int(2)) == State::kPending;
      if (!is_pending && had_turn.contains(row.Int(3))) ended.emplace_back(row.Int(0), row.Text(1));
    }
    std::ranges::sort(ended);
    Batch release;
    if (!ended.empty()) {
      release.Add(kReleaseNext, Column(ended, &TargetKey::first),
                  Column(ended, [](const TargetKey& key) { return Bytes{key.second}; }), ToUnixMs(now));
    }
    BOXOFFICE_TRY(transaction.Commit(release));
    for (const Delivery& delivery : sorted) given_out_.erase(delivery.id);
    return {};
  }

  Result<size_t> Replay(std::span<const int64_t> ids, Timestamp now) override {
    Batch batch;
    batch.Add(kLockTargetsOf, Column(ids));
    const size_t replay = batch.Add(kReplay, Column(ids), ToUnixMs(now));
    batch.Add(kHasten, Column(ids), ToUnixMs(now));
    batch.Add(kEndPauses, Column(ids));
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    return results[replay].size();
  }

  Result<Hastened> Hasten(const RangeQuery& query, Timestamp now) override {
    const auto targets = Column(query.target_ids);
    const int64_t from_ms = ToUnixMs(query.from);
    const int64_t until_ms = ToUnixMs(query.until);
    Batch page;
    page.Add(kLockTargets, targets);
    const size_t hastened = page.Add(kHastenRange, targets, from_ms, until_ms, ToUnixMs(now), query.limit);
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto paged, transaction.Run(page));
    const auto moved = static_cast<size_t>(paged[hastened].affected());
    if (moved == query.limit) {
      BOXOFFICE_TRY(transaction.Commit());
      return Hastened{moved, true};
    }
    Batch last;
    last.Add(kEndPausesOfRange, targets, from_ms, until_ms);
    const size_t count = last.Add(kCountPending, targets, from_ms, until_ms);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(last));
    BOXOFFICE_TRY(transaction.Commit());
    return Hastened{static_cast<size_t>(results[count][0].Int(0)), false};
  }

  Result<std::vector<Delivery>> ListDead(const RangeQuery& query) override {
    BOXOFFICE_ASSIGN(const auto rows, ReadOne(*connection_, kListDead, ToUnixMs(query.from),
                                              ToUnixMs(query.until), Column(query.target_ids), query.limit));
    std::vector<Delivery> dead;
    for (const Row row : rows) dead.push_back(DeliveryAt(row));
    return dead;
  }

  Result<std::optional<InboxEvent>> FindEvent(const EventId& id) override {
    BOXOFFICE_ASSIGN(const auto rows, ReadOne(*connection_, kFindEvent, id));
    if (rows.empty()) return std::nullopt;
    const Row row = rows[0];
    return InboxEvent{id,
                      std::string(row.Text(0)),
                      std::string(row.Text(1)),
                      std::string(row.Text(2)),
                      std::string(row.Text(3)),
                      FromUnixMs(row.Int(4)),
                      std::string(row.Text(5)),
                      0};
  }

  Result<std::optional<Delivery>> Find(int64_t delivery_id) override {
    BOXOFFICE_ASSIGN(const auto rows, ReadOne(*connection_, kFind, delivery_id));
    return rows.empty() ? std::nullopt : std::optional(DeliveryAt(rows[0]));
  }

  Result<std::vector<Delivery>> List(const DeliveryQuery& query) override {
    // Only what is asked for, and the state in the words of its index, so that each has a plan by the index
    // that serves it. What is pending to a target is picked from all that is pending, not from its log.
    std::string sql(kListWhere);
    if (query.target_id != 0)
      sql += query.state == State::kPending ? " AND d.target_id + 0 = $3" : " AND d.target_id = $3";
    if (query.state) sql += fmt::format(" AND d.state + 0 = {}", static_cast<int>(*query.state));
    if (query.event_id) sql += " AND d.event_id = $4";
    sql += kListEnd;
    const int64_t before = query.before_id == 0 ? std::numeric_limits<int64_t>::max() : query.before_id;
    BOXOFFICE_ASSIGN(const auto rows,
                     ReadOne(*connection_, sql, before, query.limit, query.target_id, query.event_id));
    std::vector<Delivery> deliveries;
    for (const Row row : rows) deliveries.push_back(DeliveryAt(row));
    return deliveries;
  }

  Result<size_t> Prune(Timestamp before, size_t limit) override {
    Batch deliveries;
    deliveries.Add(kPrune, ToUnixMs(before), limit);
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(deliveries));
    std::vector<EventId> ids;
    for (const Row row : results[0]) ids.push_back(row.Id<EventId>(0));
    Batch events;
    events.Add(kLockEvents, Column(ids));
    events.Add(kPruneEvents, Column(ids));
    BOXOFFICE_TRY(transaction.Commit(events));
    return ids.size();
  }

  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override {
    Batch batch;
    const size_t forgotten = bus::AddForget(batch, kConsumer, before, limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    const size_t count = results[forgotten].size();
    return Forgotten{count, count == limit};
  }

 private:
  void AddClaim(Batch& batch, int64_t target_id, Timestamp now, size_t limit,
                const std::set<int64_t>& under_way) const {
    batch.Add(kClaim, target_id, ToUnixMs(now), limit, owner_, Column(under_way), lease_.count());
  }
  std::vector<Outgoing> DueIn(const sql::pg::Rows& rows) {
    std::vector<Outgoing> due;
    for (const Row row : rows) {
      due.push_back(OutgoingAt(row));
      given_out_.insert(due.back().delivery.id);
    }
    std::ranges::sort(due, {}, [](const Outgoing& outgoing) {
      return std::pair(*outgoing.delivery.next_attempt_at, outgoing.delivery.id);
    });
    return due;
  }
  static void AddInserts(const Accepted& accepted, Batch& batch) {
    const auto& events = accepted.events;
    batch.Add(kInsertEvents, Column(events, &InboxEvent::id), Column(events, &InboxEvent::topic),
              Column(events, kKeyOf), Column(events, &InboxEvent::type),
              Column(events, &InboxEvent::traceparent),
              Column(events, [](const InboxEvent& event) { return ToUnixMs(event.time); }),
              Column(events, [](const InboxEvent& event) { return Bytes{event.body}; }));
    const auto& deliveries = accepted.deliveries;
    std::set<TargetKey> keys;
    std::vector<bool> first;  // of its key in this batch
    for (const Delivery& delivery : deliveries) {
      first.push_back(keys.emplace(delivery.target_id, delivery.key).second);
    }
    batch.Add(kInsertDeliveries, Column(deliveries, &Delivery::target_id),
              Column(deliveries, &Delivery::event_id), Column(deliveries, kKeyOf),
              Column(first, [](bool is_first) { return is_first; }),
              Column(deliveries, [](const Delivery& delivery) { return ToUnixMs(delivery.created_at); }));
  }

  std::unique_ptr<sql::pg::Connection> connection_;
  const milliseconds lease_;
  std::string owner_;
  // Deliveries, until they are updated. One whose target was disabled under way stays: they are few.
  std::set<int64_t> given_out_;
};

}  // namespace

Result<std::unique_ptr<Store>> OpenPostgresStore(const sql::pg::Config& config, milliseconds lease) {
  BOXOFFICE_ASSIGN(auto connection, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(connection->Migrate("relay", sql::relay_postgres_schema()));
  return std::make_unique<PostgresStore>(std::move(connection), lease);
}

}  // namespace boxoffice::relay
