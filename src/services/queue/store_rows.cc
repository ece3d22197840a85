#include "services/queue/store_rows.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace boxoffice::queue {
namespace {

using archive::Row;
using archive::Table;
using archive::Value;

constexpr int64_t kPage = 5'000;
constexpr milliseconds kLook{100};
constexpr int kLooks = 80;                // longer than a lease
constexpr size_t kSaveSessions = 20'000;  // one script of Redis, well within its time

const Table& ShowTable() {
  static const Table table{"show",
                           {"show_id", "state", "rate_per_s", "active_cap", "last_sequence", "head_sequence",
                            "completed", "expired", "left_count", "admitted", "opens_at_ms", "draw_seed",
                            "draw_first", "draw_entrants", "drawn_at_ms"}};
  return table;
}
const Table& SessionTable() {
  static const Table table{"session",
                           {"show_id", "sequence", "user_id", "state", "joined_at_ms", "admitted_at_ms",
                            "ended_at_ms", "saga_id", "reservation_id"}};
  return table;
}
const Table& SagaTable() {
  static const Table table{"saga",
                           {"saga_id", "ending", "show_id", "sequence", "reservation_id", "recorded_at_ms"}};
  return table;
}

template <typename Number>
Value Int(Number number) {
  return static_cast<int64_t>(number);
}
template <typename IdType>
Value IdValue(const IdType& id) {
  return id.IsNil() ? Value() : Value(std::string(id.bytes()));
}

Row ToRow(const Show& show) {
  return {Int(show.show_id),
          Int(show.settings.state),
          show.settings.rate_per_s,
          Int(show.settings.active_cap),
          Int(show.last_sequence),
          Int(show.head_sequence),
          Int(show.completed),
          Int(show.expired),
          Int(show.left),
          Int(show.admitted),
          Int(ToUnixMs(show.settings.opens_at)),
          show.draw.seed,
          Int(show.draw.first),
          Int(show.draw.entrants),
          Int(ToUnixMs(show.draw.drawn_at))};
}
Row ToRow(const Session& session) {
  return {Int(session.show_id),
          Int(session.sequence),
          session.user_id,
          Int(session.state),
          Int(ToUnixMs(session.joined_at)),
          Int(ToUnixMs(session.admitted_at)),
          Int(ToUnixMs(session.ended_at)),
          IdValue(session.saga),
          IdValue(session.reservation)};
}
Row ToRow(const SagaRecord& record) {
  return {IdValue(record.saga),         Int(record.ending),          Int(record.session.show_id),
          Int(record.session.sequence), IdValue(record.reservation), Int(ToUnixMs(record.recorded_at))};
}

std::unexpected<Error> WrongForm(std::string_view what) {
  return Fail(Code::kInvalidArgument, "archive_schema", fmt::format("the waiting room has no such {}", what));
}

// Reads the values of a row one after the other; what is of another type is noticed at the end.
class RowReader {
 public:
  explicit RowReader(const Row& row) : row_(row) {}
  template <typename Number>
  Number Int() {
    const auto* value = Next<int64_t>();
    return value != nullptr ? static_cast<Number>(*value) : Number{};
  }
  Timestamp Time() { return FromUnixMs(Int<int64_t>()); }
  double Real() {
    const auto* value = Next<double>();
    return value != nullptr ? *value : 0;
  }
  std::string Text() {
    const auto* value = Next<std::string>();
    return value != nullptr ? *value : std::string();
  }
  // NULL: nil.
  template <typename IdType>
  IdType Id() {
    if (at_ < row_.size() && std::holds_alternative<std::monostate>(row_[at_])) {
      ++at_;
      return IdType();
    }
    const auto id = IdType::FromBytes(Text());
    good_ = good_ && id.has_value();
    return id.value_or(IdType());
  }
  [[nodiscard]] bool Good() const { return good_ && at_ == row_.size(); }

 private:
  template <typename T>
  const T* Next() {
    const T* value = at_ < row_.size() ? std::get_if<T>(&row_[at_++]) : nullptr;
    good_ = good_ && value != nullptr;
    return value;
  }
  const Row& row_;
  size_t at_ = 0;
  bool good_ = true;
};

Result<Show> ToShow(const Row& row) {
  RowReader in(row);
  Show show;
  show.show_id = in.Int<int64_t>();
  show.settings.state = in.Int<QueueState>();
  show.settings.rate_per_s = in.Real();
  show.settings.active_cap = in.Int<uint32_t>();
  show.last_sequence = in.Int<uint64_t>();
  show.head_sequence = in.Int<uint64_t>();
  show.completed = in.Int<uint64_t>();
  show.expired = in.Int<uint64_t>();
  show.left = in.Int<uint64_t>();
  show.admitted = in.Int<uint64_t>();
  show.settings.opens_at = in.Time();
  show.draw.seed = in.Text();
  show.draw.first = in.Int<uint64_t>();
  show.draw.entrants = in.Int<uint64_t>();
  show.draw.drawn_at = in.Time();
  if (!in.Good()) return WrongForm("show");
  return show;
}
Result<Session> ToSession(const Row& row) {
  RowReader in(row);
  Session session;
  session.show_id = in.Int<int64_t>();
  session.sequence = in.Int<uint64_t>();
  session.user_id = in.Text();
  session.state = in.Int<SessionState>();
  session.joined_at = in.Time();
  session.admitted_at = in.Time();
  session.ended_at = in.Time();
  session.saga = in.Id<SagaId>();
  session.reservation = in.Id<ReservationId>();
  if (!in.Good()) return WrongForm("session");
  return session;
}
Result<SagaRecord> ToSaga(const Row& row) {
  RowReader in(row);
  SagaRecord record;
  record.saga = in.Id<SagaId>();
  record.ending = in.Int<SagaEnding>();
  record.session.show_id = in.Int<int64_t>();
  record.session.sequence = in.Int<uint64_t>();
  record.reservation = in.Id<ReservationId>();
  record.recorded_at = in.Time();
  if (!in.Good()) return WrongForm("saga");
  return record;
}

// Gathers what belongs to one show, in portions, and saves it as a decision would be.
class Saver final : public archive::Sink {
 public:
  explicit Saver(Store& store) : store_(store) {}

  Result<void> Begin(const Table& table) override {
    BOXOFFICE_TRY(Flush());
    table_ = nullptr;
    for (const Table* known : {&ShowTable(), &SessionTable(), &SagaTable()}) {
      if (*known == table) table_ = known;
    }
    if (table_ == nullptr) return WrongForm("table: " + table.name);
    return {};
  }

  Result<void> Add(std::span<const Row> rows) override {
    for (const Row& row : rows) {
      if (table_ == &ShowTable()) {
        BOXOFFICE_ASSIGN(const Show show, ToShow(row));
        shows_[show.show_id] = show;
      } else if (table_ == &SessionTable()) {
        BOXOFFICE_TRY(AddSession(row));
      } else {
        BOXOFFICE_ASSIGN(SagaRecord record, ToSaga(row));
        sagas_.push_back(record);
        if (sagas_.size() == kSaveSessions) BOXOFFICE_TRY(Flush());
      }
    }
    return {};
  }

  // What is left: also of shows that nobody ever joined.
  Result<void> Finish() {
    BOXOFFICE_TRY(Flush());
    for (auto& [show_id, show] : shows_) {
      if (show.version == 0) BOXOFFICE_TRY(SaveShow(show, {}));
    }
    return {};
  }

 private:
  Result<void> AddSession(const Row& row) {
    BOXOFFICE_ASSIGN(Session session, ToSession(row));
    if (!shows_.contains(session.show_id)) return WrongForm("show of a session");
    if (!sessions_.empty() &&
        (sessions_.size() == kSaveSessions || sessions_.front().session.show_id != session.show_id)) {
      BOXOFFICE_TRY(Flush());
    }
    const StoredParts all{.row = true, .binding = !session.saga.IsNil(), .membership = session.Member()};
    sessions_.push_back({.session = std::move(session), .is_new = true, .parts = all});
    return {};
  }

  Result<void> Flush() {
    if (!sessions_.empty()) {
      std::vector<SessionChange> sessions = std::exchange(sessions_, {});
      std::ranges::sort(sessions, {}, [](const SessionChange& change) { return change.session.sequence; });
      Show& show = shows_.at(sessions.front().session.show_id);
      BOXOFFICE_TRY(SaveShow(show, std::move(sessions)));
    }
    if (!sagas_.empty()) {
      Changes changes;
      changes.sagas = std::exchange(sagas_, {});
      std::ranges::sort(changes.sagas, {}, &SagaRecord::saga);
      BOXOFFICE_TRY(Save(changes));
    }
    return {};
  }

  Result<void> SaveShow(Show& show, std::vector<SessionChange> sessions) {
    Changes changes;
    changes.shows.push_back({.show = show, .durable = true, .sessions = std::move(sessions)});
    BOXOFFICE_TRY(Save(changes));
    ++show.version;
    return {};
  }

  Result<void> Save(const Changes& changes) {
    BOXOFFICE_ASSIGN(const Saved saved, store_.Save(changes));
    if (saved.moved_shows.empty()) return {};
    return Fail(Code::kConflict, "target_not_empty",
                fmt::format("the waiting room has show {} already", saved.moved_shows.front()));
  }

  Store& store_;
  const Table* table_ = nullptr;
  std::map<int64_t, Show> shows_;  // with the version that is saved
  std::vector<SessionChange> sessions_;
  std::vector<SagaRecord> sagas_;
};

Result<void> DumpSessions(History& history, const std::vector<Show>& shows, archive::Sink& sink) {
  BOXOFFICE_TRY(sink.Begin(SessionTable()));
  for (const Show& show : shows) {
    uint64_t after = 0;
    while (true) {
      BOXOFFICE_ASSIGN(const std::vector<Session> page, history.Sessions(show.show_id, after, kPage));
      if (page.empty()) break;
      std::vector<Row> rows;
      for (const Session& session : page) rows.push_back(ToRow(session));
      BOXOFFICE_TRY(sink.Add(rows));
      after = page.back().sequence;
    }
  }
  return {};
}

Result<void> DumpSagas(History& history, const std::vector<Show>& shows, archive::Sink& sink) {
  BOXOFFICE_TRY(sink.Begin(SagaTable()));
  for (const Show& show : shows) {
    SagaId after;
    while (true) {
      BOXOFFICE_ASSIGN(const std::vector<SagaRecord> page, history.Sagas(show.show_id, after, kPage));
      if (page.empty()) break;
      std::vector<Row> rows;
      for (const SagaRecord& record : page) rows.push_back(ToRow(record));
      BOXOFFICE_TRY(sink.Add(rows));
      after = page.back().saga;
    }
  }
  return {};
}

std::unexpected<Error> StoreInUse(std::string detail) {
  return Fail(Code::kConflict, "store_in_use", std::move(detail));
}

// The lead, once nobody else has it: a process that serves holds it, and one that has died held it some
// seconds ago. Until when it is ours.
Result<Leadership::Moment> AwaitLead(Leadership& leadership) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  for (int looks = 0;; ++looks) {
    BOXOFFICE_ASSIGN(const auto until, leadership.Take());
    if (until) return *until;
    if (looks == kLooks) return StoreInUse("boxoffice-queue is running: stop every service first");
    (void)never.wait_for(lock, kLook, [] { return false; });
  }
}

// Runs `work` while no process serves on this store. It takes as long as there are rows, so the lead is
// renewed meanwhile; where it was lost all the same, what was done is not of one moment.
Result<void> WithLead(Stores& stores, const std::function<Result<void>()>& work) {
  BOXOFFICE_ASSIGN(const Leadership::Moment until, AwaitLead(*stores.leadership));
  const auto pause = (until - std::chrono::steady_clock::now()) / kRenewals;
  auto working = std::async(std::launch::async, work);
  while (working.wait_for(pause) != std::future_status::ready) (void)stores.leadership->Renew();
  const Result<void> done = working.get();
  const auto kept = stores.leadership->Renew();
  const Result<void> released = stores.leadership->Release();
  if (!done) return done;
  if (!kept) return std::unexpected(kept.error());
  return *kept ? released : StoreInUse("boxoffice-queue may have served meanwhile: stop it, and begin anew");
}

Result<void> Dump(History& history, archive::Sink& sink) {
  BOXOFFICE_ASSIGN(const std::vector<Show> shows, history.Shows());
  BOXOFFICE_TRY(sink.Begin(ShowTable()));
  std::vector<Row> rows;
  for (const Show& show : shows) rows.push_back(ToRow(show));
  BOXOFFICE_TRY(sink.Add(rows));
  BOXOFFICE_TRY(DumpSessions(history, shows, sink));
  return DumpSagas(history, shows, sink);
}

class HistorySnapshot final : public archive::Snapshot {
 public:
  explicit HistorySnapshot(std::unique_ptr<History> history) : history_(std::move(history)) {}
  Result<void> Hold() override { return history_->Freeze(); }
  [[nodiscard]] bool KeepsNobody() const override { return true; }
  Result<void> Take() override { return {}; }
  Result<void> Release() override { return {}; }
  Result<void> Dump(archive::Sink& sink) override { return queue::Dump(*history_, sink); }

 private:
  const std::unique_ptr<History> history_;
};

}  // namespace

Result<void> DumpRows(Stores& stores, archive::Sink& sink) {
  return WithLead(stores, [&] { return Dump(*stores.history, sink); });
}

std::unique_ptr<archive::Snapshot> SnapshotOf(std::unique_ptr<History> history) {
  return std::make_unique<HistorySnapshot>(std::move(history));
}

Result<void> LoadRows(Stores& stores, const archive::Dump& from) {
  return WithLead(stores, [&]() -> Result<void> {
    Saver saver(*stores.store);
    BOXOFFICE_TRY(from(saver));
    return saver.Finish();
  });
}

}  // namespace boxoffice::queue
