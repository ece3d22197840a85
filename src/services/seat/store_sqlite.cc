#include "services/seat/store_sqlite.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/sort_unique.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/sqlite.h"
#include "services/seat/store_events.h"
#include "services/seat/store_layout.h"
#include "services/seat/store_row.h"

namespace boxoffice::sql {
std::span<const Migration> seat_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::seat {
namespace {

class SqliteStore final : public Store {
 public:
  SqliteStore(sql::Database database, Random& random)
      : database_(std::move(database)), random_(random), outbox_(database_) {}

  Result<Rows> Load(const Keys& keys) override;
  Result<Saved> Save(const Changes& changes) override;
  Result<Forgotten> ForgetTombstones(SagaId after, Timestamp before, size_t limit) override;
  Result<std::vector<Concert>> LoadConcerts() override;
  Result<std::optional<StoredShow>> LoadShowAfter(int64_t id) override;
  Result<std::vector<SeatRow>> OwnedSeats(int64_t show_id, SeatNo after, size_t limit) override;
  Result<std::vector<SeatGroup>> StoredSeats(int64_t show_id, SeatNo after, SeatNo up_to) override;
  // A file belongs to one process, and that has made whatever has changed.
  Result<News> LoadNews(const NewsPlace&, std::span<const KnownLayout>) override { return News{}; }
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
  Result<SagaRow> LoadSaga(SagaId id);
  Result<BuyerRow> LoadBuyer(const BuyerKey& key);
  Result<SeatRow> LoadSeat(const SeatKey& key);
  // Each tells whether the row still had the version that was loaded.
  Result<bool> SaveSaga(const SagaRow& row);
  Result<bool> SaveBuyer(const BuyerRow& row);
  Result<bool> SaveSeat(const SeatRow& row);
  Result<bool> Stays(sql::Statement& statement);
  Result<bool> SaveMarks(const MarkedShow& show);
  Result<void> SaveBlock(const BlockNote& note);
  Result<void> SavePriceNote(const PriceNote& note);
  Result<void> RecordOperation(const Operation& operation, int64_t result_id);
  Result<Layout> LoadLayout(int64_t show_id);

  sql::Database database_;
  Random& random_;
  outbox::Writer outbox_;
  std::vector<bus::Event> events_;

  sql::Statement load_saga_ = database_.Prepare(
      "SELECT undone, reservation_id, show_id, choice, seats, version FROM saga WHERE saga_id = ?1");
  sql::Statement load_buyer_ =
      database_.Prepare("SELECT seats, version FROM buyer WHERE show_id = ?1 AND user_id = ?2");
  sql::Statement load_seat_ = database_.Prepare(
      "SELECT state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, version, price, "
      "channel, channel_until_ms FROM seat WHERE show_id = ?1 AND seat_no = ?2");
  sql::Statement load_show_ =
      database_.Prepare("SELECT id, phase, first_sold_at_ms, sold_out_at_ms FROM show WHERE id = ?1");
  // Version 0 is a row that must not be there; the condition is false for it, as stored versions start at 1.
  sql::Statement save_saga_ = database_.Prepare(
      "INSERT INTO saga(saga_id, undone, reservation_id, show_id, choice, seats, version) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7 + 1) ON CONFLICT(saga_id) DO UPDATE SET undone = excluded.undone, "
      "reservation_id = excluded.reservation_id, show_id = excluded.show_id, choice = excluded.choice, "
      "seats = excluded.seats, version = excluded.version WHERE version = ?7");
  sql::Statement old_sagas_ = database_.Prepare(
      "SELECT saga_id, undone AND choice NOT LIKE 'move/%' FROM saga WHERE saga_id > ?1 AND saga_id < ?2 "
      "ORDER BY saga_id LIMIT ?3");
  sql::Statement forget_saga_ = database_.Prepare("DELETE FROM saga WHERE saga_id = ?1");
  sql::Statement save_buyer_ = database_.Prepare(
      "INSERT INTO buyer(show_id, user_id, seats, version) VALUES(?1, ?2, ?3, ?4 + 1) "
      "ON CONFLICT(show_id, user_id) DO UPDATE SET seats = excluded.seats, version = excluded.version "
      "WHERE version = ?4");
  sql::Statement save_seat_ = database_.Prepare(
      "INSERT INTO seat(show_id, seat_no, state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, "
      "version, price, channel, channel_until_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 + 1, ?9, ?10, ?11) "
      "ON CONFLICT(show_id, seat_no) DO UPDATE SET price = excluded.price, channel = excluded.channel, "
      "channel_until_ms = excluded.channel_until_ms, "
      "state = excluded.state, reservation_id = excluded.reservation_id, user_id = excluded.user_id, "
      "hold_expires_at_ms = excluded.hold_expires_at_ms, held_since_ms = excluded.held_since_ms, "
      "version = excluded.version WHERE version = ?8");
  sql::Statement save_marks_ = database_.Prepare(
      "UPDATE show SET first_sold_at_ms = ?2, sold_out_at_ms = ?3 WHERE id = ?1 "
      "AND first_sold_at_ms = ?4 AND sold_out_at_ms = ?5 AND (?3 = ?5 OR capacity = (SELECT count(*) "
      "FROM seat WHERE show_id = ?1 AND (state IN (2, 3) OR (channel <> '' "
      "AND (channel_until_ms = 0 OR channel_until_ms > ?3) "
      "AND (state = 0 OR (state = 1 AND hold_expires_at_ms <= ?3))))))");
  sql::Statement owned_seats_ = database_.Prepare(
      "SELECT state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, version, price, channel, "
      "channel_until_ms, seat_no FROM seat WHERE show_id = ?1 AND seat_no > ?2 AND state IN (1, 2) ORDER BY "
      "seat_no LIMIT ?3");
  sql::Statement stored_seats_ = database_.Prepare(
      "SELECT state, version, CASE WHEN state = 1 THEN hold_expires_at_ms ELSE 0 END, channel, "
      "channel_until_ms, seat_no FROM seat WHERE show_id = ?1 AND seat_no > ?2 AND seat_no <= ?3 "
      "ORDER BY seat_no");
};

SeatRow ReadSeat(const sql::Statement& row, const SeatKey& key) {
  SeatRow seat;
  seat.key = key;
  seat.state = static_cast<SeatState>(row.Int(0));
  if (const auto id = ReservationId::FromBytes(row.Text(1))) seat.reservation = *id;
  seat.user_id = row.Text(2);
  seat.hold_expires_at = FromUnixMs(row.Int(3));
  seat.held_since = FromUnixMs(row.Int(4));
  seat.version = row.Int(5);
  seat.price = row.Int(6);
  seat.channel = row.Text(7);
  seat.channel_until = FromUnixMs(row.Int(8));
  return seat;
}

Result<SagaRow> SqliteStore::LoadSaga(SagaId id) {
  SagaRow saga;
  saga.id = id;
  load_saga_.Bind(id);
  BOXOFFICE_ASSIGN(const bool found, load_saga_.Step());
  if (!found) return saga;
  saga.undone = load_saga_.Int(0) != 0;
  if (const auto reservation = ReservationId::FromBytes(load_saga_.Text(1))) saga.reservation = *reservation;
  saga.show_id = load_saga_.Int(2);
  saga.choice = load_saga_.Text(3);
  saga.seats = DecodeSeats(load_saga_.Text(4));
  saga.version = load_saga_.Int(5);
  load_saga_.Reset();
  return saga;
}

Result<BuyerRow> SqliteStore::LoadBuyer(const BuyerKey& key) {
  BuyerRow buyer;
  buyer.key = key;
  load_buyer_.Bind(key.show_id, key.user_id);
  BOXOFFICE_ASSIGN(const bool found, load_buyer_.Step());
  if (!found) return buyer;
  buyer.seats = DecodeSeats(load_buyer_.Text(0));
  buyer.version = load_buyer_.Int(1);
  load_buyer_.Reset();
  return buyer;
}

Result<SeatRow> SqliteStore::LoadSeat(const SeatKey& key) {
  load_seat_.Bind(key.show_id, key.seat_no);
  BOXOFFICE_ASSIGN(const bool found, load_seat_.Step());
  if (!found) {
    SeatRow seat;
    seat.key = key;
    return seat;
  }
  SeatRow seat = ReadSeat(load_seat_, key);
  load_seat_.Reset();
  return seat;
}

Result<Rows> SqliteStore::Load(const Keys& keys) {
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  Rows rows;
  std::vector<SeatKey> listed;
  rows.sagas.reserve(keys.sagas.size());
  for (const SagaId id : keys.sagas) {
    BOXOFFICE_ASSIGN(SagaRow saga, LoadSaga(id));
    for (const SeatNo seat_no : saga.seats) listed.push_back({saga.show_id, seat_no});
    rows.sagas.push_back(std::move(saga));
  }
  rows.buyers.reserve(keys.buyers.size());
  for (const BuyerKey& key : keys.buyers) {
    BOXOFFICE_ASSIGN(BuyerRow buyer, LoadBuyer(key));
    for (const SeatNo seat_no : buyer.seats) listed.push_back({key.show_id, seat_no});
    rows.buyers.push_back(std::move(buyer));
  }
  listed.insert(listed.end(), keys.seats.begin(), keys.seats.end());
  SortUnique(listed);
  rows.seats.reserve(listed.size());
  for (const SeatKey& key : listed) {
    BOXOFFICE_ASSIGN(SeatRow seat, LoadSeat(key));
    rows.seats.push_back(std::move(seat));
  }
  for (const int64_t id : keys.shows) {
    load_show_.Bind(id);
    BOXOFFICE_ASSIGN(const bool found, load_show_.Step());
    if (found) rows.show_rows.push_back(ShowRowAt(load_show_));
    load_show_.Reset();
  }
  return rows;
}

Result<Saved> SqliteStore::Save(const Changes& changes) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  Saved saved;
  for (const SagaRow& row : changes.sagas) {
    BOXOFFICE_ASSIGN(const bool done, SaveSaga(row));
    if (!done) saved.moved_sagas.push_back(row.id);
  }
  for (const BuyerRow& row : changes.buyers) {
    BOXOFFICE_ASSIGN(const bool done, SaveBuyer(row));
    if (!done) saved.moved_buyers.push_back(row.key);
  }
  for (const SeatRow& row : changes.seats) {
    BOXOFFICE_ASSIGN(const bool done, SaveSeat(row));
    if (!done) saved.moved_seats.push_back(row.key);
  }
  for (const MarkedShow& show : changes.shows) {
    BOXOFFICE_ASSIGN(const bool done, SaveMarks(show));
    if (!done) saved.moved_shows.push_back(show.show_id);
  }
  if (!saved.done()) return saved;  // the transaction rolls back
  for (const BlockNote& note : changes.blocks) BOXOFFICE_TRY(SaveBlock(note));
  events_.clear();
  for (const Event& event : changes.events) events_.push_back(ToBusEvent(event, random_));
  BOXOFFICE_TRY(outbox_.Append(events_));
  BOXOFFICE_TRY(transaction.Commit());
  return saved;
}

Result<Forgotten> SqliteStore::ForgetTombstones(SagaId after, Timestamp before, size_t limit) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  Forgotten looked;
  std::vector<SagaId> tombstones;
  old_sagas_.Bind(after, FirstSagaAt(before), static_cast<int64_t>(limit));
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, old_sagas_.Step());
    if (!more) break;
    ++looked.looked_at;
    looked.last = SagaId::FromBytes(old_sagas_.Text(0)).value_or(looked.last);
    if (old_sagas_.Int(1) != 0) tombstones.push_back(looked.last);
  }
  if (tombstones.empty()) return looked;
  for (const SagaId& id : tombstones) BOXOFFICE_TRY(forget_saga_.Bind(id).Run());
  BOXOFFICE_TRY(transaction.Commit());
  looked.forgotten = tombstones.size();
  return looked;
}

Result<bool> SqliteStore::Stays(sql::Statement& statement) {
  BOXOFFICE_TRY(statement.Run());
  return database_.changes() == 1;
}

Result<bool> SqliteStore::SaveSaga(const SagaRow& row) {
  const std::string seats = EncodeSeats(row.seats);
  save_saga_
      .Bind(row.id, row.undone ? 1 : 0, row.reservation, row.show_id, row.choice, std::nullopt, row.version)
      .BindBlob(6, seats);
  return Stays(save_saga_);
}

Result<bool> SqliteStore::SaveBuyer(const BuyerRow& row) {
  const std::string seats = EncodeSeats(row.seats);
  save_buyer_.Bind(row.key.show_id, row.key.user_id, std::nullopt, row.version).BindBlob(3, seats);
  return Stays(save_buyer_);
}

Result<bool> SqliteStore::SaveSeat(const SeatRow& row) {
  const bool owned = row.IsOwned();
  save_seat_.Bind(row.key.show_id, row.key.seat_no, row.state, std::nullopt,
                  owned ? std::optional<std::string_view>(row.user_id) : std::nullopt,
                  ToUnixMs(row.hold_expires_at), ToUnixMs(row.held_since), row.version, row.price,
                  row.channel, ToUnixMs(row.channel_until));
  if (owned) save_seat_.BindBlob(4, row.reservation.bytes());
  return Stays(save_seat_);
}

Result<bool> SqliteStore::SaveMarks(const MarkedShow& show) {
  save_marks_.Bind(show.show_id, Ms(show.marks.first_sold_at), Ms(show.marks.sold_out_at),
                   Ms(show.before.first_sold_at), Ms(show.before.sold_out_at));
  return Stays(save_marks_);
}

Result<void> SqliteStore::SaveBlock(const BlockNote& note) {
  sql::Statement insert = database_.Prepare(
      "INSERT INTO block(show_id, seats, gives_back, reason, operator_id, at_ms, about_channel, channel) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  const std::string seats = EncodeSeats(note.seats);
  insert
      .Bind(note.show_id, std::nullopt, note.release ? 1 : 0, note.reason, note.operator_id,
            ToUnixMs(note.at), note.about_channel ? 1 : 0, note.channel)
      .BindBlob(2, seats);
  return insert.Run();
}

Result<std::vector<BlockNote>> SqliteStore::LoadBlocks(int64_t show_id, int64_t before_id, size_t limit) {
  sql::Statement select = database_.Prepare(
      "SELECT id, seats, gives_back, reason, operator_id, at_ms, about_channel, channel FROM block "
      "WHERE show_id = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3");
  select.Bind(show_id, before_id, limit);
  std::vector<BlockNote> notes;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, select.Step());
    if (!more) return notes;
    notes.push_back({show_id, DecodeSeats(select.Text(1)), select.Int(2) != 0, std::string(select.Text(3)),
                     std::string(select.Text(4)), FromUnixMs(select.Int(5)), select.Int(0),
                     select.Int(6) != 0, std::string(select.Text(7))});
  }
}

Result<bool> SqliteStore::SavePrices(int64_t show_id, const Layout& layout,
                                     std::span<const PriceNote> notes) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  sql::Statement count =
      database_.Prepare("UPDATE show SET layout_version = ?2 WHERE id = ?1 AND layout_version = ?2 - 1");
  count.Bind(show_id, static_cast<int64_t>(layout.version));
  BOXOFFICE_ASSIGN(const bool stays, Stays(count));
  if (!stays) return false;
  const std::string prices = EncodePrices(layout);
  sql::Statement place = database_.Prepare("UPDATE layout SET prices = ?2 WHERE show_id = ?1");
  place.Bind(show_id).BindBlob(2, prices);
  BOXOFFICE_TRY(place.Run());
  for (const PriceNote& note : notes) BOXOFFICE_TRY(SavePriceNote(note));
  BOXOFFICE_TRY(transaction.Commit());
  return true;
}

Result<void> SqliteStore::SavePriceNote(const PriceNote& note) {
  sql::Statement insert = database_.Prepare(
      "INSERT INTO price_change(show_id, layout_version, category, seats, price, reason, operator_id, at_ms) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  const std::string seats = EncodeSeats(note.seats);
  insert
      .Bind(note.show_id, static_cast<int64_t>(note.layout_version), note.category, std::nullopt, note.price,
            note.reason, note.operator_id, ToUnixMs(note.at))
      .BindBlob(4, seats);
  return insert.Run();
}

Result<std::vector<PriceNote>> SqliteStore::LoadPriceNotes(int64_t show_id, int64_t before_id, size_t limit) {
  sql::Statement select = database_.Prepare(
      "SELECT id, layout_version, category, seats, price, reason, operator_id, at_ms FROM price_change "
      "WHERE show_id = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3");
  select.Bind(show_id, before_id, limit);
  std::vector<PriceNote> notes;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, select.Step());
    if (!more) return notes;
    notes.push_back({show_id, static_cast<uint64_t>(select.Int(1)), std::string(select.Text(2)),
                     DecodeSeats(select.Text(3)), select.Int(4), std::string(select.Text(5)),
                     std::string(select.Text(6)), FromUnixMs(select.Int(7)), select.Int(0)});
  }
}

Result<Layout> SqliteStore::LoadLayout(int64_t show_id) {
  sql::Statement load = database_.Prepare("SELECT body, prices, access FROM layout WHERE show_id = ?1");
  load.Bind(show_id);
  BOXOFFICE_ASSIGN(const bool found, load.Step());
  if (!found) return Fail(Code::kInternal, "layout_corrupt", "a show has no layout");
  return LayoutAt(load, 0);
}

Result<std::vector<Concert>> SqliteStore::LoadConcerts() {
  sql::Statement select = database_.Prepare("SELECT id, title, artist, venue FROM concert ORDER BY id");
  std::vector<Concert> concerts;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, select.Step());
    if (!more) return concerts;
    concerts.push_back(ConcertAt(select));
  }
}

Result<std::optional<StoredShow>> SqliteStore::LoadShowAfter(int64_t id) {
  BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(database_));
  sql::Statement row = database_.Prepare(
      "SELECT id, concert_id, starts_at_ms, currency, on_sale_at_ms, sale_ends_at_ms, seat_limit, "
      "hold_ttl_ms, cancel_deadline_ms, first_sold_at_ms, sold_out_at_ms, highest_seat_limit, phase, "
      "orphan_rule, ranks_by_stage, stage_x_milli, stage_y_milli, cancel_fee_per_seat, cancel_fee_percent, "
      "grace_ms, waitlist_first, layout_version, never_published FROM show "
      "WHERE id > ?1 ORDER BY id LIMIT 1");
  row.Bind(id);
  BOXOFFICE_ASSIGN(const bool found, row.Step());
  if (!found) return std::nullopt;
  StoredShow stored = ShowAt(row);
  BOXOFFICE_ASSIGN(Layout layout, LoadLayout(stored.show.id));
  PutLayout(row, std::move(layout), stored.show);
  return stored;
}

Result<std::vector<SeatRow>> SqliteStore::OwnedSeats(int64_t show_id, SeatNo after, size_t limit) {
  std::vector<SeatRow> rows;
  owned_seats_.Bind(show_id, after, limit);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, owned_seats_.Step());
    if (!more) return rows;
    rows.push_back(ReadSeat(owned_seats_, {show_id, static_cast<SeatNo>(owned_seats_.Int(9))}));
  }
}

// A seat joins the one before it if they are alike: there are few others between those that were sold.
Result<std::vector<SeatGroup>> SqliteStore::StoredSeats(int64_t show_id, SeatNo after, SeatNo up_to) {
  std::vector<SeatGroup> groups;
  stored_seats_.Bind(show_id, after, up_to);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, stored_seats_.Step());
    if (!more) return groups;
    SeatRow row = MappedSeatAt(show_id, stored_seats_);
    if (groups.empty() || groups.back().row != row) groups.push_back({std::move(row), {}});
    groups.back().seats.push_back(static_cast<SeatNo>(stored_seats_.Int(5)));
  }
}

Result<std::vector<CountedShow>> SqliteStore::CountSeats(int64_t show_id, Timestamp now) {
  sql::Statement count = database_.Prepare(
      "SELECT show.id, capacity, coalesce(sum(state = 1 AND hold_expires_at_ms > ?2), 0), "
      "coalesce(sum(state = 2), 0), coalesce(sum(state = 3), 0), coalesce(sum(channel <> '' AND "
      "(channel_until_ms = 0 OR channel_until_ms > ?2) AND (state = 0 OR (state = 1 AND hold_expires_at_ms "
      "<= "
      "?2))), 0) FROM show LEFT JOIN seat ON seat.show_id = show.id "
      "WHERE ?1 = 0 OR show.id = ?1 GROUP BY show.id ORDER BY show.id");
  count.Bind(show_id, ToUnixMs(now));
  std::vector<CountedShow> shows;
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, count.Step());
    if (!more) return shows;
    const auto held = static_cast<uint32_t>(count.Int(2));
    const auto sold = static_cast<uint32_t>(count.Int(3));
    const auto kept = static_cast<uint32_t>(count.Int(5));
    const uint32_t blocked = static_cast<uint32_t>(count.Int(4)) + kept;
    const uint32_t free = static_cast<uint32_t>(count.Int(1)) - held - sold - blocked;
    shows.push_back({count.Int(0), {free, held, sold, blocked, kept}});
  }
}

Result<std::optional<Operation>> SqliteStore::FindOperation(const std::string& key) {
  sql::Statement find =
      database_.Prepare("SELECT fingerprint, result_id FROM operation WHERE operation_key = ?1");
  find.Bind(key);
  BOXOFFICE_ASSIGN(const bool found, find.Step());
  if (!found) return std::nullopt;
  return Operation{key, std::string(find.Text(0)), find.Int(1)};
}

Result<void> SqliteStore::RecordOperation(const Operation& operation, int64_t result_id) {
  sql::Statement insert =
      database_.Prepare("INSERT INTO operation(operation_key, fingerprint, result_id) VALUES(?1, ?2, ?3)");
  insert.Bind(operation.key, std::nullopt, result_id).BindBlob(2, operation.fingerprint);
  return insert.Run();
}

Result<int64_t> SqliteStore::CreateConcert(const Operation& operation, const Concert& concert) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  sql::Statement insert = database_.Prepare("INSERT INTO concert(title, artist, venue) VALUES(?1, ?2, ?3)");
  insert.Bind(concert.title, concert.artist, concert.venue);
  BOXOFFICE_TRY(insert.Run());
  const int64_t id = database_.last_insert_rowid();
  BOXOFFICE_TRY(RecordOperation(operation, id));
  BOXOFFICE_TRY(transaction.Commit());
  return id;
}

Result<bool> SqliteStore::UpdateConcert(const Concert& before, const Concert& after) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  sql::Statement update = database_.Prepare(
      "UPDATE concert SET title = ?2, artist = ?3, venue = ?4 WHERE id = ?1 AND title = ?5 AND artist = ?6 "
      "AND venue = ?7");
  update.Bind(after.id, after.title, after.artist, after.venue, before.title, before.artist, before.venue);
  BOXOFFICE_ASSIGN(const bool stays, Stays(update));
  if (!stays) return false;
  BOXOFFICE_TRY(transaction.Commit());
  return true;
}

Result<int64_t> SqliteStore::CreateShow(const Operation& operation, const Show& show) {
  const std::string body = EncodeLayout(*show.layout);
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  sql::Statement insert = database_.Prepare(
      "INSERT INTO show(concert_id, starts_at_ms, currency, on_sale_at_ms, sale_ends_at_ms, seat_limit, "
      "hold_ttl_ms, cancel_deadline_ms, capacity, highest_seat_limit, phase, orphan_rule, ranks_by_stage, "
      "stage_x_milli, stage_y_milli, cancel_fee_per_seat, cancel_fee_percent, grace_ms, waitlist_first) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)");
  const StoredStage stage = StageToStore(show.layout->stage);
  insert.Bind(show.concert_id, ToUnixMs(show.starts_at), show.currency.code(),
              ToUnixMs(show.terms.on_sale_at), ToUnixMs(show.terms.sale_ends_at), show.terms.seat_limit,
              show.terms.hold_ttl.count(), Ms(show.terms.cancel_deadline), show.layout->capacity(),
              show.terms.highest_seat_limit, show.terms.phase, show.terms.orphan_rule ? 1 : 0, stage.ranks,
              stage.x_milli, stage.y_milli, show.terms.cancel_fee_per_seat, show.terms.cancel_fee_percent,
              show.terms.grace.count(), show.terms.waitlist_first ? 1 : 0);
  BOXOFFICE_TRY(insert.Run());
  const int64_t id = database_.last_insert_rowid();
  sql::Statement layout = database_.Prepare("INSERT INTO layout(show_id, body, access) VALUES(?1, ?2, ?3)");
  const std::string access = EncodeAccess(*show.layout);
  layout.Bind(id).BindBlob(2, body);
  layout.BindBlob(3, access);
  BOXOFFICE_TRY(layout.Run());
  BOXOFFICE_TRY(RecordOperation(operation, id));
  BOXOFFICE_TRY(transaction.Commit());
  return id;
}

Result<bool> SqliteStore::UpdateTerms(int64_t show_id, const ShowTerms& before, const ShowTerms& after) {
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
  sql::Statement update = database_.Prepare(
      "UPDATE show SET on_sale_at_ms = ?2, sale_ends_at_ms = ?3, seat_limit = ?4, hold_ttl_ms = ?5, "
      "cancel_deadline_ms = ?6, highest_seat_limit = max(highest_seat_limit, ?7), phase = ?8, orphan_rule = "
      "?9, cancel_fee_per_seat = ?10, cancel_fee_percent = ?11, grace_ms = ?12, waitlist_first = ?13, "
      "never_published = ?25 "
      "WHERE id = ?1 AND on_sale_at_ms = ?14 AND sale_ends_at_ms = ?15 AND seat_limit = ?16 AND "
      "hold_ttl_ms = ?17 AND cancel_deadline_ms = ?18 AND phase = ?19 AND orphan_rule = ?20 AND "
      "cancel_fee_per_seat = ?21 AND cancel_fee_percent = ?22 AND grace_ms = ?23 AND waitlist_first = ?24");
  update.Bind(show_id, ToUnixMs(after.on_sale_at), ToUnixMs(after.sale_ends_at), after.seat_limit,
              after.hold_ttl.count(), Ms(after.cancel_deadline), after.highest_seat_limit, after.phase,
              after.orphan_rule ? 1 : 0, after.cancel_fee_per_seat, after.cancel_fee_percent,
              after.grace.count(), after.waitlist_first ? 1 : 0, ToUnixMs(before.on_sale_at),
              ToUnixMs(before.sale_ends_at), before.seat_limit, before.hold_ttl.count(),
              Ms(before.cancel_deadline), before.phase, before.orphan_rule ? 1 : 0,
              before.cancel_fee_per_seat, before.cancel_fee_percent, before.grace.count(),
              before.waitlist_first ? 1 : 0, after.never_published ? 1 : 0);
  BOXOFFICE_ASSIGN(const bool stays, Stays(update));
  if (!stays) return false;
  BOXOFFICE_TRY(transaction.Commit());
  return true;
}

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file, Random& random) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  BOXOFFICE_TRY(database.Migrate(sql::seat_sqlite_schema()));
  return std::make_unique<SqliteStore>(std::move(database), random);
}

}  // namespace boxoffice::seat
