#include "services/reservation/store_show_postgres.h"

#include <limits>
#include <utility>
#include <vector>

#include "platform/sql/postgres_read.h"
#include "services/reservation/store_record.h"
#include "services/reservation/store_show_record.h"

namespace boxoffice::reservation {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using sql::pg::Row;

constexpr std::string_view kGetWorks =
    "SELECT w.show_id, w.kind, w.version, w.epoch, w.due_at_ms, w.record "
    "FROM (SELECT unnest($1) AS show_id, unnest($2) AS kind) i JOIN show_work w USING (show_id, kind)";
constexpr std::string_view kDue =
    "SELECT show_id, kind, version, epoch, due_at_ms, record FROM show_work WHERE due_at_ms <= $1 "
    "AND kind = $2 ORDER BY due_at_ms LIMIT $3";
constexpr std::string_view kGetEntries =
    "SELECT w.version, w.record FROM (SELECT unnest($1) AS show_id, unnest($2) AS place) i "
    "JOIN waitlist w USING (show_id, place)";
// A member has one open place. Said so, or the server may read all who wait, where it takes them for few.
constexpr std::string_view kGetMembers =
    "SELECT w.version, w.record FROM (SELECT unnest($1) AS show_id, unnest($2) AS user_id) i CROSS JOIN "
    "LATERAL (SELECT version, record FROM waitlist WHERE show_id = i.show_id AND user_id = i.user_id "
    "AND state < 3 LIMIT 1) w";

// Each is one row: they are few. The version closes the race between two replicas.
constexpr std::string_view kInsertWork =
    "INSERT INTO show_work(show_id, kind, version, epoch, due_at_ms, record) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT DO NOTHING";
constexpr std::string_view kUpdateWork =
    "UPDATE show_work SET version = $3, epoch = $4, due_at_ms = $5, record = $6 "
    "WHERE show_id = $1 AND kind = $2 AND version = $7";
constexpr std::string_view kInsertEntry =
    "INSERT INTO waitlist(show_id, place, user_id, state, version, indexed_version, record, seats, section, "
    "category, max_price) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
constexpr std::string_view kUpdateEntry =
    "UPDATE waitlist SET state = $3, version = $4, indexed_version = $4, record = $5, seats = $6, "
    "section = $7, category = $8, max_price = $9 WHERE show_id = $1 AND place = $2 AND version = $10";

// From each wish to the next along the index, whose first entry of a wish is the one who pays most.
constexpr std::string_view kWishes =
    "WITH RECURSIVE wish AS ("
    "(SELECT seats, section, category, max_price FROM waitlist "
    "WHERE show_id = $1 AND state = 1 AND indexed_version = version "
    "ORDER BY seats, section, category, max_price DESC LIMIT 1) "
    "UNION ALL SELECT n.* FROM wish w CROSS JOIN LATERAL "
    "(SELECT seats, section, category, max_price FROM waitlist "
    "WHERE show_id = $1 AND state = 1 AND indexed_version = version "
    "AND (seats, section, category) > (w.seats, w.section, w.category) "
    "ORDER BY seats, section, category, max_price DESC LIMIT 1) n) "
    "SELECT seats, section, category, max_price FROM wish LIMIT $2";

// Of each wish the first places, and of these the first. Who pays any price stands in the order of places; of
// the others those who pay enough are sorted: by place + 0, or the server may walk along the places of all.
constexpr std::string_view kListByWish =
    "SELECT w.version, w.record FROM (SELECT f.place FROM (SELECT unnest($2) AS seats, "
    "unnest($3) AS section, unnest($4) AS category, unnest($5) AS price) i CROSS "
    "JOIN LATERAL ((SELECT place FROM waitlist WHERE show_id = $1 AND state = 1 "
    "AND indexed_version = version AND seats = i.seats AND section = i.section "
    "AND category = i.category AND max_price = $8 AND place > $6 "
    "ORDER BY place LIMIT $7) UNION ALL (SELECT place FROM waitlist WHERE show_id = $1 AND state = 1 "
    "AND indexed_version = version AND seats = i.seats AND section = i.section "
    "AND category = i.category AND max_price >= i.price AND max_price < $8 AND place > $6 "
    "ORDER BY place + 0 LIMIT $7)) f ORDER BY f.place LIMIT $7) p CROSS JOIN LATERAL (SELECT version, "
    "record FROM waitlist WHERE show_id = $1 AND place = p.place LIMIT 1) w ORDER BY p.place";

class PostgresShowStore final : public ShowStore {
 public:
  explicit PostgresShowStore(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  // Each statement sees what was committed before it, so they stand in an order. What is due comes first:
  // what a claim without knowing takes over in between is due still, or its own. Then the shows' rows, and
  // only then their places: whoever joins in between has moved the row, or is found. The places that are
  // named come last: one that is closed in between is found as it is then.
  Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) override {
    const auto first = [](const auto& key) { return key.first; };
    Batch batch;
    for (const auto& [kind, limit] : keys.due_limits) batch.Add(kDue, ToUnixMs(now), kind, limit);
    const size_t works =
        batch.Add(kGetWorks, Column(keys.works, &WorkKey::show_id), Column(keys.works, &WorkKey::kind));
    batch.Add(kGetMembers, Column(keys.members, first),
              Column(keys.members, [](const MemberKey& key) -> std::string_view { return key.second; }));
    batch.Add(kGetEntries, Column(keys.entries, first),
              Column(keys.entries, [](const EntryKey& key) { return key.second; }));
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    ShowRows rows;
    for (size_t place = 0; place <= works; ++place) {
      for (const Row row : results[place]) {
        BOXOFFICE_ASSIGN(ShowWork work, WorkAt(row));
        if (place < works) rows.due.push_back(work.key);
        rows.works[work.key] = std::move(work);
      }
    }
    for (size_t place = works + 1; place < results.size(); ++place) {
      for (const Row row : results[place]) {
        BOXOFFICE_ASSIGN(WaitlistEntry entry, EntryAt(row));
        rows.entries[{entry.show_id, entry.place}] = std::move(entry);
      }
    }
    return rows;
  }

  Result<bool> Save(const ShowChanges& changes) override {
    Batch batch;
    for (const auto& [work, expected] : changes.works) {
      const std::string record = EncodeWork(work);
      const auto due_ms = work.due_at ? std::optional(ToUnixMs(*work.due_at)) : std::nullopt;
      if (expected == 0) {
        batch.Add(kInsertWork, work.key.show_id, work.key.kind, work.version, work.epoch, due_ms,
                  Bytes{record});
      } else {
        batch.Add(kUpdateWork, work.key.show_id, work.key.kind, work.version, work.epoch, due_ms,
                  Bytes{record}, expected);
      }
    }
    for (const auto& [entry, expected] : changes.entries) {
      const std::string record = EncodeEntry(entry);
      const SeatChoice& wish = entry.wish;
      if (expected == 0) {
        batch.Add(kInsertEntry, entry.show_id, entry.place, entry.user_id, StateColumn(entry), entry.version,
                  Bytes{record}, wish.best_count, wish.section, wish.category, PriceColumn(wish));
      } else {
        batch.Add(kUpdateEntry, entry.show_id, entry.place, StateColumn(entry), entry.version, Bytes{record},
                  wish.best_count, wish.section, wish.category, PriceColumn(wish), expected);
      }
    }
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
    for (const auto& result : results) {
      if (result.affected() != 1) return false;  // rolls back
    }
    BOXOFFICE_TRY(transaction.Commit());
    return true;
  }

 private:
  std::unique_ptr<sql::pg::Connection> connection_;
};

class PostgresShowReader final : public ShowReader {
 public:
  explicit PostgresShowReader(std::unique_ptr<sql::pg::Connection> connection)
      : reader_(std::move(connection)) {}

  Result<std::optional<ShowWork>> Work(const WorkKey& key) override {
    BOXOFFICE_ASSIGN(const auto rows,
                     reader_.ReadOne("SELECT show_id, kind, version, epoch, due_at_ms, record FROM show_work "
                                     "WHERE show_id = $1 AND kind = $2",
                                     key.show_id, key.kind));
    if (rows.empty()) return std::nullopt;
    return WorkAt(rows[0]);
  }

  Result<WaitlistPage> List(const WaitlistQuery& query) override {
    // Only what is asked for, so that each has a plan by the index that serves it.
    std::string sql = "SELECT version, record FROM waitlist WHERE ";
    const bool of_show = query.show_id != 0;
    if (of_show) sql += "show_id = $1 AND place > $2";
    if (of_show && !query.user_id.empty()) sql += " AND user_id = $3";
    if (!of_show) sql += "user_id = $3 AND (show_id, place) < ($1, $2)";
    sql += ConditionOf(query.which);
    sql += of_show ? " ORDER BY place LIMIT $4" : " ORDER BY show_id DESC, place DESC LIMIT $4";
    const bool first = query.after_show_id == 0;
    const int64_t before_show = first ? std::numeric_limits<int64_t>::max() : query.after_show_id;
    BOXOFFICE_ASSIGN(const auto rows,
                     reader_.ReadOne(sql, of_show ? query.show_id : before_show, query.after_place,
                                     query.user_id, int64_t{query.limit} + 1));
    return ToPage(rows, query.limit);
  }

  Result<std::vector<SeatChoice>> Wishes(int64_t show_id, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const auto rows, reader_.ReadOne(kWishes, show_id, limit));
    std::vector<SeatChoice> wishes;
    for (const Row row : rows) {
      wishes.push_back(WishFrom(row.Int(0), row.Text(1), row.Text(2), row.Int(3)));
    }
    return wishes;
  }

  Result<WaitlistPage> ListByWish(const WishQuery& query) override {
    const auto& wishes = query.wishes;
    BOXOFFICE_ASSIGN(
        const auto rows,
        reader_.ReadOne(kListByWish, query.show_id, Column(wishes, &SeatChoice::best_count),
                        Column(wishes, &SeatChoice::section), Column(wishes, &SeatChoice::category),
                        Column(wishes, &SeatChoice::max_price), query.after_place, int64_t{query.limit} + 1,
                        kAnyPrice));
    return ToPage(rows, query.limit);
  }

  Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) override {
    BOXOFFICE_ASSIGN(const auto rows,
                     reader_.ReadOne("SELECT count(*) FROM (SELECT 1 FROM waitlist WHERE show_id = $1 "
                                     "AND place < $2 AND state < 3 LIMIT $3) f",
                                     show_id, place, kMaxBefore));
    return static_cast<uint64_t>(rows[0].Int(0));
  }

  Result<Page> OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                      uint32_t limit) override {
    BOXOFFICE_ASSIGN(const auto rows,
                     reader_.ReadOne("SELECT record FROM reservation WHERE show_id = $1 AND id > $2 AND "
                                     "state = ANY($3) ORDER BY id LIMIT $4",
                                     show_id, after, Column(states), int64_t{limit} + 1));
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

 private:
  static Result<WaitlistPage> ToPage(const sql::pg::Rows& rows, uint32_t limit) {
    WaitlistPage page;
    for (const Row row : rows) {
      if (page.entries.size() == limit) {
        page.more = true;
        break;
      }
      BOXOFFICE_ASSIGN(WaitlistEntry entry, EntryAt(row));
      page.entries.push_back(std::move(entry));
    }
    return page;
  }

  sql::pg::SharedReader reader_;
};

}  // namespace

Result<PostgresShowStores> OpenPostgresShows(const sql::pg::Config& config) {
  BOXOFFICE_ASSIGN(auto writer, sql::pg::Connection::Open(config));
  BOXOFFICE_ASSIGN(auto reader, sql::pg::Connection::Open(config));
  PostgresShowStores stores;
  stores.store = std::make_unique<PostgresShowStore>(std::move(writer));
  stores.reader = std::make_unique<PostgresShowReader>(std::move(reader));
  return stores;
}

}  // namespace boxoffice::reservation
