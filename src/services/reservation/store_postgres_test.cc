// Replicas of the service on one PostgreSQL database: races, stale owners, and commits whose end is unknown.
#include "services/reservation/store_postgres.h"

#include <array>
#include <future>
#include <set>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/reservation/service.h"
#include "services/reservation/store_show_postgres.h"
#include "services/reservation/testing_show_reader.h"
#include "services/reservation/testing_waitlist.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::reservation {
namespace {

using testbed::PostgresServer;
using ::testing::ElementsAre;

// Every step is done at once.
class Willing final : public Participants {
 public:
  asio::awaitable<StepResult> BindQueue(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> UnbindQueue(const Reservation&, SagaId) override { return Done(); }
  asio::awaitable<StepResult> CompleteQueue(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> HoldSeats(Reservation& reservation, Timestamp until) override {
    reservation.seats = {{1, "A-1", 100, "S"}};
    reservation.amount = 100;
    reservation.currency = "KRW";
    reservation.hold_expires_at = until + milliseconds(300'000);
    return Done();
  }
  asio::awaitable<StepResult> KeepSeats(Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ConfirmSeats(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ReleaseSeats(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ReleaseOnly(const Reservation&, std::vector<uint32_t>) override {
    return Done();
  }
  asio::awaitable<StepResult> MoveSeats(Reservation&) override { return Done(); }
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation&, int64_t) override { return Done(); }
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation&, int64_t) override { return Done(); }
  asio::awaitable<StepResult> DebitWallet(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> RefundWallet(const Reservation&, SagaId) override { return Done(); }
  asio::awaitable<StepResult> ApprovePayment(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> CancelPayment(const Reservation&, uint32_t) override { return Done(); }
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t) override { co_return CancelPolicy(); }

 private:
  static asio::awaitable<StepResult> Done() { co_return StepResult{}; }
};

// A replica of the service: its own connections, clock and thread.
class Replica {
 public:
  Replica(const sql::pg::Config& config, std::string owner, uint64_t seed)
      : random_(seed), stores_(OpenPostgres(config, random_).value()) {
    ServiceConfig service;
    service.owner = std::move(owner);
    service.limits.max_runs = 1'000;  // a server that was killed may be long in coming back
    service.limits.retry_for = milliseconds(60'000);
    service_ = std::make_unique<Service>(service, io_.get_executor(), *stores_.store, *stores_.reader,
                                         no_shows_, participants_, *stores_.clock, random_, metrics_, [] {});
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Replica() {
    work_.reset();
    io_.stop();
    thread_.join();
    service_.reset();
  }
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  std::future<Result<Answer>> Reserve(const std::string& key, bool pay = false) {
    ReserveRequest request;
    request.request = {{"buyer", key}, "hash", ""};
    request.show_id = 7;
    request.choice.seat_nos = {1};
    request.pay = pay;
    std::promise<Result<Answer>> told;
    std::future<Result<Answer>> answer = told.get_future();
    asio::post(io_, [this, request = std::move(request), told = std::move(told)]() mutable {
      service_->Reserve(std::move(request), [told = std::move(told)](Result<Answer> got) mutable {
        told.set_value(std::move(got));
      });
    });
    return answer;
  }
  Page All() { return stores_.reader->Scan(ReservationId(), 1'000).value(); }

 private:
  SeededRandom random_;
  obs::Registry metrics_;
  Willing participants_;
  PostgresStores stores_;
  EmptyShowReader no_shows_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<Service> service_;
  std::thread thread_;
};

class ReplicasTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    config_ = sql::pg::PatientConfig(PostgresServer::Shared().NewDatabase());
    config_.max_backoff = milliseconds(50);
    stores_ = OpenPostgres(config_, random_).value();
    hand_ = sql::pg::Connection::Open(config_).value();
  }
  void TearDown() override {
    if (PostgresServer::Installed()) PostgresServer::Shared().Start();
  }
  int64_t Count(std::string_view sql) {
    sql::pg::Batch batch;
    batch.Add(sql);
    return hand_->Read(batch).value()[0][0].Int(0);
  }
  // The first commit that writes to `table` takes `seconds`.
  void SlowFirstCommit(std::string_view table, std::string_view seconds) {
    const auto made = hand_->Execute(fmt::format(
        "CREATE SEQUENCE commits; CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('commits') = 1 THEN PERFORM pg_sleep({1}); END IF; RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON {0} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION slow()",
        table, seconds));
    ASSERT_TRUE(made) << made.error().detail;
  }
  // Kills the server while it commits.
  std::future<void> KillInCommit() {
    return std::async(std::launch::async, [this] {
      EXPECT_TRUE(testbed::Eventually([this] {
        return Count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") > 0;
      }));
      PostgresServer::Shared().Kill9();
    });
  }
  Reservation Due(milliseconds ago) {
    Reservation r;
    r.id = ReservationId::Make(stores_.clock->Now(), random_);
    r.user_id = "buyer";
    r.state = State::kConfirming;
    r.version = 1;
    r.saga.id = SagaId::Make(stores_.clock->Now(), random_);
    r.saga.kind = SagaKind::kConfirm;
    r.saga.owner = "gone";
    r.due_at = stores_.clock->Now() - ago;
    return r;
  }
  std::vector<bool> Save(const std::vector<Change>& changes) { return stores_.store->Save(changes).value(); }
  // Claims as the service does, once; the ids of what it got.
  static std::set<ReservationId> ClaimDue(PostgresStores& stores, Random& random, const std::string& owner) {
    Claim claim{owner, 50, {}};
    for (uint32_t i = 0; i < claim.limit; ++i) claim.saga_ids.push_back(SagaId::Make(FromUnixMs(1), random));
    const std::vector<Command> commands{claim};
    const Timestamp now = stores.clock->Now();
    const Rows rows = stores.store->Load(KeysOf(commands), now).value();
    const auto changes = Decide(rows, commands, now, Policy{}).decision.changes;
    const std::vector<bool> saved = stores.store->Save(changes).value();
    std::set<ReservationId> claimed;
    for (size_t i = 0; i < saved.size(); ++i) {
      if (saved[i]) claimed.insert(changes[i].reservation->id);
    }
    return claimed;
  }
  // Of what `write` does to these tables, the statements that do it again: it is undone. From now on each
  // read of them waits, once it has begun, while Overtaken says so.
  std::vector<std::string> Undone(const std::vector<std::string>& tables, const auto& write) {
    EXPECT_TRUE(hand_->Execute(
        "CREATE FUNCTION stall() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); "
        "RETURN 1; END $$"));
    for (const std::string& table : tables)
      EXPECT_TRUE(hand_->Execute(fmt::format("CREATE TABLE old_{0} AS SELECT * FROM {0}", table)));
    write();
    std::vector<std::string> again;
    for (const std::string& table : tables) {
      EXPECT_TRUE(hand_->Execute(
          fmt::format("CREATE TABLE new_{0} AS SELECT * FROM {0}; DELETE FROM {0}; INSERT INTO {0} SELECT * "
                      "FROM old_{0}; ALTER TABLE {0} RENAME TO stored_{0}; "
                      "CREATE VIEW {0} AS SELECT t.* FROM stored_{0} t, stall()",
                      table)));
      again.push_back(fmt::format("DELETE FROM stored_{}", table));
      again.push_back(fmt::format("INSERT INTO stored_{0} SELECT * FROM new_{0}", table));
    }
    return again;
  }
  // What is decided while `statements` are committed: the first statement that reads has begun, and does not
  // see it.
  auto Overtaken(const auto& decide, const std::vector<std::string>& statements) {
    sql::pg::Transaction other(*hand_);
    sql::pg::Batch lock, writes;
    lock.Add("SELECT 1 FROM pg_advisory_xact_lock(1)");
    for (const std::string& statement : statements) writes.Add(statement);
    EXPECT_TRUE(other.Run(lock));
    auto decided = std::async(std::launch::async, decide);
    PostgresServer::AwaitBlocked(config_.url);
    EXPECT_TRUE(other.Commit(writes));
    return decided.get();
  }

  SeededRandom random_{9};
  sql::pg::Config config_;
  PostgresStores stores_;
  std::unique_ptr<sql::pg::Connection> hand_;
};

TEST_F(ReplicasTest, OneRequestThatReachesTwoReplicasMakesOneReservation) {
  constexpr int kKeys = 100;
  Replica a(config_, "a", 1);
  Replica b(config_, "b", 2);
  std::vector<std::pair<std::future<Result<Answer>>, std::future<Result<Answer>>>> answers;
  for (int i = 0; i < kKeys; ++i) {
    answers.emplace_back(a.Reserve(std::to_string(i)), b.Reserve(std::to_string(i)));
  }
  for (auto& [first, second] : answers) {
    const auto one = first.get();
    const auto other = second.get();
    ASSERT_TRUE(one || other) << one.error().reason << " " << other.error().reason;
    if (one && other) {
      EXPECT_EQ(one->reservation, other->reservation);
    } else {
      EXPECT_EQ((one ? other : one).error().reason, "idempotency_key_running");
    }
  }
  EXPECT_EQ(a.All().reservations.size(), kKeys);
  EXPECT_EQ(Count("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch"), kKeys);
}

TEST_F(ReplicasTest, WhatIsDueIsClaimedByOneOfThem) {
  std::vector<Change> changes(200);
  for (Change& change : changes) change.reservation = Due(milliseconds(100));
  Save(changes);
  std::vector<std::future<std::set<ReservationId>>> replicas;
  for (int replica = 0; replica < 3; ++replica) {
    replicas.push_back(std::async(std::launch::async, [this, replica] {
      SeededRandom random{static_cast<uint64_t>(100 + replica)};
      PostgresStores stores = OpenPostgres(config_, random).value();
      std::set<ReservationId> all;
      for (int round = 0; round < 10; ++round) all.merge(ClaimDue(stores, random, std::to_string(replica)));
      return all;
    }));
  }
  std::set<ReservationId> all;
  size_t claims = 0;
  for (auto& replica : replicas) {
    std::set<ReservationId> claimed = replica.get();
    claims += claimed.size();
    all.merge(claimed);
  }
  EXPECT_EQ(all.size(), changes.size());
  EXPECT_EQ(claims, changes.size()) << "claimed twice within one lease";
  EXPECT_EQ(Count("SELECT count(*) FROM reservation WHERE epoch = 2 AND version = 2"), 200);
}

// Its COMMIT is done only now, and nobody knew: otherwise nobody would work on it until its lease ends.
TEST_F(ReplicasTest, WhatAClaimTakesOverWithoutKnowingWhileTheNextOneReadsIsTold) {
  const Reservation due = Due(milliseconds(1'000));
  Change begin;
  begin.reservation = due;
  Save({begin});
  const auto claims = Undone({"reservation"}, [&] { ClaimDue(stores_, random_, "me"); });
  const std::vector<Command> again{Claim{"me", 1, {SagaId()}, {{due.id, {due.saga.id, 2}}}}};
  const auto decide = [&] {
    const Timestamp now = stores_.clock->Now();
    return Decide(stores_.store->Load(KeysOf(again), now).value(), again, now, Policy{}).decision;
  };
  EXPECT_FALSE(std::get<Claimed>(Overtaken(decide, claims).outcomes.at(0)).reservations.empty());
}

TEST_F(ReplicasTest, WhatAClaimOfAShowTakesOverWithoutKnowingWhileTheNextOneReadsIsTold) {
  const PostgresShowStores shows = OpenPostgresShows(config_).value();
  const auto decide_on = [&](const ShowCommand& command) {
    const std::span<const ShowCommand> commands(&command, 1);
    const Timestamp now = FromUnixMs(1);
    return Decide(shows.store->Load(KeysOf(commands), now).value(), commands, now, Policy{});
  };
  ASSERT_TRUE(shows.store->Save(decide_on(BeginCancellation{7, "it rains", "root"}).changes).value());
  const ShowCommand claim = ClaimWork{"me", {{WorkKind::kCancellation, 1}}};
  const auto claims =
      Undone({"show_work"}, [&] { EXPECT_TRUE(shows.store->Save(decide_on(claim).changes).value()); });
  ShowCommand again = claim;
  std::get<ClaimWork>(again).unsure = {{{7, WorkKind::kCancellation}, 1}};
  const ShowDecision told = Overtaken([&] { return decide_on(again); }, claims);
  EXPECT_FALSE(std::get<ClaimedWork>(told.outcomes.at(0)).works.empty());
}

// The other of her two requests is committed between two statements that read: otherwise she would be told
// that what it has begun keeps this one from beginning.
TEST_F(ReplicasTest, WhoConfirmsTwiceAtOnceIsNotRefusedForWhatTheOtherHasBegun) {
  Change held;
  held.reservation = Due(milliseconds(-60'000));
  held.reservation.Own().state = State::kHeld;
  held.reservation.Own().saga.status = SagaStatus::kDone;
  held.reservation.Own().hold_expires_at = *held.reservation->due_at;
  Save({held});
  const auto decide_on = [&](SagaId saga_id) {
    BeginOn confirm;
    confirm.key = {"buyer", "k"};
    confirm.reservation_id = held.reservation->id;
    confirm.saga_id = saga_id;
    const std::vector<Command> commands{confirm};
    const Timestamp now = stores_.clock->Now();
    return Decide(stores_.store->Load(KeysOf(commands), now).value(), commands, now, Policy{}).decision;
  };
  const SagaId other = SagaId::Make(stores_.clock->Now(), random_);
  const SagaId own = SagaId::Make(stores_.clock->Now(), random_);
  const auto begins = Undone({"reservation", "request"},
                             [&] { EXPECT_THAT(Save(decide_on(other).changes), ElementsAre(true)); });
  const Decision decided = Overtaken([&] { return decide_on(own); }, begins);
  ASSERT_TRUE(std::holds_alternative<Running>(decided.outcomes.at(0)));
  EXPECT_EQ(std::get<Running>(decided.outcomes.at(0)).saga_id, other);
}

TEST_F(ReplicasTest, ALeaseEndsByTheDatabasesClock) {
  Change change;
  change.reservation = Due(milliseconds(-60'000));
  EXPECT_THAT(Save({change}), ElementsAre(true));
  EXPECT_TRUE(ClaimDue(stores_, random_, "me").empty());
  ASSERT_TRUE(hand_->Execute("UPDATE reservation SET due_at_ms = " BOXOFFICE_PG_NOW_MS " - 1000"));
  EXPECT_THAT(ClaimDue(stores_, random_, "me"), ElementsAre(change.reservation->id));
}

TEST_F(ReplicasTest, AStaleOwnersWriteIsRefusedWithItsAnswerAndItsEvent) {
  Change begin;
  begin.reservation = Due(milliseconds(100));
  begin.request = RequestRecord{
      {"buyer", "k"}, "h", begin.reservation->id, begin.reservation->saga.id, std::nullopt, FromUnixMs(1)};
  Save({begin});
  EXPECT_EQ(ClaimDue(stores_, random_, "next").size(), 1);
  Change finish;
  finish.reservation = begin.reservation;
  finish.reservation.Own().version = 2;
  finish.reservation.Own().state = State::kConfirmed;
  finish.expected_version = 1;
  finish.reservation.Own().saga.status = SagaStatus::kDone;
  finish.expected_epoch = 1;
  finish.event = "reservation.confirmed";
  Change renew;
  renew.reservation.Own().id = begin.reservation->id;
  renew.reservation.Own().due_at = stores_.clock->Now() + milliseconds(60'000);
  renew.lease_only = true;
  renew.expected_epoch = 1;
  EXPECT_THAT(Save({finish}), ElementsAre(false));
  EXPECT_THAT(Save({renew}), ElementsAre(false));
  EXPECT_EQ(Count("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM reservation WHERE saga_status = 1"), 0);
  EXPECT_EQ(Count("SELECT epoch FROM reservation"), 2);
}

TEST_F(ReplicasTest, AnIntentWhoseCommitWasDoneUnknownIsGoneOnWith) {
  SlowFirstCommit("request", "5");
  sql::pg::Config impatient = config_;
  impatient.statement_timeout = milliseconds(0);  // or the server would end the commit
  impatient.answer_timeout = milliseconds(3'500);
  Replica replica(impatient, "a", 1);
  const auto answer = replica.Reserve("k", /*pay=*/true).get();
  ASSERT_TRUE(answer) << answer.error().reason;
  EXPECT_EQ(answer->reservation->state, State::kConfirmed);
  EXPECT_EQ(replica.All().reservations.size(), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM request"), 1);
  EXPECT_EQ(Count("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch"), 1);
}

TEST_F(ReplicasTest, AnEndWhoseCommitWasDoneUnknownIsThereOnceAndItsRequestAnswered) {
  SlowFirstCommit("outbox_batch", "5");
  sql::pg::Config impatient = config_;
  impatient.statement_timeout = milliseconds(0);  // or the server would end the commit
  impatient.answer_timeout = milliseconds(3'500);
  Replica replica(impatient, "a", 1);
  const auto answer = replica.Reserve("k", /*pay=*/true).get();
  ASSERT_TRUE(answer) << answer.error().reason << ": she has bought, and is told so";
  EXPECT_EQ(answer->reservation->state, State::kConfirmed);
  const auto again = replica.Reserve("k", /*pay=*/true).get();
  ASSERT_TRUE(again) << again.error().reason;
  EXPECT_EQ(again->reservation->state, State::kConfirmed);
  EXPECT_EQ(replica.All().reservations.size(), 1);
  EXPECT_EQ(Count("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch"), 1);
}

TEST_F(ReplicasTest, AServerKilledInTheCommitOfAnIntentOrAnEndLeavesNothingTwice) {
  for (const std::string_view table : {"request", "outbox_batch"}) {
    config_.url = PostgresServer::Shared().NewDatabase();
    stores_ = OpenPostgres(config_, random_).value();
    hand_ = sql::pg::Connection::Open(config_).value();
    SlowFirstCommit(table, "15");  // less than statement_timeout
    Replica replica(config_, "a", 1);
    auto killed = KillInCommit();
    auto answer = replica.Reserve("k", /*pay=*/true);
    killed.get();
    PostgresServer::Shared().Start();
    const auto got = answer.get();
    ASSERT_TRUE(got) << table << ": " << got.error().reason << " " << got.error().detail;
    EXPECT_EQ(got->reservation->state, State::kConfirmed);
    EXPECT_EQ(replica.All().reservations.size(), 1);
    EXPECT_EQ(
        Count(
            "SELECT count(*) FROM request JOIN reservation r ON r.id = reservation_id WHERE saga_status = 1"),
        1);
    EXPECT_EQ(Count("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch"), 1);
  }
}

// Operators' lists, the gauges of sagas and the auditor look while the table fills, and the server takes it
// for small.
TEST_F(ReplicasTest, ReadersWalkAlongIndexes) {
  {
    Replica replica(config_, "a", 1);
    ASSERT_TRUE(replica.Reserve("k").get());
  }
  config_.application_name = "reader";
  const auto scans = [this] {
    return PostgresServer::ScansOf("reservation", config_.url, config_.application_name);
  };
  const int64_t before = scans();
  {
    SeededRandom random(2);
    const PostgresStores stores = OpenPostgres(config_, random).value();
    Reader& reader = *stores.reader;
    EXPECT_TRUE(reader.CountSagas()->empty());
    EXPECT_TRUE(reader.ListSagas(std::nullopt, ReservationId(), 10)->reservations.empty());
    EXPECT_EQ(reader.List({})->reservations.size(), 1);
    EXPECT_EQ(reader.List({.user_id = "buyer"})->reservations.size(), 1);
    EXPECT_EQ(reader.List({.user_id = "buyer", .show_id = 7})->reservations.size(), 1);
    EXPECT_EQ(reader.List({.show_id = 7})->reservations.size(), 1);
    EXPECT_EQ(reader.List({.state = State::kCancelled, .show_id = 7})->reservations.size(), 0);
    EXPECT_EQ(reader.Scan(ReservationId(), 10)->reservations.size(), 1);
    const PostgresShowStores shows = OpenPostgresShows(config_).value();
    constexpr std::array kHeld{State::kHeld};
    EXPECT_EQ(shows.reader->OfShow(7, kHeld, ReservationId(), 10)->reservations.size(), 1);
  }
  EXPECT_EQ(scans(), before);
}

// The other of her two requests is committed between two statements that read.
TEST_F(ReplicasTest, WhoJoinsTwiceAtOnceHasOnePlaceOnTheWaitlist) {
  const PostgresShowStores shows = OpenPostgresShows(config_).value();
  const std::vector<ShowCommand> joins{JoinWaitlist{7, "buyer", Wish(2), /*wish_checked=*/true}};
  const auto decide = [&] {
    const Timestamp now = FromUnixMs(1);
    return Decide(shows.store->Load(KeysOf(joins), now).value(), joins, now, Policy{});
  };
  ASSERT_TRUE(shows.store->Save(decide().changes).value());
  // As if it had not been: until it is put back, with all that it has written.
  ASSERT_TRUE(hand_->Execute("CREATE TABLE kept AS SELECT * FROM waitlist; DELETE FROM waitlist"));
  EXPECT_FALSE(decide().changes.empty());  // its statements are prepared by now
  sql::pg::Transaction other(*hand_);
  sql::pg::Batch lock, join;
  lock.Add("LOCK TABLE show_work");
  join.Add("INSERT INTO waitlist SELECT * FROM kept");
  join.Add("UPDATE show_work SET version = version + 1");
  ASSERT_TRUE(other.Run(lock));
  auto decided = std::async(std::launch::async, decide);
  PostgresServer::AwaitBlocked(config_.url);
  ASSERT_TRUE(other.Commit(join));
  const ShowDecision again = decided.get();
  EXPECT_EQ(std::get<WaitlistEntry>(again.outcomes.at(0)).place, 1U);
  EXPECT_TRUE(again.changes.empty());
}

// A look at a waitlist each second must not cost what all who wait do.
TEST_F(ReplicasTest, WhoWaitsForSomethingElseIsNotReadOnTheWay) {
  constexpr uint64_t kOthers = 1'000;
  ShowChanges changes;
  for (uint64_t place = 1; place <= kOthers + 2; ++place) {
    WaitlistEntry entry;
    entry.show_id = 7;
    entry.place = place;
    entry.user_id = fmt::format("user{}", place);
    entry.wish.best_count = 1;
    entry.wish.category = place <= kOthers ? "A" : "B";
    entry.wish.max_price = place % 2 == 0 ? 0 : 900;
    entry.version = 1;
    changes.entries.push_back({std::move(entry), 0});
  }
  config_.application_name = "writer";
  ASSERT_TRUE(OpenPostgresShows(config_).value().store->Save(changes).value());
  const auto scans = [this] {
    return PostgresServer::ScansOf("waitlist", config_.url, config_.application_name);
  };
  const auto found = [this] {
    return PostgresServer::RowsFoundIn("waitlist", config_.url, config_.application_name);
  };
  const int64_t scans_before = scans();
  const int64_t found_before = found();
  config_.application_name = "reader";
  {
    const PostgresShowStores shows = OpenPostgresShows(config_).value();
    EXPECT_EQ(shows.reader->Wishes(7, 10)->size(), 2);
    WishQuery query;
    query.show_id = 7;
    query.wishes.emplace_back();
    query.wishes[0].best_count = 1;
    query.wishes[0].category = "B";
    query.wishes[0].max_price = 100;
    EXPECT_EQ(shows.reader->ListByWish(query)->entries.size(), 2);
    WaitlistQuery few;
    few.show_id = 7;
    few.which = Places::kOffered;
    EXPECT_TRUE(shows.reader->List(few)->entries.empty());
    few.which = Places::kUnindexed;
    EXPECT_TRUE(shows.reader->List(few)->entries.empty());
  }
  EXPECT_EQ(scans(), scans_before);
  EXPECT_LT(found() - found_before, 20);
}

// Who joins and leaves in a loop must not make each command dearer; nor must others who wait, of whom the
// server has not heard yet.
TEST_F(ReplicasTest, OfWhoHasLeftTenThousandTimesHerOpenPlaceAloneIsRead) {
  const std::string insert =
      "INSERT INTO waitlist(show_id, place, user_id, state, version, indexed_version, record) "
      "SELECT 7, n, ";
  const auto of = [](int first, int last) {
    return fmt::format("FROM generate_series({}, {}) n", first, last);
  };
  ASSERT_TRUE(hand_->Execute(insert + "'ann', 5, 1, 1, '' " + of(1, 10'000)));
  ASSERT_TRUE(hand_->Execute(insert + "'ann', 1, 1, 1, '' " + of(11'001, 11'001)));
  ASSERT_TRUE(hand_->Execute("ANALYZE waitlist"));
  ASSERT_TRUE(hand_->Execute(insert + "'user' || n, 1, 1, 1, '' " + of(10'001, 11'000)));
  config_.application_name = "reader";
  const auto found = [this] {
    return PostgresServer::RowsFoundIn("waitlist", config_.url, config_.application_name);
  };
  const int64_t found_before = found();
  {
    const PostgresShowStores shows = OpenPostgresShows(config_).value();
    ShowKeys keys;
    keys.members = {{7, "ann"}};
    EXPECT_EQ(shows.store->Load(keys, FromUnixMs(1))->entries.size(), 1);
    WaitlistQuery hers;
    hers.show_id = 7;
    hers.user_id = "ann";
    hers.which = Places::kOpen;
    EXPECT_EQ(shows.reader->List(hers)->entries.size(), 1);
  }
  EXPECT_EQ(found() - found_before, 2) << "one each";
}

}  // namespace
}  // namespace boxoffice::reservation
