// What every store of work on whole shows must do; runs over all of them.
#include <array>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/reservation/store_memory.h"
#include "services/reservation/store_postgres.h"
#include "services/reservation/store_show_memory.h"
#include "services/reservation/store_show_postgres.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_waitlist.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr WorkKey kCancels{7, WorkKind::kCancellation};
constexpr WorkKey kWaits{7, WorkKind::kWaitlist};

struct Opened {
  std::shared_ptr<MemoryShows> memory;
  std::unique_ptr<sql::pg::ServerClock> clock;
  std::unique_ptr<Store> reservations;
  std::unique_ptr<ShowStore> store;
  std::unique_ptr<ShowReader> reader;
  std::function<Result<void>(const std::string& sql)> execute;  // none: it is no database
};
using Open = Opened (*)(const std::filesystem::path& dir, Random& random);

Opened OpenMemory(const std::filesystem::path&, Random&) {
  auto rows = std::make_shared<MemoryShows>();
  auto reservations = std::make_unique<MemoryStore>();
  reservations->is_cancelled = [rows](int64_t show_id) { return rows->IsCancelled(show_id); };
  auto reader = std::make_unique<MemoryShowReader>(*rows, *reservations);
  return {
      rows,   nullptr, std::move(reservations), std::make_unique<MemoryShowStore>(*rows), std::move(reader),
      nullptr};
}
Opened OpenSqlite(const std::filesystem::path& dir, Random& random) {
  const auto file = dir / "reservation.db";
  auto reservations = SqliteStore::Open(file, random).value();
  const auto execute = [file](const std::string& sql) {
    return sql::Database::Open(file).value().Execute(sql);
  };
  return {nullptr,
          nullptr,
          std::move(reservations),
          SqliteShowStore::Open(file).value(),
          SqliteShowReader::Open(file).value(),
          execute};
}
Opened OpenPostgresql(const std::filesystem::path&, Random& random) {
  const sql::pg::Config config = sql::pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase());
  auto stores = OpenPostgres(config, random);
  CHECK(stores.has_value(), "{}", stores.error().detail);
  auto shows = OpenPostgresShows(config);
  CHECK(shows.has_value(), "{}", shows.error().detail);
  const auto execute = [config](const std::string& sql) {
    return sql::pg::Connection::Open(config).value()->Execute(sql);
  };
  return {nullptr,
          std::move(stores->clock),
          std::move(stores->store),
          std::move(shows->store),
          std::move(shows->reader),
          execute};
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
  // Of another user each.
  WaitlistEntry Waiting(uint64_t place, SeatChoice wish) {
    WaitlistEntry entry = Entry(place, fmt::format("user{}", place));
    entry.reservation = ReservationId();
    entry.wish = std::move(wish);
    return entry;
  }
  std::vector<uint64_t> PlacesOf(const WishQuery& query) {
    std::vector<uint64_t> places;
    const auto page = reader().ListByWish(query).value();
    for (const auto& entry : page.entries) places.push_back(entry.place);
    return places;
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

// Of those that a replica of the version before may write to.
class ShowDatabaseContract : public ShowStoreContract {};

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

TEST_P(ShowStoreContract, WhatIsDueOfAKindIsFoundOldestFirst) {
  ShowWork late = Work({10, WorkKind::kWaitlist});
  late.due_at = kNow - milliseconds(1);
  ShowWork idle = Work({8, WorkKind::kWaitlist});
  idle.due_at.reset();
  ShowWork later = Work({9, WorkKind::kWaitlist});
  later.due_at = kNow + milliseconds(1);
  ASSERT_TRUE(Insert({Work(kCancels), Work(kWaits), late, idle, later}));
  ShowKeys keys;
  const auto due = [&](uint32_t cancellations, uint32_t waitlists) {
    keys.due_limits = {{WorkKind::kCancellation, cancellations}, {WorkKind::kWaitlist, waitlists}};
    return store().Load(keys, kNow).value().due;
  };
  EXPECT_THAT(due(10, 10), ElementsAre(kCancels, late.key, kWaits));
  EXPECT_THAT(due(0, 10), ElementsAre(late.key, kWaits)) << "of each kind as many as it may have";
  EXPECT_THAT(due(10, 1), ElementsAre(kCancels, late.key));
  EXPECT_THAT(due(0, 0), IsEmpty());
  keys.due_limits.clear();
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
  show.which = Places::kOpen;
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

TEST_P(ShowStoreContract, WhoIsBeforeAPlaceIsCountedToAThousand) {
  std::vector<WaitlistEntry> entries;
  for (uint64_t place = 1; place <= kMaxBefore + 2; ++place) entries.push_back(Waiting(place, Wish(1)));
  ASSERT_TRUE(Insert({}, std::move(entries)));
  EXPECT_EQ(reader().CountBefore(7, kMaxBefore).value(), kMaxBefore - 1);
  EXPECT_EQ(reader().CountBefore(7, kMaxBefore + 2).value(), kMaxBefore) << "or more";
}

TEST_P(ShowStoreContract, EachWishIsToldOnceAtTheHighestPriceOfThoseWhoWait) {
  WaitlistEntry sought = Waiting(7, Wish(8, "", "", 0));
  sought.reservation = ReservationId::Make(kNow, random_);
  WaitlistEntry left = Waiting(8, Wish(7, "", "", 0));
  left.state = EntryState::kLeft;
  WaitlistEntry elsewhere = Waiting(1, Wish(6, "", "", 0));
  elsewhere.show_id = 9;
  ASSERT_TRUE(Insert({}, {Waiting(1, Wish(2, "", "A", 500)), Waiting(2, Wish(2, "", "A", 900)),
                          Waiting(3, Wish(2, "", "A", 700)), Waiting(4, Wish(2, "", "B", 500)),
                          Waiting(5, Wish(2, "", "B", 0)), Waiting(6, Wish(1, "Floor", "A", 500)), sought,
                          left, elsewhere}));
  EXPECT_THAT(reader().Wishes(7, 10).value(),
              UnorderedElementsAre(Wish(2, "", "A", 900), Wish(2, "", "B", 0), Wish(1, "Floor", "A", 500)));
  EXPECT_EQ(reader().Wishes(7, 1).value().size(), 1);
  EXPECT_THAT(reader().Wishes(8, 10).value(), IsEmpty());
}

TEST_P(ShowStoreContract, WhoWaitsIsFoundByWishInTheOrderOfPlaces) {
  const SeatChoice other = Wish(4, "", "A", 0);
  WaitlistEntry sought = Waiting(9, Wish(1, "", "B", 0));
  sought.reservation = ReservationId::Make(kNow, random_);
  ASSERT_TRUE(Insert(
      {}, {Waiting(1, other), Waiting(2, other), Waiting(3, Wish(1, "", "B", 99)), Waiting(4, other),
           Waiting(5, Wish(1, "", "B", 0)), Waiting(6, Wish(1, "", "B", 100)), Waiting(7, Wish(2, "", "", 0)),
           Waiting(8, Wish(1, "", "B", 300)), sought, Waiting(10, Wish(1, "Floor", "B", 0))}));
  WishQuery query;
  query.show_id = 7;
  EXPECT_THAT(PlacesOf(query), IsEmpty()) << "no wish is asked for";
  query.wishes = {Wish(1, "", "B", 100)};
  EXPECT_THAT(PlacesOf(query), ElementsAre(5, 6, 8)) << "who pays 100 or more, and has no offer";
  query.wishes.push_back(Wish(2, "", "", 100));
  EXPECT_THAT(PlacesOf(query), ElementsAre(5, 6, 7, 8)) << "whichever wish";
  query.limit = 2;
  EXPECT_THAT(PlacesOf(query), ElementsAre(5, 6));
  EXPECT_TRUE(reader().ListByWish(query).value().more);
  query.after_place = 6;
  EXPECT_THAT(PlacesOf(query), ElementsAre(7, 8));
  EXPECT_FALSE(reader().ListByWish(query).value().more);
  EXPECT_EQ(reader().ListByWish(query).value().entries[0], Waiting(7, Wish(2, "", "", 0)));
}

TEST_P(ShowStoreContract, WhoHasAnOfferOrIsJustMadeOneIsListedByItself) {
  ASSERT_TRUE(Insert({}, {Waiting(1, Wish(1, "", "", 0)), Entry(2, "sought for"),
                          Entry(3, "offered", EntryState::kOffered), Entry(4, "left", EntryState::kLeft)}));
  WaitlistQuery offers;
  offers.show_id = 7;
  offers.which = Places::kOffered;
  EXPECT_THAT(Places(offers), ElementsAre(2, 3));
  ShowChanges changes;
  changes.entries = {{Waiting(2, Wish(1, "", "", 0)), 1}};
  changes.entries[0].row.user_id = "sought for";
  changes.entries[0].row.version = 2;
  ASSERT_TRUE(store().Save(changes).value());
  EXPECT_THAT(Places(offers), ElementsAre(3)) << "it got none, and waits again";
  EXPECT_EQ(reader().Wishes(7, 10).value().size(), 1);
}

TEST_P(ShowDatabaseContract, WhatTheVersionBeforeWroteIsToldUntilItIsWrittenAgain) {
  ASSERT_TRUE(Insert({}, {Waiting(1, Wish(1, "", "A", 0)), Waiting(2, Wish(1, "", "B", 0)),
                          Waiting(3, Wish(1, "", "C", 0)), Entry(4, "left", EntryState::kLeft)}));
  WaitlistQuery query;
  query.show_id = 7;
  query.which = Places::kUnindexed;
  EXPECT_THAT(Places(query), IsEmpty());
  // As that version knows the table: a place that was given before the columns were there, and a change.
  ASSERT_TRUE(opened_.execute(
      "UPDATE waitlist SET indexed_version = 0, seats = 0, category = '', max_price = 0 WHERE place = 1"));
  ASSERT_TRUE(opened_.execute("UPDATE waitlist SET version = version + 1 WHERE place IN (3, 4)"));
  EXPECT_THAT(Places(query), ElementsAre(1, 3)) << "who has left is of no use to a look";
  EXPECT_THAT(reader().Wishes(7, 10).value(), ElementsAre(Wish(1, "", "B", 0)));
  ShowChanges changes;
  changes.entries = {{Waiting(1, Wish(1, "", "A", 0)), 1}, {Waiting(3, Wish(1, "", "C", 0)), 2}};
  changes.entries[0].row.version = 2;
  changes.entries[1].row.version = 3;
  ASSERT_TRUE(store().Save(changes).value());
  EXPECT_THAT(Places(query), IsEmpty());
  EXPECT_THAT(reader().Wishes(7, 10).value(),
              UnorderedElementsAre(Wish(1, "", "A", 0), Wish(1, "", "B", 0), Wish(1, "", "C", 0)));
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

TEST_P(ShowStoreContract, TheFeeOfAShowThatIsCancelledIsNotSaved) {
  std::vector<Change> cancels(2);
  for (Change& change : cancels) {
    Reservation& reservation = change.reservation.Own();
    reservation.id = ReservationId::Make(kNow, random_);
    reservation.show_id = 7;
    reservation.version = 1;
    reservation.saga.epoch = 1;
    ASSERT_THAT(opened_.reservations->Save(std::span(&change, 1)).value(), ElementsAre(true));
    reservation.version = 2;
    change.expected_version = change.expected_epoch = 1;
    change.request = RequestRecord{.key = {"mina", reservation.id.ToString()},
                                   .reservation_id = reservation.id,
                                   .saga_id = SagaId::Make(kNow, random_)};
  }
  cancels[0].takes_fee = true;
  Keys keys;
  keys.fee_shows = {6, 7};
  const auto cancelled = [&] { return opened_.reservations->Load(keys, kNow)->cancelled_shows; };
  EXPECT_THAT(cancelled(), IsEmpty());
  ASSERT_TRUE(Insert({Work(kCancels), Work({6, WorkKind::kWaitlist})}));
  EXPECT_THAT(cancelled(), ElementsAre(7));
  EXPECT_THAT(opened_.reservations->Save(cancels).value(), ElementsAre(false, true));
  ShowChanges refused;
  refused.works = {{Work(kCancels, 2), 1}};
  refused.works[0].row.cancellation.state = CancellationState::kRefused;
  ASSERT_TRUE(store().Save(refused).value());
  EXPECT_THAT(cancelled(), IsEmpty());
  EXPECT_THAT(opened_.reservations->Save(std::span(cancels).first(1)).value(), ElementsAre(true));
}

std::string NameOf(const ::testing::TestParamInfo<Open>& param) {
  if (param.param == &OpenMemory) return "Memory";
  return param.param == &OpenSqlite ? "Sqlite" : "Postgres";
}
INSTANTIATE_TEST_SUITE_P(Stores, ShowStoreContract,
                         ::testing::Values(&OpenMemory, &OpenSqlite, &OpenPostgresql), NameOf);
INSTANTIATE_TEST_SUITE_P(Stores, ShowDatabaseContract, ::testing::Values(&OpenSqlite, &OpenPostgresql),
                         NameOf);

}  // namespace
}  // namespace boxoffice::reservation
