// Migrations of a store that has rows: what the first version sold is sold, at the prices of then.
#include <span>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/sql/migration.h"
#include "platform/sql/migrations_for_test.h"
#include "services/seat/store_layout.h"
#include "services/seat/store_postgres.h"
#include "services/seat/store_sqlite.h"
#include "services/seat/testing_hall.h"
#include "services/seat/testing_store.h"
#include "testing/postgres_server.h"

namespace boxoffice::sql {
std::span<const Migration> seat_sqlite_schema();
std::span<const Migration> seat_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return hex;
}

// Of the first version: show 1 of four seats, of which the first is sold to mina, by saga 1, and the second
// was given back. `uuid` and `bytes` are how these are written there.
template <typename Uuids, typename Bytes, typename Seats>
std::string RowsOfTheFirstVersion(Uuids uuid, Bytes bytes, Seats seats, bool postgres) {
  const std::string layout = EncodeLayout(*MakeHall({4}));
  std::string rows = "INSERT INTO concert(title, artist, venue) VALUES('Title', 'Artist', 'Venue');";
  rows += fmt::format(
      "INSERT INTO show(concert_id, starts_at_ms, currency, on_sale_at_ms, sale_ends_at_ms, seat_limit, "
      "hold_ttl_ms, cancel_deadline_ms, capacity, first_sold_at_ms{}) VALUES(1, 1800000000000, 'KRW', "
      "1700000000000, 1800000000000, 4, 300000, 0, 4, 1750000000000{});",
      postgres ? ", highest_seat_limit" : "", postgres ? ", 4" : "");
  rows += fmt::format("INSERT INTO layout(show_id, body) VALUES(1, {});", bytes(layout));
  rows += fmt::format(
      "INSERT INTO seat(show_id, seat_no, state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, "
      "version) VALUES(1, 1, 2, {}, 'mina', 1750000300000, 1750000000000, 2), (1, 2, 0, NULL, NULL, 0, 0, "
      "3);",
      uuid(NumberedUuid(2, 1)));
  rows += fmt::format(
      "INSERT INTO saga(saga_id, undone, reservation_id, show_id, choice, seats, version) VALUES({}, {}, {}, "
      "1, '', {}, 1);",
      uuid(NumberedUuid(0x5a, 1)), postgres ? "false" : "0", uuid(NumberedUuid(2, 1)), seats(1));
  rows +=
      fmt::format("INSERT INTO buyer(show_id, user_id, seats, version) VALUES(1, 'mina', {}, 1);", seats(1));
  rows += fmt::format("INSERT INTO operation(operation_key, fingerprint, result_id) VALUES('op', {}, 1);",
                      bytes("print"));
  return rows;
}

std::string SqliteRows() {
  const auto blob = [](std::string_view bytes) { return fmt::format("x'{}'", Hex(bytes)); };
  return RowsOfTheFirstVersion([&](const Uuid& id) { return blob(id.bytes()); }, blob,
                               [&](SeatNo one) { return blob(EncodeSeats({one})); }, /*postgres=*/false);
}
std::string PostgresRows() {
  return RowsOfTheFirstVersion([](const Uuid& id) { return fmt::format("'{}'", id.ToString()); },
                               [](std::string_view bytes) { return fmt::format(R"('\x{}')", Hex(bytes)); },
                               [](SeatNo one) { return fmt::format("'{{{}}}'", one); }, /*postgres=*/true);
}

// Whatever the store: it goes on where the first version has ended.
void ExpectGoesOn(Store& store) {
  const Catalogue catalogue = CatalogueOf(store);
  ASSERT_EQ(catalogue.shows.size(), 1);
  const Show& show = catalogue.shows[0].show;
  EXPECT_EQ(show.terms.seat_limit, 4);
  EXPECT_EQ(show.terms.highest_seat_limit, 4);
  EXPECT_EQ(show.terms.phase, ShowPhase::kPublished);
  EXPECT_EQ(show.terms.grace, milliseconds(0));
  EXPECT_FALSE(show.terms.orphan_rule || show.terms.waitlist_first || show.terms.never_published);
  EXPECT_EQ(show.layout->capacity(), 4);
  EXPECT_EQ(show.layout->version, 0);
  EXPECT_THAT(show.layout->accessible, IsEmpty());
  EXPECT_EQ(catalogue.shows[0].marks.first_sold_at, FromUnixMs(1'750'000'000'000));
  EXPECT_FALSE(catalogue.shows[0].marks.sold_out_at);

  Keys keys;
  keys.sagas = {SagaId(NumberedUuid(0x5a, 1))};
  keys.buyers = {{1, "mina"}};
  Rows rows = store.Load(keys).value();
  EXPECT_THAT(rows.sagas[0].seats, ElementsAre(1));
  EXPECT_THAT(rows.buyers[0].seats, ElementsAre(1));
  ASSERT_EQ(rows.seats.size(), 1);
  EXPECT_TRUE(rows.seats[0].BelongsTo(ReservationId(NumberedUuid(2, 1))));
  EXPECT_EQ(rows.seats[0].state, SeatState::kSold);
  EXPECT_EQ(PriceOf(rows.seats[0], *show.layout), 1000) << "that the show was made with";
  EXPECT_EQ(rows.seats[0].channel, "");
  const SeatCounts counts = store.CountSeats(1, FromUnixMs(1'760'000'000'000)).value()[0].counts;
  EXPECT_EQ(counts, (SeatCounts{3, 0, 1}));
  EXPECT_EQ(store.FindOperation("op").value()->fingerprint, "print");

  Changes changes;
  changes.seats = rows.seats;
  changes.seats[0].state = SeatState::kFree;
  changes.seats[0].reservation = {};
  changes.seats[0].user_id.clear();
  EXPECT_TRUE(store.Save(changes)->done()) << "on top of the version that it had";
}

TEST(SeatSchema, AFileOfEachVersionIsBroughtUpToDateWithItsRows) {
  SeededRandom random{1};
  sql::ForAFileOfEachVersion(sql::seat_sqlite_schema(), SqliteRows(),
                             [&](const auto& file) { ExpectGoesOn(*OpenSqliteStore(file, random).value()); });
}

TEST(SeatSchema, ADatabaseOfEachVersionIsBroughtUpToDateWithItsRows) {
  BOXOFFICE_NEED_POSTGRES();
  SeededRandom random{1};
  sql::ForADatabaseOfEachVersion("seat", sql::seat_postgres_schema(), PostgresRows(),
                                 [&](const auto& config) {
                                   auto opened = OpenPostgres(config, random);
                                   ASSERT_TRUE(opened.has_value()) << opened.error().detail;
                                   ExpectGoesOn(*opened->stores.commands);
                                 });
}

}  // namespace
}  // namespace boxoffice::seat
