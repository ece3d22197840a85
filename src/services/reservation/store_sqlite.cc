#include "services/reservation/store_sqlite.h"

#include <fmt/format.h>

#include "services/reservation/store_show_record.h"

namespace boxoffice::sql {
std::span<const Migration> reservation_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::reservation {
namespace {

// Reads (record) rows up to `limit`; one more than the limit was asked for, to know whether there are more.
Result<Page> ReadPage(sql::Statement& select, uint32_t limit) {
  Page page;
  while (true) {
    BOXOFFICE_ASSIGN(const bool row, select.Step());
    if (!row) return page;
    if (page.reservations.size() == limit) {
      page.more = true;
      select.Reset();
      return page;
    }
    BOXOFFICE_ASSIGN(Reservation reservation, Decode(select.Text(0)));
    page.reservations.push_back(std::move(reservation));
  }
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::filesystem::path& file, Random& random) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  BOXOFFICE_TRY(database.Migrate(sql::reservation_sqlite_schema()));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(database), random));
}

SqliteStore::SqliteStore(sql::Database database, Random& random)
    : database_(std::move(database)),
      random_(random),
      outbox_(database_),
      get_(database_.Prepare("SELECT record, version, epoch, due_at_ms FROM reservation WHERE id = ?1")),
      get_request_(database_.Prepare(
          "SELECT request_hash, reservation_id, saga_id, COALESCE(answer, (SELECT record FROM reservation "
          "WHERE id = reservation_id AND saga_status = 1)), created_at_ms FROM request "
          "WHERE user_id = ?1 AND idempotency_key = ?2")),
      get_request_saga_(
          database_.Prepare("SELECT saga_id FROM request WHERE user_id = ?1 AND idempotency_key = ?2")),
      get_cancellation_(
          database_.Prepare("SELECT show_id, kind, version, epoch, due_at_ms, record FROM show_work "
                            "WHERE show_id = ?1 AND kind = ?2")),
      due_(database_.Prepare(
          "SELECT record, due_at_ms FROM reservation WHERE due_at_ms BETWEEN ?1 AND ?2 ORDER BY "
          "due_at_ms LIMIT ?3")),
      insert_(database_.Prepare("INSERT INTO reservation(id, user_id, show_id, state, saga_status, version, "
                                "epoch, due_at_ms, record) "
                                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING")),
      // Version and epoch close the race between two owners of one saga.
      update_(database_.Prepare("UPDATE reservation SET state = ?2, saga_status = ?3, version = ?4, epoch = "
                                "?5, due_at_ms = ?6, record = ?7 "
                                "WHERE id = ?1 AND version = ?8 AND epoch = ?9")),
      // The due time stays in the range of the saga's version.
      renew_(database_.Prepare(fmt::format("UPDATE reservation SET due_at_ms = ?2 + due_at_ms / {0} * {0} "
                                           "WHERE id = ?1 AND epoch = ?3 AND saga_status = 0",
                                           kDueRange))),
      put_request_(database_.Prepare("INSERT OR REPLACE INTO request(user_id, idempotency_key, request_hash, "
                                     "reservation_id, saga_id, answer, "
                                     "created_at_ms) VALUES(?1, ?2, ?3, ?4, ?5, NULL, ?6)")),
      keep_answer_(database_.Prepare(
          "UPDATE request SET answer = (SELECT record FROM reservation WHERE id = ?4 AND version = ?5) "
          "WHERE user_id = ?1 AND idempotency_key = ?2 AND saga_id = ?3 AND answer IS NULL")),
      look_at_requests_(database_.Prepare(
          "SELECT user_id, idempotency_key, created_at_ms < ?3 AND (answer IS NOT NULL OR EXISTS (SELECT 1 "
          "FROM reservation WHERE id = reservation_id AND saga_status = 1)) FROM request "
          "WHERE (user_id, idempotency_key) > (?1, ?2) ORDER BY user_id, idempotency_key LIMIT ?4")),
      forget_(database_.Prepare("DELETE FROM request WHERE user_id = ?1 AND idempotency_key = ?2")) {}

Result<Rows> SqliteStore::Load(const Keys& keys, Timestamp now) {
  Rows rows;
  const bool names_none = keys.reservations.empty() && keys.requests.empty() && keys.fee_shows.empty();
  if (names_none && keys.due_limit == 0) return rows;
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  for (const ReservationId& id : keys.reservations) {
    BOXOFFICE_ASSIGN(const bool found, get_.Bind(id).Step());
    if (!found) continue;
    BOXOFFICE_ASSIGN(Reservation reservation, Decode(get_.Text(0)));
    get_.Reset();
    rows.reservations.emplace(id, std::move(reservation));
  }
  for (const RequestKey& key : keys.requests) {
    BOXOFFICE_ASSIGN(const bool found, get_request_.Bind(key.user_id, key.idempotency_key).Step());
    if (!found) continue;
    RequestRecord request;
    request.key = key;
    request.request_hash = get_request_.Text(0);
    request.reservation_id = ReservationId::FromBytes(get_request_.Text(1)).value_or(ReservationId());
    request.saga_id = SagaId::FromBytes(get_request_.Text(2)).value_or(SagaId());
    if (!get_request_.IsNull(3)) {
      BOXOFFICE_ASSIGN(Reservation answered, Decode(get_request_.Text(3)));
      auto refusal = answered.failure;
      request.answer = Answer{std::move(answered), std::move(refusal)};
    }
    request.created_at = FromUnixMs(get_request_.Int(4));
    get_request_.Reset();
    rows.requests.emplace(key, std::move(request));
  }
  if (keys.due_limit > 0) BOXOFFICE_TRY(LoadDue(keys.due_limit, now, rows));
  for (const int64_t show_id : keys.fee_shows) {
    BOXOFFICE_ASSIGN(const bool cancelled, IsCancelled(show_id));
    if (cancelled) rows.cancelled_shows.push_back(show_id);
  }
  return rows;
}

Result<bool> SqliteStore::IsCancelled(int64_t show_id) {
  BOXOFFICE_ASSIGN(const bool found, get_cancellation_.Bind(show_id, WorkKind::kCancellation).Step());
  if (!found) return false;
  BOXOFFICE_ASSIGN(const ShowWork work, WorkAt(get_cancellation_));
  get_cancellation_.Reset();
  return Stands(work.cancellation);
}

Result<void> SqliteStore::LoadDue(size_t limit, Timestamp now, Rows& rows) {
  for (int version = 1; version <= kNewestDefinitionVersion; ++version) {
    const int64_t range = DueRangeOf(version);
    due_.Bind(range, range + ToUnixMs(now), limit);
    while (true) {
      BOXOFFICE_ASSIGN(const bool row, due_.Step());
      if (!row) break;
      BOXOFFICE_ASSIGN(Reservation reservation, Decode(due_.Text(0)));
      reservation.due_at = FromDueColumn(due_.Int(1));  // a renewed lease is in the column only
      rows.due.push_back(std::move(reservation));
    }
  }
  KeepOldest(rows.due, limit);
  return {};
}

// Whether the request's key, and what its show keeps, is as it was when it was decided.
Result<bool> SqliteStore::MayBegin(const Change& change) {
  if (!change.request) return true;
  if (change.takes_fee) {
    BOXOFFICE_ASSIGN(const bool cancelled, IsCancelled(change.reservation->show_id));
    if (cancelled) return false;
  }
  const RequestKey& key = change.request->key;
  BOXOFFICE_ASSIGN(const bool found, get_request_saga_.Bind(key.user_id, key.idempotency_key).Step());
  if (!found) return change.replaces.IsNil();
  const bool same = SagaId::FromBytes(get_request_saga_.Text(0)) == change.replaces;
  get_request_saga_.Reset();
  return same;
}

Result<bool> SqliteStore::SaveRow(const Change& change, std::string_view record) {
  const Reservation& r = change.reservation;
  const auto due_ms = DueColumn(r);
  if (change.lease_only) {
    BOXOFFICE_TRY(renew_.Bind(r.id, due_ms, change.expected_epoch).Run());
  } else if (change.expected_version == 0) {
    insert_.Bind(r.id, r.user_id, r.show_id, r.state, r.saga.status, r.version, r.saga.epoch, due_ms);
    BOXOFFICE_TRY(insert_.BindBlob(9, record).Run());
  } else {
    update_.Bind(r.id, r.state, r.saga.status, r.version, r.saga.epoch, due_ms, std::nullopt,
                 change.expected_version, change.expected_epoch);
    BOXOFFICE_TRY(update_.BindBlob(7, record).Run());
  }
  return database_.changes() == 1;
}

// Before the row changes.
Result<void> SqliteStore::KeepAnswer(const Change& change) {
  const AnsweredRequest& answered = *change.answered;
  return keep_answer_
      .Bind(answered.key.user_id, answered.key.idempotency_key, answered.saga_id, change.reservation->id,
            change.expected_version)
      .Run();
}

Result<void> SqliteStore::SaveRequest(const RequestRecord& request) {
  const RequestKey& key = request.key;
  put_request_.Bind(key.user_id, key.idempotency_key, std::nullopt, request.reservation_id, request.saga_id,
                    ToUnixMs(request.created_at));
  return put_request_.BindBlob(3, request.request_hash).Run();
}

Result<std::vector<bool>> SqliteStore::Save(std::span<const Change> changes) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  std::vector<bool> saved;
  std::vector<bus::Event> events;
  for (const Change& change : changes) {
    const std::string record = change.lease_only ? std::string() : Encode(change.reservation);
    BOXOFFICE_ASSIGN(const bool may_begin, MayBegin(change));
    bool written = false;
    if (may_begin) {
      if (change.answered) BOXOFFICE_TRY(KeepAnswer(change));
      BOXOFFICE_ASSIGN(written, SaveRow(change, record));
    }
    saved.push_back(written);
    if (!written) continue;
    if (change.request) BOXOFFICE_TRY(SaveRequest(*change.request));
    if (!change.event.empty()) {
      events.push_back(ToBusEvent(change.event, change.reservation,
                                  EventId::Make(change.reservation->updated_at, random_)));
    }
  }
  BOXOFFICE_TRY(outbox_.Append(events));
  BOXOFFICE_TRY(transaction.Commit());
  return saved;
}

// Along the key that is there anyway: an index of ages would cost each purchase more than this costs.
Result<Forgotten> SqliteStore::ForgetRequests(Timestamp before, int64_t limit) {
  std::vector<RequestKey> old;
  RequestKey last;
  int64_t looked_at = 0;
  look_at_requests_.Bind(looked_at_.user_id, looked_at_.idempotency_key, ToUnixMs(before), limit);
  while (true) {
    BOXOFFICE_ASSIGN(const bool found, look_at_requests_.Step());
    if (!found) break;
    last = {std::string(look_at_requests_.Text(0)), std::string(look_at_requests_.Text(1))};
    if (look_at_requests_.Int(2) != 0) old.push_back(last);
    ++looked_at;
  }
  if (!old.empty()) {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
    for (const RequestKey& key : old) BOXOFFICE_TRY(forget_.Bind(key.user_id, key.idempotency_key).Run());
    BOXOFFICE_TRY(transaction.Commit());
  }
  const bool more = looked_at == limit;
  looked_at_ = more ? std::move(last) : RequestKey();
  return Forgotten{static_cast<int64_t>(old.size()), more};
}

Result<std::unique_ptr<SqliteReader>> SqliteReader::Open(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  return std::unique_ptr<SqliteReader>(new SqliteReader(std::move(database)));
}

SqliteReader::SqliteReader(sql::Database database) : database_(std::move(database)) {}

Result<std::optional<Reservation>> SqliteReader::Get(ReservationId id) {
  const std::scoped_lock lock(mutex_);
  sql::Statement get = database_.Prepare("SELECT record FROM reservation WHERE id = ?1");
  BOXOFFICE_ASSIGN(Page page, ReadPage(get.Bind(id), 1));
  if (page.reservations.empty()) return std::nullopt;
  return std::move(page.reservations.front());
}

// The last of those that a list looks at, where they are MaxLookedAt; the index has all that this takes.
Result<std::optional<ReservationId>> SqliteReader::CutOf(const ListQuery& query, const IdRange& range) {
  const uint32_t looked_at = MaxLookedAt(query);
  if (looked_at == 0) return std::nullopt;
  const bool by_user = !query.user_id.empty();
  sql::Statement select = database_.Prepare(fmt::format(
      "SELECT id FROM reservation INDEXED BY {} WHERE id < ?1 AND id >= ?2 AND {} = ?3 "
      "ORDER BY id DESC LIMIT 1 OFFSET {}",
      by_user ? "reservation_user" : "reservation_show", by_user ? "user_id" : "show_id", looked_at - 1));
  if (by_user) {
    select.Bind(range.before, range.from, query.user_id);
  } else {
    select.Bind(range.before, range.from, query.show_id);
  }
  BOXOFFICE_ASSIGN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return select.Id<ReservationId>(0);
}

Result<Page> SqliteReader::List(const ListQuery& query) {
  const std::scoped_lock lock(mutex_);
  IdRange range = RangeOf(query);
  BOXOFFICE_ASSIGN(const std::optional<ReservationId> cut, CutOf(query, range));
  if (cut) range.from = *cut;
  const bool by_user = !query.user_id.empty();
  // The other indexes lead to everybody's.
  std::string_view index;
  if (by_user) {
    index = "INDEXED BY reservation_user";
  } else if (query.show_id != 0) {
    index = "INDEXED BY reservation_show";
  }
  std::string sql = fmt::format("SELECT record FROM reservation {} WHERE id < ?1 AND id >= ?2", index);
  if (by_user) sql += " AND user_id = ?3";
  if (query.state) sql += " AND " + StateCondition(*query.state, by_user);
  if (query.show_id != 0) sql += fmt::format(" AND show_id = {}", query.show_id);
  sql += fmt::format(" ORDER BY id DESC LIMIT {}", query.limit + 1);
  sql::Statement select = database_.Prepare(sql);
  if (by_user) {
    select.Bind(range.before, range.from, query.user_id);
  } else {
    select.Bind(range.before, range.from);
  }
  BOXOFFICE_ASSIGN(Page page, ReadPage(select, query.limit));
  SetNext(page, cut);
  return page;
}

std::string SelectSagas(std::optional<SagaStatus> status, uint32_t limit) {
  // "<> 1" lets it use the index of what is open, which has the order of ids for one status at a time.
  const auto of = [](SagaStatus one) {
    return fmt::format("SELECT record, id FROM reservation WHERE {}saga_status = {} AND id > ?1",
                       one == SagaStatus::kDone ? "" : "saga_status <> 1 AND ", static_cast<int>(one));
  };
  const std::string sagas =
      status ? of(*status) : of(SagaStatus::kRunning) + " UNION ALL " + of(SagaStatus::kParked);
  return fmt::format("{} ORDER BY id LIMIT {}", sagas, limit);
}

Result<Page> SqliteReader::ListSagas(std::optional<SagaStatus> status, ReservationId after, uint32_t limit) {
  const std::scoped_lock lock(mutex_);
  sql::Statement select = database_.Prepare(SelectSagas(status, limit + 1));
  return ReadPage(select.Bind(after), limit);
}

Result<std::vector<SagaCount>> SqliteReader::CountSagas() {
  const std::scoped_lock lock(mutex_);
  sql::Statement select = database_.Prepare(
      "SELECT saga_status, state, count(*) FROM reservation WHERE saga_status <> 1 GROUP BY 1, 2 ORDER BY 1, "
      "2");
  std::vector<SagaCount> counts;
  while (true) {
    BOXOFFICE_ASSIGN(const bool found, select.Step());
    if (!found) return counts;
    counts.push_back(
        {static_cast<SagaStatus>(select.Int(0)), static_cast<State>(select.Int(1)), select.Int(2)});
  }
}

Result<Page> SqliteReader::Scan(ReservationId after, uint32_t limit) {
  const std::scoped_lock lock(mutex_);
  sql::Statement select = database_.Prepare(
      fmt::format("SELECT record FROM reservation WHERE id > ?1 ORDER BY id LIMIT {}", limit + 1));
  return ReadPage(select.Bind(after), limit);
}

}  // namespace boxoffice::reservation
