#include "services/wallet/store_postgres.h"

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/wallet/service.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::wallet {
namespace {

using testbed::PostgresServer;
using ::testing::ElementsAre;

const Currency kKrw = *Currency::Parse("KRW");

// Two replicas of the wallet on one database.
class WalletReplicasTest : public ::testing::Test {
 protected:
  struct Replica {
    Replica(const sql::pg::Config& config, batch::Limits limits, Random& random, obs::Registry& metrics)
        : stores(OpenPostgres(config).value()),
          service(*stores.store, clock, random, metrics, limits, [] {}) {}
    Stores stores;
    SystemClock clock;
    Service service;
  };
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    config_ = sql::pg::PatientConfig(PostgresServer::Shared().NewDatabase());
    config_.max_backoff = config_.backoff;  // back soon after a kill
  }
  void StartReplicas(batch::Limits limits = {}) {
    for (int i = 0; i < 2; ++i) {
      replicas_.push_back(std::make_unique<Replica>(config_, limits, random_, metrics_));
    }
  }
  void TearDown() override {
    if (PostgresServer::Installed()) PostgresServer::Shared().Start();
  }
  std::future<Result<Outcome>> Submit(size_t replica, Command command) {
    auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    replicas_[replica]->service.Submit(
        std::move(command), [promise](Result<Outcome> outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
  }
  // As a caller does: again, until there is an outcome.
  Outcome Insist(size_t replica, const Command& command) {
    Outcome outcome;
    EXPECT_TRUE(testbed::Eventually([&] {
      const auto answer = Submit(replica, command).get();
      if (answer) outcome = *answer;
      return answer.has_value();
    })) << "no outcome";
    return outcome;
  }
  // All at once; then again, one by one, those that failed. The outcomes in order.
  std::vector<Outcome> InsistOnAll(const std::vector<Command>& commands) {
    std::vector<std::future<Result<Outcome>>> first;
    for (size_t i = 0; i < commands.size(); ++i) first.push_back(Submit(i % 2, commands[i]));
    std::vector<Outcome> outcomes;
    for (size_t i = 0; i < commands.size(); ++i) {
      const auto outcome = first[i].get();
      outcomes.push_back(outcome ? *outcome : Insist(i % 2, commands[i]));
    }
    return outcomes;
  }

  sql::pg::Config config_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

TEST_F(WalletReplicasTest, CommandsOnOneWalletThroughBothAreEachDoneOnce) {
  StartReplicas({.max_batch = 32});  // several batches, and fewer than a command may be decided again
  Insist(0, {TopUp{"first", "ann", {10, kKrw}}, ""});
  std::vector<std::future<Result<Outcome>>> outcomes;
  const auto submit = [&](size_t i, size_t replica) {
    outcomes.push_back(Submit(replica, {TopUp{std::to_string(i), "ann", {10, kKrw}}, ""}));
  };
  for (size_t i = 0; i < 200; ++i) submit(i, i % 2);
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().value().kind, OutcomeKind::kDone);
  outcomes.clear();
  for (size_t i = 190; i < 200; ++i) submit(i, 1 - i % 2);  // again, through the other
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().value().kind, OutcomeKind::kDone);
  EXPECT_THAT(*replicas_[0]->stores.reader->Balances("ann"), ElementsAre(Money{2010, kKrw}));
  EXPECT_THAT(replicas_[0]->stores.reader->ComputeTotals()->currencies,
              ElementsAre(CurrencyTotals{kKrw, 0, 1, 0, 0, 2010}));
}

// Two that lock the same wallets in different orders would wait for each other.
TEST_F(WalletReplicasTest, WalletsAreLockedInTheOrderOfTheirKeys) {
  config_.url += "?options=-c%20enable_nestloop%3Doff";  // a plan that goes by the order of storing
  StartReplicas();
  Insist(0, {TopUp{"k", "bob", {10, kKrw}}, ""});  // stored before ann
  Insist(0, {TopUp{"k", "ann", {10, kKrw}}, ""});
  const auto connection = sql::pg::Connection::Open(config_).value();
  sql::pg::Transaction holds(*connection);
  sql::pg::Batch bob, ann;
  bob.Add("SELECT 1 FROM wallet WHERE user_id = 'bob' FOR UPDATE");
  ann.Add("SELECT 1 FROM wallet WHERE user_id = 'ann' FOR UPDATE NOWAIT");
  ASSERT_TRUE(holds.Run(bob));
  const WalletRow ann_row{{"ann", kKrw}, 20, 1};
  const WalletRow bob_row{{"bob", kKrw}, 20, 1};
  auto saved = std::async(std::launch::async, [&] {
    return replicas_[0]->stores.store->Save(
        Changes{.wallets = {ann_row, bob_row}, .debits = {}, .entries = {}});
  });
  PostgresServer::AwaitBlocked(config_.url);
  EXPECT_FALSE(holds.Run(ann));  // and so the other goes on
  EXPECT_TRUE(saved.get().value().empty());
}

TEST_F(WalletReplicasTest, AServerKilledUnderLoadLosesAndDoublesNothing) {
  StartReplicas({.max_batch = 8});  // many commits
  for (const char* user : {"ann", "bob"}) Insist(0, {TopUp{"first", user, {1000, kKrw}}, ""});
  std::vector<Command> debits, refunds;
  for (int i = 0; i < 400; ++i) {
    const SagaId saga = SagaId::Make(clock_.Now(), random_);
    const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
    const std::string user = i < 390 ? "ann" : "bob";
    debits.push_back({Debit{saga, reservation, user, {1, kKrw}}, ""});
    refunds.push_back({Refund{saga, reservation, user, saga}, ""});
  }
  // The last ones are held up, so that the server dies before all are done, however busy the machine is.
  const auto connection = sql::pg::Connection::Open(config_).value();
  std::optional<sql::pg::Transaction> holds(*connection);
  sql::pg::Batch bob;
  bob.Add("SELECT 1 FROM wallet WHERE user_id = 'bob' FOR UPDATE");
  ASSERT_TRUE(holds->Run(bob));
  std::vector<std::future<Result<Outcome>>> outcomes;
  for (size_t i = 0; i < debits.size(); ++i) outcomes.push_back(Submit(i % 2, debits[i]));
  outcomes[0].wait();
  PostgresServer::Shared().Kill9();
  holds.reset();
  std::map<size_t, Outcome> acknowledged;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const auto outcome = outcomes[i].get();
    if (outcome) {
      acknowledged.emplace(i, *outcome);
    } else {
      EXPECT_TRUE(outcome.error().code == Code::kUnavailable || outcome.error().code == Code::kUnknown);
    }
  }
  EXPECT_GT(acknowledged.size(), 0);
  EXPECT_LT(acknowledged.size(), debits.size());
  PostgresServer::Shared().Start();
  const std::vector<Outcome> debited = InsistOnAll(debits);
  for (size_t i = 0; i < debits.size(); ++i) {
    EXPECT_EQ(debited[i].kind, OutcomeKind::kDone);
    if (const auto it = acknowledged.find(i); it != acknowledged.end()) {
      EXPECT_EQ(debited[i], it->second);  // the same entry: it was not lost
    }
  }
  EXPECT_THAT(*replicas_[0]->stores.reader->Balances("ann"), ElementsAre(Money{610, kKrw}));
  EXPECT_THAT(*replicas_[0]->stores.reader->Balances("bob"), ElementsAre(Money{990, kKrw}));
  const std::vector<Outcome> refunded = InsistOnAll(refunds);
  for (const Outcome& outcome : refunded) EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  const Totals totals = replicas_[0]->stores.reader->ComputeTotals().value();
  EXPECT_THAT(totals.currencies, ElementsAre(CurrencyTotals{kKrw, 0, 2, 0, 0, 2000}));
}

// A statement of somebody's and a page of the auditor's, while the table fills and the server takes it for
// small.
TEST_F(WalletReplicasTest, ReadersWalkAlongIndexes) {
  StartReplicas();
  Insist(0, {TopUp{"k", "ann", {10, kKrw}}, ""});
  const SagaId saga = SagaId::Make(clock_.Now(), random_);
  const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
  Insist(0, {Debit{saga, reservation, "ann", {4, kKrw}}, ""});
  config_.application_name = "reader";
  const auto scans = [this] {
    return PostgresServer::ScansOf("ledger", config_.url, config_.application_name);
  };
  const int64_t before = scans();
  {
    const Stores stores = OpenPostgres(config_).value();
    const EntryPage all = stores.reader->Entries("ann", std::nullopt, std::nullopt, 10, {}).value();
    ASSERT_EQ(all.entries.size(), 2);
    const auto older = stores.reader->Entries("ann", kKrw, all.entries[0].id, 10, {});
    EXPECT_EQ(older->entries.size(), 1);
    EXPECT_EQ(stores.reader->Statement("ann", kKrw, {})->sums.size(), 2);
    EXPECT_EQ(stores.reader->Ledger(std::nullopt, 10)->entries.size(), 2);
    EXPECT_EQ(stores.reader->Reservations(ReservationId(), 10)->rows.size(), 1);
    EXPECT_EQ(stores.reader->Reservation(reservation)->value().debited, 4);
  }
  EXPECT_EQ(scans(), before);
}

// All other commands of the replica wait for what an operator's reads.
TEST_F(WalletReplicasTest, OperatorsCommandsFindTheirRowsAlongIndexes) {
  config_.application_name = "commands";
  const auto scans = [this] {
    std::map<std::string, int64_t> of;
    for (const std::string table : {"wallet", "ledger", "account"})
      of[table] = PostgresServer::ScansOf(table, config_.url, config_.application_name);
    return of;
  };
  (void)OpenPostgres(config_).value();  // whose migrations may read them
  const std::map<std::string, int64_t> before = scans();
  StartReplicas();
  const Outcome charged = Insist(0, {TopUp{"k", "ann", {10, kKrw}}, ""});
  Insist(0, {Adjust{"a", "ann", {5, kKrw}, "a gift", "root"}, ""});
  Insist(0, {SetState{"ann", AccountState::kFrozen, "stolen", "root"}, ""});
  Insist(0, {ReverseTopUp{"ann", charged.entry, "charged back", "root"}, ""});
  EXPECT_THAT(*replicas_[0]->stores.reader->Balances("ann"), ElementsAre(Money{5, kKrw}));
  replicas_.clear();
  EXPECT_EQ(scans(), before);
}

class WalletRepeatedReversalTest : public WalletReplicasTest {
 protected:
  // Ann's top-up is reversed at two replicas at once: how the second one decides it, in a batch with bob's
  // top-up and with `beside`, where the first one commits, and leaves her nothing, while that batch reads by
  // which keys something was done.
  Outcome RepeatReversal(const std::vector<Command>& beside) {
    const Outcome charged = Insist(0, {TopUp{"k", "ann", {10, kKrw}}, ""});
    std::vector<Command> commands = {{TopUp{"k", "bob", {10, kKrw}}, ""}};
    Insist(0, commands.front());
    commands.insert(commands.end(), beside.begin(), beside.end());
    commands.push_back({ReverseTopUp{"ann", charged.entry, "charged back", "root"}, ""});
    Insist(0, commands.back());
    const auto hand = sql::pg::Connection::Open(config_).value();
    // As if it had not been: until it is put back, for which whoever reads an entry of bob's waits.
    EXPECT_TRUE(hand->Execute(
        "CREATE TABLE kept AS SELECT * FROM ledger WHERE kind = 6; DELETE FROM ledger WHERE kind = 6; "
        "UPDATE wallet SET balance = balance + 10 WHERE user_id = 'ann'; "
        "ALTER TABLE ledger RENAME TO entry; CREATE VIEW ledger AS SELECT * FROM entry "
        "WHERE user_id <> 'bob' OR pg_advisory_xact_lock_shared(1) IS NOT NULL"));
    const Stores stores = OpenPostgres(config_).value();
    EntryIds ids(random_);
    sql::pg::Transaction other(*hand);
    sql::pg::Batch lock, reverse;
    lock.Add("SELECT 1 FROM pg_advisory_xact_lock(1)");
    reverse.Add("INSERT INTO entry SELECT * FROM kept");
    reverse.Add("UPDATE wallet SET balance = balance - 10, version = version + 1 WHERE user_id = 'ann'");
    EXPECT_TRUE(other.Run(lock));
    auto decided = std::async(std::launch::async, [&] {
      return Decide(stores.store->Load(KeysOf(commands)).value(), commands, clock_.Now(), ids);
    });
    PostgresServer::AwaitBlocked(config_.url);
    EXPECT_TRUE(other.Commit(reverse));
    const Decision decision = decided.get();
    EXPECT_TRUE(hand->Execute("DROP VIEW ledger; ALTER TABLE entry RENAME TO ledger"));
    EXPECT_FALSE(decision.changes.empty());
    EXPECT_FALSE(stores.store->Save(decision.changes)->empty()) << "so that it is decided again";
    return decision.outcomes.back();
  }
};

TEST_F(WalletRepeatedReversalTest, ItIsNotRefusedForTheBalanceThatTheFirstOneLeaves) {
  StartReplicas();
  EXPECT_EQ(RepeatReversal({}).kind, OutcomeKind::kDone);
}

TEST_F(WalletRepeatedReversalTest, NorIsItInABatchThatReadsTheBalanceOnceMoreForWhatIsGivenBack) {
  StartReplicas();
  Insist(0, {TopUp{"spent", "ann", {5, kKrw}}, ""});
  const SagaId saga = SagaId::Make(clock_.Now(), random_);
  const ReservationId reservation = ReservationId::Make(clock_.Now(), random_);
  Insist(0, {Debit{saga, reservation, "ann", {5, kKrw}}, ""});
  EXPECT_EQ(RepeatReversal({{Refund{saga, reservation, "ann", saga}, ""}}).kind, OutcomeKind::kDone);
}

}  // namespace
}  // namespace boxoffice::wallet
