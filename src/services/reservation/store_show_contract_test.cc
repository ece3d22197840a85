// What every store of work on whole shows must do; runs over all of them.
#include <array>

#include <gmock/gmock.h>

#include "services/reservation/store_postgres.h"
#include "services/reservation/store_show_postgres.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr WorkKey kCancels{7, WorkKind::kCancellation};
constexpr WorkKey kWaits{7, WorkKind::kWaitlist};

struct Opened {
  std::unique_ptr<sql::pg::ServerClock> clock;
  std::unique_ptr<Store> reservations;
  std::unique_ptr<ShowStore> store;
  std::unique_ptr<ShowReader> reader;
};
using Open = Opened (*)(const std::filesystem::path& dir, Random& random);

Opened OpenSqlite(const std::filesystem::path& dir, Random& random) {
  const auto file = dir / "reservation.db";
  auto reservations = SqliteStore::Open(file, random).value();
  return {nullptr, std::move(reservations), SqliteShowStore::Open(file).value(),
          SqliteShowReader::Open(file).value()};
}
Opened OpenPostgresql(const std::filesystem::path&, Random& random) {
  const sql::pg::Config config{.url = testbed::PostgresServer::Shared().NewDatabase()};
  auto stores = OpenPostgres(config, random);
  CHECK(stores.has_value(), "{}", stores.error().detail);
  auto shows = OpenPostgresShows(config);
  CHECK(shows.has_value(), "{}", shows.error().detail);
  return {std::move(stores->clock), std::move(stores->store), std::move(shows->store),
          std::move(shows->reader)};
}

class ShowStoreContract : public ::testing::TestWithParam<Open> {
 protected:
  void SetUp() override {
    if (GetParam() == &OpenPostgresql) BOXOFFICE_NEED_POSTGRES();
    opened_ = GetParam()(dir_.path(), random_);
  }
  ShowStore& store() { return *opened_.store; }
  ShowReader& reader() { return *opened_.reader; }

  static ShowWork Work(const WorkKey& key, uint64_t version = 1) {
    ShowWork work;
    work.key = key;
    work.version = version;
    work.epoch = 3;
    work.owner = "me";
    work.tries = 2;
    work.due_at = kNow;
    work.places = 5;
    if (key.kind == WorkKind::kCancellation) {
      work.cancellation = {CancellationState::kDone,
                           "storm",
                           "root",
                           kNow,
                           kNow + milliseconds(1),
                           kNow + milliseconds(5),
                           {3, 2, 0, 1, {{"EUR", 5}, {"KRW", 7}}},
                           "why"};
    }
    return work;
  }
  WaitlistEntry Entry(uint64_t place, std::string user, EntryState state = EntryState::kWaiting) {
    WaitlistEntry entry;
    entry.show_id = 7;
    entry.place = place;
    entry.user_id = std::move(user);
    entry.wish.best_count = 2;
    entry.wish.section = "Floor";
    entry.wish.category = "A";
    entry.wish.max_price = 900;
    entry.state = state;
    entry.reservation = ReservationId::Make(kNow, random_);
    entry.offered_until = kNow + milliseconds(9);
    entry.ended_because = "left";
    entry.joined_at = kNow;
    entry.updated_at = kNow + milliseconds(1);
    entry.version = 1;
    return entry;
  }
  bool Insert(std::vector<ShowWork> works, std::vector<WaitlistEntry> entries = {}) {
    ShowChanges changes;
    for (auto& work : works) changes.works.push_back({std::move(work), 0});
    for (auto& entry : entries) changes.entries.push_back({std::move(entry), 0});
    return store().Save(changes).value();
  }
  std::vector<uint64_t> Places(const WaitlistQuery& query) {
    std::vector<uint64_t> places;
    const auto page = reader().List(query).value();
    for (const auto& entry : page.entries) places.push_back(entry.place);
    return places;
  }

  testbed::TempDir dir_;
  SeededRandom random_{1};
  Opened opened_;
};

TEST_P(ShowStoreContract, RowsComeBackAsTheyWereSaved) {
  const WaitlistEntry entry = Entry(5, "mina");
  ASSERT_TRUE(Insert({Work(kCancels), Work(kWaits)}, {entry}));
  ShowKeys keys;
  keys.works = {kCancels, kWaits, {8, WorkKind::kWaitlist}};
  keys.entries = {{7, 5}, {7, 6}};
  const ShowRows rows = store().Load(keys, kNow).value();
  EXPECT_THAT(rows.works, ElementsAre(std::pair(kCancels, Work(kCancels)), std::pair(kWaits, Work(kWaits))));
  EXPECT_THAT(rows.entries, ElementsAre(std::pair(EntryKey(7, 5), entry)));
  EXPECT_EQ(reader().Work(kCancels).value(), Work(kCancels));
  EXPECT_EQ(reader().Work({8, WorkKind::kCancellation}).value(), std::nullopt);
}

TEST_P(ShowStoreContract, WhereOneRowHasMovedNothingIsWritten) {
  ASSERT_TRUE(Insert({Work(kWaits)}, {Entry(1, "mina")}));
  ShowChanges changes;
  changes.works = {{Work(kWaits, 2), 1}};
  changes.entries = {{Entry(1, "mina", EntryState::kLeft), 9}};
  EXPECT_FALSE(store().Save(changes).value()) << "the entry is not at version 9";
  EXPECT_EQ(reader().Work(kWaits).value()->version, 1) << "and so the work stays as it was";
  changes.entries[0].expected_version = 1;
  EXPECT_TRUE(store().Save(changes).value());
  EXPECT_EQ(reader().Work(kWaits).value()->version, 2);
  EXPECT_FALSE(Insert({}, {Entry(1, "jun")})) << "a place is given once";
  EXPECT_FALSE(Insert({Work(kWaits)}));
}

TEST_P(ShowStoreContract, WhatIsDueIsFoundOldestFirst) {
  ShowWork late = Work(kWaits);
  late.due_at = kNow - milliseconds(1);
  ShowWork idle = Work({8, WorkKind::kWaitlist});
  idle.due_at.reset();
  ShowWork later = Work({9, WorkKind::kWaitlist});
  later.due_at = kNow + milliseconds(1);
  ASSERT_TRUE(Insert({Work(kCancels), late, idle, later}));
  ShowKeys keys;
  keys.due_limit = 10;
  EXPECT_THAT(store().Load(keys, kNow).value().due, ElementsAre(kWaits, kCancels));
  keys.due_limit = 1;
  EXPECT_THAT(store().Load(keys, kNow).value().due, ElementsAre(kWaits));
  keys.due_limit = 0;
  EXPECT_THAT(store().Load(keys, kNow).value().due, IsEmpty());
}

TEST_P(ShowStoreContract, AMembersOpenEntryIsFound) {
  ASSERT_TRUE(Insert(
      {}, {Entry(1, "mina", EntryState::kLapsed), Entry(2, "jun"), Entry(3, "mina", EntryState::kOffered)}));
  ShowKeys keys;
  keys.members = {{7, "mina"}, {7, "nobody"}};
  const ShowRows rows = store().Load(keys, kNow).value();
  ASSERT_EQ(rows.entries.size(), 1);
  EXPECT_EQ(rows.entries.begin()->second.place, 3);
}

TEST_P(ShowStoreContract, WaitlistsAreReadByShowAndByUser) {
  WaitlistEntry elsewhere = Entry(1, "mina");
  elsewhere.show_id = 9;
  ASSERT_TRUE(
      Insert({}, {Entry(1, "mina", EntryState::kLapsed), Entry(2, "jun"), Entry(3, "mina"), elsewhere}));
  WaitlistQuery show;
  show.show_id = 7;
  EXPECT_THAT(Places(show), ElementsAre(1, 2, 3));
  show.open_only = true;
  EXPECT_THAT(Places(show), ElementsAre(2, 3));
  show.limit = 1;
  EXPECT_TRUE(reader().List(show).value().more);
  show.after_place = 2;
  EXPECT_THAT(Places(show), ElementsAre(3));
  EXPECT_FALSE(reader().List(show).value().more);
  WaitlistQuery mine;
  mine.user_id = "mina";
  EXPECT_THAT(Places(mine), ElementsAre(1, 3, 1)) << "the newest show first";
  mine.after_show_id = 9;
  mine.after_place = 1;
  EXPECT_THAT(Places(mine), ElementsAre(3, 1));
  mine.show_id = 7;
  mine.after_place = 0;
  EXPECT_THAT(Places(mine), ElementsAre(1, 3));
  EXPECT_EQ(reader().CountBefore(7, 3).value(), 1) << "only those who still wait";
  EXPECT_EQ(reader().CountBefore(7, 1).value(), 0);
}

TEST_P(ShowStoreContract, AShowsReservationsAreReadByState) {
  std::vector<ReservationId> ids;
  for (const State state : {State::kHeld, State::kConfirmed, State::kCancelled, State::kConfirmed}) {
    Change change;
    Reservation& reservation = change.reservation.Own();
    reservation.id = ReservationId::Make(kNow + milliseconds(ids.size()), random_);
    reservation.show_id = 7;
    reservation.state = state;
    reservation.version = 1;
    ids.push_back(reservation.id);
    ASSERT_THAT(opened_.reservations->Save(std::span(&change, 1)).value(), ElementsAre(true));
  }
  constexpr std::array kOpen = {State::kHeld, State::kConfirmed};
  const Page first = reader().OfShow(7, kOpen, ReservationId(), 2).value();
  ASSERT_EQ(first.reservations.size(), 2);
  EXPECT_EQ(first.reservations[0].id, ids[0]);
  EXPECT_EQ(first.reservations[1].id, ids[1]);
  EXPECT_TRUE(first.more);
  const Page second = reader().OfShow(7, kOpen, ids[1], 2).value();
  ASSERT_EQ(second.reservations.size(), 1);
  EXPECT_EQ(second.reservations[0].id, ids[3]);
  EXPECT_FALSE(second.more);
  EXPECT_TRUE(reader().OfShow(8, kOpen, ReservationId(), 2).value().reservations.empty());
}

INSTANTIATE_TEST_SUITE_P(Stores, ShowStoreContract, ::testing::Values(&OpenSqlite, &OpenPostgresql),
                         [](const auto& param) {
                           return param.param == &OpenSqlite ? "Sqlite" : "Postgres";
                         });

}  // namespace
}  // namespace boxoffice::reservation
