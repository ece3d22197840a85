// What every store of payment does alike. Add a store: add its factory at the end.
#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "platform/sql/sqlite.h"
#include "services/payment/store.h"
#include "services/payment/store_postgres.h"
#include "services/payment/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Currency kKrw = *Currency::Parse("KRW");
const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// A store under test with what it needs to live.
class Home {
 public:
  virtual ~Home() = default;
  virtual Stores Open() = 0;
};
struct HomeFactory {
  std::function<std::unique_ptr<Home>()> make;
  bool needs_postgres = false;
};

class StoreContractTest : public ::testing::TestWithParam<HomeFactory> {
 protected:
  void SetUp() override {
    if (GetParam().needs_postgres) BOXOFFICE_NEED_POSTGRES();
    home_ = GetParam().make();
    Reopen();
  }
  void Reopen() {
    stores_ = {};
    stores_ = home_->Open();
  }
  ReservationId NewReservation() { return ReservationId::Make(kNow + milliseconds(++made_), random_); }
  Payment NewPayment(ReservationId reservation, uint32_t attempt = 1, State state = State::kApproved) {
    return {.key = {reservation, attempt},
            .id = PaymentId::Make(kNow, random_),
            .saga = SagaId::Make(kNow, random_),
            .user_id = "ann",
            .money = {1000, kKrw},
            .method = "sandbox:approve",
            .state = state,
            .created_at = kNow,
            .updated_at = kNow};
  }
  // The reservations that had moved.
  std::vector<ReservationId> Save(std::vector<Payment> payments) {
    auto moved = stores_.store->Save({std::move(payments), {}, {}, {}});
    EXPECT_TRUE(moved.has_value());
    return *moved;
  }
  std::vector<Payment> Load(ReservationId reservation) {
    return stores_.store->Load({{reservation}, {}})->payments;
  }

  std::unique_ptr<Home> home_;
  Stores stores_;
  SeededRandom random_{3};
  int made_ = 0;
  ReservationId reservation_ = NewReservation();
};

TEST_P(StoreContractTest, WhatIsSavedIsLoadedAlsoAfterReopening) {
  EXPECT_THAT(Load(reservation_), IsEmpty());
  Payment first = NewPayment(reservation_, 1, State::kCancelled);
  first.resolution = Resolution::kRefunded;
  first.provider_code = "51";
  first.provider_reference = "ref";
  first.refunded = 200;
  first.refunding = 100;
  first.captured_late = true;
  first.captured_meanwhile = true;
  first.dispute = {"charge_disputed", "root", "charged back"};
  const Payment second = NewPayment(reservation_, 2);
  const Payment other = NewPayment(NewReservation());
  EXPECT_THAT(Save({first, second, other}), IsEmpty());
  Reopen();
  Payment stored_first = first;
  Payment stored_second = second;
  stored_first.version = stored_second.version = 1;
  EXPECT_THAT(Load(reservation_), ElementsAre(stored_first, stored_second));
  EXPECT_THAT(stores_.store->Load({{reservation_, other.key.reservation}, {}})->payments, SizeIs(3));
}

TEST_P(StoreContractTest, WhatCameOfAPaymentIsUpdated) {
  Save({NewPayment(reservation_, 1, State::kPending)});
  Payment row = Load(reservation_).at(0);
  row.state = State::kCancelled;
  row.resolution = Resolution::kVoided;
  row.provider_code = "c";
  row.provider_reference = "r";
  row.updated_at = kNow + milliseconds(5);
  row.captured_meanwhile = true;
  row.dispute = {"charge_disputed", "root", "charged back"};
  EXPECT_THAT(Save({row}), IsEmpty());
  row.version = 2;
  EXPECT_THAT(Load(reservation_), ElementsAre(row));
}

TEST_P(StoreContractTest, ARowThatMovedStopsTheWholeSave) {
  Save({NewPayment(reservation_, 1, State::kPending)});
  Payment row = Load(reservation_).at(0);
  row.state = State::kApproved;
  EXPECT_THAT(Save({row}), IsEmpty());
  row.state = State::kCancelled;  // decided on the version before
  const Payment neighbour = NewPayment(NewReservation());
  EXPECT_THAT(Save({row, neighbour}), ElementsAre(reservation_));
  EXPECT_EQ(Load(reservation_).at(0).state, State::kApproved);
  EXPECT_THAT(Load(neighbour.key.reservation), IsEmpty());
}

TEST_P(StoreContractTest, ActionAndUndoAtTheSameTimeMeetInTheRow) {
  Payment tombstone = NewPayment(reservation_, 1, State::kCancelled);
  tombstone.resolution = Resolution::kNeverSent;
  Save({tombstone});
  EXPECT_THAT(Save({NewPayment(reservation_, 1)}), ElementsAre(reservation_));
  EXPECT_EQ(Load(reservation_).at(0).state, State::kCancelled);
}

TEST_P(StoreContractTest, TwoApprovalsOfOneReservationAreImpossibleByConstraint) {
  Save({NewPayment(reservation_, 1)});
  EXPECT_THAT(Save({NewPayment(reservation_, 2)}), ElementsAre(reservation_));
  EXPECT_THAT(Save({NewPayment(reservation_, 2, State::kPending)}), ElementsAre(reservation_));
  EXPECT_THAT(Load(reservation_), SizeIs(1));
  Payment first = Load(reservation_).at(0);
  first.state = State::kCancelled;
  EXPECT_THAT(Save({first, NewPayment(reservation_, 2)}), IsEmpty());
}

TEST_P(StoreContractTest, PaymentsArePagedWithoutSplittingAReservation) {
  const ReservationId second = NewReservation();
  const ReservationId third = NewReservation();
  Save({NewPayment(reservation_, 1, State::kDeclined), NewPayment(reservation_, 2), NewPayment(second),
        NewPayment(third)});
  const PaymentPage first_page = *stores_.reader->Page({}, 1);
  ASSERT_THAT(first_page.payments, SizeIs(2));
  EXPECT_EQ(first_page.payments[1].key, (PaymentKey{reservation_, 2}));
  EXPECT_TRUE(first_page.more);
  const PaymentPage rest = *stores_.reader->Page(reservation_, 2);
  EXPECT_THAT(rest.payments, SizeIs(2));
  EXPECT_FALSE(rest.more);
  EXPECT_THAT(*stores_.reader->Payments(reservation_), SizeIs(2));
  EXPECT_FALSE(stores_.reader->Page({}, 4)->more);
  EXPECT_THAT(stores_.reader->Page(third, 1)->payments, IsEmpty());
}

TEST_P(StoreContractTest, WhatIsNotSettledIsFoundInTheOrderOfKeys) {
  std::vector<Payment> payments;
  const auto add = [&](State state, Resolution resolution) {
    payments.push_back(NewPayment(NewReservation(), 1, state));
    payments.back().resolution = resolution;
    return payments.back().key;
  };
  const PaymentKey pending = add(State::kPending, Resolution::kOpen);
  add(State::kApproved, Resolution::kOpen);
  add(State::kDeclined, Resolution::kOpen);
  const PaymentKey open = add(State::kCancelled, Resolution::kOpen);
  add(State::kCancelled, Resolution::kNeverSent);
  add(State::kCancelled, Resolution::kVoided);
  add(State::kCancelled, Resolution::kRefunded);
  const PaymentKey reopened = add(State::kCancelled, Resolution::kReopened);
  for (const Payment& payment : payments) {
    EXPECT_EQ(payment.settled(), payment.key != pending && payment.key != open && payment.key != reopened);
  }
  Save(payments);
  EXPECT_THAT(*stores_.reader->Unsettled({}, 10), ElementsAre(pending, open, reopened));
  EXPECT_THAT(*stores_.reader->Unsettled({}, 2), ElementsAre(pending, open));
  EXPECT_THAT(*stores_.reader->Unsettled(open, 2), ElementsAre(reopened));
}

TEST_P(StoreContractTest, WhatAProviderRefusesToGiveBackIsFoundInTheOrderOfKeys) {
  const auto add = [&](State state, Resolution resolution, const std::string& refusal) {
    Payment payment = NewPayment(NewReservation(), 1, state);
    payment.resolution = resolution;
    payment.dispute.refusal = refusal;
    Save({payment});
    return payment.key;
  };
  const auto add_part = [&](const PaymentKey& key, const std::string& refusal, bool done = false) {
    Payment row = Load(key.reservation).at(0);
    (done ? row.refunded : row.refunding) += 100;
    const Refund part{.payment = key,
                      .saga = SagaId::Make(kNow, random_),
                      .amount = 100,
                      .done = done,
                      .created_at = kNow,
                      .updated_at = kNow,
                      .dispute = {refusal, "", ""}};
    EXPECT_THAT(*stores_.store->Save({{row}, {part}, {}, {}}), IsEmpty());
  };
  const PaymentKey whole = add(State::kCancelled, Resolution::kOpen, "charge_disputed");
  add(State::kCancelled, Resolution::kOpen, "");
  add(State::kPending, Resolution::kOpen, "");
  add(State::kCancelled, Resolution::kSettledOutside, "charge_disputed");
  const PaymentKey reopened = add(State::kCancelled, Resolution::kReopened, "said_not_taken");
  const PaymentKey in_parts = add(State::kApproved, Resolution::kOpen, "");
  add_part(in_parts, "charge_disputed");
  add_part(in_parts, "charge_disputed");
  add_part(add(State::kApproved, Resolution::kOpen, ""), "");
  add_part(add(State::kApproved, Resolution::kOpen, ""), "charge_disputed", /*done=*/true);
  const PaymentKey last = add(State::kApproved, Resolution::kOpen, "");
  add_part(last, "charge_disputed");
  EXPECT_THAT(*stores_.reader->Refused({}, 10), ElementsAre(whole, reopened, in_parts, last));
  EXPECT_THAT(*stores_.reader->Refused({}, 2), ElementsAre(whole, reopened));
  EXPECT_THAT(*stores_.reader->Refused(reopened, 2), ElementsAre(in_parts, last)) << "each counts once";
  EXPECT_THAT(*stores_.reader->Refused(last, 2), IsEmpty());
}

TEST_P(StoreContractTest, PaymentsAreFoundByTheirKeysWithTheirRefundsAlone) {
  Payment first = NewPayment(reservation_, 1, State::kCancelled);
  const Payment second = NewPayment(reservation_, 2);
  const Payment other = NewPayment(NewReservation());
  Save({first, second, other});
  std::vector<Refund> parts;
  for (const PaymentKey& key : {first.key, second.key, second.key}) {
    parts.push_back({.payment = key,
                     .saga = SagaId::Make(kNow, random_),
                     .amount = 100,
                     .created_at = kNow,
                     .updated_at = kNow,
                     .dispute = {"charge_disputed", "", ""}});
  }
  std::vector<Payment> rows = Load(reservation_);
  EXPECT_THAT(*stores_.store->Save({rows, parts, {}, {}}), IsEmpty());
  rows = Load(reservation_);
  const std::vector<PaymentKey> keys = {second.key, {other.key.reservation, 9}};
  const Rows found = *stores_.reader->Find(keys);
  EXPECT_THAT(found.payments, ElementsAre(rows.at(1)));
  EXPECT_THAT(found.refunds, ::testing::UnorderedElementsAre(parts.at(1), parts.at(2)));
  const std::vector<PaymentKey> both = {second.key, other.key};
  EXPECT_THAT(stores_.reader->Find(both)->payments, SizeIs(2));
  EXPECT_THAT(stores_.reader->Find({})->payments, IsEmpty());
}

TEST_P(StoreContractTest, RefundsAreSavedWithTheirPaymentOrNotAtAll) {
  Save({NewPayment(reservation_), NewPayment(NewReservation())});
  Payment row = Load(reservation_).at(0);
  row.refunding = 300;
  Refund part{.payment = row.key,
              .saga = SagaId::Make(kNow, random_),
              .amount = 300,
              .created_at = kNow,
              .updated_at = kNow};
  EXPECT_THAT(*stores_.store->Save({{row}, {part}, {}, {}}), IsEmpty());
  Rows rows = *stores_.store->Load({{reservation_}, {}});
  EXPECT_THAT(rows.refunds, ElementsAre(part));
  EXPECT_EQ(rows.payments.at(0).refunding, 300);
  EXPECT_THAT(*stores_.reader->Unsettled({}, 10), ElementsAre(row.key));

  const Payment stale = rows.payments.at(0);
  Payment done = stale;
  done.refunding = 0;
  done.refunded = 300;
  done.captured_late = true;
  part.done = true;
  part.dispute = {"charge_disputed", "root", "charged back"};
  part.updated_at = kNow + milliseconds(7);
  EXPECT_THAT(*stores_.store->Save({{done}, {part}, {}, {}}), IsEmpty());
  Refund more = part;
  more.saga = SagaId::Make(kNow, random_);
  more.amount = 800;  // decided before the other was seen: together more than was captured
  Payment moved = stale;
  moved.refunding = 1100;
  EXPECT_THAT(*stores_.store->Save({{moved}, {more}, {}, {}}), ElementsAre(reservation_));
  Reopen();
  rows = *stores_.store->Load({{reservation_}, {}});
  EXPECT_THAT(rows.refunds, ElementsAre(part));
  EXPECT_EQ(rows.payments.at(0).refunded, 300);
  EXPECT_TRUE(rows.payments.at(0).captured_late);
  EXPECT_THAT(*stores_.reader->Refunds(reservation_), ElementsAre(part));
  EXPECT_EQ(stores_.reader->Page({}, 1)->payments.at(0).refunded, 300);
  EXPECT_THAT(*stores_.reader->Unsettled({}, 10), IsEmpty());
}

// Otherwise the part would be given back again.
TEST_P(StoreContractTest, APaymentAndItsRefundInOneBatchAreStoredTogether) {
  const PaymentKey key{reservation_, 1};
  const SagaId buys = SagaId::Make(kNow, random_), gives_back = SagaId::Make(kNow, random_);
  const std::vector<Command> commands = {
      {Approve{key, buys, "ann", {1000, kKrw}, std::string(kInternal), Route::kInternal}, "", {}},
      {GiveBack{key, gives_back, {300, kKrw}}, "", {}}};
  EXPECT_THAT(*stores_.store->Save(Decide({}, commands, kNow, random_).changes), IsEmpty());
  Reopen();
  const Rows rows = *stores_.store->Load(KeysOf(commands));
  ASSERT_THAT(rows.payments, SizeIs(1));
  EXPECT_EQ(rows.payments[0].refunded, 300);
  EXPECT_THAT(rows.refunds, SizeIs(1));
  const std::vector<Command> rest = {{GiveBack{key, SagaId::Make(kNow, random_), {701, kKrw}}, "", {}}};
  EXPECT_EQ(Decide(rows, rest, kNow, random_).outcomes.at(0).answer->refusal, Refusal::kExceedsCaptured);
}

// Otherwise it would be asked for as another part, once more.
TEST_P(StoreContractTest, TheRestOfACancelledPaymentIsStoredAsAPartWithIt) {
  const PaymentKey key{reservation_, 1};
  const SagaId saga = SagaId::Make(kNow, random_);
  const auto run = [&](Command command) {
    const std::vector<Command> commands = {std::move(command)};
    const Rows rows = *stores_.store->Load(KeysOf(commands));
    const Decision decision = Decide(rows, commands, kNow, random_);
    EXPECT_THAT(*stores_.store->Save(decision.changes), IsEmpty());
    Reopen();
    return decision.outcomes.at(0);
  };
  const Approve approve{key, saga, "ann", {1000, kKrw}, "http:card", Route::kExternal};
  run({approve, "", {}});
  run({approve, "", ProviderAnswer{Verdict::kApproved, "ref", "", {}}});
  const SagaId part = SagaId::Make(kNow, random_);
  run({GiveBack{key, part, {300, kKrw}}, "", {}});
  const ProviderAnswer refused{Verdict::kRefused, "", "charge_disputed", part};
  run({GiveBack{key, part, {300, kKrw}}, "", refused});
  run({SettleOutside{key, "root", "charged back"}, "", refused});
  const Decided rest = run({Cancel{key, saga}, "", {}});
  EXPECT_EQ(rest.request.money.amount, 700);
  EXPECT_THAT(*stores_.reader->Unsettled({}, 10), ElementsAre(key));
  EXPECT_EQ(run({Cancel{key, saga}, "", {}}).request.RefundKey(), rest.request.RefundKey());
  run({Cancel{key, saga}, "", ProviderAnswer{Verdict::kRefundDone, "", "", rest.request.refund}});
  EXPECT_THAT(*stores_.reader->Unsettled({}, 10), IsEmpty());
  const std::vector<Payment> payments = *stores_.reader->Payments(reservation_);
  ASSERT_THAT(payments, SizeIs(1));
  EXPECT_EQ(payments[0].resolution, Resolution::kRefunded);
  EXPECT_EQ(payments[0].refunded, 1000);
}

TEST_P(StoreContractTest, AWebhookIsTakenOnceAndForgottenAfterADay) {
  const WebhookKey key{"http", "w1"};
  const auto take = [&](const WebhookKey& webhook, Timestamp at) {
    return *stores_.store->Save({{}, {}, {{webhook, reservation_, at}}, {}});
  };
  EXPECT_THAT(stores_.store->Load({{}, {key}})->webhooks, IsEmpty());
  EXPECT_THAT(take(key, kNow), IsEmpty());
  EXPECT_THAT(stores_.store->Load({{}, {key, {"http", "w2"}}})->webhooks, ElementsAre(key));
  EXPECT_THAT(take(key, kNow), ElementsAre(reservation_)) << "another replica was first";
  EXPECT_THAT(take({"http", "w2"}, kNow + kWebhookMemory), IsEmpty());
  EXPECT_THAT(stores_.store->Load({{}, {key}})->webhooks, ElementsAre(key));
  EXPECT_THAT(take({"http", "w3"}, kNow + kWebhookMemory + milliseconds(1)), IsEmpty());
  EXPECT_THAT(stores_.store->Load({{}, {key}})->webhooks, IsEmpty());
}

// The commands of the batch that forgets wait for it.
TEST_P(StoreContractTest, OfManyOldWebhooksAThousandAreForgottenAtOnce) {
  Keys old;
  Changes taken;
  for (int i = 0; i < 2'500; ++i) {
    old.webhooks.push_back({"http", fmt::format("w{:04}", i)});
    taken.webhooks.push_back({old.webhooks.back(), reservation_, kNow + milliseconds(i)});
  }
  EXPECT_THAT(*stores_.store->Save(taken), IsEmpty());
  const auto left_after = [&](const std::string& id) {
    const Timestamp later = kNow + 2 * kWebhookMemory;
    EXPECT_THAT(*stores_.store->Save({{}, {}, {{{"http", id}, reservation_, later}}, {}}), IsEmpty());
    std::vector<WebhookKey> left = stores_.store->Load(old)->webhooks;
    std::ranges::sort(left);
    return left;
  };
  const auto expected = std::span(old.webhooks).subspan(1'000);
  EXPECT_THAT(left_after("x1"), ::testing::ElementsAreArray(expected)) << "the oldest go first";
  EXPECT_THAT(left_after("x2"), SizeIs(500));
  EXPECT_THAT(left_after("x3"), IsEmpty());
}

class SqliteHome final : public Home {
 public:
  Stores Open() override {
    auto stores = OpenSqlite(file());
    CHECK(stores.has_value(), "{}", stores.error().detail);
    return *std::move(stores);
  }
  std::filesystem::path file() const { return dir_.path() / "payment.db"; }

 private:
  testbed::TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContractTest,
                         ::testing::Values(HomeFactory{[] { return std::make_unique<SqliteHome>(); }}));

class PostgresHome final : public Home {
 public:
  Stores Open() override {
    auto stores = OpenPostgres(sql::pg::PatientConfig(url_));
    CHECK(stores.has_value(), "{}", stores.error().detail);
    return *std::move(stores);
  }

 private:
  const std::string url_ = testbed::PostgresServer::Shared().NewDatabase();
};

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContractTest,
                         ::testing::Values(HomeFactory{[] { return std::make_unique<PostgresHome>(); },
                                                       true}));

// How SQLite reads the keys of `what` after a key, a page of them.
std::string PlanOf(const std::string& what) {
  SqliteHome home;
  const Stores stores = home.Open();
  const auto raw = sql::Database::Open(home.file());
  sql::Statement plan = raw->Prepare("EXPLAIN QUERY PLAN SELECT " + what +
                                     " AND (reservation_id, attempt) > (x'', 0) "
                                     "ORDER BY reservation_id, attempt LIMIT 10");
  std::string text;
  while (plan.Step().value()) text += std::string(plan.Text(3)) + "\n";
  return text;
}

// The reconciler looks every second: it must not walk over all payments ever made.
TEST(SqlitePaymentTest, UnsettledPaymentsAreFoundByTheirOwnIndex) {
  const std::string plan = PlanOf(
      "reservation_id, attempt FROM payment WHERE (state = 1 OR (state = 4 AND resolution IN (0, 4)))");
  EXPECT_THAT(plan, ::testing::HasSubstr("payment_unsettled"));
  EXPECT_THAT(plan, ::testing::Not(::testing::HasSubstr("TEMP B-TREE")));
}

// Nor over all that are in doubt while a provider is silent.
TEST(SqlitePaymentTest, RefusedPaymentsAreFoundByTheirOwnIndexes) {
  const std::string wholes = PlanOf(
      "reservation_id, attempt FROM payment WHERE state = 4 AND resolution IN (0, 4) AND refusal <> ''");
  EXPECT_THAT(wholes, ::testing::HasSubstr("payment_refused"));
  EXPECT_THAT(wholes, ::testing::Not(::testing::HasSubstr("TEMP B-TREE")));
  const std::string parts =
      PlanOf("DISTINCT reservation_id, attempt FROM payment_refund WHERE done = 0 AND refusal <> ''");
  EXPECT_THAT(parts, ::testing::HasSubstr("payment_refund_refused"));
  EXPECT_THAT(parts, ::testing::Not(::testing::HasSubstr("TEMP B-TREE")));
}

}  // namespace
}  // namespace boxoffice::payment
