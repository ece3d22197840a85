#include "services/ranking/store_sqlite.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/bus/processed_event.h"

namespace boxoffice::sql {
std::span<const Migration> ranking_sqlite_schema();
}

namespace boxoffice::ranking {
namespace {

constexpr std::string_view kConsumer = "ranking";
constexpr std::string_view kShowColumns =
    "show_id, confirmed, cancelled, seats, sold_out_at_ms, on_sale_at_ms, revenue, currency";
constexpr std::string_view kHourColumns = "hour, show_id, bookings, seats, revenue";

// Adds what the statement gives to `state`.
Result<void> ReadShows(sql::Statement& shows, State& state) {
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, shows.Step());
    if (!more) return {};
    Tally& tally = state.shows[shows.Int(0)];
    tally = {
        shows.Int(1), shows.Int(2), shows.Int(3), std::nullopt, {}, shows.Int(6), std::string(shows.Text(7))};
    if (shows.IsNull(4)) continue;
    tally.sold_out_at = FromUnixMs(shows.Int(4));
    tally.on_sale_at = FromUnixMs(shows.Int(5));
  }
}

Result<void> ReadHours(sql::Statement& hours, State& state) {
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, hours.Step());
    if (!more) return {};
    state.hours[{hours.Int(0), hours.Int(1)}] = {hours.Int(2), hours.Int(3), hours.Int(4)};
  }
}

// Of the whole.
Result<Loaded> ReadSummary(sql::Statement& summary) {
  BOXOFFICE_ASSIGN(const bool found, summary.Step());
  CHECK(found, "the schema puts a row into summary");
  Loaded loaded;
  loaded.state.processed = static_cast<uint64_t>(summary.Int(0));
  loaded.state.as_of = FromUnixMs(summary.Int(1));
  loaded.rebuilding = summary.Int(2) != 0;
  loaded.rebuilt_at = FromUnixMs(summary.Int(3));
  summary.Reset();
  return loaded;
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        processed_(*database_, std::string(kConsumer)),
        summary_(database_->Prepare("SELECT processed, as_of_ms, rebuilding, rebuilt_at_ms FROM summary")),
        show_(database_->Prepare(fmt::format("SELECT {} FROM show_tally WHERE show_id = ?1", kShowColumns))),
        hour_(database_->Prepare(
            fmt::format("SELECT {} FROM hour_tally WHERE hour = ?1 AND show_id = ?2", kHourColumns))),
        save_show_(
            database_->Prepare("INSERT OR REPLACE INTO show_tally VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")),
        save_hour_(database_->Prepare("INSERT OR REPLACE INTO hour_tally VALUES(?1, ?2, ?3, ?4, ?5)")),
        drop_hours_(database_->Prepare("DELETE FROM hour_tally WHERE hour < ?1")),
        save_summary_(database_->Prepare("UPDATE summary SET processed = ?1, as_of_ms = ?2")) {}

  Result<Loaded> Load() override {
    BOXOFFICE_ASSIGN(Loaded loaded, ReadSummary(summary_));
    sql::Statement shows = database_->Prepare(fmt::format("SELECT {} FROM show_tally", kShowColumns));
    BOXOFFICE_TRY(ReadShows(shows, loaded.state));
    sql::Statement hours = database_->Prepare(fmt::format("SELECT {} FROM hour_tally", kHourColumns));
    BOXOFFICE_TRY(ReadHours(hours, loaded.state));
    return loaded;
  }

  Result<State> LoadRows(const Keys& keys) override {
    BOXOFFICE_ASSIGN(Loaded loaded, ReadSummary(summary_));
    for (const int64_t show : keys.shows) {
      show_.Bind(show);
      BOXOFFICE_TRY(ReadShows(show_, loaded.state));
    }
    for (const auto& [hour, show] : keys.hours) {
      hour_.Bind(hour, show);
      BOXOFFICE_TRY(ReadHours(hour_, loaded.state));
    }
    return std::move(loaded.state);
  }

  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    return processed_.AreProcessed(ids);
  }

  Result<void> Save(const State& changed, std::span<const EventId> counted, Hour oldest) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    for (const EventId& id : counted) {
      BOXOFFICE_ASSIGN(const bool is_new, processed_.MarkNew(id));
      // Somebody else consumes for this store: what was decided is out of date.
      if (!is_new)
        return Fail(Code::kConflict, "constraint", "event " + id.ToString() + " was counted before");
    }
    for (const auto& [show, tally] : changed.shows) {
      std::optional<int64_t> sold_out_at_ms;
      std::optional<int64_t> on_sale_at_ms;
      if (tally.sold_out_at) {
        sold_out_at_ms = ToUnixMs(*tally.sold_out_at);
        on_sale_at_ms = ToUnixMs(tally.on_sale_at);
      }
      save_show_.Bind(show, tally.confirmed, tally.cancelled, tally.seats, sold_out_at_ms, on_sale_at_ms,
                      tally.revenue, tally.currency);
      BOXOFFICE_TRY(save_show_.Run());
    }
    for (const auto& [hour, bucket] : changed.hours) {
      save_hour_.Bind(hour.first, hour.second, bucket.bookings, bucket.seats, bucket.revenue);
      BOXOFFICE_TRY(save_hour_.Run());
    }
    drop_hours_.Bind(oldest);
    BOXOFFICE_TRY(drop_hours_.Run());
    save_summary_.Bind(changed.processed, ToUnixMs(changed.as_of));
    BOXOFFICE_TRY(save_summary_.Run());
    return transaction.Commit();
  }

  // A file belongs to one process, which has its folder locked (module::DataFolder).
  Result<std::optional<Loaded>> LoadIfMoved() override { return std::nullopt; }
  Result<void> ResumeRebuild() override { return {}; }

  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement rebuilds = database_->Prepare("SELECT 1 FROM summary WHERE rebuilding <> 0");
    BOXOFFICE_ASSIGN(const bool rebuilding, rebuilds.Step());
    if (rebuilding) return Forgotten{};
    BOXOFFICE_ASSIGN(const size_t count, processed_.Forget(before, limit));
    BOXOFFICE_TRY(transaction.Commit());
    return Forgotten{count, count == limit};
  }

  Result<void> BeginRebuild() override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    BOXOFFICE_TRY(
        database_->Execute("DELETE FROM show_tally; DELETE FROM hour_tally; DELETE FROM processed_event; "
                           "UPDATE summary SET processed = 0, as_of_ms = 0, rebuilding = 1"));
    return transaction.Commit();
  }

  Result<bool> EndRebuild(Timestamp now) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    sql::Statement end = database_->Prepare("UPDATE summary SET rebuilding = 0, rebuilt_at_ms = ?1");
    end.Bind(ToUnixMs(now));
    BOXOFFICE_TRY(end.Run());
    BOXOFFICE_TRY(transaction.Commit());
    return true;
  }

 private:
  std::unique_ptr<sql::Database> database_;
  bus::ProcessedEvents processed_;
  sql::Statement summary_;
  sql::Statement show_;
  sql::Statement hour_;
  sql::Statement save_show_;
  sql::Statement save_hour_;
  sql::Statement drop_hours_;
  sql::Statement save_summary_;
};

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database opened, sql::Database::Open(file));
  auto database = std::make_unique<sql::Database>(std::move(opened));
  BOXOFFICE_TRY(database->Migrate(sql::ranking_sqlite_schema()));
  return std::make_unique<SqliteStore>(std::move(database));
}

}  // namespace boxoffice::ranking
