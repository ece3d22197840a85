// What every reservation store must do; runs over all of them.
#include <gmock/gmock.h>

#include "services/reservation/store_memory.h"
#include "services/reservation/store_record.h"
#include "services/reservation/store_sqlite.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

using MakeStore = std::unique_ptr<Store> (*)(const std::filesystem::path& dir, Random& random);

std::unique_ptr<Store> MakeMemory(const std::filesystem::path&, Random&) {
  return std::make_unique<MemoryStore>();
}
std::unique_ptr<Store> MakeSqlite(const std::filesystem::path& dir, Random& random) {
  return SqliteStore::Open(dir / "reservation.db", random).value();
}

class StoreContractTest : public ::testing::TestWithParam<MakeStore> {
 protected:
  Reservation MakeReservation() {
    Reservation r;
    r.id = ReservationId::Make(kNow, random_);
    r.user_id = "buyer";
    r.show_id = 7;
    r.choice = {{3, 4}, 0, "", ""};
    r.seats = {{3, "A-3", 100, "S"}, {4, "A-4", 150, "S"}};
    r.amount = 250;
    r.currency = "KRW";
    r.state = State::kConfirming;
    r.hold_expires_at = kNow + milliseconds(5);
    r.failure = Refusal{"seats_taken", "sorry", {{3, "A-3", "held"}}, 1, 2, "51", "WAITING", 4, 4};
    r.created_at = kNow;
    r.updated_at = kNow;
    r.version = 1;
    r.queue_token = "token";
    r.payment_method = "internal";
    r.paid_saga = SagaId::Make(kNow, random_);
    r.paid_attempt = 2;
    r.bound_saga = SagaId::Make(kNow, random_);
    r.saga.id = SagaId::Make(kNow, random_);
    r.saga.kind = SagaKind::kConfirm;
    r.saga.definition_version = 3;
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
    r.saga.traceparent = "t";
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

  testbed::TempDir dir_;
  SeededRandom random_{1};
  std::unique_ptr<Store> store_ = GetParam()(dir_.path(), random_);
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

  r.state = State::kConfirmed;
  Change finish = Update(r, 1, 1);
  finish.request = RequestRecord{{"buyer", "k"}, "", r.id, r.saga.id, std::nullopt, kNow};
  finish.answers = true;
  Save(finish);
  seen = store_->Load(keys, kNow)->requests.begin()->second;
  EXPECT_EQ(seen.request_hash, std::string("\x00\x01", 2));
  EXPECT_EQ(seen.answer->reservation, finish.reservation);
  EXPECT_EQ(seen.answer->refusal, r.failure);
}

TEST_P(StoreContractTest, AnAnswerOfAnotherSagaIsNotTaken) {
  const Reservation r = MakeReservation();
  Change begin = Insert(r);
  begin.request = RequestRecord{{"buyer", "k"}, "h", r.id, r.saga.id, std::nullopt, kNow};
  Save(begin);
  Change finish = Update(r, 1, 1);
  finish.request = RequestRecord{{"buyer", "k"}, "", r.id, SagaId::Make(kNow, random_), std::nullopt, kNow};
  finish.answers = true;
  Save(finish);
  Keys keys;
  keys.requests = {{"buyer", "k"}};
  EXPECT_EQ(store_->Load(keys, kNow)->requests.begin()->second.answer, std::nullopt);
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
  renew.reservation.id = r.id;
  renew.reservation.due_at = kNow + milliseconds(60'000);
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

TEST_P(StoreContractTest, OldAnswersAreForgottenWhatRunsIsNot) {
  const Reservation r = MakeReservation();
  Change running = Insert(r);
  running.request = RequestRecord{{"buyer", "running"}, "h", r.id, r.saga.id, std::nullopt, kNow};
  Save(running);
  const Reservation other = MakeReservation();
  Change begin = Insert(other);
  begin.request = RequestRecord{{"buyer", "done"}, "h", other.id, other.saga.id, std::nullopt, kNow};
  Save(begin);
  Change finish = Update(other, 1, 1);
  finish.request = RequestRecord{{"buyer", "done"}, "", other.id, other.saga.id, std::nullopt, kNow};
  finish.answers = true;
  Save(finish);
  EXPECT_EQ(store_->ForgetRequests(kNow, 10), 0);
  EXPECT_EQ(store_->ForgetRequests(kNow + milliseconds(1), 10), 1);
  Keys keys;
  keys.requests = {{"buyer", "done"}, {"buyer", "running"}};
  EXPECT_EQ(store_->Load(keys, kNow)->requests.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest, ::testing::Values(&MakeMemory, &MakeSqlite),
                         [](const auto& info) { return std::string(info.index == 0 ? "Memory" : "Sqlite"); });

TEST(SqliteReaderTest, ListsNewestFirstByUserStateAndShowWithACursor) {
  const testbed::TempDir dir;
  SeededRandom random(1);
  auto store = SqliteStore::Open(dir.path() / "reservation.db", random).value();
  auto reader = SqliteReader::Open(dir.path() / "reservation.db").value();
  std::vector<Reservation> made;
  for (int i = 0; i < 5; ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random);
    r.user_id = i == 4 ? "other" : "buyer";
    r.show_id = i == 0 ? 1 : 2;
    r.state = i == 1 ? State::kConfirmed : State::kHeld;
    r.saga.status = i == 2 ? SagaStatus::kParked : SagaStatus::kDone;
    r.version = 1;
    Change change;
    change.reservation = r;
    ASSERT_TRUE(store->Save(std::span(&change, 1)));
    made.push_back(r);
  }
  ListQuery query;
  query.user_id = "buyer";
  query.limit = 3;
  Page page = reader->List(query).value();
  EXPECT_TRUE(page.more);
  EXPECT_THAT(page.reservations, ElementsAre(made[3], made[2], made[1]));
  query.before = made[1].id;
  page = reader->List(query).value();
  EXPECT_FALSE(page.more);
  EXPECT_THAT(page.reservations, ElementsAre(made[0]));
  query.before.reset();
  query.state = State::kConfirmed;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[1]));
  query.state.reset();
  query.show_id = 1;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[0]));
  EXPECT_THAT(reader->ListSagas(SagaStatus::kParked, ReservationId(), 10)->reservations,
              ElementsAre(made[2]));
  EXPECT_EQ(reader->Scan(made[0].id, 10)->reservations.size(), 4U);
  EXPECT_EQ(reader->Get(made[4].id)->value(), made[4]);
}

}  // namespace
}  // namespace boxoffice::reservation
