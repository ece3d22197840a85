#include "services/payment/store_postgres.h"

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/outbox/outbox_for_test.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "services/payment/provider_timer_manual.h"
#include "services/payment/service.h"
#include "testing/postgres_server.h"

namespace boxoffice::payment {
namespace {

using sql::pg::Batch;
using testbed::PostgresServer;
using ::testing::HasSubstr;
using ::testing::Not;

const Currency kKrw = *Currency::Parse("KRW");

// Two replicas of payment on one database.
class PaymentReplicasTest : public ::testing::Test {
 protected:
  struct Replica {
    Replica(const sql::pg::Config& config, Random& random, obs::Registry& metrics)
        : stores(OpenPostgres(config).value()),
          service(*stores.store, *stores.reader, {}, timer, clock, random, metrics, {}, [] {}) {}
    Stores stores;
    ManualClock clock;
    ManualTimer timer{clock};
    Service service;
  };
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    config_ = sql::pg::PatientConfig(PostgresServer::Shared().NewDatabase());
    StartReplicas();
  }
  void StartReplicas() {
    replicas_.clear();
    for (int i = 0; i < 2; ++i) replicas_.push_back(std::make_unique<Replica>(config_, random_, metrics_));
  }
  std::future<Result<Outcome>> Submit(size_t replica, Command command) {
    auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    replicas_[replica]->service.Submit(
        std::move(command), [promise](Result<Outcome> outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
  }
  Command ApproveOf(ReservationId reservation, uint32_t attempt) {
    return {Approve{{reservation, attempt}, saga_, "ann", {1000, kKrw}, std::string(kInternal)}, "", {}};
  }
  // What a statement says, line by line.
  std::string Ask(const Batch& batch, size_t place) {
    const auto connection = sql::pg::Connection::Open(config_).value();
    sql::pg::Transaction transaction(*connection);
    const auto results = transaction.Run(batch).value();
    std::string text;
    for (const sql::pg::Row row : results[place]) text += std::string(row.Text(0)) + "\n";
    return text;
  }

  sql::pg::Config config_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  SagaId saga_ = SagaId::Make(clock_.Now(), random_);
  std::vector<std::unique_ptr<Replica>> replicas_;
};

TEST_F(PaymentReplicasTest, OfTwoAttemptsThroughBothAtOnceOneIsApproved) {
  std::vector<ReservationId> reservations;
  std::vector<std::future<Result<Outcome>>> first, second;
  for (size_t i = 0; i < 100; ++i) {
    reservations.push_back(ReservationId::Make(clock_.Now(), random_));
    first.push_back(Submit(i % 2, ApproveOf(reservations[i], 1)));
    second.push_back(Submit((i + 1) % 2, ApproveOf(reservations[i], 2)));
  }
  for (size_t i = 0; i < reservations.size(); ++i) {
    const Outcome one = first[i].get().value();
    const Outcome two = second[i].get().value();
    const Outcome& refused = one.kind == OutcomeKind::kDone ? two : one;
    EXPECT_EQ((one.state == State::kApproved) + (two.state == State::kApproved), 1);
    EXPECT_EQ(refused.refusal, Refusal::kAlreadyApproved);
    EXPECT_EQ(replicas_[0]->stores.reader->Payments(reservations[i])->size(), 1);
  }
  const auto table = outbox::OpenPostgresTable(config_).value();
  const std::vector<bus::Event> events = outbox::EventsIn(*table);
  EXPECT_EQ(events.size(), reservations.size());
  for (const bus::Event& event : events) EXPECT_EQ(event.type, "payment.approved");
}

TEST_F(PaymentReplicasTest, ApprovalAndCancellationThroughBothAtOnceEndCancelled) {
  std::vector<ReservationId> reservations;
  std::vector<std::future<Result<Outcome>>> approved, cancelled;
  for (size_t i = 0; i < 100; ++i) {
    reservations.push_back(ReservationId::Make(clock_.Now(), random_));
    approved.push_back(Submit(i % 2, ApproveOf(reservations[i], 1)));
    cancelled.push_back(Submit((i + 1) % 2, {Cancel{{reservations[i], 1}, saga_}, "", {}}));
  }
  for (size_t i = 0; i < reservations.size(); ++i) {
    const OutcomeKind kind = approved[i].get().value().kind;
    EXPECT_TRUE(kind == OutcomeKind::kDone || kind == OutcomeKind::kAborted);
    EXPECT_EQ(cancelled[i].get().value().state, State::kCancelled);
    EXPECT_EQ(replicas_[0]->stores.reader->Payments(reservations[i])->at(0).state, State::kCancelled);
  }
}

// Two that lock the same payments in different orders would wait for each other.
TEST_F(PaymentReplicasTest, PaymentsAreLockedInTheOrderOfTheirKeys) {
  config_.url += "?options=-c%20enable_nestloop%3Doff";  // a plan that goes by the order of storing
  StartReplicas();
  const auto payment = [this] {
    Payment row{
        .key = {ReservationId::Make(clock_.Now(), random_), 1}, .saga = saga_, .state = State::kPending};
    row.money = {1000, kKrw};
    return row;
  };
  Payment first = payment(), second = payment();
  if (second.key < first.key) std::swap(first, second);
  Store& store = *replicas_[0]->stores.store;
  ASSERT_TRUE(store.Save({{second}, {}, {}, {}})->empty());
  ASSERT_TRUE(store.Save({{first}, {}, {}, {}})->empty());
  const auto connection = sql::pg::Connection::Open(config_).value();
  sql::pg::Transaction holds(*connection);
  Batch lock_second, lock_first;
  lock_second.Add("SELECT 1 FROM payment WHERE reservation_id = $1 FOR UPDATE", second.key.reservation);
  lock_first.Add("SELECT 1 FROM payment WHERE reservation_id = $1 FOR UPDATE NOWAIT", first.key.reservation);
  ASSERT_TRUE(holds.Run(lock_second));
  first.version = second.version = 1;
  auto saved = std::async(std::launch::async, [&] { return store.Save({{first, second}, {}, {}, {}}); });
  PostgresServer::AwaitBlocked(config_.url);
  EXPECT_FALSE(holds.Run(lock_first));  // and so the other goes on
  EXPECT_TRUE(saved.get().value().empty());
}

// The reconciler looks every second: it must not walk over all payments ever made.
TEST_F(PaymentReplicasTest, UnsettledPaymentsAreFoundByTheirOwnIndex) {
  Batch explain;
  explain.Add("SET LOCAL enable_seqscan = off");
  explain.Add(
      "EXPLAIN SELECT reservation_id, attempt FROM payment WHERE (state = 1 OR (state = 4 AND resolution IN "
      "(0, 4))) AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3",
      ReservationId(), 0, 10);
  const std::string plan = Ask(explain, 1);
  EXPECT_THAT(plan, HasSubstr("payment_unsettled"));
  EXPECT_THAT(plan, Not(HasSubstr("Sort")));
}

// Nor over all that are in doubt while a provider is silent.
TEST_F(PaymentReplicasTest, RefusedPaymentsAreFoundByTheirOwnIndexes) {
  Batch explain;
  explain.Add("SET LOCAL enable_seqscan = off");
  explain.Add(
      "EXPLAIN SELECT reservation_id, attempt FROM payment WHERE state = 4 AND resolution IN (0, 4) AND "
      "refusal <> '' AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3",
      ReservationId(), 0, 10);
  explain.Add(
      "EXPLAIN SELECT DISTINCT reservation_id, attempt FROM payment_refund WHERE done = 0 AND refusal <> '' "
      "AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3",
      ReservationId(), 0, 10);
  EXPECT_THAT(Ask(explain, 1), HasSubstr("payment_refused"));
  EXPECT_THAT(Ask(explain, 2), HasSubstr("payment_refund_refused"));
}

// A page of the auditor's and a round of the reconciler, while the table fills and the server takes it for
// small.
TEST_F(PaymentReplicasTest, ReadersWalkAlongIndexes) {
  const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
  ASSERT_EQ(Submit(0, ApproveOf(reservation, 1)).get()->state, State::kApproved);
  config_.application_name = "reader";
  const auto scans = [this] {
    return PostgresServer::ScansOf("payment", config_.url, config_.application_name);
  };
  const int64_t before = scans();
  {
    const Stores stores = OpenPostgres(config_).value();
    EXPECT_EQ(stores.reader->Page(ReservationId(), 10)->payments.size(), 1);
    EXPECT_TRUE(stores.reader->Unsettled({}, 10)->empty());
    EXPECT_TRUE(stores.reader->Refused({}, 10)->empty());
    const std::vector<PaymentKey> keys = {{reservation, 1}};
    EXPECT_EQ(stores.reader->Find(keys)->payments.size(), 1);
    EXPECT_EQ(stores.reader->Payments(reservation)->size(), 1);
  }
  EXPECT_EQ(scans(), before);
}

}  // namespace
}  // namespace boxoffice::payment
