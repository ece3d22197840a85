// Replicas of the service on one PostgreSQL database: races, what one learns of the other, and commits whose
// end is unknown.
#include "services/seat/store_postgres.h"

#include <algorithm>
#include <functional>
#include <future>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "platform/outbox/outbox_for_test.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "services/seat/module.h"
#include "services/seat/service.h"
#include "services/seat/testing_hall.h"
#include "services/seat/testing_service.h"
#include "services/seat/testing_store.h"
#include "testing/fake_bus.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::seat {
namespace {

using testbed::PostgresServer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

// A replica of the service: its own connections, clock and thread.
class Replica {
 public:
  Replica(const sql::pg::Config& config, uint64_t seed) : random_(seed) {
    auto opened = OpenPostgres(config, random_);
    CHECK(opened.has_value(), "{}", opened.error().detail);
    clock_ = std::move(opened->clock);
    ServiceOptions options;  // a server that was killed may be long in coming back
    options.batch.max_runs = 1'000;
    options.batch.retry_for = 60s;
    service_ = std::make_unique<SeatService>(std::move(opened->stores), *clock_, metrics_, options,
                                             std::function<void()>());
    const auto started = service_->Start();
    CHECK(started.has_value(), "{}", started.error().detail);
  }
  SeatService* operator->() { return service_.get(); }
  Timestamp Now() const { return clock_->Now(); }
  // As if the server had told this machine's time and `ahead`.
  void SetClockAhead(std::chrono::microseconds ahead) {
    const auto now = std::chrono::system_clock::now().time_since_epoch() + ahead;
    const auto heard = std::chrono::steady_clock::now();
    clock_->Correct(heard, heard, std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }

  std::future<Result<Outcome>> Send(Command command) { return SendTo(*service_, std::move(command)); }
  Outcome Run(Command command) { return RunAt(*service_, std::move(command)); }

 private:
  SeededRandom random_;
  obs::Registry metrics_;
  std::unique_ptr<sql::pg::ServerClock> clock_;
  std::unique_ptr<SeatService> service_;
};

class ReplicasTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    UseNewDatabase();
  }
  void TearDown() override {
    if (PostgresServer::Installed()) PostgresServer::Shared().Start();
  }
  void UseNewDatabase() {
    config_ = sql::pg::PatientConfig(PostgresServer::Shared().NewDatabase());
    config_.max_backoff = milliseconds(50);
    hand_ = sql::pg::Connection::Open(config_).value();
  }
  int64_t Count(std::string_view sql) {
    sql::pg::Batch batch;
    batch.Add(sql);
    return hand_->Read(batch).value()[0][0].Int(0);
  }
  // On sale now; rows of so many seats. `meanwhile`: once it was looked for, and before it is made.
  static int64_t MakeShow(Replica& replica, std::initializer_list<uint32_t> rows, uint32_t seat_limit = 8,
                          const std::function<void()>& meanwhile = {}) {
    const auto concert = replica->CreateConcert("concert", {0, "Title", "Artist", "Venue"});
    CHECK(concert.has_value(), "{}", concert.error().detail);
    NewShow request;
    request.concert_id = concert->concert.id;
    request.starts_at = replica.Now() + 1h;
    request.on_sale_at = replica.Now() - 1min;
    request.currency = "KRW";
    request.seat_limit = seat_limit;
    const auto show = replica->CreateShow("show", "", request, [&]() -> Result<Layout> {
      if (meanwhile) meanwhile();
      return *MakeHall(rows);
    });
    CHECK(show.has_value(), "{}", show.error().detail);
    return show->show->id;
  }
  // Saga, reservation and buyer n.
  static Command HoldOf(int64_t show_id, uint64_t n, std::vector<SeatNo> seats) {
    HoldSeats hold;
    hold.saga = SagaId(NumberedUuid(0x5a, n));
    hold.reservation = ReservationId(NumberedUuid(2, n));
    hold.user_id = fmt::format("user{}", n);
    hold.show_id = show_id;
    hold.seats = std::move(seats);
    return {std::move(hold), ""};
  }
  static Command BestOf(int64_t show_id, uint64_t n, uint32_t count) {
    Command command = HoldOf(show_id, n, {});
    std::get<HoldSeats>(command.body).best = BestAvailable{count, "", ""};
    return command;
  }
  static Command ConfirmOf(int64_t show_id, uint64_t n, std::vector<SeatNo> seats) {
    return {ConfirmSeats{SagaId(NumberedUuid(0x5a, n)), ReservationId(NumberedUuid(2, n)), show_id,
                         std::move(seats)},
            ""};
  }
  static Command ReleaseOf(int64_t show_id, uint64_t n) {
    return {ReleaseSeats{SagaId(NumberedUuid(0x5a, n)), ReservationId(NumberedUuid(2, n)), show_id, {}}, ""};
  }
  // In the outbox, of that type.
  int64_t CountEvents(std::string_view type) {
    const auto table = outbox::OpenPostgresTable(config_).value();
    return std::ranges::count(outbox::EventsIn(*table), type, &bus::Event::type);
  }
  // The first commit that writes events takes `seconds`.
  void SlowFirstCommit(std::string_view seconds) {
    const auto made = hand_->Execute(fmt::format(
        "CREATE SEQUENCE commits; CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('commits') = 1 THEN PERFORM pg_sleep({}); END IF; RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON outbox_batch DEFERRABLE INITIALLY DEFERRED FOR EACH "
        "ROW "
        "EXECUTE FUNCTION slow()",
        seconds));
    ASSERT_TRUE(made) << made.error().detail;
  }
  // Of a replica that waits four seconds for a commit.
  sql::pg::Config Impatient() const {
    sql::pg::Config impatient = config_;
    impatient.statement_timeout = milliseconds(0);  // or the server would end the commit
    impatient.answer_timeout = milliseconds(4'000);
    return impatient;
  }

  sql::pg::Config config_;
  std::unique_ptr<sql::pg::Connection> hand_;
};

TEST_F(ReplicasTest, TwoReplicasNeverSellASeatTwiceAndLosersAreDecidedAgain) {
  constexpr SeatNo kSeats = 200;
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {50, 50, 50, 50});
  Replica b(config_, 2);
  // Pairs of seats that overlap, from both ends of the hall, all at once and to both.
  std::vector<std::pair<std::vector<SeatNo>, std::future<Result<Outcome>>>> holds;
  for (uint64_t n = 1; n <= 600; ++n) {
    const auto first = static_cast<SeatNo>(1 + (n * 7) % (kSeats - 1));
    Replica& replica = n % 2 == 0 ? a : b;
    std::vector<SeatNo> seats = {first, first + 1};
    auto answer = replica.Send(HoldOf(show, n, seats));
    holds.emplace_back(std::move(seats), std::move(answer));
  }
  std::set<SeatNo> taken;
  std::vector<std::future<Result<Outcome>>> confirmed;
  size_t winners = 0;
  for (size_t i = 0; i < holds.size(); ++i) {
    auto& [seats, answer] = holds[i];
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().reason;
    if (outcome->kind != Kind::kDone) {
      EXPECT_EQ(outcome->refusal, Refusal::kSeatsTaken) << RefusalName(outcome->refusal);
      EXPECT_FALSE(outcome->conflicts.empty());
      continue;
    }
    ++winners;
    for (const SeatNo seat_no : seats) EXPECT_TRUE(taken.insert(seat_no).second) << seat_no;
    // Confirmed at the other replica.
    confirmed.push_back((i % 2 == 0 ? a : b).Send(ConfirmOf(show, i + 1, seats)));
  }
  for (auto& answer : confirmed) EXPECT_EQ(answer.get()->kind, Kind::kDone);
  EXPECT_GT(winners, kSeats / 4);
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE state = 2"), 2 * static_cast<int64_t>(winners));
  EXPECT_EQ(CountEvents("seat.sold"), static_cast<int64_t>(winners));
  EXPECT_EQ(CountEvents("seat.held"), static_cast<int64_t>(winners));
  for (Replica* replica : {&a, &b}) {
    ASSERT_TRUE((*replica)->Follow().has_value());
    EXPECT_EQ((*replica)->GetShow(show)->counts.sold, 2 * winners);
    EXPECT_EQ((*replica)->GetShow(show)->counts.held, 0);
  }
}

TEST_F(ReplicasTest, BestSeatsAskedOfBothSellTheHallOutOnce) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {20, 20, 20});
  Replica b(config_, 2);
  std::vector<std::future<Result<Outcome>>> answers;
  for (uint64_t n = 1; n <= 80; ++n) answers.push_back((n % 2 == 0 ? a : b).Send(BestOf(show, n, 1)));
  std::set<SeatNo> taken;
  std::vector<std::future<Result<Outcome>>> confirmed;
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto outcome = answers[i].get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().reason << " " << outcome.error().detail;
    if (outcome->kind != Kind::kDone) {
      EXPECT_EQ(outcome->refusal, Refusal::kNotEnoughSeats);
      continue;
    }
    EXPECT_TRUE(taken.insert(outcome->seats.front()).second);
    confirmed.push_back((i % 2 == 0 ? a : b).Send(ConfirmOf(show, i + 1, outcome->seats)));
  }
  EXPECT_THAT(taken, SizeIs(60));
  for (auto& answer : confirmed) EXPECT_EQ(answer.get()->kind, Kind::kDone);
  for (Replica* replica : {&a, &b}) {
    ASSERT_TRUE((*replica)->Follow().has_value());
    (*replica)->Sweep();
  }
  a->Stop();
  b->Stop();
  EXPECT_EQ(CountEvents("show.sold_out"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM show WHERE sold_out_at_ms > 0 AND first_sold_at_ms > 0"), 1);
}

TEST_F(ReplicasTest, HoldsOfOneBuyerAtTwoReplicasKeepTheLimit) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {40}, /*seat_limit=*/2);
  Replica b(config_, 2);
  std::vector<std::future<Result<Outcome>>> answers;
  for (uint64_t n = 1; n <= 40; ++n) {
    Command hold = HoldOf(show, n, {static_cast<SeatNo>(n)});
    std::get<HoldSeats>(hold.body).user_id = "ann";
    answers.push_back((n % 2 == 0 ? a : b).Send(std::move(hold)));
  }
  size_t held = 0;
  for (auto& answer : answers) {
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().reason;
    if (outcome->kind == Kind::kDone) ++held;
  }
  EXPECT_EQ(held, 2);
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE state = 1"), 2);
}

TEST_F(ReplicasTest, AnActionAndItsUndoAtTwoReplicasEndNeutral) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {50, 50});
  Replica b(config_, 2);
  for (uint64_t n = 1; n <= 100; ++n) {
    auto held = a.Send(HoldOf(show, n, {static_cast<SeatNo>(n)}));
    auto released = b.Send(ReleaseOf(show, n));
    EXPECT_EQ(released.get()->kind, Kind::kDone);
    const auto outcome = held.get();
    EXPECT_TRUE(outcome->kind == Kind::kDone || outcome->kind == Kind::kAborted);
  }
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE state <> 0"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM saga WHERE NOT undone"), 0);
}

TEST_F(ReplicasTest, OneLearnsWhatTheOtherMadeChangedAndSold) {
  Replica b(config_, 2);
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  // At once, by asking for what it does not know.
  EXPECT_EQ(b.Run(HoldOf(show, 1, {1, 2})).kind, Kind::kDone);
  EXPECT_EQ(b->GetShow(show)->show->layout->capacity(), 8);
  ASSERT_TRUE(a->Follow().has_value());
  EXPECT_EQ(a->GetShow(show)->counts, (SeatCounts{6, 2, 0}));
  EXPECT_EQ(a.Run(ConfirmOf(show, 1, {1, 2})).kind, Kind::kDone);
  EXPECT_EQ(a.Run(HoldOf(show, 2, {3})).kind, Kind::kDone);
  EXPECT_EQ(a.Run(ReleaseOf(show, 2)).kind, Kind::kDone);
  TermsChange change;
  change.seat_limit = 1;
  ASSERT_TRUE(a->UpdateShow(show, change).has_value());
  ASSERT_TRUE(b->Follow().has_value());
  EXPECT_EQ(b->GetShow(show)->counts, (SeatCounts{6, 0, 2}));
  EXPECT_EQ(b->GetShow(show)->marks, a->GetShow(show)->marks);
  EXPECT_TRUE(b->GetShow(show)->marks.first_sold_at.has_value());
  EXPECT_EQ(b.Run(HoldOf(show, 3, {4, 5})).refusal, Refusal::kSeatLimit);
  // What is not given stays as the other has set it.
  TermsChange other;
  other.hold_ttl = 9min;
  EXPECT_EQ(b->UpdateShow(show, other)->show->terms.seat_limit, 1);
  const int64_t concert = a->GetShow(show)->show->concert_id;
  ASSERT_TRUE(a->UpdateConcert(concert, {.title = "Other"}).has_value());
  EXPECT_EQ(b->UpdateConcert(concert, {.venue = "Hall"})->concert,
            (Concert{concert, "Other", "Artist", "Hall"}));
  ASSERT_TRUE(a->Follow().has_value());
  EXPECT_EQ(a->GetConcert(concert)->concert.venue, "Hall");
  // The same request at the other replica makes nothing.
  EXPECT_EQ(MakeShow(b, {4, 4}), show);
  EXPECT_EQ(b->ListConcerts(10, 0).concerts.size(), 1);
}

// A client that has lost its connection repeats the request there while the first one is at it.
TEST_F(ReplicasTest, AShowThatTheOtherMakesMeanwhileByTheSameKeyIsMadeOnce) {
  Replica a(config_, 1);
  Replica b(config_, 2);
  int64_t theirs = 0;
  const int64_t show = MakeShow(a, {4, 4}, 8, [&] { theirs = MakeShow(b, {4, 4}); });
  EXPECT_EQ(show, theirs);
  EXPECT_EQ(Count("SELECT count(*) FROM show"), 1);
}

TEST_F(ReplicasTest, ACancellationIsNotUndoneByTermsThatWereReadBefore) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  Replica b(config_, 2);
  // A third one, between its reading and its writing.
  SeededRandom random{5};
  PostgresStores third = OpenPostgres(config_, random).value();
  const ShowTerms read = CatalogueOf(*third.stores.requests).shows[0].show.terms;
  ASSERT_TRUE(b->CancelShow(show).has_value());
  ShowTerms fewer = read;
  fewer.seat_limit = 2;
  EXPECT_EQ(third.stores.requests->UpdateTerms(show, read, fewer), false);
  EXPECT_EQ(Count("SELECT phase FROM show"), static_cast<int64_t>(ShowPhase::kCancelled));
  EXPECT_EQ(Count("SELECT seat_limit FROM show"), 8);
  EXPECT_EQ(a->PublishShow(show).error().reason, "show_state");
}

TEST_F(ReplicasTest, TermsThatTwoReplicasChangeAtOnceAreAllKept) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  Replica b(config_, 2);
  for (uint32_t i = 1; i <= 50; ++i) {
    auto other = std::async(std::launch::async, [&] {
      TermsChange change;
      change.hold_ttl = 1min + milliseconds(i);
      return b->UpdateShow(show, change).has_value();
    });
    TermsChange change;
    change.seat_limit = i;
    EXPECT_TRUE(a->UpdateShow(show, change).has_value());
    EXPECT_TRUE(other.get());
    ASSERT_EQ(Count("SELECT seat_limit FROM show"), i);
    ASSERT_EQ(Count("SELECT hold_ttl_ms FROM show"), 60'000 + i);
  }
}

TEST_F(ReplicasTest, PricesAreFollowedAndChangedByBothWithoutLosingEither) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  Replica b(config_, 2);
  EXPECT_EQ(b.Run(HoldOf(show, 1, {1})).kind, Kind::kDone);
  const auto reprice = [](int64_t price, std::vector<SeatNo> seats) {
    return PriceChange{{}, price, std::move(seats), "why", "op"};
  };
  ASSERT_TRUE(a->ChangePrices(show, {{{"A", 1500}}, 0, {}, "why", "op"}, {}).has_value());
  ASSERT_TRUE(b->ChangePrices(show, reprice(700, {2}), {}).has_value());
  ASSERT_TRUE(a->ChangePrices(show, reprice(800, {3}), {}).has_value());
  ASSERT_TRUE(b->Follow().has_value());
  for (Replica* one : {&a, &b}) {
    const Layout& layout = *(*one)->GetShow(show)->show->layout;
    EXPECT_EQ(layout.version, 3);
    EXPECT_EQ(layout.PriceOf(2), 700);
    EXPECT_EQ(layout.PriceOf(3), 800);
    EXPECT_EQ(layout.PriceOf(4), 1500);
  }
  EXPECT_EQ(b.Run(HoldOf(show, 2, {4})).amount, 1500);
  EXPECT_EQ(a.Run(ConfirmOf(show, 1, {1})).amount, 1000) << "as it was held at the other";
  // What is news for the one that was asleep comes with its layout, and for the others without.
  Replica late(config_, 3);
  EXPECT_EQ(late->GetShow(show)->show->layout->PriceOf(2), 700);
  EXPECT_EQ(late->ListPriceNotes(show, 0, 10)->notes.size(), 3);
}

TEST_F(ReplicasTest, NewsIsNotMissedWhenATransactionCommitsLate) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  Replica b(config_, 2);
  // It has its place in the order, and is not to be seen yet.
  sql::pg::Transaction late(*hand_);
  sql::pg::Batch batch;
  batch.Add(
      "INSERT INTO seat(show_id, seat_no, state, hold_expires_at_ms, held_since_ms, version) VALUES ($1, 7, "
      "2, "
      "0, 0, 1)",
      show);
  batch.Add("INSERT INTO change(source, show_id, seats) VALUES (gen_random_uuid(), $1, '{7}')", show);
  ASSERT_TRUE(late.Run(batch));
  EXPECT_EQ(a.Run(HoldOf(show, 1, {1})).kind, Kind::kDone);
  ASSERT_TRUE(b->Follow().has_value());
  ASSERT_TRUE(b->Follow().has_value());
  EXPECT_EQ(b->GetShow(show)->counts, (SeatCounts{7, 1, 0}));
  ASSERT_TRUE(late.Commit());
  ASSERT_TRUE(b->Follow().has_value());
  EXPECT_EQ(b->GetShow(show)->counts, (SeatCounts{6, 1, 1}));
}

TEST_F(ReplicasTest, ItsOwnWorkIsNoNewsAndLostNewsIsSaid) {
  SeededRandom random{5};
  PostgresStores mine = OpenPostgres(config_, random).value();
  PostgresStores other = OpenPostgres(config_, random).value();
  const NewsPlace start = mine.stores.news->LoadNews({}, {})->place;
  Changes changes;
  changes.seats.resize(1);
  changes.seats[0].key = {1, 1};
  ASSERT_TRUE(mine.stores.commands->Save(changes)->done());
  EXPECT_THAT(mine.stores.news->LoadNews(start, {})->seats, IsEmpty());
  EXPECT_THAT(other.stores.news->LoadNews(start, {})->seats, SizeIs(1));
  NewsPlace earlier = start;
  earlier.at -= 2min;
  EXPECT_TRUE(other.stores.news->LoadNews(earlier, {})->lost);
  NewsPlace farther = start;
  farther.horizon += 1'000'000;
  EXPECT_TRUE(other.stores.news->LoadNews(farther, {})->lost);
  EXPECT_FALSE(other.stores.news->LoadNews(start, {})->lost);
}

// After a failover or a crash, others have had lost transactions' numbers by the time that one looks.
TEST_F(ReplicasTest, NewsIsLostWhereTheDatabaseHasAnotherHistory) {
  ASSERT_TRUE(
      hand_->Execute("CREATE TABLE history(name TEXT, began TIMESTAMPTZ); "
                     "INSERT INTO history VALUES ('00000001', '2026-11-22 10:00:00'); "
                     "CREATE FUNCTION public.pg_walfile_name(pg_lsn) RETURNS text LANGUAGE sql AS "
                     "'SELECT name FROM public.history'; "
                     "CREATE VIEW public.pg_stat_bgwriter AS SELECT began AS stats_reset FROM history"));
  config_.url += "?options=-csearch_path%3Dpublic%2Cpg_catalog";
  config_.application_name = "follower";
  SeededRandom random{5};
  PostgresStores mine = OpenPostgres(config_, random).value();
  NewsPlace place = mine.stores.news->LoadNews({}, {})->place;
  EXPECT_THAT(place.history, ::testing::StartsWith("00000001 "));
  const auto is_lost = [&] { return mine.stores.news->LoadNews(place, {})->lost; };
  const auto go_on_with = [this](std::string_view change) {
    ASSERT_TRUE(hand_->Execute(change));
    ASSERT_TRUE(
        hand_->Execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
                       "'follower' AND datname = current_database()"));
    ASSERT_TRUE(testbed::Eventually([this] {
      return Count(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'follower' AND "
                 "datname = current_database()") == 0;
    }));
  };
  ASSERT_NO_FATAL_FAILURE(go_on_with(""));
  EXPECT_FALSE(is_lost()) << "a connection that was cut is no reason to read everything";
  ASSERT_NO_FATAL_FAILURE(go_on_with("UPDATE history SET name = '00000002'"));
  EXPECT_TRUE(is_lost());
  EXPECT_TRUE(is_lost()) << "until it has been read";
  place = mine.stores.news->LoadNews(place, {})->place;
  EXPECT_FALSE(is_lost());
  ASSERT_NO_FATAL_FAILURE(go_on_with("UPDATE history SET began = now()"));
  EXPECT_TRUE(is_lost());
  // As of a server that does not tell.
  ASSERT_NO_FATAL_FAILURE(
      go_on_with("ALTER VIEW public.pg_stat_bgwriter RENAME COLUMN stats_reset TO other"));
  EXPECT_FALSE(is_lost());
}

TEST_F(ReplicasTest, ACommitThatWasDoneUnknownIsFoundDone) {
  {
    Replica first(config_, 1);
    MakeShow(first, {4, 4});
  }
  SlowFirstCommit("5");
  Replica replica(Impatient(), 2);
  EXPECT_EQ(replica.Run(HoldOf(1, 1, {1, 2})).kind, Kind::kDone);
  EXPECT_EQ(Count("SELECT sum(events)::bigint FROM outbox_batch"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE version = 1"), 2);
  EXPECT_EQ(Count("SELECT count(*) FROM saga"), 1);
  // The map knows it, though its own commit was never confirmed to it.
  EXPECT_EQ(replica->GetShow(1)->counts, (SeatCounts{6, 2, 0}));
}

// It sets the show's mark, which a replica that does not know of it would try to set for ever.
TEST_F(ReplicasTest, AFirstSaleWhoseCommitWasDoneUnknownDoesNotHinderTheNext) {
  Replica first(config_, 1);
  const int64_t show = MakeShow(first, {4, 4});
  EXPECT_EQ(first.Run(HoldOf(show, 1, {1, 2})).kind, Kind::kDone);
  EXPECT_EQ(first.Run(HoldOf(show, 2, {3})).kind, Kind::kDone);
  SlowFirstCommit("5");
  Replica replica(Impatient(), 2);
  EXPECT_EQ(replica.Run(ConfirmOf(show, 1, {1, 2})).kind, Kind::kDone);
  EXPECT_EQ(replica.Run(ConfirmOf(show, 2, {3})).kind, Kind::kDone);
  EXPECT_TRUE(replica->GetShow(show)->marks.first_sold_at.has_value());
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE state = 2"), 3);
}

TEST_F(ReplicasTest, WhatAReplicaChangedOfConcertsAndShowsItselfIsNewsToIt) {
  SeededRandom random{5};
  PostgresStores mine = OpenPostgres(config_, random).value();
  const NewsPlace start = mine.stores.news->LoadNews({}, {})->place;
  Show made;
  made.concert_id = mine.stores.requests->CreateConcert({"c", "f", 0}, {0, "Title", "", ""}).value();
  made.currency = *Currency::Parse("KRW");
  made.layout = MakeHall({4});
  const int64_t show = mine.stores.requests->CreateShow({"s", "f", 0}, made).value();
  const News news = mine.stores.news->LoadNews(start, {}).value();
  EXPECT_THAT(news.concerts, SizeIs(1));
  ASSERT_THAT(news.shows, SizeIs(1));
  const ShowTerms before = news.shows[0].show.terms;
  ShowTerms after = before;
  after.phase = ShowPhase::kCancelled;
  after.never_published = true;
  EXPECT_EQ(mine.stores.requests->UpdateTerms(show, before, after), true);
  const News later = mine.stores.news->LoadNews(news.place, {}).value();
  ASSERT_THAT(later.shows, SizeIs(1));
  EXPECT_EQ(later.shows[0].show.terms, after);
}

// Each replica asks for it four times a second, however many seats there are.
TEST_F(ReplicasTest, NewsOfSeatsIsReadAlongTheIndex) {
  Replica other(config_, 1);
  const int64_t show = MakeShow(other, {4, 4});
  config_.application_name = "reader";
  const auto scans = [this] {
    return PostgresServer::ScansOf("seat", config_.url, config_.application_name);
  };
  const int64_t before = scans();
  {
    SeededRandom random{5};
    PostgresStores mine = OpenPostgres(config_, random).value();
    const NewsPlace start = mine.stores.news->LoadNews({}, {})->place;
    EXPECT_EQ(other.Run(HoldOf(show, 1, {1, 2})).kind, Kind::kDone);
    EXPECT_THAT(mine.stores.news->LoadNews(start, {})->seats, SizeIs(2));
  }
  EXPECT_EQ(scans(), before);
}

TEST_F(ReplicasTest, AServerKilledInACommitLeavesNothingTwice) {
  Replica replica(config_, 1);
  const int64_t show = MakeShow(replica, {4, 4});
  SlowFirstCommit("15");  // less than statement_timeout
  auto killed = std::async(std::launch::async, [this] {
    EXPECT_TRUE(testbed::Eventually(
        [this] { return Count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") > 0; }));
    PostgresServer::Shared().Kill9();
  });
  auto held = replica.Send(HoldOf(show, 1, {1, 2}));
  killed.get();
  PostgresServer::Shared().Start();
  const auto outcome = held.get();
  ASSERT_TRUE(outcome.has_value()) << outcome.error().reason << " " << outcome.error().detail;
  EXPECT_EQ(outcome->kind, Kind::kDone);
  EXPECT_EQ(Count("SELECT sum(events)::bigint FROM outbox_batch"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM seat WHERE state = 1 AND version = 1"), 2);
  EXPECT_EQ(replica.Run(ConfirmOf(show, 1, {1, 2})).kind, Kind::kDone);
}

TEST_F(ReplicasTest, AHoldEndsByTheDatabasesClock) {
  Replica a(config_, 1);
  const int64_t show = MakeShow(a, {4, 4});
  Replica b(config_, 2);
  EXPECT_EQ(a.Run(HoldOf(show, 1, {1})).kind, Kind::kDone);
  EXPECT_EQ(b.Run(HoldOf(show, 2, {1})).refusal, Refusal::kSeatsTaken);
  ASSERT_TRUE(hand_->Execute("UPDATE seat SET hold_expires_at_ms = " BOXOFFICE_PG_NOW_MS " - 2000"));
  EXPECT_EQ(b.Run(HoldOf(show, 2, {1})).kind, Kind::kDone);
  EXPECT_EQ(a.Run(ConfirmOf(show, 1, {1})).refusal, Refusal::kHoldLost);
}

// Or shows that it makes would not be on sale yet at the others.
TEST_F(ReplicasTest, AReplicaWithoutCommandsFollowsTheDatabasesClock) {
  Replica idle(config_, 1);
  idle.SetClockAhead(1h);
  EXPECT_GT(idle.Now() - SystemClock().Now(), 59min);
  ASSERT_TRUE(idle->Follow());
  EXPECT_LT(idle.Now() - SystemClock().Now(), 10s) << "the same machine";
}

// What others sell, and that a show was cancelled, is no matter of how often rows are tidied.
TEST_F(ReplicasTest, AReplicaThatTidiesSeldomFollowsTheOthersAllTheSame) {
  Replica one(config_, 1);
  const int64_t show = MakeShow(one, {4});
  const SystemClock clock;
  SeededRandom random(9);
  obs::Registry metrics;
  testbed::FakeBus bus;
  const std::string url = config_.url + "?connect_timeout=20";
  const module::Runtime runtime{clock, random, metrics, bus, {}, {}, {}, url, {}};
  SeatConfig config;
  config.sweep_interval = 10min;
  SeatModule other(runtime, config);
  ASSERT_TRUE(other.Start());
  EXPECT_EQ(one.Run(HoldOf(show, 1, {1, 2})).kind, Kind::kDone);
  const auto stub = v1::SeatService::NewStub(other.ForThisProcess().channel);
  const auto held = [&] {
    v1::GetShowRequest request;
    request.set_id(show);
    grpc::ClientContext context;
    v1::Show response;
    return stub->GetShow(&context, request, &response).ok() ? response.held() : 0;
  };
  EXPECT_TRUE(testbed::Eventually([&] { return held() == 2; }));
}

}  // namespace
}  // namespace boxoffice::seat
