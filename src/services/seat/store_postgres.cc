#include "services/seat/store_postgres.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "base/sort_unique.h"
#include "platform/obs/log.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_read.h"
#include "services/seat/store_events.h"
#include "services/seat/store_layout.h"
#include "services/seat/store_postgres_sql.h"
#include "services/seat/store_row.h"

namespace boxoffice::sql {
std::span<const Migration> seat_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::seat {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using sql::pg::Missing;
using sql::pg::ReadOne;
// seat::Row is a row of seats.
using DbRow = sql::pg::Row;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kNewsGiven{60'000};  // to whoever was last told within that time
constexpr int64_t kNewsForgottenAtOnce = 10'000;

// Lists of seats: "{1,2}" as PostgreSQL reads an array, "1,2" as array_to_string writes it.
std::string ToArray(const std::vector<SeatNo>& seats) { return fmt::format("{{{}}}", fmt::join(seats, ",")); }
std::vector<SeatNo> FromList(std::string_view text) {
  std::vector<SeatNo> seats;
  while (!text.empty()) {
    SeatNo seat_no = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seat_no);
    CHECK(error == std::errc(), "a stored list of seats: {}", text);
    seats.push_back(seat_no);
    text.remove_prefix(std::min(text.size(), static_cast<size_t>(end - text.data()) + 1));
  }
  return seats;
}

SagaRow SagaAt(const DbRow& row) {
  return {row.Id<SagaId>(0),     row.Bool(1), row.Id<ReservationId>(2), row.Int(3), std::string(row.Text(4)),
          FromList(row.Text(5)), row.Int(6)};
}
BuyerRow BuyerAt(const DbRow& row) {
  return {{row.Int(0), std::string(row.Text(1))}, FromList(row.Text(2)), row.Int(3)};
}
SeatRow SeatAt(const DbRow& row) {
  SeatRow seat;
  seat.key = {row.Int(0), static_cast<SeatNo>(row.Int(1))};
  seat.state = static_cast<SeatState>(row.Int(2));
  if (!row.IsNull(3)) seat.reservation = row.Id<ReservationId>(3);
  seat.user_id = row.Text(4);
  seat.hold_expires_at = FromUnixMs(row.Int(5));
  seat.held_since = FromUnixMs(row.Int(6));
  seat.version = row.Int(7);
  seat.price = row.Int(8);
  seat.channel = row.Text(9);
  seat.channel_until = FromUnixMs(row.Int(10));
  return seat;
}
// With the layout, unless that is NULL.
Result<StoredShow> ShowWithLayoutAt(const DbRow& row) {
  StoredShow stored = ShowAt(row);
  if (row.IsNull(23)) return stored;
  BOXOFFICE_ASSIGN(Layout layout, LayoutAt(row, 23));
  PutLayout(row, std::move(layout), stored.show);
  return stored;
}

// Whether some of what was saved since can't be told any more: it is too long ago; or the database was made
// anew from a copy, and counts its transactions otherwise; or a crash or a failover may have lost the last
// numbers of them, which others have by now.
bool IsLost(const NewsPlace& since, const NewsPlace& now) {
  const bool other_history = !since.history.empty() && !now.history.empty() && now.history != since.history;
  return now.at - since.at > kNewsGiven || now.horizon < since.horizon || other_history;
}

// A row for each key, in their order: the one that was found, or a new one.
template <typename Stored, typename Key>
std::vector<Stored> RowOfEach(const std::vector<Key>& sorted_keys, std::vector<Stored> found,
                              Key Stored::* key) {
  std::ranges::sort(found, {}, key);
  std::vector<Stored> rows;
  rows.reserve(sorted_keys.size());
  size_t next = 0;
  for (const Key& wanted : sorted_keys) {
    while (next < found.size() && found[next].*key < wanted) ++next;
    if (next < found.size() && found[next].*key == wanted) {
      rows.push_back(std::move(found[next++]));
    } else {
      rows.emplace_back().*key = wanted;
    }
  }
  return rows;
}

// By which a replica, that is, its stores together, knows in the journal what it has told itself.
class Source {
 public:
  explicit Source(Uuid id) : id_(id) {}
  [[nodiscard]] Uuid id() const {
    const std::scoped_lock lock(mutex_);
    return id_;
  }
  void Become(Uuid id) {
    const std::scoped_lock lock(mutex_);
    id_ = id;
  }

 private:
  mutable std::mutex mutex_;
  Uuid id_;
};

class PostgresStore final : public Store {
 public:
  PostgresStore(std::unique_ptr<sql::pg::Connection> connection, sql::pg::ServerClock& clock, Random& random,
                std::shared_ptr<Source> source, milliseconds news_kept)
      : connection_(std::move(connection)),
        clock_(clock),
        random_(random),
        source_(std::move(source)),
        news_kept_(news_kept) {}

  Result<Rows> Load(const Keys& keys) override;
  Result<Saved> Save(const Changes& changes) override;
  Result<Forgotten> ForgetTombstones(SagaId after, Timestamp before, size_t limit) override;
  Result<std::vector<Concert>> LoadConcerts() override;
  Result<std::optional<StoredShow>> LoadShowAfter(int64_t id) override;
  Result<News> LoadNews(const NewsPlace& since, std::span<const KnownLayout> known) override;

  Result<std::vector<SeatRow>> OwnedSeats(int64_t show_id, SeatNo after, size_t limit) override;
  Result<std::vector<SeatGroup>> StoredSeats(int64_t show_id, SeatNo after, SeatNo up_to) override;
  Result<std::vector<CountedShow>> CountSeats(int64_t show_id, Timestamp now) override;
  Result<std::vector<BlockNote>> LoadBlocks(int64_t show_id, int64_t before_id, size_t limit) override;
  Result<bool> SavePrices(int64_t show_id, const Layout& layout, std::span<const PriceNote> notes) override;
  Result<std::vector<PriceNote>> LoadPriceNotes(int64_t show_id, int64_t before_id, size_t limit) override;
  Result<std::optional<Operation>> FindOperation(const std::string& key) override;
  Result<int64_t> CreateConcert(const Operation& operation, const Concert& concert) override;
  Result<bool> UpdateConcert(const Concert& before, const Concert& after) override;
  Result<int64_t> CreateShow(const Operation& operation, const Show& show) override;
  Result<bool> UpdateTerms(int64_t show_id, const ShowTerms& before, const ShowTerms& after) override;

 private:
  void Tell(const Changes& changes, Batch& batch) const;
  void ForgetOldNews(const NewsPlace& place);
  Result<std::string> History();

  std::unique_ptr<sql::pg::Connection> connection_;
  sql::pg::ServerClock& clock_;
  Random& random_;
  const std::shared_ptr<Source> source_;
  const milliseconds news_kept_;
  // When the reader of news last forgot some, and the snapshot that it had then; empty: none.
  SteadyClock::time_point forgotten_at_ = SteadyClock::now();
  std::string forget_next_;
  std::string history_;
  std::optional<uint64_t> history_of_;  // the connection's session that it is of
};

size_t AddSeatKeys(const std::vector<SeatKey>& seats, Batch& batch) {
  return batch.Add(kLoadSeats, Column(seats, &SeatKey::show_id), Column(seats, &SeatKey::seat_no));
}

// A list or a record may be stored anew between the statements: then what is decided on it is refused when it
// is saved, as who takes seats saves both. Records come before the seats: whoever comes as the copy of a hold
// is done finds that one's seats, and not a record of seats that are not its.
Result<Rows> PostgresStore::Load(const Keys& keys) {
  Batch batch;
  batch.Add(kLoadSagas, Column(keys.sagas));
  batch.Add(kLoadBuyers, Column(keys.buyers, &BuyerKey::show_id), Column(keys.buyers, &BuyerKey::user_id));
  AddSeatKeys(keys.seats, batch);
  if (!keys.shows.empty()) batch.Add(kLoadShowRows, Column(keys.shows));
  BOXOFFICE_ASSIGN(const auto results, clock_.Read(*connection_, std::move(batch)));
  Rows rows;
  std::vector<SeatKey> listed = keys.seats;
  for (const DbRow row : results[0]) rows.sagas.push_back(SagaAt(row));
  for (const DbRow row : results[1]) rows.buyers.push_back(BuyerAt(row));
  for (const DbRow row : results[2]) rows.seats.push_back(SeatAt(row));
  if (!keys.shows.empty()) {
    for (const DbRow row : results[3]) rows.show_rows.push_back(ShowRowAt(row));
  }
  for (const SagaRow& saga : rows.sagas) {
    for (const SeatNo seat_no : saga.seats) listed.push_back({saga.show_id, seat_no});
  }
  for (const BuyerRow& buyer : rows.buyers) {
    for (const SeatNo seat_no : buyer.seats) listed.push_back({buyer.key.show_id, seat_no});
  }
  SortUnique(listed);
  // Commands name nearly all that is on the lists, so a second question is seldom asked.
  std::vector<SeatKey> unnamed;
  std::ranges::set_difference(listed, keys.seats, std::back_inserter(unnamed));
  if (!unnamed.empty()) {
    Batch more;
    AddSeatKeys(unnamed, more);
    BOXOFFICE_ASSIGN(const auto found, connection_->Read(more));
    for (const DbRow row : found[0]) rows.seats.push_back(SeatAt(row));
  }
  rows.sagas = RowOfEach(keys.sagas, std::move(rows.sagas), &SagaRow::id);
  rows.buyers = RowOfEach(keys.buyers, std::move(rows.buyers), &BuyerRow::key);
  rows.seats = RowOfEach(listed, std::move(rows.seats), &SeatRow::key);
  return rows;
}

// Adds the statement, if any, for each half of the rows: those that are new, and those that were loaded.
// Returns the places of their results.
template <typename Stored>
std::vector<size_t> AddRows(const std::vector<Stored>& rows, const sql::pg::Insert& insert,
                            std::string_view update, Batch& batch, auto... columns) {
  std::vector<const Stored*> absent, known;
  for (const Stored& row : rows) (row.version == 0 ? absent : known).push_back(&row);
  std::vector<size_t> places;
  if (!absent.empty()) places.push_back(batch.Add(insert, Column(absent, columns)...));
  if (!known.empty()) places.push_back(batch.Add(update, Column(known, columns)...));
  return places;
}
std::vector<size_t> AddSagas(const std::vector<SagaRow>& rows, Batch& batch) {
  return AddRows(
      rows, kInsertSagas, kUpdateSagas, batch, &SagaRow::id, &SagaRow::undone, &SagaRow::reservation,
      &SagaRow::show_id, [](const SagaRow* row) -> std::string_view { return row->choice; },
      [](const SagaRow* row) { return ToArray(row->seats); }, &SagaRow::version);
}
std::vector<size_t> AddBuyers(const std::vector<BuyerRow>& rows, Batch& batch) {
  return AddRows(
      rows, kInsertBuyers, kUpdateBuyers, batch, [](const BuyerRow* row) { return row->key.show_id; },
      [](const BuyerRow* row) -> std::string_view { return row->key.user_id; },
      [](const BuyerRow* row) { return ToArray(row->seats); }, &BuyerRow::version);
}
std::vector<size_t> AddSeats(const std::vector<SeatRow>& rows, Batch& batch) {
  const auto if_owned = [](auto value) {
    return [value](const SeatRow* row) { return row->IsOwned() ? std::optional(value(*row)) : std::nullopt; };
  };
  return AddRows(
      rows, kInsertSeats, kUpdateSeats, batch, [](const SeatRow* row) { return row->key.show_id; },
      [](const SeatRow* row) { return row->key.seat_no; }, &SeatRow::state,
      if_owned([](const SeatRow& row) { return row.reservation; }),
      if_owned([](const SeatRow& row) { return std::string_view(row.user_id); }),
      [](const SeatRow* row) { return ToUnixMs(row->hold_expires_at); },
      [](const SeatRow* row) { return ToUnixMs(row->held_since); }, &SeatRow::version, &SeatRow::price,
      [](const SeatRow* row) -> std::string_view { return row->channel; },
      [](const SeatRow* row) { return ToUnixMs(row->channel_until); });
}
void AddBlocks(const std::vector<BlockNote>& notes, Batch& batch) {
  batch.Add(kSaveBlocks, Column(notes, &BlockNote::show_id),
            Column(notes, [](const BlockNote& note) { return ToArray(note.seats); }),
            Column(notes, [](const BlockNote& note) { return int64_t{note.release}; }),
            Column(notes, &BlockNote::reason), Column(notes, &BlockNote::operator_id),
            Column(notes, [](const BlockNote& note) { return ToUnixMs(note.at); }),
            Column(notes, [](const BlockNote& note) { return int64_t{note.about_channel}; }),
            Column(notes, &BlockNote::channel));
}
size_t AddMarks(const std::vector<MarkedShow>& shows, Batch& batch) {
  return batch.Add(kSaveMarks, Column(shows, &MarkedShow::show_id),
                   Column(shows, [](const MarkedShow& show) { return Ms(show.marks.first_sold_at); }),
                   Column(shows, [](const MarkedShow& show) { return Ms(show.marks.sold_out_at); }),
                   Column(shows, [](const MarkedShow& show) { return Ms(show.before.first_sold_at); }),
                   Column(shows, [](const MarkedShow& show) { return Ms(show.before.sold_out_at); }));
}

Result<Forgotten> PostgresStore::ForgetTombstones(SagaId after, Timestamp before, size_t limit) {
  Batch batch;
  batch.Add(kForgetTombstones, after, FirstSagaAt(before), static_cast<int64_t>(limit));
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  const DbRow row = results[0][0];
  Forgotten looked{static_cast<size_t>(row.Int(0)), static_cast<size_t>(row.Int(1)), {}};
  if (looked.looked_at > 0) looked.last = row.Id<SagaId>(2);
  return looked;
}

Result<Saved> PostgresStore::Save(const Changes& changes) {
  Batch batch;
  const std::vector<size_t> sagas = AddSagas(changes.sagas, batch);
  const std::vector<size_t> buyers = AddBuyers(changes.buyers, batch);
  const std::vector<size_t> seats = AddSeats(changes.seats, batch);
  std::vector<size_t> shows;
  if (!changes.shows.empty()) shows.push_back(AddMarks(changes.shows, batch));
  sql::pg::Transaction transaction(*connection_);
  BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
  Saved saved;
  const auto saga_at = [](const DbRow& row) { return row.Id<SagaId>(0); };
  const auto buyer_at = [](const DbRow& row) { return BuyerKey{row.Int(0), std::string(row.Text(1))}; };
  const auto seat_at = [](const DbRow& row) { return SeatKey{row.Int(0), static_cast<SeatNo>(row.Int(1))}; };
  const auto show_at = [](const DbRow& row) { return row.Int(0); };
  for (const SagaRow* saga : Missing(changes.sagas, &SagaRow::id, results, sagas, saga_at))
    saved.moved_sagas.push_back(saga->id);
  for (const BuyerRow* buyer : Missing(changes.buyers, &BuyerRow::key, results, buyers, buyer_at))
    saved.moved_buyers.push_back(buyer->key);
  for (const SeatRow* seat : Missing(changes.seats, &SeatRow::key, results, seats, seat_at))
    saved.moved_seats.push_back(seat->key);
  for (const MarkedShow* show : Missing(changes.shows, &MarkedShow::show_id, results, shows, show_at))
    saved.moved_shows.push_back(show->show_id);
  if (!saved.done()) return saved;  // the transaction rolls back
  std::vector<bus::Event> events;
  for (const Event& event : changes.events) events.push_back(ToBusEvent(event, random_));
  Batch last;
  Tell(changes, last);
  if (!changes.blocks.empty()) AddBlocks(changes.blocks, last);
  BOXOFFICE_TRY(outbox::AddTo(last, events));
  const auto committed = transaction.Commit(last);
  // It may yet be done, after the last time that the batch is decided again: what it tells is news here, too.
  if (!committed && committed.error().code == Code::kUnknown)
    source_->Become(Uuid::MakeV7(clock_.Now(), random_));
  BOXOFFICE_TRY(committed);
  return saved;
}

void PostgresStore::Tell(const Changes& changes, Batch& batch) const {
  std::map<int64_t, std::vector<SeatNo>> seats;
  for (const SeatRow& row : changes.seats) seats[row.key.show_id].push_back(row.key.seat_no);
  std::vector<std::pair<int64_t, std::string>> told;
  for (const auto& [show_id, of_show] : seats) told.emplace_back(show_id, ToArray(of_show));
  for (const MarkedShow& show : changes.shows) told.emplace_back(show.show_id, "{}");
  if (told.empty()) return;
  batch.Add(kTell, source_->id(), Column(told, [](const auto& one) { return one.first; }),
            Column(told, [](const auto& one) -> std::string_view { return one.second; }));
}

Result<std::vector<Concert>> PostgresStore::LoadConcerts() {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kLoadConcerts));
  std::vector<Concert> concerts;
  for (const DbRow row : found) concerts.push_back(ConcertAt(row));
  return concerts;
}

Result<std::optional<StoredShow>> PostgresStore::LoadShowAfter(int64_t id) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kLoadShowAfter, id));
  if (found.empty()) return std::nullopt;
  BOXOFFICE_ASSIGN(StoredShow stored, ShowWithLayoutAt(found[0]));
  if (!stored.show.layout) return Fail(Code::kInternal, "layout_corrupt", "a show has no layout");
  return stored;
}

Result<std::vector<SeatRow>> PostgresStore::OwnedSeats(int64_t show_id, SeatNo after, size_t limit) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kOwnedSeats, show_id, after, limit));
  std::vector<SeatRow> rows;
  rows.reserve(found.size());
  for (const DbRow row : found) rows.push_back(SeatAt(row));
  return rows;
}

Result<std::vector<SeatGroup>> PostgresStore::StoredSeats(int64_t show_id, SeatNo after, SeatNo up_to) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kStoredSeats, show_id, after, up_to));
  std::vector<SeatGroup> groups;
  groups.reserve(found.size());
  for (const DbRow row : found) groups.push_back({MappedSeatAt(show_id, row), FromList(row.Text(5))});
  return groups;
}

Result<News> PostgresStore::LoadNews(const NewsPlace& since, std::span<const KnownLayout> known) {
  Batch batch;
  batch.Add(kHorizon);
  const bool first = since == NewsPlace{};
  if (!first) {
    batch.Add(kNewConcerts, since.snapshot);
    batch.Add(kNewShows, since.snapshot, Column(known, &KnownLayout::show_id),
              Column(known, [](const KnownLayout& one) { return static_cast<int64_t>(one.version); }));
    batch.Add(kNewSeats, since.snapshot, source_->id());
  }
  // Here too, or the time of a replica that gets no commands would stay as wrong as it began.
  auto results = clock_.Read(*connection_, std::move(batch));
  News news;
  if (results) {
    const DbRow here = (*results)[0][0];
    const uint64_t session = connection_->session();
    BOXOFFICE_ASSIGN(std::string history, History());
    // It may be another server's.
    if (connection_->session() != session) {
      return Fail(Code::kUnavailable, "database_unavailable", "the connection was lost in a look");
    }
    news.place = {here.Int(0), FromUnixMs(here.Int(1)), std::move(history), std::string(here.Text(2))};
  } else {
    // What is too much to read stays so. Whoever would not be told it any more needs the place alone.
    if (first) return std::unexpected(std::move(results).error());
    Result<News> here = LoadNews({}, {});
    if (!here || !IsLost(since, here->place)) return std::unexpected(std::move(results).error());
    news = *std::move(here);
  }
  if (first) return news;
  news.lost = IsLost(since, news.place);
  if (news.lost) {
    forget_next_.clear();  // in another history it shows other transactions
    return news;
  }
  for (const DbRow row : (*results)[1]) news.concerts.push_back(ConcertAt(row));
  for (const DbRow row : (*results)[2]) {
    BOXOFFICE_ASSIGN(StoredShow stored, ShowWithLayoutAt(row));
    news.shows.push_back(std::move(stored));
  }
  for (const DbRow row : (*results)[3]) news.seats.push_back(SeatAt(row));
  ForgetOldNews(news.place);
  return news;
}

// Asked for once a connection: no server changes it without ending its connections. Empty: it does not tell.
Result<std::string> PostgresStore::History() {
  if (history_of_ == connection_->session()) return history_;
  const auto found = ReadOne(*connection_, kHistory);
  if (!found && found.error().code == Code::kUnavailable) return std::unexpected(found.error());
  history_ = found ? (*found)[0].Text(0) : std::string_view();
  history_of_ = connection_->session();
  return history_;
}

// What was visible when this replica looked news_kept_ ago, every other that is still told has read. A part
// with each look; what can't be forgotten now is after that time, and no look fails for it.
void PostgresStore::ForgetOldNews(const NewsPlace& place) {
  const auto now = SteadyClock::now();
  if (now - forgotten_at_ < news_kept_) return;
  if (!forget_next_.empty()) {
    Batch batch;
    batch.Add(kForgetNews, forget_next_, kNewsForgottenAtOnce);
    const auto forgotten = connection_->Write(batch);
    if (!forgotten) {
      obs::Log(obs::Level::kWarning, "forgetting_failed", {{"detail", forgotten.error().detail}});
    } else if ((*forgotten)[0].affected() == kNewsForgottenAtOnce) {
      return;
    }
  }
  forgotten_at_ = now;
  forget_next_ = place.snapshot;
}

Result<std::vector<CountedShow>> PostgresStore::CountSeats(int64_t show_id, Timestamp now) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kCountSeats, show_id, ToUnixMs(now)));
  std::vector<CountedShow> shows;
  for (const DbRow row : found) {
    const auto held = static_cast<uint32_t>(row.Int(2));
    const auto sold = static_cast<uint32_t>(row.Int(3));
    const auto kept = static_cast<uint32_t>(row.Int(5));
    const uint32_t blocked = static_cast<uint32_t>(row.Int(4)) + kept;
    const uint32_t free = static_cast<uint32_t>(row.Int(1)) - held - sold - blocked;
    shows.push_back({row.Int(0), {free, held, sold, blocked, kept}});
  }
  return shows;
}

Result<std::vector<BlockNote>> PostgresStore::LoadBlocks(int64_t show_id, int64_t before_id, size_t limit) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found, ReadOne(*connection_, kLoadBlocks, show_id, before_id, limit));
  std::vector<BlockNote> notes;
  for (const DbRow row : found) {
    notes.push_back({show_id, FromList(row.Text(1)), row.Int(2) != 0, std::string(row.Text(3)),
                     std::string(row.Text(4)), FromUnixMs(row.Int(5)), row.Int(0), row.Int(6) != 0,
                     std::string(row.Text(7))});
  }
  return notes;
}

Result<bool> PostgresStore::SavePrices(int64_t show_id, const Layout& layout,
                                       std::span<const PriceNote> notes) {
  const std::string prices = EncodePrices(layout);
  Batch batch;
  batch.Add(kSavePrices, show_id, static_cast<int64_t>(layout.version), Bytes{prices}, source_->id(),
            Column(notes, &PriceNote::category),
            Column(notes, [](const PriceNote& note) { return ToArray(note.seats); }),
            Column(notes, &PriceNote::price), Column(notes, &PriceNote::reason),
            Column(notes, &PriceNote::operator_id),
            Column(notes, [](const PriceNote& note) { return ToUnixMs(note.at); }));
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  return !results[0].empty();
}

Result<std::vector<PriceNote>> PostgresStore::LoadPriceNotes(int64_t show_id, int64_t before_id,
                                                             size_t limit) {
  BOXOFFICE_ASSIGN(const sql::pg::Rows found,
                   ReadOne(*connection_, kLoadPriceNotes, show_id, before_id, limit));
  std::vector<PriceNote> notes;
  for (const DbRow row : found) {
    notes.push_back({show_id, static_cast<uint64_t>(row.Int(1)), std::string(row.Text(2)),
                     FromList(row.Text(3)), row.Int(4), std::string(row.Text(5)), std::string(row.Text(6)),
                     FromUnixMs(row.Int(7)), row.Int(0)});
  }
  return notes;
}

Result<std::optional<Operation>> PostgresStore::FindOperation(const std::string& key) {
  BOXOFFICE_ASSIGN(
      const sql::pg::Rows found,
      ReadOne(*connection_, "SELECT fingerprint, result_id FROM operation WHERE operation_key = $1", key));
  if (found.empty()) return std::nullopt;
  return Operation{key, std::string(found[0].Text(0)), found[0].Int(1)};
}

Result<int64_t> PostgresStore::CreateConcert(const Operation& operation, const Concert& concert) {
  Batch batch;
  batch.Add(kCreateConcert, concert.title, concert.artist, concert.venue, operation.key,
            Bytes{operation.fingerprint}, source_->id());
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  return results[0][0].Int(0);
}

Result<bool> PostgresStore::UpdateConcert(const Concert& before, const Concert& after) {
  Batch batch;
  batch.Add(kUpdateConcert, after.id, after.title, after.artist, after.venue, source_->id(), before.title,
            before.artist, before.venue);
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  return !results[0].empty();
}

Result<int64_t> PostgresStore::CreateShow(const Operation& operation, const Show& show) {
  const std::string body = EncodeLayout(*show.layout);
  const std::string access = EncodeAccess(*show.layout);
  const StoredStage stage = StageToStore(show.layout->stage);
  Batch batch;
  batch.Add(kCreateShow, show.concert_id, ToUnixMs(show.starts_at), show.currency.code(),
            ToUnixMs(show.terms.on_sale_at), ToUnixMs(show.terms.sale_ends_at), show.terms.seat_limit,
            show.terms.hold_ttl.count(), Ms(show.terms.cancel_deadline), show.layout->capacity(), Bytes{body},
            operation.key, Bytes{operation.fingerprint}, source_->id(), show.terms.highest_seat_limit,
            show.terms.phase, int64_t{show.terms.orphan_rule}, stage.ranks, stage.x_milli, stage.y_milli,
            show.terms.cancel_fee_per_seat, show.terms.cancel_fee_percent, show.terms.grace.count(),
            int64_t{show.terms.waitlist_first}, Bytes{access});
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  return results[0][0].Int(0);
}

Result<bool> PostgresStore::UpdateTerms(int64_t show_id, const ShowTerms& before, const ShowTerms& after) {
  Batch batch;
  batch.Add(kUpdateTerms, show_id, ToUnixMs(after.on_sale_at), ToUnixMs(after.sale_ends_at), after.seat_limit,
            after.hold_ttl.count(), Ms(after.cancel_deadline), source_->id(), after.highest_seat_limit,
            after.phase, int64_t{after.orphan_rule}, after.cancel_fee_per_seat, after.cancel_fee_percent,
            after.grace.count(), int64_t{after.waitlist_first}, ToUnixMs(before.on_sale_at),
            ToUnixMs(before.sale_ends_at), before.seat_limit, before.hold_ttl.count(),
            Ms(before.cancel_deadline), before.phase, int64_t{before.orphan_rule}, before.cancel_fee_per_seat,
            before.cancel_fee_percent, before.grace.count(), int64_t{before.waitlist_first},
            int64_t{after.never_published});
  BOXOFFICE_ASSIGN(const auto results, connection_->Write(batch));
  return !results[0].empty();
}

}  // namespace

Result<PostgresStores> OpenPostgres(const sql::pg::Config& config, Random& random, milliseconds news_kept) {
  BOXOFFICE_ASSIGN(auto commands, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(commands->Migrate("seat", sql::seat_postgres_schema()));
  BOXOFFICE_ASSIGN(auto requests, sql::pg::Connection::Open(config));
  BOXOFFICE_ASSIGN(auto news, sql::pg::Connection::Open(config));
  PostgresStores opened;
  BOXOFFICE_ASSIGN(opened.clock, sql::pg::ServerClock::Start(*commands));
  const auto source = std::make_shared<Source>(Uuid::MakeV7(opened.clock->Now(), random));
  const auto store = [&](std::unique_ptr<sql::pg::Connection> connection) {
    return std::make_unique<PostgresStore>(std::move(connection), *opened.clock, random, source, news_kept);
  };
  opened.stores.commands = store(std::move(commands));
  opened.stores.requests = store(std::move(requests));
  opened.stores.news = store(std::move(news));
  return opened;
}

}  // namespace boxoffice::seat
