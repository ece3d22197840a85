#include "services/reservation/store_show_sqlite.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "services/reservation/store_record.h"
#include "services/reservation/store_show_record.h"

namespace boxoffice::reservation {
namespace {

constexpr std::string_view kWorkColumns = "show_id, kind, version, epoch, due_at_ms, record";

// Calls `take` with each row.
template <typename Take>
Result<void> ForEachRow(sql::Statement& select, Take take) {
  while (true) {
    BOXOFFICE_ASSIGN(const bool row, select.Step());
    if (!row) return {};
    BOXOFFICE_TRY(take(select));
  }
}

// SQLite would walk along all places that the show ever gave.
std::string_view IndexOf(const WaitlistQuery& query) {
  const bool of_user = !query.user_id.empty();
  switch (query.which) {
    case Places::kAll:
      return of_user ? "INDEXED BY waitlist_user" : "";
    case Places::kOpen:
      return of_user ? "INDEXED BY waitlist_member" : "INDEXED BY waitlist_open";
    case Places::kOffered:
      return "INDEXED BY waitlist_offered";
    case Places::kUnindexed:
      return "INDEXED BY waitlist_unindexed";
  }
  return "";
}

std::optional<int64_t> DueMs(const ShowWork& work) {
  return work.due_at ? std::optional(ToUnixMs(*work.due_at)) : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<SqliteShowStore>> SqliteShowStore::Open(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  return std::unique_ptr<SqliteShowStore>(new SqliteShowStore(std::move(database)));
}

SqliteShowStore::SqliteShowStore(sql::Database database)
    : database_(std::move(database)),
      get_work_(database_.Prepare(
          fmt::format("SELECT {} FROM show_work WHERE show_id = ?1 AND kind = ?2", kWorkColumns))),
      due_(database_.Prepare(fmt::format(
          "SELECT {} FROM show_work WHERE due_at_ms <= ?1 AND kind = ?2 ORDER BY due_at_ms LIMIT ?3",
          kWorkColumns))),
      get_entry_(database_.Prepare("SELECT version, record FROM waitlist WHERE show_id = ?1 AND place = ?2")),
      get_member_(database_.Prepare(kSelectMember)),
      insert_work_(
          database_.Prepare("INSERT INTO show_work(show_id, kind, version, epoch, due_at_ms, record) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING")),
      update_work_(
          database_.Prepare("UPDATE show_work SET version = ?3, epoch = ?4, due_at_ms = ?5, record = ?6 "
                            "WHERE show_id = ?1 AND kind = ?2 AND version = ?7")),
      insert_entry_(
          database_.Prepare("INSERT INTO waitlist(show_id, place, user_id, state, version, indexed_version, "
                            "seats, section, category, max_price, record) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING")),
      update_entry_(
          database_.Prepare("UPDATE waitlist SET state = ?4, version = ?5, indexed_version = ?5, seats = ?6, "
                            "section = ?7, category = ?8, max_price = ?9, record = ?10 "
                            "WHERE show_id = ?1 AND place = ?2 AND user_id = ?3 AND version = ?11")) {}

Result<ShowRows> SqliteShowStore::Load(const ShowKeys& keys, Timestamp now) {
  ShowRows rows;
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  const auto take_work = [&rows](const sql::Statement& row) -> Result<void> {
    BOXOFFICE_ASSIGN(ShowWork work, WorkAt(row));
    rows.works[work.key] = work;
    return {};
  };
  const auto take_entry = [&rows](const sql::Statement& row) -> Result<void> {
    BOXOFFICE_ASSIGN(WaitlistEntry entry, EntryAt(row));
    rows.entries[{entry.show_id, entry.place}] = entry;
    return {};
  };
  for (const WorkKey& key : keys.works) {
    BOXOFFICE_TRY(ForEachRow(get_work_.Bind(key.show_id, key.kind), take_work));
  }
  for (const auto& [show_id, place] : keys.entries) {
    BOXOFFICE_TRY(ForEachRow(get_entry_.Bind(show_id, place), take_entry));
  }
  for (const auto& [show_id, user_id] : keys.members) {
    BOXOFFICE_TRY(ForEachRow(get_member_.Bind(show_id, user_id), take_entry));
  }
  const auto take_due = [&](const sql::Statement& row) -> Result<void> {
    rows.due.push_back({row.Int(0), static_cast<WorkKind>(row.Int(1))});
    return take_work(row);
  };
  for (const auto& [kind, limit] : keys.due_limits) {
    BOXOFFICE_TRY(ForEachRow(due_.Bind(ToUnixMs(now), kind, limit), take_due));
  }
  return rows;
}

Result<bool> SqliteShowStore::SaveWork(const RowChange<ShowWork>& change) {
  const ShowWork& work = change.row;
  const std::string record = EncodeWork(work);
  const bool is_new = change.expected_version == 0;
  sql::Statement& save = is_new ? insert_work_ : update_work_;
  save.Bind(work.key.show_id, work.key.kind, work.version, work.epoch, DueMs(work)).BindBlob(6, record);
  if (!is_new) save.BindAt(7, change.expected_version);
  BOXOFFICE_TRY(save.Run());
  return database_.changes() == 1;
}

Result<bool> SqliteShowStore::SaveEntry(const RowChange<WaitlistEntry>& change) {
  const WaitlistEntry& entry = change.row;
  const std::string record = EncodeEntry(entry);
  const bool is_new = change.expected_version == 0;
  sql::Statement& save = is_new ? insert_entry_ : update_entry_;
  const SeatChoice& wish = entry.wish;
  save.Bind(entry.show_id, entry.place, entry.user_id, StateColumn(entry), entry.version, wish.best_count,
            wish.section, wish.category, PriceColumn(wish))
      .BindBlob(10, record);
  if (!is_new) save.BindAt(11, change.expected_version);
  BOXOFFICE_TRY(save.Run());
  return database_.changes() == 1;
}

Result<bool> SqliteShowStore::Save(const ShowChanges& changes) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  for (const auto& change : changes.works) {
    BOXOFFICE_ASSIGN(const bool saved, SaveWork(change));
    if (!saved) return false;
  }
  for (const auto& change : changes.entries) {
    BOXOFFICE_ASSIGN(const bool saved, SaveEntry(change));
    if (!saved) return false;
  }
  BOXOFFICE_TRY(transaction.Commit());
  return true;
}

Result<std::unique_ptr<SqliteShowReader>> SqliteShowReader::Open(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  return std::unique_ptr<SqliteShowReader>(new SqliteShowReader(std::move(database)));
}

Result<std::optional<ShowWork>> SqliteShowReader::Work(const WorkKey& key) {
  const std::scoped_lock lock(mutex_);
  sql::Statement get = database_.Prepare(
      fmt::format("SELECT {} FROM show_work WHERE show_id = ?1 AND kind = ?2", kWorkColumns));
  BOXOFFICE_ASSIGN(const bool found, get.Bind(key.show_id, key.kind).Step());
  if (!found) return std::nullopt;
  return WorkAt(get);
}

std::string SelectPlaces(const WaitlistQuery& query) {
  std::string sql = fmt::format("SELECT version, record FROM waitlist {} WHERE ", IndexOf(query));
  if (query.show_id != 0) {
    sql += fmt::format("show_id = {} AND place > {}", query.show_id, query.after_place);
  } else if (query.after_show_id != 0) {
    sql += fmt::format("(show_id, place) < ({}, {})", query.after_show_id, query.after_place);
  } else {
    sql += "TRUE";
  }
  if (!query.user_id.empty()) sql += " AND user_id = ?1";
  sql += ConditionOf(query.which);
  sql += query.show_id != 0 ? " ORDER BY place" : " ORDER BY show_id DESC, place DESC";
  sql += fmt::format(" LIMIT {}", query.limit + 1);
  return sql;
}

Result<WaitlistPage> SqliteShowReader::List(const WaitlistQuery& query) {
  const std::scoped_lock lock(mutex_);
  sql::Statement select = database_.Prepare(SelectPlaces(query));
  if (!query.user_id.empty()) select.Bind(query.user_id);
  WaitlistPage page;
  BOXOFFICE_TRY(ForEachRow(select, [&](const sql::Statement& row) -> Result<void> {
    BOXOFFICE_ASSIGN(WaitlistEntry entry, EntryAt(row));
    page.entries.push_back(std::move(entry));
    return {};
  }));
  page.more = page.entries.size() > query.limit;
  if (page.more) page.entries.pop_back();
  return page;
}

// From each wish to the next along the index, whose first entry of a wish is the one who pays most. SQLite
// walks through all of a wish to get beyond it by (seats, section, category) > (?2, ?3, ?4), so these are
// three steps.
Result<std::vector<SeatChoice>> SqliteShowReader::Wishes(int64_t show_id, uint32_t limit) {
  constexpr std::string_view kFirst =
      "SELECT * FROM (SELECT seats, section, category, max_price FROM waitlist INDEXED BY waitlist_wish "
      "WHERE show_id = ?1 AND state = 1 AND indexed_version = version AND {} "
      "ORDER BY seats, section, category, max_price DESC LIMIT 1)";
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  sql::Statement next = database_.Prepare(
      fmt::format("{} UNION ALL {} UNION ALL {} LIMIT 1",
                  fmt::format(kFirst, "seats = ?2 AND section = ?3 AND category > ?4"),
                  fmt::format(kFirst, "seats = ?2 AND section > ?3"), fmt::format(kFirst, "seats > ?2")));
  std::vector<SeatChoice> wishes;
  SeatChoice last;  // before all: of no seats
  while (wishes.size() < limit) {
    BOXOFFICE_ASSIGN(const bool found,
                     next.Bind(show_id, last.best_count, last.section, last.category).Step());
    if (!found) break;
    SeatChoice wish = WishFrom(next.Int(0), next.Text(1), next.Text(2), next.Int(3));
    next.Reset();
    last = std::move(wish);
    wishes.push_back(last);
  }
  return wishes;
}

Result<void> SqliteShowReader::AddPlaces(const WishQuery& query, const SeatChoice& wish,
                                         std::vector<uint64_t>& places) {
  // Who pays any price stands in the order of places; of the others those who pay enough are sorted.
  constexpr std::string_view kPlaces =
      "SELECT * FROM (SELECT place FROM waitlist INDEXED BY waitlist_wish "
      "WHERE show_id = ?1 AND state = 1 AND indexed_version = version AND seats = ?2 AND section = ?3 AND "
      "category = ?4 AND {} AND place > ?5 ORDER BY place LIMIT ?6)";
  sql::Statement select =
      database_.Prepare(fmt::format("{} UNION ALL {}", fmt::format(kPlaces, "max_price = ?8"),
                                    fmt::format(kPlaces, "max_price >= ?7 AND max_price < ?8")));
  select.Bind(query.show_id, wish.best_count, wish.section, wish.category, query.after_place,
              int64_t{query.limit} + 1, wish.max_price, kAnyPrice);
  return ForEachRow(select, [&places](const sql::Statement& row) -> Result<void> {
    places.push_back(static_cast<uint64_t>(row.Int(0)));
    return {};
  });
}

Result<WaitlistPage> SqliteShowReader::ListByWish(const WishQuery& query) {
  const std::scoped_lock lock(mutex_);
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  std::vector<uint64_t> places;
  for (const SeatChoice& wish : query.wishes) BOXOFFICE_TRY(AddPlaces(query, wish, places));
  std::ranges::sort(places);
  WaitlistPage page;
  page.more = places.size() > query.limit;
  if (page.more) places.resize(query.limit);
  sql::Statement get =
      database_.Prepare("SELECT version, record FROM waitlist WHERE show_id = ?1 AND place = ?2");
  for (const uint64_t place : places) {
    BOXOFFICE_TRY(ForEachRow(get.Bind(query.show_id, place), [&](const sql::Statement& row) -> Result<void> {
      BOXOFFICE_ASSIGN(WaitlistEntry entry, EntryAt(row));
      page.entries.push_back(std::move(entry));
      return {};
    }));
  }
  return page;
}

Result<uint64_t> SqliteShowReader::CountBefore(int64_t show_id, uint64_t place) {
  const std::scoped_lock lock(mutex_);
  sql::Statement count = database_.Prepare(kSelectCountBefore);
  BOXOFFICE_TRY(count.Bind(show_id, place, kMaxBefore).Step());
  return static_cast<uint64_t>(count.Int(0));
}

Result<Page> SqliteShowReader::OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                                      uint32_t limit) {
  const std::scoped_lock lock(mutex_);
  std::string in;
  for (const State state : states) in += fmt::format("{}{}", in.empty() ? "" : ", ", static_cast<int>(state));
  sql::Statement select = database_.Prepare(
      fmt::format("SELECT record FROM reservation WHERE show_id = ?1 AND id > ?2 AND state IN ({}) "
                  "ORDER BY id LIMIT {}",
                  in, limit + 1));
  Page page;
  BOXOFFICE_TRY(ForEachRow(select.Bind(show_id, after), [&](const sql::Statement& row) -> Result<void> {
    BOXOFFICE_ASSIGN(Reservation reservation, Decode(row.Text(0)));
    page.reservations.push_back(std::move(reservation));
    return {};
  }));
  page.more = page.reservations.size() > limit;
  if (page.more) page.reservations.pop_back();
  return page;
}

}  // namespace boxoffice::reservation
