#include "services/reservation/store_postgres.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_read.h"
#include "services/reservation/store_record.h"
#include "services/reservation/store_show_record.h"

namespace boxoffice::sql {
std::span<const Migration> reservation_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::reservation {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using sql::pg::Row;

constexpr std::string_view kGet =
    "SELECT r.record, r.due_at_ms FROM (SELECT unnest($1) AS id) i JOIN reservation r USING (id)";
constexpr std::string_view kGetRequests =
    "SELECT q.user_id, q.idempotency_key, q.request_hash, q.reservation_id, q.saga_id, "
    "COALESCE(q.answer, r.record), q.created_at_ms FROM (SELECT unnest($1) AS user_id, "
    "unnest($2) AS idempotency_key) i JOIN request q USING (user_id, idempotency_key) LEFT "
    "JOIN reservation r ON q.answer IS NULL AND r.id = q.reservation_id AND r.saga_status = 1";
constexpr std::string_view kGetCancellations =
    "SELECT w.show_id, w.kind, w.version, w.epoch, w.due_at_ms, w.record "
    "FROM (SELECT unnest($1) AS show_id) i JOIN show_work w ON w.show_id = i.show_id AND w.kind = $2";
constexpr std::string_view kDue =
    "SELECT record, due_at_ms FROM reservation WHERE due_at_ms BETWEEN $1 AND $2 ORDER BY due_at_ms LIMIT $3";

const sql::pg::Insert kInsertRequests(
    "INSERT INTO request(user_id, idempotency_key, request_hash, reservation_id, saga_id, "
    "created_at_ms) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)",
    "user_id, idempotency_key");
// A request that is tried anew: the last saga closes the race between two who do so.
constexpr std::string_view kReplaceRequests =
    "UPDATE request q SET request_hash = i.request_hash, reservation_id = i.reservation_id, "
    "saga_id = i.saga_id, answer = NULL, created_at_ms = i.created_at_ms "
    "FROM (SELECT unnest($1) AS user_id, unnest($2) AS idempotency_key, unnest($3) AS request_hash, "
    "unnest($4) AS reservation_id, unnest($5) AS saga_id, unnest($6) AS created_at_ms, "
    "unnest($7) AS replaces) i WHERE q.user_id = i.user_id AND q.idempotency_key = i.idempotency_key "
    "AND q.saga_id = i.replaces RETURNING q.user_id, q.idempotency_key";
// Of the row as it is before the statement that changes it.
constexpr std::string_view kKeepAnswers =
    "UPDATE request q SET answer = r.record FROM (SELECT unnest($1) AS user_id, "
    "unnest($2) AS idempotency_key, unnest($3) AS saga_id, unnest($4) AS id, unnest($5) AS version) i "
    "JOIN reservation r USING (id, version) WHERE q.user_id = i.user_id "
    "AND q.idempotency_key = i.idempotency_key AND q.saga_id = i.saga_id AND q.answer IS NULL";
const sql::pg::Insert kInsert(
    "INSERT INTO reservation(id, user_id, show_id, state, saga_status, version, epoch, due_at_ms, "
    "record) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), "
    "unnest($7), unnest($8), unnest($9)",
    "id");
// Version and epoch close the race between two owners of one saga. Without an expected version it is a
// renewal: the due time alone, in the range of its version. One statement for both, so that all locks are
// taken in the order of ids.
const std::string kUpdate = fmt::format(
    "UPDATE reservation r SET state = COALESCE(i.state, r.state), "
    "saga_status = COALESCE(i.saga_status, r.saga_status), version = COALESCE(i.version, r.version), "
    "epoch = COALESCE(i.epoch, r.epoch), record = COALESCE(i.record, r.record), "
    "due_at_ms = CASE WHEN i.version IS NULL THEN i.due_at_ms + r.due_at_ms / {0} * {0} ELSE i.due_at_ms END "
    "FROM (SELECT unnest($1) AS id, unnest($2) AS state, unnest($3) AS saga_status, "
    "unnest($4) AS version, unnest($5) AS epoch, unnest($6) AS due_at_ms, unnest($7) AS record, "
    "unnest($8) AS expected_version, unnest($9) AS expected_epoch) i WHERE r.id = i.id "
    "AND r.epoch = i.expected_epoch AND (r.version = i.expected_version OR i.expected_version IS NULL "
    "AND r.saga_status = 0) RETURNING r.id",
    kDueRange);
// SKIP LOCKED: another replica forgets as well.
constexpr std::string_view kForget =
    "DELETE FROM request q USING (SELECT user_id, idempotency_key FROM request o WHERE created_at_ms < $1 "
    "AND (answer IS NOT NULL OR (SELECT r.saga_status FROM reservation r WHERE r.id = o.reservation_id) = 1) "
    "ORDER BY created_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED) old "
    "WHERE q.user_id = old.user_id AND q.idempotency_key = old.idempotency_key";

// A change on its way into the tables.
struct Writing {
  size_t place = 0;  // among the changes that were given
  const Change* change = nullptr;
  std::string record;  // empty: the lease only
  [[nodiscard]] const Reservation& row() const { return change->reservation; }
  [[nodiscard]] bool Begins() const { return change->request.has_value(); }
};
using Writings = std::vector<const Writing*>;

Writings Select(const std::vector<Writing>& all, auto which) {
  Writings selected;
  for (const Writing& writing : all) {
    if (which(writing)) selected.push_back(&writing);
  }
  return selected;
}
Writings SelectByKey(const std::vector<Writing>& all, auto which) {
  Writings selected = Select(all, which);
  std::ranges::sort(selected, {}, [](const Writing* writing) { return writing->change->request->key; });
  return selected;
}

std::optional<int64_t> DueMs(const Writing* writing) { return DueColumn(writing->row()); }
constexpr auto kUser = [](const Writing* w) -> std::string_view { return w->change->request->key.user_id; };
constexpr auto kKey = [](const Writing* w) -> std::string_view {
  return w->change->request->key.idempotency_key;
};
constexpr auto kSaga = [](const Writing* w) { return w->change->request->saga_id; };

// What a batch of statements is asked, and where its answers are.
struct Attempt {
  Batch batch;
  std::vector<size_t> requests;  // results that name the requests written
  std::vector<size_t> rows;      // results that name the reservations written
  std::optional<size_t> shows;   // the result that tells of shows that keep a fee
};

void AddRequests(const std::vector<Writing>& writings, Attempt& attempt) {
  const auto hash = [](const Writing* w) { return Bytes{w->change->request->request_hash}; };
  const auto reservation = [](const Writing* w) { return w->change->request->reservation_id; };
  const auto created_ms = [](const Writing* w) { return ToUnixMs(w->change->request->created_at); };
  if (const Writings made =
          SelectByKey(writings, [](const Writing& w) { return w.Begins() && w.change->replaces.IsNil(); });
      !made.empty()) {
    attempt.requests.push_back(attempt.batch.Add(kInsertRequests, Column(made, kUser), Column(made, kKey),
                                                 Column(made, hash), Column(made, reservation),
                                                 Column(made, kSaga), Column(made, created_ms)));
  }
  if (const Writings again =
          SelectByKey(writings, [](const Writing& w) { return w.Begins() && !w.change->replaces.IsNil(); });
      !again.empty()) {
    attempt.requests.push_back(
        attempt.batch.Add(kReplaceRequests, Column(again, kUser), Column(again, kKey), Column(again, hash),
                          Column(again, reservation), Column(again, kSaga), Column(again, created_ms),
                          Column(again, [](const Writing* w) { return w->change->replaces; })));
  }
}

// Of a row that turns out to have moved it is no harm: what is kept is what the row said.
void AddKeptAnswers(const std::vector<Writing>& writings, Attempt& attempt) {
  Writings kept = Select(writings, [](const Writing& w) { return w.change->answered.has_value(); });
  if (kept.empty()) return;
  std::ranges::sort(kept, {}, [](const Writing* w) -> const RequestKey& { return w->change->answered->key; });
  attempt.batch.Add(
      kKeepAnswers,
      Column(kept, [](const Writing* w) -> std::string_view { return w->change->answered->key.user_id; }),
      Column(kept,
             [](const Writing* w) -> std::string_view { return w->change->answered->key.idempotency_key; }),
      Column(kept, [](const Writing* w) { return w->change->answered->saga_id; }),
      Column(kept, [](const Writing* w) { return w->row().id; }),
      Column(kept, [](const Writing* w) { return w->change->expected_version; }));
}

void AddRows(const std::vector<Writing>& writings, Attempt& attempt) {
  const auto id = [](const Writing* w) { return w->row().id; };
  const auto is_new = [](const Writing& w) {
    return !w.change->lease_only && w.change->expected_version == 0;
  };
  if (const Writings made = Select(writings, is_new); !made.empty()) {
    attempt.rows.push_back(attempt.batch.Add(
        kInsert, Column(made, id),
        Column(made, [](const Writing* w) -> std::string_view { return w->row().user_id; }),
        Column(made, [](const Writing* w) { return w->row().show_id; }),
        Column(made, [](const Writing* w) { return w->row().state; }),
        Column(made, [](const Writing* w) { return w->row().saga.status; }),
        Column(made, [](const Writing* w) { return w->row().version; }),
        Column(made, [](const Writing* w) { return w->row().saga.epoch; }), Column(made, DueMs),
        Column(made, [](const Writing* w) { return Bytes{w->record}; })));
  }
  const Writings known = Select(writings, [&](const Writing& w) { return !is_new(w); });
  if (known.empty()) return;
  // NULL where a renewal leaves the column as it is.
  const auto unless_renewal = [](auto value) {
    return
        [value](const Writing* w) { return w->change->lease_only ? std::nullopt : std::optional(value(*w)); };
  };
  const auto column = [&](auto value) { return Column(known, unless_renewal(value)); };
  attempt.rows.push_back(
      attempt.batch.Add(kUpdate, Column(known, id), column([](const Writing& w) { return w.row().state; }),
                        column([](const Writing& w) { return w.row().saga.status; }),
                        column([](const Writing& w) { return w.row().version; }),
                        column([](const Writing& w) { return w.row().saga.epoch; }), Column(known, DueMs),
                        column([](const Writing& w) { return Bytes{w.record}; }),
                        column([](const Writing& w) { return w.change->expected_version; }),
                        Column(known, [](const Writing* w) { return w->change->expected_epoch; })));
}

// After the rows, so that this is as late as can be: of an intent to cancel the show only a COMMIT that
// overlaps with this one is not seen.
void AddShows(const std::vector<Writing>& writings, Attempt& attempt) {
  const Writings with_fee = Select(writings, [](const Writing& w) { return w.change->takes_fee; });
  if (with_fee.empty()) return;
  attempt.shows = attempt.batch.Add(kGetCancellations,
                                    Column(with_fee, [](const Writing* w) { return w->row().show_id; }),
                                    WorkKind::kCancellation);
}

// Of the answer to kGetCancellations, the shows that are cancelled.
Result<std::vector<int64_t>> CancelledIn(const sql::pg::Rows& told) {
  std::vector<int64_t> shows;
  for (const Row row : told) {
    BOXOFFICE_ASSIGN(const ShowWork work, WorkAt(row));
    if (Stands(work.cancellation)) shows.push_back(work.key.show_id);
  }
  return shows;
}

// What the database said of each.
class Found {
 public:
  Found(const std::vector<Writing>& writings, const Attempt& attempt,
        const std::vector<sql::pg::Rows>& results) {
    const auto id = [](const Writing& w) { return w.row().id; };
    const auto id_at = [](const Row& row) { return row.Id<ReservationId>(0); };
    for (const Writing* writing : sql::pg::Missing(writings, id, results, attempt.rows, id_at))
      missing_rows_.insert(writing->row().id);
    const Writings begun = Select(writings, [](const Writing& w) { return w.Begins(); });
    const auto key = [](const Writing* w) { return w->change->request->key; };
    const auto key_at = [](const Row& row) {
      return RequestKey{std::string(row.Text(0)), std::string(row.Text(1))};
    };
    for (const Writing* const* writing : sql::pg::Missing(begun, key, results, attempt.requests, key_at))
      missing_requests_.insert((*writing)->change->request->key);
  }
  [[nodiscard]] bool HasRowOf(const Writing& writing) const {
    return !missing_rows_.contains(writing.row().id);
  }
  // Its row was written without its request, or the request without the row.
  [[nodiscard]] bool IsTorn(const Writing& writing) const {
    return writing.Begins() && HasRowOf(writing) == missing_requests_.contains(writing.change->request->key);
  }

 private:
  std::set<RequestKey> missing_requests_;
  std::set<ReservationId> missing_rows_;
};

class PostgresStore final : public Store {
 public:
  PostgresStore(std::unique_ptr<sql::pg::Connection> connection, sql::pg::ServerClock& clock, Random& random)
      : connection_(std::move(connection)), clock_(clock), random_(random) {}

  // Each statement sees what was committed before it, so they stand in an order. What is due comes first:
  // what a claim without knowing takes over in between is due still, or its own. A request comes after its
  // reservation: whoever asks twice at once is not refused for what her other request has made of the row.
  // Which shows are cancelled is looked at again when a fee is saved.
  Result<Rows> Load(const Keys& keys, Timestamp now) override {
    const bool any_rows = !keys.reservations.empty();
    const bool any_requests = !keys.requests.empty();
    const bool any_shows = !keys.fee_shows.empty();
    const bool names_some = any_rows || any_requests || any_shows;
    if (!names_some && keys.due_limit == 0) return Rows{};  // an owner's own writes
    Batch batch;
    for (int version = 1; keys.due_limit > 0 && version <= kNewestDefinitionVersion; ++version) {
      const int64_t range = DueRangeOf(version);
      batch.Add(kDue, range, range + ToUnixMs(now), keys.due_limit);
    }
    if (any_rows) batch.Add(kGet, Column(keys.reservations));
    if (any_requests) {
      batch.Add(kGetRequests, Column(keys.requests, &RequestKey::user_id),
                Column(keys.requests, &RequestKey::idempotency_key));
    }
    if (any_shows) batch.Add(kGetCancellations, Column(keys.fee_shows), WorkKind::kCancellation);
    BOXOFFICE_ASSIGN(const auto results, clock_.Read(*connection_, std::move(batch)));
    Rows rows;
    size_t next = 0;
    for (int version = 1; keys.due_limit > 0 && version <= kNewestDefinitionVersion; ++version) {
      for (const Row row : results[next++]) {
        BOXOFFICE_ASSIGN(Reservation reservation, ReservationAt(row));
        rows.due.push_back(std::move(reservation));
      }
    }
    KeepOldest(rows.due, keys.due_limit);
    if (any_rows) {
      for (const Row row : results[next++]) {
        BOXOFFICE_ASSIGN(Reservation reservation, ReservationAt(row));
        const ReservationId id = reservation.id;
        rows.reservations.emplace(id, std::move(reservation));
      }
    }
    if (any_requests) {
      for (const Row row : results[next++]) {
        BOXOFFICE_ASSIGN(RequestRecord request, RequestAt(row));
        RequestKey key = request.key;
        rows.requests.emplace(std::move(key), std::move(request));
      }
    }
    if (any_shows) {
      BOXOFFICE_ASSIGN(rows.cancelled_shows, CancelledIn(results[next]));
    }
    return rows;
  }

  Result<std::vector<bool>> Save(std::span<const Change> changes) override {
    std::vector<Writing> writings;
    writings.reserve(changes.size());
    for (size_t i = 0; i < changes.size(); ++i) {
      const Change& change = changes[i];
      writings.push_back({i, &change, change.lease_only ? std::string() : Encode(change.reservation)});
    }
    std::ranges::sort(writings, {}, [](const Writing& writing) { return writing.row().id; });
    std::vector<bool> saved(changes.size(), false);
    for (bool torn = true; torn && !writings.empty();) {
      BOXOFFICE_ASSIGN(torn, SaveUnlessTorn(writings, saved));
    }
    return saved;
  }

  Result<Forgotten> ForgetRequests(Timestamp before, int64_t limit) override {
    Batch batch;
    batch.Add(kForget, ToUnixMs(before), limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
    const int64_t count = results[0].affected();
    return Forgotten{count, count == limit};
  }

 private:
  // Row and due time: a renewed lease is in the column only.
  static Result<Reservation> ReservationAt(const Row& row) {
    BOXOFFICE_ASSIGN(Reservation reservation, Decode(row.Text(0)));
    reservation.due_at = row.IsNull(1) ? std::nullopt : std::optional(FromDueColumn(row.Int(1)));
    return reservation;
  }

  static Result<RequestRecord> RequestAt(const Row& row) {
    RequestRecord request;
    request.key = {std::string(row.Text(0)), std::string(row.Text(1))};
    request.request_hash = row.Text(2);
    request.reservation_id = row.Id<ReservationId>(3);
    request.saga_id = row.Id<SagaId>(4);
    if (!row.IsNull(5)) {
      BOXOFFICE_ASSIGN(Reservation answered, Decode(row.Text(5)));
      auto refusal = answered.failure;
      request.answer = Answer{std::move(answered), std::move(refusal)};
    }
    request.created_at = FromUnixMs(row.Int(6));
    return request;
  }

  // Saves those whose rows have not moved, and marks them. True: of some, another replica was first with a
  // part, or the show keeps no fee any more; these are taken out of `writings`, and nothing was saved.
  Result<bool> SaveUnlessTorn(std::vector<Writing>& writings, std::vector<bool>& saved) {
    Attempt attempt;
    AddRequests(writings, attempt);
    AddKeptAnswers(writings, attempt);
    AddRows(writings, attempt);
    AddShows(writings, attempt);
    const bool alone = std::ranges::none_of(writings, [](const Writing& w) {
      return w.Begins() || w.change->answered || !w.change->event.empty();
    });
    if (alone) {
      BOXOFFICE_ASSIGN(const auto results, connection_->Write(attempt.batch));
      const Found found(writings, attempt, results);
      for (const Writing& writing : writings) saved[writing.place] = found.HasRowOf(writing);
      return false;
    }
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(attempt.batch));
    const Found found(writings, attempt, results);
    std::vector<int64_t> cancelled;
    if (attempt.shows) {
      BOXOFFICE_ASSIGN(cancelled, CancelledIn(results[*attempt.shows]));
    }
    const auto must_go = [&](const Writing& w) {
      const bool free =
          w.change->takes_fee && std::ranges::find(cancelled, w.row().show_id) != cancelled.end();
      return free || found.IsTorn(w);
    };
    if (std::erase_if(writings, must_go) > 0) return true;
    std::vector<bus::Event> events;
    for (const Writing& writing : writings) {
      if (!found.HasRowOf(writing) || writing.change->event.empty()) continue;
      const Reservation& row = writing.row();
      events.push_back(ToBusEvent(writing.change->event, row, EventId::Make(row.updated_at, random_)));
    }
    Batch last;
    BOXOFFICE_TRY(outbox::AddTo(last, events));
    BOXOFFICE_TRY(transaction.Commit(last));
    for (const Writing& writing : writings) saved[writing.place] = found.HasRowOf(writing);
    return false;
  }

  std::unique_ptr<sql::pg::Connection> connection_;
  sql::pg::ServerClock& clock_;
  Random& random_;
};

class PostgresReader final : public Reader {
 public:
  explicit PostgresReader(std::unique_ptr<sql::pg::Connection> connection) : reader_(std::move(connection)) {}

  Result<std::optional<Reservation>> Get(ReservationId id) override {
    BOXOFFICE_ASSIGN(Page page, Read(1, "SELECT record FROM reservation WHERE id = $1", id));
    if (page.reservations.empty()) return std::nullopt;
    return std::move(page.reservations.front());
  }

  Result<Page> List(const ListQuery& query) override {
    IdRange range = RangeOf(query);
    BOXOFFICE_ASSIGN(const std::optional<ReservationId> cut, CutOf(query, range));
    if (cut) range.from = *cut;
    BOXOFFICE_ASSIGN(Page page, ListIn(query, range));
    SetNext(page, cut);
    return page;
  }

  Result<Page> ListSagas(std::optional<SagaStatus> status, ReservationId after, uint32_t limit) override {
    if (status == SagaStatus::kDone) {
      return Read(limit,
                  "SELECT record FROM reservation WHERE saga_status = 1 AND id > $1 ORDER BY id LIMIT $2",
                  after, int64_t{limit} + 1);
    }
    // "<> 1" lets it use the index of what is open.
    return Read(limit,
                "SELECT record FROM reservation WHERE saga_status <> 1 AND ($3 IS NULL OR saga_status = $3) "
                "AND id > $1 ORDER BY id LIMIT $2",
                after, int64_t{limit} + 1, status);
  }

  Result<std::vector<SagaCount>> CountSagas() override {
    BOXOFFICE_ASSIGN(
        const auto rows,
        reader_.ReadOne("SELECT saga_status, state, count(*) FROM reservation WHERE saga_status <> 1 "
                        "GROUP BY 1, 2 ORDER BY 1, 2"));
    std::vector<SagaCount> counts;
    for (const Row row : rows)
      counts.push_back({static_cast<SagaStatus>(row.Int(0)), static_cast<State>(row.Int(1)), row.Int(2)});
    return counts;
  }

  Result<Page> Scan(ReservationId after, uint32_t limit) override {
    return Read(limit, "SELECT record FROM reservation WHERE id > $1 ORDER BY id LIMIT $2", after,
                int64_t{limit} + 1);
  }

 private:
  // The last of those that a list looks at, where they are MaxLookedAt.
  Result<std::optional<ReservationId>> CutOf(const ListQuery& query, const IdRange& range) {
    const int64_t looked_at = MaxLookedAt(query);
    if (looked_at == 0) return std::nullopt;
    const auto cut_where = [&](const std::string& is_one, const auto& of) {
      return reader_.ReadOne("SELECT id FROM reservation WHERE " + is_one +
                                 " AND id < $2 AND id >= $3 ORDER BY id DESC LIMIT 1 OFFSET $4",
                             of, range.before, range.from, looked_at - 1);
    };
    BOXOFFICE_ASSIGN(const auto rows, query.user_id.empty() ? cut_where("show_id = $1", query.show_id)
                                                            : cut_where("user_id = $1", query.user_id));
    if (rows.empty()) return std::nullopt;
    return rows[0].Id<ReservationId>(0);
  }

  Result<Page> ListIn(const ListQuery& query, const IdRange& range) {
    const bool by_user = !query.user_id.empty();
    const bool by_show = query.show_id != 0;
    std::string sql = "SELECT record FROM reservation WHERE id < $1 AND id >= $2";
    if (query.state) sql += " AND " + StateCondition(*query.state, by_user);
    if (by_user) sql += " AND user_id = $4";
    if (by_show) sql += by_user ? " AND show_id = $5" : " AND show_id = $4";
    sql += " ORDER BY id DESC LIMIT $3";
    const int64_t limit = int64_t{query.limit} + 1;
    if (by_user && by_show)
      return Read(query.limit, sql, range.before, range.from, limit, query.user_id, query.show_id);
    if (by_user) return Read(query.limit, sql, range.before, range.from, limit, query.user_id);
    if (by_show) return Read(query.limit, sql, range.before, range.from, limit, query.show_id);
    return Read(query.limit, sql, range.before, range.from, limit);
  }

  template <typename... T>
  Result<Page> Read(uint32_t limit, std::string_view sql, const T&... values) {
    BOXOFFICE_ASSIGN(const auto rows, reader_.ReadOne(sql, values...));
    Page page;
    for (const Row row : rows) {
      if (page.reservations.size() == limit) {
        page.more = true;
        break;
      }
      BOXOFFICE_ASSIGN(Reservation reservation, Decode(row.Text(0)));
      page.reservations.push_back(std::move(reservation));
    }
    return page;
  }

  sql::pg::SharedReader reader_;
};

}  // namespace

Result<PostgresStores> OpenPostgres(const sql::pg::Config& config, Random& random) {
  BOXOFFICE_ASSIGN(auto writer, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(writer->Migrate("reservation", sql::reservation_postgres_schema()));
  BOXOFFICE_ASSIGN(auto reader, sql::pg::Connection::Open(config));
  PostgresStores stores;
  BOXOFFICE_ASSIGN(stores.clock, sql::pg::ServerClock::Start(*writer));
  stores.store = std::make_unique<PostgresStore>(std::move(writer), *stores.clock, random);
  stores.reader = std::make_unique<PostgresReader>(std::move(reader));
  return stores;
}

}  // namespace boxoffice::reservation
