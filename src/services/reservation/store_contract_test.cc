// What every reservation store must do, as far as it is written and loaded; runs over all of them.
#include <algorithm>
#include <string>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/reservation/store_memory.h"
#include "services/reservation/store_postgres.h"
#include "services/reservation/store_record.h"
#include "services/reservation/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

// What a kind of store is made of.
struct Opened {
  std::unique_ptr<sql::pg::ServerClock> clock;
  std::unique_ptr<Store> store;
};
using Open = Opened (*)(const std::filesystem::path& dir, Random& random);

Opened OpenMemory(const std::filesystem::path&, Random&) {
  return {nullptr, std::make_unique<MemoryStore>()};
}
Opened OpenSqlite(const std::filesystem::path& dir, Random& random) {
  return {nullptr, SqliteStore::Open(dir / "reservation.db", random).value()};
}
Opened OpenPostgresql(const std::filesystem::path&, Random& random) {
  const std::string url = testbed::PostgresServer::Shared().NewDatabase();
  auto stores = OpenPostgres(sql::pg::PatientConfig(url), random);
  CHECK(stores.has_value(), "{}", stores.error().detail);
  return {std::move(stores->clock), std::move(stores->store)};
}

class StoreContractTest : public ::testing::TestWithParam<Open> {
 protected:
  void SetUp() override {
    if (GetParam() == &OpenPostgresql) BOXOFFICE_NEED_POSTGRES();
    opened_ = GetParam()(dir_.path(), random_);
    store_ = opened_.store.get();
  }
  Reservation MakeReservation() {
    Reservation r;
    r.id = ReservationId::Make(kNow, random_);
    r.user_id = "buyer";
    r.show_id = 7;
    r.choice = {{3, 4}, 0, "", "", 900, 1, {"fanclub", "press"}};
    r.rung = "row";
    r.seats = {{3, "A-3", 100, "S"}, {4, "A-4", 150, "S"}};
    r.amount = 250;
    r.currency = "KRW";
    r.state = State::kConfirming;
    r.hold_expires_at = kNow + milliseconds(5);
    r.failure = Refusal{"seats_taken",
                        "sorry",
                        {{3, "A-3", "held"}},
                        1,
                        2,
                        "51",
                        "WAITING",
                        4,
                        4,
                        {"section", {{9, "B-1", 100, "S"}}, 100}};
    r.created_at = kNow;
    r.updated_at = kNow;
    r.version = 1;
    r.queue_token = "token";
    r.active_until = FromUnixMs(1'800'000'123'000);
    r.payment_method = "internal";
    r.from_waitlist = true;
    r.paid_saga = SagaId::Make(kNow, random_);
    r.paid_attempt = 2;
    r.bound_saga = SagaId::Make(kNow, random_);
    r.saga.id = SagaId::Make(kNow, random_);
    r.saga.kind = SagaKind::kConfirm;
    r.saga.definition_version = kNewestDefinitionVersion;
    r.saga.undoing = true;
    r.saga.undo_from = 3;
    r.saga.undo_to = 1;
    r.saga.undone_state = State::kHeld;
    r.saga.owner = "me";
    r.saga.tries = 3;
    r.saga.started_at = kNow;
    r.saga.deadline = kNow + milliseconds(9);
    r.saga.last_error = "timeout";
    r.saga.timeline = {{"hold-seats", true, "done", "x", kNow, 12}};
    r.saga.idempotency_key = "k";
    r.saga.asked_by = "an operator";
    r.saga.traceparent = "t";
    r.grace = milliseconds(90'000);
    r.fees = 40;
    r.returned = Return{{{3, "A-3", 100, "S"}}, 60, 40};
    r.move = {{3}, {8}, {{8, "B-1", 90, "T"}}};
    r.due_at = kNow + milliseconds(15'000);
    return r;
  }
  static Change Insert(const Reservation& r) {
    Change change;
    change.reservation = r;
    return change;
  }
  static Change Update(Reservation r, uint64_t expected_version, uint64_t expected_epoch) {
    Change change;
    r.version = expected_version + 1;
    change.reservation = std::move(r);
    change.expected_version = expected_version;
    change.expected_epoch = expected_epoch;
    return change;
  }
  std::vector<bool> Save(const Change& change) { return store_->Save(std::span(&change, 1)).value(); }
  std::optional<Reservation> Get(ReservationId id) {
    Keys keys;
    keys.reservations = {id};
    const Rows rows = store_->Load(keys, kNow).value();
    const auto found = rows.reservations.find(id);
    return found == rows.reservations.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<Answer> AnswerTo(const RequestKey& key) {
    Keys keys;
    keys.requests = {key};
    return store_->Load(keys, kNow).value().requests.at(key).answer;
  }

  testbed::TempDir dir_;
  SeededRandom random_{1};
  Opened opened_;
  Store* store_ = nullptr;
};

TEST_P(StoreContractTest, AReservationComesBackAsItWasSaved) {
  const Reservation r = MakeReservation();
  EXPECT_THAT(Save(Insert(r)), ElementsAre(true));
  EXPECT_EQ(Get(r.id), r);
}

TEST_P(StoreContractTest, WhatIsNotThereIsLeftOut) {
  EXPECT_EQ(Get(ReservationId::Make(kNow, random_)), std::nullopt);
}

TEST_P(StoreContractTest, ARowThatIsExpectedAbsentAndExistsHasMoved) {
  const Reservation r = MakeReservation();
  EXPECT_THAT(Save(Insert(r)), ElementsAre(true));
  EXPECT_THAT(Save(Insert(r)), ElementsAre(false));
}

TEST_P(StoreContractTest, AWriteAtAnOldVersionIsRefused) {
  Reservation r = MakeReservation();
  Save(Insert(r));
  EXPECT_THAT(Save(Update(r, 1, 1)), ElementsAre(true));
  r.state = State::kFailed;
  EXPECT_THAT(Save(Update(r, 1, 1)), ElementsAre(false));
  EXPECT_EQ(Get(r.id)->state, State::kConfirming);
}

TEST_P(StoreContractTest, AWriteOfAnOldEpochIsRefused) {
  Reservation r = MakeReservation();
  Save(Insert(r));
  Reservation claimed = r;
  claimed.saga.epoch = 2;
  EXPECT_THAT(Save(Update(claimed, 1, 1)), ElementsAre(true));
  EXPECT_THAT(Save(Update(r, 2, 1)), ElementsAre(false));
}

TEST_P(StoreContractTest, AChangeThatMovedLeavesOutItsRequestToo) {
  const Reservation r = MakeReservation();
  Save(Insert(r));
  Change again = Insert(r);
  again.request = RequestRecord{{"buyer", "k2"}, "hash", r.id, r.saga.id, std::nullopt, kNow};
  EXPECT_THAT(Save(again), ElementsAre(false));
  Keys keys;
  keys.requests = {{"buyer", "k2"}};
  EXPECT_TRUE(store_->Load(keys, kNow)->requests.empty());
}

TEST_P(StoreContractTest, ARequestIsKeptAndLaterAnswered) {
  Reservation r = MakeReservation();
  Change begin = Insert(r);
  begin.request =
      RequestRecord{{"buyer", "k"}, std::string("\x00\x01", 2), r.id, r.saga.id, std::nullopt, kNow};
  Save(begin);
  Keys keys;
  keys.requests = {{"buyer", "k"}};
  RequestRecord seen = store_->Load(keys, kNow)->requests.begin()->second;
  EXPECT_EQ(seen.request_hash, std::string("\x00\x01", 2));
  EXPECT_EQ(seen.answer, std::nullopt);

  r.saga.status = SagaStatus::kParked;
  Save(Update(r, 1, 1));
  EXPECT_EQ(AnswerTo({"buyer", "k"}), std::nullopt);

  r.saga.status = SagaStatus::kDone;
  r.state = State::kConfirmed;
  const Change finish = Update(r, 2, 1);
  Save(finish);
  seen = store_->Load(keys, kNow)->requests.begin()->second;
  EXPECT_EQ(seen.request_hash, std::string("\x00\x01", 2));
  EXPECT_EQ(seen.answer->reservation, finish.reservation);
  EXPECT_EQ(seen.answer->refusal, r.failure);
}

TEST_P(StoreContractTest, AnAnswerStaysWhatItWasWhenTheNextSagasChangeTheReservation) {
  Reservation r = MakeReservation();
  Change begin = Insert(r);
  begin.request = RequestRecord{{"buyer", "k"}, "h", r.id, r.saga.id, std::nullopt, kNow};
  Save(begin);
  r.saga.status = SagaStatus::kDone;
  r.state = State::kConfirmed;
  const Change finish = Update(r, 1, 1);
  Save(finish);

  Reservation next = r;
  next.saga.id = SagaId::Make(kNow, random_);
  next.saga.status = SagaStatus::kRunning;
  next.state = State::kCancelling;
  Change cancel = Update(next, 2, 1);
  cancel.request = RequestRecord{{"buyer", "k2"}, "h", r.id, next.saga.id, std::nullopt, kNow};
  cancel.answered = AnsweredRequest{{"buyer", "k"}, r.saga.id};
  EXPECT_THAT(Save(cancel), ElementsAre(true));
  EXPECT_EQ(AnswerTo({"buyer", "k"}).value().reservation, finish.reservation);
  EXPECT_EQ(AnswerTo({"buyer", "k2"}), std::nullopt);

  next.saga.status = SagaStatus::kDone;
  next.state = State::kCancelled;
  const Change cancelled = Update(next, 3, 1);
  Save(cancelled);
  // Kept once: what is kept again, of whatever row, changes nothing.
  Change again = Update(next, 4, 1);
  again.answered = cancel.answered;
  EXPECT_THAT(Save(again), ElementsAre(true));
  EXPECT_EQ(AnswerTo({"buyer", "k"}).value().reservation, finish.reservation);
  EXPECT_EQ(AnswerTo({"buyer", "k2"}).value().reservation, again.reservation);
}

TEST_P(StoreContractTest, NoAnswerIsKeptOfARowThatMovedNorForARequestThatWasTriedAnew) {
  const Reservation r = MakeReservation();
  Change begin = Insert(r);
  begin.request = RequestRecord{{"buyer", "k"}, "h", r.id, r.saga.id, std::nullopt, kNow};
  Save(begin);
  Save(Update(r, 1, 1));
  Change late = Update(r, 1, 1);
  late.answered = AnsweredRequest{{"buyer", "k"}, r.saga.id};
  EXPECT_THAT(Save(late), ElementsAre(false));
  EXPECT_EQ(AnswerTo({"buyer", "k"}), std::nullopt);
  Change other = Update(r, 2, 1);
  other.answered = AnsweredRequest{{"buyer", "k"}, SagaId::Make(kNow, random_)};
  EXPECT_THAT(Save(other), ElementsAre(true));
  EXPECT_EQ(AnswerTo({"buyer", "k"}), std::nullopt);
}

TEST_P(StoreContractTest, WhatIsDueComesOldestFirstAndBounded) {
  std::vector<ReservationId> ids;
  for (const int due_ms : {30, 10, 20, 99}) {
    Reservation r = MakeReservation();
    r.due_at = kNow + milliseconds(due_ms);
    ids.push_back(r.id);
    Save(Insert(r));
  }
  Reservation none = MakeReservation();
  none.due_at.reset();
  Save(Insert(none));
  Keys keys;
  keys.due_limit = 2;
  const Rows rows = store_->Load(keys, kNow + milliseconds(50)).value();
  ASSERT_EQ(rows.due.size(), 2U);
  EXPECT_EQ(rows.due[0].id, ids[1]);
  EXPECT_EQ(rows.due[1].id, ids[2]);
}

TEST_P(StoreContractTest, ALeaseIsRenewedByItsEpochOnlyAndWithoutANewVersion) {
  Reservation r = MakeReservation();
  Save(Insert(r));
  Change renew;
  renew.reservation.Own().id = r.id;
  renew.reservation.Own().due_at = kNow + milliseconds(60'000);
  renew.lease_only = true;
  renew.expected_epoch = 2;
  EXPECT_THAT(Save(renew), ElementsAre(false));
  renew.expected_epoch = 1;
  EXPECT_THAT(Save(renew), ElementsAre(true));
  Keys keys;
  keys.due_limit = 10;
  EXPECT_TRUE(store_->Load(keys, kNow + milliseconds(20'000))->due.empty());
  const Rows rows = store_->Load(keys, kNow + milliseconds(60'000)).value();
  ASSERT_EQ(rows.due.size(), 1U);
  EXPECT_EQ(rows.due[0].version, 1U);
  EXPECT_THAT(Save(Update(r, 1, 1)), ElementsAre(true)) << "the owner can still write";
}

TEST_P(StoreContractTest, ARenewalThatComesAfterItsSagaBeganToWaitDoesNotMoveTheNextTry) {
  const Reservation r = MakeReservation();
  Save(Insert(r));
  const auto change_of = [](const Command& command) {
    return Decide(Rows(), std::span(&command, 1), kNow, Policy()).decision.changes.at(0);
  };
  const Change waits = change_of(Postpone{r});
  EXPECT_THAT(Save(waits), ElementsAre(true));
  EXPECT_THAT(Save(change_of(Renew{r.id, r.saga.epoch})), ElementsAre(false));
  const Timestamp next_try = waits.reservation->due_at.value();
  ASSERT_LT(next_try, kNow + Policy().lease);
  Keys keys;
  keys.due_limit = 10;
  const Rows rows = store_->Load(keys, next_try).value();
  ASSERT_EQ(rows.due.size(), 1U);
  EXPECT_EQ(rows.due[0].due_at, next_try);
}

TEST_P(StoreContractTest, ASagaOfAVersionThatIsNotKnownIsNotDue) {
  std::vector<ReservationId> ids;
  for (const int version : {kNewestDefinitionVersion + 1, kNewestDefinitionVersion, kDefinitionVersion}) {
    Reservation r = MakeReservation();
    r.saga.definition_version = version;
    r.due_at = kNow + milliseconds(version);
    ids.push_back(r.id);
    Save(Insert(r));
    // Nor is one whose lease was renewed by those who know it.
    Change renew;
    renew.reservation.Own().id = r.id;
    renew.reservation.Own().due_at = kNow + milliseconds(10 * version);
    renew.lease_only = true;
    renew.expected_epoch = 1;
    EXPECT_THAT(Save(renew), ElementsAre(true));
  }
  Keys keys;
  keys.due_limit = 10;
  const Rows rows = store_->Load(keys, kNow + milliseconds(60'000)).value();
  ASSERT_EQ(rows.due.size(), 2U);
  EXPECT_EQ(rows.due[0].id, ids[2]) << "the oldest first, of whatever version";
  EXPECT_EQ(rows.due[1].id, ids[1]);
  EXPECT_EQ(rows.due[1].due_at, kNow + milliseconds(20));
  EXPECT_TRUE(store_->Load(keys, kNow + milliseconds(9))->due.empty());
}

TEST_P(StoreContractTest, OldAnswersAreForgottenWhatRunsIsNot) {
  const Reservation r = MakeReservation();
  Change running = Insert(r);
  running.request = RequestRecord{{"buyer", "running"}, "h", r.id, r.saga.id, std::nullopt, kNow};
  Save(running);
  const Reservation other = MakeReservation();
  Change begin = Insert(other);
  begin.request = RequestRecord{{"buyer", "done"}, "h", other.id, other.saga.id, std::nullopt, kNow};
  Save(begin);
  Reservation done = other;
  done.saga.status = SagaStatus::kDone;
  Save(Update(done, 1, 1));
  EXPECT_EQ(store_->ForgetRequests(kNow, 10)->count, 0);
  EXPECT_EQ(store_->ForgetRequests(kNow + milliseconds(1), 10)->count, 1);
  Keys keys;
  keys.requests = {{"buyer", "done"}, {"buyer", "running"}};
  EXPECT_EQ(store_->Load(keys, kNow)->requests.size(), 1U);
}

TEST_P(StoreContractTest, OldAnswersAmongYoungOnesAreForgottenInShortSteps) {
  Keys young;
  for (int i = 0; i < 20; ++i) {
    const Reservation r = MakeReservation();
    const bool old = i % 3 == 0;
    const RequestKey key{"buyer " + std::to_string(i % 7), std::to_string(i)};
    Change begin = Insert(r);
    begin.request =
        RequestRecord{key, "h", r.id, r.saga.id, std::nullopt, old ? kNow : kNow + milliseconds(1)};
    Save(begin);
    // One half has its answer from the reservation, the other half has kept it.
    Reservation done = r;
    done.saga.status = SagaStatus::kDone;
    Save(Update(done, 1, 1));
    if (i % 2 == 0) {
      Change next = Update(r, 2, 1);
      next.answered = AnsweredRequest{key, r.saga.id};
      Save(next);
    }
    if (!old) young.requests.push_back(key);
  }
  std::ranges::sort(young.requests);
  const auto forget_all = [&] {
    int64_t count = 0;
    for (int steps = 1;; ++steps) {
      const Forgotten forgotten = store_->ForgetRequests(kNow + milliseconds(1), 2).value();
      EXPECT_LE(forgotten.count, 2);
      count += forgotten.count;
      if (!forgotten.more || steps == 20) return count;
    }
  };
  EXPECT_EQ(forget_all(), 7);
  EXPECT_EQ(forget_all(), 0);
  EXPECT_EQ(store_->Load(young, kNow)->requests.size(), young.requests.size());
}

TEST_P(StoreContractTest, ARequestThatAnotherReplicaHasStoredMeanwhileIsNotReplaced) {
  const Reservation first = MakeReservation();
  Change begin = Insert(first);
  begin.request = RequestRecord{{"buyer", "k"}, "h", first.id, first.saga.id, std::nullopt, kNow};
  EXPECT_THAT(Save(begin), ElementsAre(true));
  // It found no such request; neither did its neighbour, which is not held up.
  const Reservation second = MakeReservation();
  const Reservation neighbour = MakeReservation();
  Change late = Insert(second);
  late.request = RequestRecord{{"buyer", "k"}, "h", second.id, second.saga.id, std::nullopt, kNow};
  Change other = Insert(neighbour);
  other.request = RequestRecord{{"buyer", "k2"}, "h", neighbour.id, neighbour.saga.id, std::nullopt, kNow};
  EXPECT_THAT(store_->Save(std::vector<Change>{late, other}).value(), ElementsAre(false, true));
  EXPECT_EQ(Get(second.id), std::nullopt);
  EXPECT_NE(Get(neighbour.id), std::nullopt);
  Keys keys;
  keys.requests = {{"buyer", "k"}};
  EXPECT_EQ(store_->Load(keys, kNow)->requests.begin()->second.saga_id, first.saga.id);
  // One that is tried anew knows which it replaces.
  late.replaces = first.saga.id;
  EXPECT_THAT(Save(late), ElementsAre(true));
  EXPECT_EQ(store_->Load(keys, kNow)->requests.begin()->second.saga_id, second.saga.id);
  const Reservation third = MakeReservation();
  Change again = Insert(third);
  again.request = RequestRecord{{"buyer", "k"}, "h", third.id, third.saga.id, std::nullopt, kNow};
  again.replaces = first.saga.id;
  EXPECT_THAT(Save(again), ElementsAre(false));
}

TEST_P(StoreContractTest, ManyChangesAreSavedOrLeftOutRowByRow) {
  std::vector<Change> changes;
  for (int i = 0; i < 6; ++i) {
    const Reservation r = MakeReservation();
    Change begin = Insert(r);
    if (i % 2 == 0) {
      begin.request =
          RequestRecord{{"buyer", std::to_string(9 - i)}, "h", r.id, r.saga.id, std::nullopt, kNow};
    }
    changes.push_back(begin);
  }
  EXPECT_THAT(store_->Save(changes).value(), ElementsAre(true, true, true, true, true, true));
  std::vector<Change> next;
  for (size_t i = 0; i < changes.size(); ++i) {
    Change change = Update(changes[i].reservation, i == 1 ? 7 : 1, i == 2 ? 7 : 1);
    change.reservation.Own().saga.status = SagaStatus::kDone;
    change.event = "reservation.confirmed";
    next.push_back(change);
  }
  next[3] = {};
  next[3].reservation.Own().id = changes[3].reservation->id;
  next[3].reservation.Own().due_at = kNow + milliseconds(7);
  next[3].lease_only = true;
  next[3].expected_epoch = 1;
  std::ranges::reverse(next);
  EXPECT_THAT(store_->Save(next).value(), ElementsAre(true, true, true, false, false, true));
  EXPECT_EQ(Get(changes[0].reservation->id)->version, 2U);
  EXPECT_EQ(Get(changes[2].reservation->id)->version, 1U);
  Keys keys;
  keys.requests = {{"buyer", "5"}, {"buyer", "7"}, {"buyer", "9"}};
  const auto requests = store_->Load(keys, kNow)->requests;
  EXPECT_TRUE(requests.at({"buyer", "5"}).answer.has_value());
  EXPECT_FALSE(requests.at({"buyer", "7"}).answer.has_value()) << "its row had another epoch";
  EXPECT_TRUE(requests.at({"buyer", "9"}).answer.has_value());
}

std::string NameOf(const ::testing::TestParamInfo<Open>& info) {
  if (info.param == &OpenMemory) return "Memory";
  return info.param == &OpenSqlite ? "Sqlite" : "Postgres";
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest,
                         ::testing::Values(&OpenMemory, &OpenSqlite, &OpenPostgresql), NameOf);

}  // namespace
}  // namespace boxoffice::reservation
