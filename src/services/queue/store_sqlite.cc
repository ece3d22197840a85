#include "services/queue/store_sqlite.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/archive/sqlite_snapshot.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::sql {
std::span<const Migration> queue_sqlite_schema();
}

namespace boxoffice::queue {
namespace {

#define SESSION_COLUMNS \
  "show_id, sequence, user_id, state, joined_at_ms, admitted_at_ms, ended_at_ms, saga_id, reservation_id"

constexpr std::string_view kReadShows =
    "SELECT show_id, version, state, rate_per_s, active_cap, last_sequence, head_sequence, completed, "
    "expired, "
    "left_count, admitted, opens_at_ms, draw_seed, draw_first, draw_entrants, drawn_at_ms "
    "FROM show ORDER BY show_id";
constexpr std::string_view kReadShowIds =
    "SELECT show_id FROM show WHERE show_id > ?1 ORDER BY show_id LIMIT ?2";
constexpr std::string_view kReadLive =
    "SELECT " SESSION_COLUMNS
    " FROM session WHERE state IN (1, 2) OR (state = 4 AND saga_id IS NOT NULL) "
    "ORDER BY show_id, sequence";
constexpr std::string_view kReadSession =
    "SELECT " SESSION_COLUMNS " FROM session WHERE show_id = ?1 AND sequence = ?2";
constexpr std::string_view kReadPage =
    "SELECT " SESSION_COLUMNS " FROM session WHERE show_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
constexpr std::string_view kReadSaga =
    "SELECT ending, show_id, sequence, reservation_id, recorded_at_ms FROM saga WHERE saga_id = ?1";
constexpr std::string_view kReadSagaPage =
    "SELECT saga_id, ending, sequence, reservation_id, recorded_at_ms FROM saga "
    "WHERE show_id = ?1 AND saga_id > ?2 ORDER BY saga_id LIMIT ?3";
// The version closes the race between two processes that loaded the same show: the second one changes no row.
constexpr std::string_view kWriteShow =
    "INSERT INTO show(show_id, version, state, rate_per_s, active_cap, last_sequence, head_sequence, "
    "completed, expired, left_count, admitted, opens_at_ms, draw_seed, draw_first, draw_entrants, "
    "drawn_at_ms) "
    "VALUES (?1, ?2 + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
    "ON CONFLICT(show_id) DO UPDATE SET version = ?2 + 1, state = ?3, rate_per_s = ?4, active_cap = ?5, "
    "last_sequence = ?6, head_sequence = ?7, completed = ?8, expired = ?9, left_count = ?10, admitted = ?11, "
    "opens_at_ms = ?12, draw_seed = ?13, draw_first = ?14, draw_entrants = ?15, drawn_at_ms = ?16 "
    "WHERE version = ?2";
constexpr std::string_view kInsertSession =
    "INSERT INTO session(" SESSION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr std::string_view kUpdateSession =
    "UPDATE session SET state = ?3, admitted_at_ms = ?4, ended_at_ms = ?5, saga_id = ?6, reservation_id = ?7 "
    "WHERE show_id = ?1 AND sequence = ?2";
// Those who joined a show at the same moment. A statement for each costs more than its row.
constexpr size_t kJoinsAtOnce = 16;
std::string InsertJoins() {
  std::string sql = "INSERT INTO session(" SESSION_COLUMNS ") VALUES ";
  for (size_t i = 0; i < kJoinsAtOnce; ++i) {
    fmt::format_to(std::back_inserter(sql), "{}(?1, ?{}, ?{}, 1, ?2, 0, 0, NULL, NULL)", i > 0 ? ", " : "",
                   3 + 2 * i, 4 + 2 * i);
  }
  return sql;
}
// What may change of a session, for neighbours that are alike in it: a round of admission, mostly.
constexpr std::string_view kUpdateRange =
    "UPDATE session SET state = 2, admitted_at_ms = ?4, ended_at_ms = 0, saga_id = NULL, reservation_id = "
    "NULL "
    "WHERE show_id = ?1 AND sequence BETWEEN ?2 AND ?3";
constexpr std::string_view kWriteSaga =
    "INSERT INTO saga(saga_id, ending, show_id, sequence, reservation_id, recorded_at_ms) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(saga_id) DO UPDATE SET ending = ?2, show_id = ?3, sequence "
    "= ?4, "
    "reservation_id = ?5, recorded_at_ms = ?6";
// Both walk from the oldest key, and no further than the limit.
constexpr std::string_view kPurgeSessions =
    "DELETE FROM session WHERE show_id = ?1 AND joined_at_ms < ?2 AND state IN (3, 4) AND sequence IN "
    "(SELECT sequence FROM session WHERE show_id = ?1 ORDER BY sequence LIMIT ?3)";
constexpr std::string_view kPurgeSagas =
    "DELETE FROM saga WHERE recorded_at_ms < ?1 AND saga_id IN (SELECT saga_id FROM saga ORDER BY saga_id "
    "LIMIT ?2)";

template <typename IdType>
std::optional<IdType> Stored(const IdType& id) {
  return id.IsNil() ? std::nullopt : std::optional(id);
}
template <typename IdType>
IdType IdAt(const sql::Statement& row, int column) {
  return IdType::FromBytes(row.Text(column)).value_or(IdType());
}

Session ReadSession(const sql::Statement& row) {
  return {.show_id = row.Int(0),
          .sequence = static_cast<uint64_t>(row.Int(1)),
          .user_id = std::string(row.Text(2)),
          .state = static_cast<SessionState>(row.Int(3)),
          .joined_at = FromUnixMs(row.Int(4)),
          .admitted_at = FromUnixMs(row.Int(5)),
          .ended_at = FromUnixMs(row.Int(6)),
          .saga = IdAt<SagaId>(row, 7),
          .reservation = IdAt<ReservationId>(row, 8)};
}

Show ReadShow(const sql::Statement& row) {
  return {.show_id = row.Int(0),
          .version = row.Int(1),
          .settings = {.rate_per_s = row.Double(3),
                       .active_cap = static_cast<uint32_t>(row.Int(4)),
                       .state = static_cast<QueueState>(row.Int(2)),
                       .opens_at = FromUnixMs(row.Int(11))},
          .last_sequence = static_cast<uint64_t>(row.Int(5)),
          .head_sequence = static_cast<uint64_t>(row.Int(6)),
          .completed = static_cast<uint64_t>(row.Int(7)),
          .expired = static_cast<uint64_t>(row.Int(8)),
          .left = static_cast<uint64_t>(row.Int(9)),
          .admitted = static_cast<uint64_t>(row.Int(10)),
          .draw = {.seed = std::string(row.Text(12)),
                   .first = static_cast<uint64_t>(row.Int(13)),
                   .entrants = static_cast<uint64_t>(row.Int(14)),
                   .drawn_at = FromUnixMs(row.Int(15))}};
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(sql::Database database)
      : database_(std::move(database)),
        read_session_(database_.Prepare(kReadSession)),
        read_saga_(database_.Prepare(kReadSaga)),
        write_show_(database_.Prepare(kWriteShow)),
        insert_session_(database_.Prepare(kInsertSession)),
        insert_joins_(database_.Prepare(InsertJoins())),
        update_session_(database_.Prepare(kUpdateSession)),
        update_range_(database_.Prepare(kUpdateRange)),
        write_saga_(database_.Prepare(kWriteSaga)),
        read_show_ids_(database_.Prepare(kReadShowIds)),
        purge_sessions_(database_.Prepare(kPurgeSessions)),
        purge_sagas_(database_.Prepare(kPurgeSagas)) {}

  Result<void> VisitLive(const std::function<void(Show)>& on_show,
                         const std::function<void(Session)>& on_session) override {
    sql::Statement shows = database_.Prepare(kReadShows);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, shows.Step());
      if (!more) break;
      on_show(ReadShow(shows));
    }
    sql::Statement sessions = database_.Prepare(kReadLive);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, sessions.Step());
      if (!more) return {};
      on_session(ReadSession(sessions));
    }
  }

  Result<Found> Load(const Keys& keys) override {
    Found found;
    if (keys.sessions.empty() && keys.sagas.empty()) return found;
    BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
    for (const SessionKey& key : keys.sessions) {
      BOXOFFICE_ASSIGN(const bool there, read_session_.Bind(key.show_id, key.sequence).Step());
      if (there) found.sessions.push_back(ReadSession(read_session_));
      read_session_.Reset();
    }
    for (const SagaKey& key : keys.sagas) {
      BOXOFFICE_ASSIGN(const bool there, read_saga_.Bind(key.saga).Step());
      if (there) {
        found.sagas.push_back({key.saga,
                               static_cast<SagaEnding>(read_saga_.Int(0)),
                               {read_saga_.Int(1), static_cast<uint64_t>(read_saga_.Int(2))},
                               IdAt<ReservationId>(read_saga_, 3),
                               FromUnixMs(read_saga_.Int(4))});
      }
      read_saga_.Reset();
    }
    return found;
  }

  Result<Saved> Save(const Changes& changes) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
    Saved saved;
    for (const ShowChange& change : changes.shows) {
      if (!change.durable) continue;
      BOXOFFICE_TRY(WriteShow(change.show));
      if (database_.changes() == 0) saved.moved_shows.push_back(change.show.show_id);
    }
    if (!saved.moved_shows.empty()) return saved;  // rolls back
    for (const ShowChange& change : changes.shows) {
      for (std::span<const SessionChange> left = change.sessions; !left.empty();) {
        BOXOFFICE_ASSIGN(const size_t written, WriteFirst(left));
        left = left.subspan(written);
      }
    }
    for (const SagaRecord& record : changes.sagas) {
      BOXOFFICE_TRY(write_saga_
                        .Bind(record.saga, record.ending, record.session.show_id, record.session.sequence,
                              record.reservation, ToUnixMs(record.recorded_at))
                        .Run());
    }
    BOXOFFICE_TRY(transaction.Commit());
    return saved;
  }

  Result<Purged> Purge(Timestamp before, int64_t limit) override {
    std::vector<int64_t> show_ids;
    read_show_ids_.Bind(purged_through_, kPurgedAtOnce);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, read_show_ids_.Step());
      if (!more) break;
      show_ids.push_back(read_show_ids_.Int(0));
    }
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
    Purged purged;
    size_t seen = 0;
    for (; seen < show_ids.size() && purged.rows < limit; ++seen) {
      BOXOFFICE_TRY(purge_sessions_.Bind(show_ids[seen], ToUnixMs(before), limit).Run());
      purged.rows += database_.changes();
    }
    purged.more = seen < show_ids.size() || seen == kPurgedAtOnce;
    if (!purged.more) {  // of all shows together
      BOXOFFICE_TRY(purge_sagas_.Bind(ToUnixMs(before), limit).Run());
      purged.rows += database_.changes();
    }
    if (purged.rows > 0) BOXOFFICE_TRY(transaction.Commit());
    purged_through_ = purged.more ? show_ids[seen - 1] : 0;
    return purged;
  }

 private:
  Result<void> WriteShow(const Show& show) {
    return write_show_
        .Bind(show.show_id, show.version, show.settings.state, show.settings.rate_per_s,
              show.settings.active_cap, show.last_sequence, show.head_sequence, show.completed, show.expired,
              show.left, show.admitted, ToUnixMs(show.settings.opens_at), show.draw.seed, show.draw.first,
              show.draw.entrants, ToUnixMs(show.draw.drawn_at))
        .Run();
  }

  // Writes the first changes in one statement, and says how many they are; 1 also if the first is not
  // durable.
  Result<size_t> WriteFirst(std::span<const SessionChange> changes) {
    if (JoinedTogether(changes)) {
      BOXOFFICE_TRY(InsertTogether(changes.first(kJoinsAtOnce)));
      return kJoinsAtOnce;
    }
    const size_t alike = AlikeFromFirst(changes);
    if (alike > 1) {
      BOXOFFICE_TRY(UpdateRange(changes.first(alike)));
      return alike;
    }
    if (changes.front().Durable()) BOXOFFICE_TRY(WriteSession(changes.front()));
    return 1;
  }

  // Whether the first kJoinsAtOnce changes are of people who joined at the same moment, and wait.
  static bool JoinedTogether(std::span<const SessionChange> changes) {
    if (changes.size() < kJoinsAtOnce) return false;
    return std::ranges::all_of(changes.first(kJoinsAtOnce), [&](const SessionChange& change) {
      const Session& session = change.session;
      return change.Durable() && change.is_new && session.state == SessionState::kWaiting &&
             session.saga.IsNil() && session.joined_at == changes.front().session.joined_at;
    });
  }

  Result<void> InsertTogether(std::span<const SessionChange> joins) {
    const Session& first = joins.front().session;
    insert_joins_.BindAt(1, first.show_id).BindAt(2, ToUnixMs(first.joined_at));
    int parameter = 2;
    for (const SessionChange& join : joins) {
      insert_joins_.BindAt(++parameter, join.session.sequence);
      insert_joins_.BindAt(++parameter, join.session.user_id);
    }
    return insert_joins_.Run();
  }

  // How many changes from the first are of neighbours that are ACTIVE since the same moment, and bound to
  // nothing.
  static size_t AlikeFromFirst(std::span<const SessionChange> changes) {
    const Session& first = changes.front().session;
    const auto alike = [&](size_t i) {
      const SessionChange& change = changes[i];
      const Session& session = change.session;
      return change.Durable() && !change.is_new && session.state == SessionState::kActive &&
             session.saga.IsNil() && session.sequence == first.sequence + i &&
             session.admitted_at == first.admitted_at;
    };
    size_t count = 0;
    while (count < changes.size() && alike(count)) ++count;
    return count;
  }

  Result<void> UpdateRange(std::span<const SessionChange> alike) {
    const Session& first = alike.front().session;
    return update_range_
        .Bind(first.show_id, first.sequence, alike.back().session.sequence, ToUnixMs(first.admitted_at))
        .Run();
  }

  Result<void> WriteSession(const SessionChange& change) {
    const Session& session = change.session;
    const auto saga = Stored(session.saga);
    const auto reservation = Stored(session.reservation);
    if (change.is_new) {
      return insert_session_
          .Bind(session.show_id, session.sequence, session.user_id, session.state,
                ToUnixMs(session.joined_at), ToUnixMs(session.admitted_at), ToUnixMs(session.ended_at), saga,
                reservation)
          .Run();
    }
    return update_session_
        .Bind(session.show_id, session.sequence, session.state, ToUnixMs(session.admitted_at),
              ToUnixMs(session.ended_at), saga, reservation)
        .Run();
  }

  sql::Database database_;
  sql::Statement read_session_;
  sql::Statement read_saga_;
  sql::Statement write_show_;
  sql::Statement insert_session_;
  sql::Statement insert_joins_;
  sql::Statement update_session_;
  sql::Statement update_range_;
  sql::Statement write_saga_;
  sql::Statement read_show_ids_;
  sql::Statement purge_sessions_;
  sql::Statement purge_sagas_;
  int64_t purged_through_ = 0;  // which show, in this round
};

class SqliteHistory final : public History {
 public:
  explicit SqliteHistory(sql::Database database)
      : database_(std::move(database)),
        read_page_(database_.Prepare(kReadPage)),
        read_saga_page_(database_.Prepare(kReadSagaPage)) {}

  Result<std::vector<Show>> Shows() override {
    std::vector<Show> shows;
    sql::Statement rows = database_.Prepare(kReadShows);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, rows.Step());
      if (!more) return shows;
      shows.push_back(ReadShow(rows));
    }
  }

  Result<void> Freeze() override { return archive::BeginMoment(database_, sql::queue_sqlite_schema()); }

  Result<std::vector<Session>> Sessions(int64_t show_id, uint64_t after, int64_t limit) override {
    std::vector<Session> sessions;
    read_page_.Bind(show_id, after, limit);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, read_page_.Step());
      if (!more) return sessions;
      sessions.push_back(ReadSession(read_page_));
    }
  }

  Result<std::vector<SagaRecord>> Sagas(int64_t show_id, SagaId after, int64_t limit) override {
    std::vector<SagaRecord> sagas;
    read_saga_page_.Bind(show_id, after, limit);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, read_saga_page_.Step());
      if (!more) return sagas;
      sagas.push_back({IdAt<SagaId>(read_saga_page_, 0),
                       static_cast<SagaEnding>(read_saga_page_.Int(1)),
                       {show_id, static_cast<uint64_t>(read_saga_page_.Int(2))},
                       IdAt<ReservationId>(read_saga_page_, 3),
                       FromUnixMs(read_saga_page_.Int(4))});
    }
  }

 private:
  sql::Database database_;
  sql::Statement read_page_;
  sql::Statement read_saga_page_;
};

// A file belongs to one process, which has its folder locked (module::DataFolder).
class SqliteLeadership final : public Leadership {
 public:
  Result<std::optional<Moment>> Take() override { return Moment::max(); }
  Result<std::optional<Moment>> Renew() override { return Moment::max(); }
  Result<void> Release() override { return {}; }
};

}  // namespace

Result<Stores> OpenSqlite(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database writing, sql::Database::Open(file));
  BOXOFFICE_TRY(writing.Migrate(sql::queue_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reading, sql::Database::Open(file));
  Stores stores;
  stores.store = std::make_unique<SqliteStore>(std::move(writing));
  stores.history = std::make_unique<SqliteHistory>(std::move(reading));
  stores.leadership = std::make_unique<SqliteLeadership>();
  return stores;
}

Result<std::unique_ptr<History>> OpenSqliteHistory(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return Fail(Code::kNotFound, "no_store", fmt::format("there is no {}", file.string()));
  BOXOFFICE_ASSIGN(sql::Database looking, sql::Database::Open(file));
  BOXOFFICE_TRY(archive::BeginMoment(looking, sql::queue_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reading, sql::Database::Open(file));
  return std::make_unique<SqliteHistory>(std::move(reading));
}

}  // namespace boxoffice::queue
