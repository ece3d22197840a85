// What every store of the seat service must do; one suite over each of them.
#include <memory>
#include <string>

#include "platform/sql/postgres_for_test.h"
#include "platform/sql/sqlite.h"
#include "services/seat/store_for_test.h"
#include "services/seat/store_postgres.h"
#include "services/seat/store_sqlite.h"
#include "testing/temp_dir.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class SqliteDatabase final : public Database {
 public:
  std::unique_ptr<Store> Open() override {
    auto store = OpenSqliteStore(dir_.path() / "seat.db", random_);
    CHECK(store.has_value(), "{}", store.error().detail);
    return *std::move(store);
  }
  int64_t CountEvents() override {
    auto database = sql::Database::Open(dir_.path() / "seat.db");
    CHECK(database.has_value());
    auto count = database->Prepare("SELECT coalesce(sum(events), 0) FROM outbox_batch");
    CHECK(count.Step().value_or(false));
    const int64_t events = count.Int(0);
    count.Reset();
    return events;
  }

 private:
  testbed::TempDir dir_;
  SeededRandom random_{1};
};

class PostgresDatabase final : public Database {
 public:
  std::unique_ptr<Store> Open() override {
    auto opened = OpenPostgres(sql::pg::PatientConfig(url_), random_);
    CHECK(opened.has_value(), "{}", opened.error().detail);
    clocks_.push_back(std::move(opened->clock));
    return std::move(opened->stores.commands);
  }
  int64_t CountEvents() override {
    const auto connection = sql::pg::Connection::Open(sql::pg::PatientConfig(url_)).value();
    sql::pg::Batch batch;
    batch.Add("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch");
    return connection->Read(batch).value()[0][0].Int(0);
  }

 private:
  const std::string url_ = testbed::PostgresServer::Shared().NewDatabase();
  SeededRandom random_{1};
  std::vector<std::unique_ptr<sql::pg::ServerClock>> clocks_;  // of the stores
};

TEST_P(StoreContractTest, WhatIsNotStoredIsLoadedAsANewRow) {
  const Rows rows = Load({{Saga(1)}, {{1, "ann"}}, {{1, 1}, {1, 2}}});
  ASSERT_THAT(rows.sagas, SizeIs(1));
  EXPECT_EQ(rows.sagas[0].id, Saga(1));
  EXPECT_EQ(rows.sagas[0].version, 0);
  ASSERT_THAT(rows.buyers, SizeIs(1));
  EXPECT_EQ(rows.buyers[0].key.user_id, "ann");
  ASSERT_THAT(rows.seats, SizeIs(2));
  EXPECT_EQ(rows.seats[1].key, (SeatKey{1, 2}));
  EXPECT_EQ(rows.seats[1].state, SeatState::kFree);
}

TEST_P(StoreContractTest, WhatWasSavedIsLoadedWithTheNextVersion) {
  Changes changes;
  changes.sagas = {{Saga(1), false, Reservation(1), 1, "2//", {1, 2}, 0}};
  changes.buyers = {{{1, "ann"}, {1, 2}, 0}};
  changes.seats = {Held(1)};
  EXPECT_TRUE(Save(changes).done());
  const Rows rows = Load({{Saga(1)}, {{1, "ann"}}, {{1, 1}}});
  changes.sagas[0].version = changes.buyers[0].version = changes.seats[0].version = 1;
  EXPECT_EQ(rows.sagas[0], changes.sagas[0]);
  EXPECT_EQ(rows.buyers[0], changes.buyers[0]);
  EXPECT_EQ(rows.seats[0], changes.seats[0]);
}

TEST_P(StoreContractTest, SeatsThatSagasAndBuyersListAreLoadedToo) {
  Changes changes;
  changes.sagas = {{Saga(1), false, Reservation(1), 1, "", {4}, 0}};
  changes.buyers = {{{1, "ann"}, {2, 4}, 0}};
  changes.seats = {Held(4)};
  EXPECT_TRUE(Save(changes).done());
  const Rows rows = Load({{Saga(1)}, {{1, "ann"}}, {{1, 3}}});
  ASSERT_THAT(rows.seats, SizeIs(3));
  EXPECT_EQ(rows.seats[0].key.seat_no, 2);
  EXPECT_EQ(rows.seats[1].key.seat_no, 3);
  EXPECT_EQ(rows.seats[2].reservation, Reservation(4));
}

TEST_P(StoreContractTest, OldTombstonesOfHoldsAreForgottenAndNothingElse) {
  const auto made_at = [](Timestamp time) { return FirstSagaAt(time); };
  const Timestamp old = kNow - 30 * 24h;
  const SagaId tombstone = made_at(old - 5ms);
  const SagaId done = made_at(old - 4ms);
  const SagaId refused_move = made_at(old - 3ms);
  const SagaId last = made_at(old - 1ms);
  const SagaId young = made_at(old);
  Changes changes;
  for (const SagaId& id : {tombstone, done, refused_move, last, young}) {
    SagaRow row;
    row.id = id;
    row.undone = id != done;
    row.reservation = Reservation(1);
    row.show_id = 1;
    row.choice = id == refused_move ? "move/1/2" : "2/Floor/A";
    changes.sagas.push_back(row);
  }
  ASSERT_TRUE(Save(changes).done());
  const auto first = store_->ForgetTombstones({}, old, 3);
  ASSERT_TRUE(first.has_value()) << first.error().detail;
  EXPECT_EQ(first->looked_at, 3);
  EXPECT_EQ(first->forgotten, 1);
  EXPECT_EQ(first->last, refused_move);
  const auto second = store_->ForgetTombstones(first->last, old, 3);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->looked_at, 1);
  EXPECT_EQ(second->forgotten, 1);
  EXPECT_EQ(second->last, last);
  std::vector<SagaId> left;
  for (const SagaRow& row : Load({.sagas = {tombstone, done, refused_move, last, young}}).sagas) {
    if (row.version > 0) left.push_back(row.id);
  }
  EXPECT_THAT(left, ElementsAre(done, refused_move, young));
}

TEST_P(StoreContractTest, AFreedSeatLosesItsOwner) {
  EXPECT_TRUE(Save({.seats = {Held(1)}}).done());
  SeatRow freed{.key = {1, 1}, .version = 1};
  EXPECT_TRUE(Save({.seats = {freed}}).done());
  freed.version = 2;
  EXPECT_EQ(Load({{}, {}, {{1, 1}}}).seats[0], freed);
}

TEST_P(StoreContractTest, ARowThatHasMovedIsNamedAndNothingIsSaved) {
  Changes first;
  first.seats = {Held(1), Held(2)};
  first.sagas = {{Saga(1), false, Reservation(1), 1, "", {1}, 0}};
  first.buyers = {{{1, "ann"}, {1}, 0}};
  EXPECT_TRUE(Save(first).done());

  Changes second;
  second.seats = {Held(1, 0), Held(2, 1), Held(3, 0)};
  second.sagas = {{Saga(1), true, Reservation(1), 1, "", {1}, 0}};
  second.buyers = {{{1, "ann"}, {2}, 7}, {{1, "bob"}, {2}, 0}};
  second.events = {HeldEvent(3)};
  const Saved saved = Save(second);
  EXPECT_THAT(saved.moved_seats, ElementsAre(SeatKey{1, 1}));
  EXPECT_THAT(saved.moved_sagas, ElementsAre(Saga(1)));
  EXPECT_THAT(saved.moved_buyers, ElementsAre(BuyerKey{1, "ann"}));
  const Rows rows = Load({{Saga(1)}, {{1, "bob"}}, {{1, 2}, {1, 3}}});
  EXPECT_FALSE(rows.sagas[0].undone);
  EXPECT_EQ(rows.buyers[0].version, 0);
  EXPECT_EQ(rows.seats[1].version, 1);
  EXPECT_EQ(rows.seats[2].version, 0);
  EXPECT_EQ(database_->CountEvents(), 0);
}

TEST_P(StoreContractTest, EventsAreSavedWithTheRows) {
  EXPECT_TRUE(Save({.seats = {Held(1)}, .events = {HeldEvent(1), HeldEvent(1)}}).done());
  EXPECT_EQ(database_->CountEvents(), 2);
}

TEST_P(StoreContractTest, AnotherConnectionSeesWhatWasSaved) {
  const auto other = database_->Open();
  EXPECT_TRUE(Save({.seats = {Held(1)}}).done());
  EXPECT_EQ(other->Load({{}, {}, {{1, 1}}})->seats[0].version, 1);
}

TEST_P(StoreContractTest, TheCatalogueHasWhatWasCreatedAndChanged) {
  const int64_t id = MakeShow();
  ShowTerms terms;
  terms.on_sale_at = kNow + 1h;
  terms.sale_ends_at = kNow + 2h;
  terms.seat_limit = 3;
  terms.highest_seat_limit = 9;
  terms.hold_ttl = 7min;
  terms.cancel_deadline = kNow + 5h;
  terms.cancel_fee_per_seat = 700;
  terms.cancel_fee_percent = 15;
  terms.grace = 45s;
  terms.waitlist_first = true;
  terms.never_published = true;
  ASSERT_EQ(store_->UpdateTerms(id, CatalogueOf(*store_).shows[0].show.terms, terms), true);
  Changes changes;
  changes.seats = {Held(1)};
  changes.shows = {{id, {kNow, std::nullopt}, {}}};
  EXPECT_TRUE(Save(changes).done());

  const Catalogue catalogue = CatalogueOf(*store_);
  ASSERT_THAT(catalogue.concerts, SizeIs(1));
  EXPECT_EQ(catalogue.concerts[0].title, "Title");
  ASSERT_THAT(catalogue.shows, SizeIs(1));
  const Show& show = catalogue.shows[0].show;
  EXPECT_EQ(show.id, id);
  EXPECT_EQ(show.concert_id, catalogue.concerts[0].id);
  EXPECT_EQ(show.starts_at, kNow + 24h);
  EXPECT_EQ(show.currency.code(), "KRW");
  EXPECT_EQ(show.terms, terms);
  EXPECT_EQ(*show.layout, *MakeHall({2, 3}));
  EXPECT_EQ(catalogue.shows[0].marks, (ShowMarks{kNow, std::nullopt}));
}

TEST_P(StoreContractTest, TermsThatHaveMovedSinceTheyWereReadAreNotChanged) {
  const int64_t id = MakeShow();
  const ShowTerms read = CatalogueOf(*store_).shows[0].show.terms;
  ShowTerms cancelled = read;
  cancelled.phase = ShowPhase::kCancelled;
  ShowTerms fewer = read;
  fewer.seat_limit = 2;
  EXPECT_EQ(store_->UpdateTerms(id, read, cancelled), true);
  EXPECT_EQ(store_->UpdateTerms(id, read, fewer), false) << "another operator was first";
  EXPECT_EQ(store_->UpdateTerms(99, read, fewer), false);
  EXPECT_EQ(CatalogueOf(*store_).shows[0].show.terms, cancelled);
  fewer.phase = ShowPhase::kCancelled;
  EXPECT_EQ(store_->UpdateTerms(id, cancelled, fewer), true);
  EXPECT_EQ(CatalogueOf(*store_).shows[0].show.terms, fewer);
}

TEST_P(StoreContractTest, AnOperationIsFoundByItsKeyAndThereOnce) {
  const int64_t id = MakeShow("key");
  const auto found = store_->FindOperation("key");
  ASSERT_TRUE(found.has_value());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->fingerprint, "f");
  EXPECT_EQ((*found)->result_id, id);
  EXPECT_FALSE(store_->FindOperation("other")->has_value());
  const auto again = store_->CreateConcert({"key", "f", 0}, {0, "Second", "", ""});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().reason, "constraint");
  EXPECT_THAT(CatalogueOf(*store_).concerts, SizeIs(1));
}

TEST_P(StoreContractTest, AConcertsNamesAreChangedAndNoOthers) {
  MakeShow("a");
  MakeShow("b");
  const Concert read = CatalogueOf(*store_).concerts[0];
  const Concert other = CatalogueOf(*store_).concerts[1];
  Concert concert = read;
  concert.title = "Other";
  concert.venue = "";
  EXPECT_EQ(store_->UpdateConcert(read, concert), true);
  EXPECT_EQ(store_->UpdateConcert(read, read), false) << "it has moved since it was read";
  EXPECT_THAT(CatalogueOf(*store_).concerts, ElementsAre(concert, other));
}

TEST_P(StoreContractTest, OwnedSeatsComeInPagesByNumber) {
  Changes changes;
  changes.seats = {Held(1), Held(2), Held(5)};
  changes.seats[1].state = SeatState::kSold;
  SeatRow elsewhere = Held(3);
  elsewhere.key.show_id = 2;
  changes.seats.push_back(elsewhere);
  changes.seats.push_back({.key = {2, 4}});
  EXPECT_TRUE(Save(changes).done());
  const auto page = store_->OwnedSeats(1, 0, 2);
  ASSERT_TRUE(page.has_value());
  ASSERT_THAT(*page, SizeIs(2));
  EXPECT_EQ((*page)[1].key.seat_no, 2);
  EXPECT_EQ((*page)[1].state, SeatState::kSold);
  EXPECT_EQ((*page)[1].user_id, "ann");
  EXPECT_THAT(*store_->OwnedSeats(1, 2, 2), SizeIs(1));
  EXPECT_THAT(*store_->OwnedSeats(1, 5, 2), IsEmpty());
  EXPECT_THAT(*store_->OwnedSeats(2, 0, 9), SizeIs(1));
}

TEST_P(StoreContractTest, CountsComeFromTheRowsAndLapsedHoldsAreFree) {
  const int64_t id = MakeShow("a");
  const int64_t other = MakeShow("b");
  Changes changes;
  changes.seats = {Held(1), Held(2), Held(3)};
  for (SeatRow& row : changes.seats) row.key.show_id = id;
  changes.seats[1].state = SeatState::kSold;
  changes.seats[2].hold_expires_at = kNow;
  EXPECT_TRUE(Save(changes).done());
  const auto one = store_->CountSeats(id, kNow);
  ASSERT_TRUE(one.has_value());
  ASSERT_THAT(*one, SizeIs(1));
  EXPECT_EQ((*one)[0].counts, (SeatCounts{3, 1, 1}));
  const auto all = store_->CountSeats(0, kNow);
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[1].show_id, other);
  EXPECT_EQ((*all)[1].counts, (SeatCounts{5, 0, 0}));
}

TEST_P(StoreContractTest, StoredSeatsSayWhatAMapNeedsAlsoThoseThatWereFreed) {
  std::vector<SeatRow> seats = {Held(1), Held(2), Held(3), Held(5)};
  seats[2].state = SeatState::kSold;
  EXPECT_TRUE(Save({.seats = seats}).done());
  EXPECT_TRUE(Save({.seats = {{.key = {1, 2}, .version = 1}}}).done());
  const SeatRow freed{.key = {1}, .version = 2};
  const SeatRow sold{.key = {1}, .state = SeatState::kSold, .version = 1};
  SeatRow held = sold;
  held.state = SeatState::kHeld;
  held.hold_expires_at = seats[0].hold_expires_at;
  EXPECT_THAT(StoredOf(*store_, 1, 0, 3), ElementsAre(Pair(1, held), Pair(2, freed), Pair(3, sold)));
  EXPECT_THAT(StoredOf(*store_, 1, 3, 5), ElementsAre(Pair(5, held)));
  EXPECT_THAT(StoredOf(*store_, 2), IsEmpty());
}

TEST_P(StoreContractTest, StoredSeatsThatAreAlikeComeTogetherWhoeverHasThem) {
  std::vector<SeatRow> sold;
  for (SeatNo seat_no = 1; seat_no <= 50; ++seat_no) {
    SeatRow& row = sold.emplace_back(Held(seat_no));
    row.state = SeatState::kSold;
    row.hold_expires_at += seat_no * 1ms;
  }
  EXPECT_TRUE(Save({.seats = sold}).done());
  const auto groups = store_->StoredSeats(1, 0, 50);
  ASSERT_THAT(*groups, SizeIs(1));
  EXPECT_THAT((*groups)[0].seats, SizeIs(50));
}

TEST_P(StoreContractTest, TheFirstNewsIsAPlaceAndNothingElse) {
  MakeShow();
  const auto news = store_->LoadNews({}, {});
  ASSERT_TRUE(news.has_value());
  EXPECT_FALSE(news->lost);
  EXPECT_THAT(news->shows, IsEmpty());
  EXPECT_THAT(news->seats, IsEmpty());
}

TEST_P(StoreContractTest, TextAndListsComeBackWhateverIsInThem) {
  Changes changes;
  std::vector<SeatNo> many;
  for (SeatNo seat_no = 1; seat_no <= 500; ++seat_no) many.push_back(seat_no * 7);
  changes.sagas = {{Saga(1), true, Reservation(1), 1, "1/{\"a\",'b'}/,\\NULL", {}, 0},
                   {Saga(2), false, Reservation(2), 1, "", many, 0}};
  changes.buyers = {{{1, ""}, {}, 0}, {{1, "{x,\"y\"}"}, {9}, 0}};
  EXPECT_TRUE(Save(changes).done());
  const Rows rows = Load({{Saga(1), Saga(2)}, {{1, ""}, {1, "{x,\"y\"}"}}, {}});
  EXPECT_EQ(rows.sagas[0].choice, changes.sagas[0].choice);
  EXPECT_TRUE(rows.sagas[0].undone);
  EXPECT_EQ(rows.sagas[1].seats, many);
  EXPECT_EQ(rows.buyers[0].version, 1);
  EXPECT_EQ(rows.buyers[1].seats, std::vector<SeatNo>{9});
}

TEST_P(StoreContractTest, TheStageAndThePhaseOfAShowComeBack) {
  const int64_t id = MakeShow();
  Catalogue catalogue = CatalogueOf(*store_);
  EXPECT_EQ(catalogue.shows[0].show.layout->stage, std::nullopt);
  EXPECT_EQ(catalogue.shows[0].show.terms.phase, ShowPhase::kPublished);
  Show staged = catalogue.shows[0].show;
  auto layout = std::make_shared<Layout>(*staged.layout);
  layout->stage = Point{-1.5, 20.125};
  staged.layout = layout;
  staged.terms.phase = ShowPhase::kDraft;
  staged.terms.orphan_rule = true;
  staged.terms.cancel_fee_per_seat = 700;
  staged.terms.cancel_fee_percent = 15;
  staged.terms.grace = 45s;
  ASSERT_TRUE(store_->CreateShow({"staged", "f", 0}, staged).has_value());
  ShowTerms cancelled = catalogue.shows[0].show.terms;
  cancelled.phase = ShowPhase::kCancelled;
  ASSERT_EQ(store_->UpdateTerms(id, catalogue.shows[0].show.terms, cancelled), true);
  catalogue = CatalogueOf(*store_);
  EXPECT_EQ(catalogue.shows[0].show.terms.phase, ShowPhase::kCancelled);
  const std::vector<ShowRow> rows = Load({.shows = {id, id + 9}}).show_rows;
  EXPECT_THAT(rows, ElementsAre(testing::Field(&ShowRow::phase, ShowPhase::kCancelled))) << "and no other";
  EXPECT_EQ(*catalogue.shows[1].show.layout, *layout);
  EXPECT_EQ(catalogue.shows[1].show.terms, staged.terms);
}

TEST_P(StoreContractTest, ShowsOfOneHallAreLoadedWithOneLayout) {
  MakeShow("one");
  MakeShow("other");
  const Catalogue catalogue = CatalogueOf(*store_);
  ASSERT_THAT(catalogue.shows, SizeIs(2));
  EXPECT_EQ(catalogue.shows[0].show.layout, catalogue.shows[1].show.layout);
}

TEST_P(StoreContractTest, PricesAreChangedOnceFromEachVersionAndListedNewestFirst) {
  const int64_t id = MakeShow();
  Layout layout = *MakeHall({2, 3});
  layout.first_prices = {1000, 500};
  layout.categories[0].price = 1500;
  layout.seat_prices = {0, 700, 0, 0, 0};
  layout.version = 1;
  layout.NotePrices();
  const std::vector<PriceNote> notes = {{id, 1, "A", {}, 1500, "it's dear", "op", kNow},
                                        {id, 1, "", {2, 70'000}, 700, "", "op", kNow}};
  EXPECT_EQ(store_->SavePrices(id, layout, notes), true);
  EXPECT_EQ(store_->SavePrices(id, layout, notes), false) << "another operator was first";
  EXPECT_EQ(store_->SavePrices(99, layout, notes), false);
  Catalogue catalogue = CatalogueOf(*store_);
  EXPECT_EQ(*catalogue.shows[0].show.layout, layout);
  layout.version = 2;
  layout.seat_prices.clear();
  layout.NotePrices();
  EXPECT_EQ(store_->SavePrices(id, layout, {}), true);
  catalogue = CatalogueOf(*store_);
  EXPECT_EQ(*catalogue.shows[0].show.layout, layout);
  const auto all = store_->LoadPriceNotes(id, 0, 10);
  ASSERT_TRUE(all.has_value());
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_THAT((*all)[0].seats, ElementsAre(2, 70'000));
  PriceNote first = (*all)[1];
  first.id = 0;
  EXPECT_EQ(first, notes[0]);
  EXPECT_THAT(*store_->LoadPriceNotes(id, (*all)[0].id, 10), ElementsAre((*all)[1]));
  EXPECT_THAT(*store_->LoadPriceNotes(id, 0, 1), ElementsAre((*all)[0]));
}

TEST_P(StoreContractTest, BlockedSeatsAreCountedApartAndOwnedByNobody) {
  const int64_t id = MakeShow();
  ASSERT_EQ(id, 1);
  SeatRow blocked;
  blocked.key = {1, 2};
  blocked.state = SeatState::kBlocked;
  Changes changes;
  changes.seats = {Held(1), blocked};
  changes.blocks = {{1, {2}, false, "camera", "op", kNow}};
  EXPECT_TRUE(Save(changes).done());
  EXPECT_THAT(*store_->OwnedSeats(1, 0, 10), SizeIs(1));
  EXPECT_THAT(StoredOf(*store_, 1), SizeIs(2));
  EXPECT_EQ((*store_->CountSeats(1, kNow))[0].counts, (SeatCounts{3, 1, 0, 1}));
  blocked.version = 1;
  EXPECT_EQ(Load({{}, {}, {{1, 2}}}).seats[0], blocked);
}

TEST_P(StoreContractTest, KeptSeatsAreCountedApartUntilTheirTime) {
  const int64_t id = MakeShow();
  Changes changes;
  SeatRow kept;
  kept.key = {id, 1};
  kept.channel = "fanclub";
  SeatRow until = kept;
  until.key.seat_no = 2;
  until.channel_until = kNow + 1h;
  SeatRow lapsed = Held(3);
  lapsed.hold_expires_at = kNow;
  lapsed.channel = "fanclub";
  SeatRow held = Held(4);
  held.channel = "fanclub";
  changes.seats = {kept, until, lapsed, held};
  BlockNote note{id, {1, 2}, false, "members", "op", kNow};
  note.about_channel = true;
  note.channel = "fanclub";
  changes.blocks = {note};
  EXPECT_TRUE(Save(changes).done());
  EXPECT_EQ((*store_->CountSeats(id, kNow))[0].counts, (SeatCounts{1, 1, 0, 3, 3}));
  EXPECT_EQ((*store_->CountSeats(id, kNow + 1h))[0].counts, (SeatCounts{2, 0, 0, 3, 3}))
      << "4 has lapsed, 2 is everybody's";
  until.version = 1;
  until.key.seat_no = 0;
  EXPECT_EQ(StoredOf(*store_, id).at(2), until);
  EXPECT_EQ((*store_->OwnedSeats(id, 0, 10))[0].channel, "fanclub");
  note.id = (*store_->LoadBlocks(id, 0, 1))[0].id;
  EXPECT_THAT(*store_->LoadBlocks(id, 0, 1), ElementsAre(note));
}

TEST_P(StoreContractTest, WhichSeatsAreAccessibleComesBack) {
  MakeShow();
  Show show = CatalogueOf(*store_).shows[0].show;
  auto layout = std::make_shared<Layout>(*show.layout);
  layout->accessible = {1};
  layout->companions = {{2, 1}};
  show.layout = layout;
  ASSERT_TRUE(store_->CreateShow({"marked", "f", 0}, show).has_value());
  EXPECT_EQ(*CatalogueOf(*store_).shows[1].show.layout, *layout);
}

TEST_P(StoreContractTest, WhatOperatorsBlockedIsListedNewestFirstAndOnlyIfItWasSaved) {
  Changes changes;
  SeatRow blocked;
  blocked.key = {1, 2};
  blocked.state = SeatState::kBlocked;
  changes.seats = {blocked};
  changes.blocks = {{1, {2, 70'000}, false, "camera", "op", kNow}, {2, {1}, false, "other", "op", kNow}};
  EXPECT_TRUE(Save(changes).done());
  EXPECT_FALSE(Save(changes).done()) << "the row has moved";
  changes.seats[0].version = 1;
  changes.seats[0].state = SeatState::kFree;
  changes.blocks = {{1, {2}, true, "it's over", "op2", kNow + 1s}};
  EXPECT_TRUE(Save(changes).done());
  const auto all = store_->LoadBlocks(1, 0, 10);
  ASSERT_TRUE(all.has_value());
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_TRUE((*all)[0].release);
  EXPECT_EQ((*all)[0].reason, "it's over");
  EXPECT_THAT((*all)[1].seats, ElementsAre(2, 70'000));
  EXPECT_EQ((*all)[1].operator_id, "op");
  EXPECT_EQ((*all)[1].at, kNow);
  EXPECT_THAT(*store_->LoadBlocks(1, (*all)[0].id, 10), ElementsAre((*all)[1]));
  EXPECT_THAT(*store_->LoadBlocks(1, 0, 1), ElementsAre((*all)[0]));
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContractTest,
                         ::testing::Values(MakeDatabase{[]() -> std::unique_ptr<Database> {
                           return std::make_unique<SqliteDatabase>();
                         }}));
INSTANTIATE_TEST_SUITE_P(Postgres, StoreContractTest,
                         ::testing::Values(MakeDatabase{[]() -> std::unique_ptr<Database> {
                                                          return std::make_unique<PostgresDatabase>();
                                                        },
                                                        true}));

}  // namespace
}  // namespace boxoffice::seat
