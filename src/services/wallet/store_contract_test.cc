// What every store of the wallet does alike. Add a store: add its factory at the end.
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>

#include "platform/outbox/outbox_for_test.h"
#include "platform/sql/postgres_for_test.h"
#include "platform/sql/sqlite.h"
#include "services/wallet/store.h"
#include "services/wallet/store_postgres.h"
#include "services/wallet/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::wallet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Currency kKrw = *Currency::Parse("KRW");
const Currency kEur = *Currency::Parse("EUR");
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
  // Decides against what is stored, and saves.
  std::vector<Outcome> Run(const std::vector<Command>& commands) {
    auto rows = stores_.store->Load(KeysOf(commands));
    EXPECT_TRUE(rows.has_value());
    Decision decision = Decide(*rows, commands, kNow, ids_);
    auto moved = stores_.store->Save(decision.changes);
    EXPECT_TRUE(moved.has_value() && moved->empty());
    return decision.outcomes;
  }
  Rows Load(const std::vector<Command>& commands) { return *stores_.store->Load(KeysOf(commands)); }
  Changes ChangesOf(const std::vector<Command>& commands) {
    return Decide(Load(commands), commands, kNow, ids_).changes;
  }
  Command TopUpOf(const std::string& user, int64_t amount, const std::string& key, Currency currency = kKrw) {
    return {TopUp{key, user, {amount, currency}}, ""};
  }
  Command DebitOf(SagaId saga, int64_t amount, ReservationId reservation) {
    return {Debit{saga, reservation, "ann", {amount, kKrw}}, ""};
  }
  Command RefundOf(SagaId saga, ReservationId reservation) {
    return {Refund{saga, reservation, "ann", saga}, ""};
  }

  std::unique_ptr<Home> home_;
  Stores stores_;
  SeededRandom random_{3};
  EntryIds ids_{random_};
  SagaId saga_ = SagaId::Make(kNow, random_);
  ReservationId reservation_ = ReservationId::Make(kNow, random_);
};

TEST_P(StoreContractTest, WhatIsNotThereIsAbsent) {
  const Rows rows = Load({TopUpOf("ann", 1, "k"), DebitOf(saga_, 1, reservation_)});
  EXPECT_THAT(rows.wallets, IsEmpty());
  EXPECT_THAT(rows.debits, IsEmpty());
  EXPECT_THAT(rows.top_ups, IsEmpty());
}

TEST_P(StoreContractTest, WhatIsSavedIsLoadedAlsoAfterReopening) {
  const auto outcomes = Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  Reopen();
  const Rows rows = Load({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  EXPECT_THAT(rows.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 700, 1}));
  EXPECT_THAT(rows.top_ups, ElementsAre(TopUpRow{{"ann", "k"}, {1000, kKrw}, outcomes[0].entry, 1000, {}}));
  EXPECT_THAT(rows.debits, ElementsAre(DebitRow{.saga = saga_,
                                                .reservation = reservation_,
                                                .user_id = "ann",
                                                .money = {300, kKrw},
                                                .debit_entry = outcomes[1].entry,
                                                .balance_after_debit = 700}));
}

TEST_P(StoreContractTest, ADebitBringsTheWalletThatItTookFrom) {
  Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  const Rows rows = Load({RefundOf(saga_, reservation_)});
  EXPECT_THAT(rows.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 700, 1}));
  const auto outcomes = Run({RefundOf(saga_, reservation_)});
  EXPECT_EQ(outcomes[0].balance, (Money{1000, kKrw}));
  EXPECT_EQ(Load({RefundOf(saga_, reservation_)}).debits.at(0).state, DebitState::kRefunded);
}

TEST_P(StoreContractTest, AWalletThatSeveralKeysNameIsThereOnce) {
  const auto outcomes = Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  Keys keys;
  keys.wallets = {{"ann", kKrw}};
  keys.sagas = {saga_};
  keys.users = {"ann"};
  keys.entries = {{"ann", outcomes[0].entry}};
  EXPECT_THAT(stores_.store->Load(keys)->wallets, ElementsAre(WalletRow{{"ann", kKrw}, 700, 1}));
}

TEST_P(StoreContractTest, AWalletThatMovedStopsTheWholeSave) {
  Run({TopUpOf("ann", 1000, "k")});
  const Changes stale = ChangesOf({DebitOf(saga_, 300, reservation_), TopUpOf("bob", 5, "k")});
  Run({TopUpOf("ann", 1, "k2")});
  const auto moved = stores_.store->Save(stale);
  ASSERT_TRUE(moved.has_value());
  EXPECT_THAT(moved->wallets, ElementsAre(WalletKey{"ann", kKrw}));
  const Rows rows = Load({DebitOf(saga_, 300, reservation_), TopUpOf("bob", 5, "k")});
  EXPECT_THAT(rows.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 1001, 2}));
  EXPECT_THAT(rows.debits, IsEmpty());
}

TEST_P(StoreContractTest, AWalletThatAnotherOpenedHasMoved) {
  const Changes stale = ChangesOf({TopUpOf("ann", 5, "k")});
  Run({TopUpOf("ann", 1, "k2")});
  EXPECT_THAT(stores_.store->Save(stale)->wallets, ElementsAre(WalletKey{"ann", kKrw}));
}

TEST_P(StoreContractTest, DebitAndUndoAtTheSameTimeMeetInTheSagasRow) {
  Run({TopUpOf("ann", 1000, "k")});
  const Changes debit = ChangesOf({DebitOf(saga_, 300, reservation_)});
  Run({RefundOf(saga_, reservation_)});  // its tombstone is first
  EXPECT_THAT(stores_.store->Save(debit)->sagas, ElementsAre(saga_));
  EXPECT_EQ(Load({TopUpOf("ann", 1, "k3")}).wallets.at(0).balance, 1000);
}

TEST_P(StoreContractTest, TwoRefundsAtTheSameTimeGiveBackOnce) {
  Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  Changes refund = ChangesOf({RefundOf(saga_, reservation_)});
  Run({RefundOf(saga_, reservation_)});
  refund.wallets[0].version = 2;  // as if only the saga's row had moved
  EXPECT_THAT(stores_.store->Save(refund)->sagas, ElementsAre(saga_));
  EXPECT_EQ(Load({TopUpOf("ann", 1, "k3")}).wallets.at(0).balance, 1000);
}

TEST_P(StoreContractTest, OneClientKeyAtTheSameTimeInTwoCurrenciesIsOneTopUp) {
  Run({TopUpOf("ann", 1, "k1")});  // otherwise they would meet in the account
  const Changes stale = ChangesOf({TopUpOf("ann", 5, "k", kEur)});
  Run({TopUpOf("ann", 5, "k")});
  EXPECT_THAT(stores_.store->Save(stale)->top_ups, ElementsAre(TopUpKey{"ann", "k"}));
  EXPECT_THAT(*stores_.reader->Balances("ann"), ElementsAre(Money{6, kKrw}));
}

TEST_P(StoreContractTest, BalancesAreListedByCurrency) {
  Run({TopUpOf("ann", 1, "k1"), TopUpOf("ann", 2, "k2", kEur), TopUpOf("bob", 3, "k")});
  EXPECT_THAT(*stores_.reader->Balances("ann"), ElementsAre(Money{2, kEur}, Money{1, kKrw}));
  EXPECT_THAT(*stores_.reader->Balances("nobody"), IsEmpty());
}

TEST_P(StoreContractTest, EntriesAreListedNewestFirstByCursorAndCurrency) {
  Run({TopUpOf("ann", 10, "k1"), TopUpOf("bob", 1, "k"), TopUpOf("ann", 20, "k2", kEur),
       DebitOf(saga_, 4, reservation_), TopUpOf("ann", 30, "k3")});
  const EntryPage first = *stores_.reader->Entries("ann", std::nullopt, std::nullopt, 3, {});
  ASSERT_THAT(first.entries, SizeIs(3));
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.entries[0].money, (Money{30, kKrw}));
  EXPECT_EQ(first.entries[0].client_key, "k3");
  EXPECT_EQ(first.entries[1].money, (Money{-4, kKrw}));
  EXPECT_EQ(first.entries[1].balance_after, 6);
  EXPECT_EQ(first.entries[1].reservation, reservation_);
  EXPECT_EQ(first.entries[1].saga, saga_);
  EXPECT_EQ(first.entries[1].kind, EntryKind::kDebit);
  EXPECT_EQ(first.entries[1].created_at, kNow);
  EXPECT_EQ(first.entries[2].money, (Money{20, kEur}));
  const EntryPage rest = *stores_.reader->Entries("ann", std::nullopt, first.entries[2].id, 3, {});
  ASSERT_THAT(rest.entries, SizeIs(1));
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(rest.entries[0].money, (Money{10, kKrw}));
  EXPECT_THAT(stores_.reader->Entries("ann", kEur, std::nullopt, 3, {})->entries, SizeIs(1));
}

TEST_P(StoreContractTest, TheLedgersEffectIsPagedByReservation) {
  Run({TopUpOf("ann", 1000, "k")});
  std::vector<ReservationId> reservations;
  for (int i = 0; i < 3; ++i) {
    reservations.push_back(ReservationId::Make(kNow + milliseconds(i + 1), random_));
    const SagaId saga = SagaId::Make(kNow, random_);
    Run({DebitOf(saga, 100 + i, reservations.back())});
    if (i == 1) Run({RefundOf(saga, reservations.back())});
  }
  Run({RefundOf(saga_, reservation_)});  // moved nothing: not in the ledger
  const ReservationPage first = *stores_.reader->Reservations({}, 2);
  EXPECT_THAT(first.rows, ElementsAre(ReservationTotals{reservations[0], "ann", kKrw, 100, 0, 1},
                                      ReservationTotals{reservations[1], "ann", kKrw, 101, 101, 0}));
  EXPECT_TRUE(first.more);
  const ReservationPage rest = *stores_.reader->Reservations(reservations[1], 2);
  EXPECT_THAT(rest.rows, ElementsAre(ReservationTotals{reservations[2], "ann", kKrw, 102, 0, 1}));
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(stores_.reader->Reservation(reservations[1]).value(), first.rows[1]);
  EXPECT_EQ(stores_.reader->Reservation(reservation_).value(), std::nullopt);
}

TEST_P(StoreContractTest, TotalsOfASoundLedgerSumToZero) {
  Run({TopUpOf("ann", 1000, "k1"), TopUpOf("bob", 5, "k", kEur), DebitOf(saga_, 300, reservation_)});
  const Totals totals = *stores_.reader->ComputeTotals();
  EXPECT_THAT(totals.currencies,
              ElementsAre(CurrencyTotals{kEur, 0, 1, 0, 0, 5}, CurrencyTotals{kKrw, 0, 1, 0, 0, 700}));
  EXPECT_THAT(totals.bad_users, IsEmpty());
}

TEST_P(StoreContractTest, ASumOfAllWalletsStopsAtWhatItCanHold) {
  Changes changes = ChangesOf({TopUpOf("ann", 1, "k"), TopUpOf("bob", 1, "k")});
  for (WalletRow& wallet : changes.wallets) wallet.balance = std::numeric_limits<int64_t>::max() - 5;
  ASSERT_TRUE(stores_.store->Save(changes)->empty());
  const auto totals = stores_.reader->ComputeTotals();
  ASSERT_TRUE(totals) << totals.error().detail;
  EXPECT_EQ(totals->currencies.at(0).sum_of_wallets, std::numeric_limits<int64_t>::max());
}

TEST_P(StoreContractTest, AStatementsSumsStopAtWhatTheyCanHoldAndItsBalancesAreExact) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  Changes changes = ChangesOf(
      {TopUpOf("ann", 1, "k1"), TopUpOf("ann", 1, "k2"), TopUpOf("ann", 1, "k3"), TopUpOf("ann", 1, "k4")});
  const int64_t amounts[] = {kMost - 5, kMost - 5, -kMost, 12 - kMost};
  for (size_t i = 0; i < 4; ++i) {
    changes.entries.at(i).money.amount = amounts[i];
    if (amounts[i] < 0) changes.entries.at(i).kind = EntryKind::kAdjustment;
  }
  ASSERT_TRUE(stores_.store->Save(changes)->empty());
  const auto statement = stores_.reader->Statement("ann", kKrw, {});
  ASSERT_TRUE(statement) << statement.error().detail;
  EXPECT_EQ(statement->opening_balance, 0);
  EXPECT_THAT(statement->sums, ElementsAre(StatementSums::Sum{EntryKind::kTopUp, kMost, 2},
                                           StatementSums::Sum{EntryKind::kAdjustment,
                                                              std::numeric_limits<int64_t>::min(), 2}));
  EXPECT_EQ(statement->closing_balance, 2);
  const StatementSums later = *stores_.reader->Statement("ann", kKrw, {kNow + milliseconds(1), std::nullopt});
  EXPECT_EQ(later.opening_balance, 2);
  EXPECT_EQ(later.closing_balance, 2);
}

// Six thousand times six thousand rows would take half a minute.
TEST_P(StoreContractTest, TotalsLookAtAUsersEntriesOnceHoweverManyWalletsTheUserHas) {
  std::vector<Command> commands;
  for (int i = 0; i < 6'000; ++i) {
    const char code[] = {static_cast<char>('A' + i / 676), static_cast<char>('A' + i / 26 % 26),
                         static_cast<char>('A' + i % 26)};
    const Currency currency = *Currency::Parse(std::string_view(code, 3));
    commands.push_back(TopUpOf("ann", i + 1, std::to_string(i), currency));
  }
  Run(commands);
  const auto begin = std::chrono::steady_clock::now();
  const Totals totals = *stores_.reader->ComputeTotals();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_THAT(totals.currencies, SizeIs(6'000));
  EXPECT_THAT(totals.bad_users, IsEmpty());
}

TEST_P(StoreContractTest, WhatIsToppedUpADayIsKeptWithTheWallet) {
  Changes changes = ChangesOf({TopUpOf("ann", 5, "k")});
  changes.wallets.at(0).day = 20'000;
  changes.wallets.at(0).topped_up = 5;
  EXPECT_TRUE(stores_.store->Save(changes)->empty());
  EXPECT_EQ(Load({TopUpOf("ann", 1, "k2")}).wallets.at(0).topped_up, 5);
  changes = ChangesOf({TopUpOf("ann", 6, "k2")});
  changes.wallets.at(0).topped_up = 11;
  EXPECT_TRUE(stores_.store->Save(changes)->empty());
  EXPECT_EQ(Load({TopUpOf("ann", 1, "k3")}).wallets.at(0), (WalletRow{{"ann", kKrw}, 11, 2, 20'000, 11}));
}

TEST_P(StoreContractTest, APartThatWasGivenBackIsFoundAgainAndTwoAtOnceMeet) {
  Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_)});
  const SagaId first = SagaId::Make(kNow, random_), second = SagaId::Make(kNow, random_);
  const auto part = [&](SagaId saga, int64_t amount) {
    return Command{PartialRefund{saga, reservation_, "ann", saga_, {amount, kKrw}}, ""};
  };
  Changes stale = ChangesOf({part(second, 250)});
  const auto outcomes = Run({part(first, 100)});
  EXPECT_FALSE(stores_.store->Save(stale)->empty());
  stale.wallets.at(0).version = 2;  // as if only the saga's row had moved
  EXPECT_THAT(stores_.store->Save(stale)->sagas, ElementsAre(saga_));
  Reopen();
  const Rows rows = Load({part(first, 100)});
  EXPECT_THAT(rows.parts,
              ElementsAre(PartRow{{reservation_, first}, "ann", {100, kKrw}, outcomes[0].entry, 800}));
  EXPECT_EQ(rows.debits.at(0).refunded, 100);
  EXPECT_THAT(rows.wallets, SizeIs(1));
  EXPECT_EQ(Run({part(first, 100)}), outcomes);
  EXPECT_EQ(Run({part(second, 250)}).at(0).refusal, Refusal::kExceedsDebit);
  EXPECT_EQ(stores_.reader->Reservation(reservation_).value()->refunded, 100);
  Run({RefundOf(saga_, reservation_)});
  EXPECT_EQ(stores_.reader->Reservation(reservation_).value()->refunded, 300);
  EXPECT_EQ(stores_.reader->Reservation(reservation_).value()->effective_debits, 0U);
}

TEST_P(StoreContractTest, ADebitAndItsPartInOneBatchAreStoredTogether) {
  const SagaId part = SagaId::Make(kNow, random_);
  Run({TopUpOf("ann", 1000, "k"), DebitOf(saga_, 300, reservation_),
       Command{PartialRefund{part, reservation_, "ann", saga_, {200, kKrw}}, ""}});
  Reopen();
  EXPECT_EQ(Load({RefundOf(saga_, reservation_)}).debits.at(0).refunded, 200);
  EXPECT_EQ(Run({RefundOf(saga_, reservation_)}).at(0).balance, (Money{1000, kKrw}))
      << "the rest, and not all of it once more";
}

TEST_P(StoreContractTest, WhatOperatorsDoIsKeptWithItsReasonOncePerKey) {
  const Command adjust{Adjust{"a1", "ann", {-100, kKrw}, "paid out", "root"}, ""};
  const auto charged = Run({TopUpOf("ann", 1000, "k")});
  const Command reverse{ReverseTopUp{"ann", charged[0].entry, "charged back", "root"}, ""};
  const Rows found = Load({reverse});
  ASSERT_THAT(found.entries, SizeIs(1));
  EXPECT_EQ(found.entries[0].kind, EntryKind::kTopUp);
  EXPECT_THAT(found.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 1000, 1}));
  const auto reversed = Run({reverse});
  EXPECT_EQ(reversed[0].balance, (Money{0, kKrw}));
  EXPECT_EQ(Run({reverse}), reversed);
  Run({TopUpOf("ann", 500, "k2")});
  const Changes stale = ChangesOf({adjust});
  const auto adjusted = Run({adjust});
  EXPECT_FALSE(stores_.store->Save(stale)->empty());
  EXPECT_EQ(Run({adjust}), adjusted);
  EXPECT_EQ(Load({adjust}).top_ups.at(0).reason, "paid out") << "the key is for that reason alone";
  const EntryPage page = *stores_.reader->Entries("ann", std::nullopt, std::nullopt, 10, {});
  ASSERT_THAT(page.entries, SizeIs(4));
  EXPECT_EQ(page.entries[0].kind, EntryKind::kAdjustment);
  EXPECT_EQ(page.entries[0].reason, "paid out");
  EXPECT_EQ(page.entries[0].operator_id, "root");
  EXPECT_EQ(page.entries[2].kind, EntryKind::kTopUpReversal);
  EXPECT_EQ(page.entries[3].reason, "");
  EXPECT_THAT(stores_.reader->ComputeTotals()->currencies,
              ElementsAre(CurrencyTotals{kKrw, 0, 1, 0, 0, 400}));
}

TEST_P(StoreContractTest, AStateIsKeptAndADebitThatWasDecidedBeforeItIsDecidedAgain) {
  Run({TopUpOf("ann", 1000, "k"), TopUpOf("ann", 5, "k2", kEur), TopUpOf("bob", 7, "k")});
  const Command freeze{SetState{"ann", AccountState::kFrozen, "asked for", "root"}, ""};
  EXPECT_EQ(*stores_.reader->Account("nobody"), std::nullopt);
  EXPECT_EQ(*stores_.reader->Account("ann"),
            (AccountRow{"ann", AccountState::kActive, "", "", Timestamp{}, 1}));
  const Changes debit = ChangesOf({DebitOf(saga_, 300, reservation_)});
  const Changes again = ChangesOf({freeze});
  EXPECT_THAT(Load({freeze}).wallets, SizeIs(2));
  Run({freeze});
  EXPECT_THAT(stores_.store->Save(debit)->wallets, ElementsAre(WalletKey{"ann", kKrw}));
  EXPECT_FALSE(stores_.store->Save(again)->empty()) << "of two operators at once, one is decided again";
  Reopen();
  EXPECT_EQ(Run({DebitOf(saga_, 300, reservation_)}).at(0).refusal, Refusal::kFrozen);
  EXPECT_EQ(*stores_.reader->Account("ann"),
            (AccountRow{"ann", AccountState::kFrozen, "asked for", "root", kNow, 2}));
  Run({{SetState{"ann", AccountState::kActive, "done", "root"}, ""}});
  EXPECT_EQ(stores_.reader->Account("ann").value()->version, 3);
  EXPECT_EQ(Run({DebitOf(saga_, 300, reservation_)}).at(0).kind, OutcomeKind::kDone);
}

// No wallet's row is shared: without the account's, money would come into a closed wallet.
TEST_P(StoreContractTest, OpeningAWalletAndClosingTheAccountAtTheSameTimeMeetInTheAccount) {
  const auto close = [](const std::string& user) {
    return Command{SetState{user, AccountState::kClosed, "asked for", "root"}, ""};
  };
  const auto adjust = [](const std::string& user, int64_t amount, Currency currency) {
    return Command{Adjust{std::string(currency.code()), user, {amount, currency}, "a gift", "root"}, ""};
  };
  Run({TopUpOf("ann", 5, "k"), adjust("ann", -5, kKrw), TopUpOf("bob", 5, "k"), adjust("bob", -5, kKrw)});
  for (const std::string user : {"ann", "new"}) {  // with an account and without
    const Changes opening = ChangesOf({TopUpOf(user, 5, "k2", kEur)});
    Run({close(user)});
    EXPECT_THAT(stores_.store->Save(opening)->accounts, ElementsAre(user));
    EXPECT_EQ(Run({TopUpOf(user, 5, "k2", kEur)}).at(0).refusal, Refusal::kClosed);
  }
  for (const std::string user : {"bob", "eve"}) {
    const Changes closing = ChangesOf({close(user)});
    Run({adjust(user, 5, kEur)});
    EXPECT_THAT(stores_.store->Save(closing)->accounts, ElementsAre(user));
    EXPECT_EQ(Run({close(user)}).at(0).refusal, Refusal::kNotEmpty);
  }
}

TEST_P(StoreContractTest, AStatementGoesFromItsOpeningBalanceByKind) {
  Run({TopUpOf("ann", 1000, "k1"), TopUpOf("ann", 9, "e", kEur)});
  const auto later = [&](const std::vector<Command>& commands, milliseconds after) {
    const Changes changes = Decide(Load(commands), commands, kNow + after, ids_).changes;
    ASSERT_TRUE(stores_.store->Save(changes)->empty());
  };
  later({DebitOf(saga_, 300, reservation_), TopUpOf("ann", 20, "k2"), TopUpOf("ann", 30, "k3")},
        milliseconds(10));
  later({RefundOf(saga_, reservation_)}, milliseconds(20));
  const Period period{kNow + milliseconds(10), kNow + milliseconds(20)};
  const StatementSums sums = *stores_.reader->Statement("ann", kKrw, period);
  EXPECT_EQ(sums.opening_balance, 1000);
  EXPECT_THAT(sums.sums, ElementsAre(StatementSums::Sum{EntryKind::kTopUp, 50, 2},
                                     StatementSums::Sum{EntryKind::kDebit, -300, 1}));
  EXPECT_THAT(stores_.reader->Entries("ann", kKrw, std::nullopt, 10, period)->entries, SizeIs(3));
  EXPECT_EQ(sums.closing_balance, 750);
  EXPECT_EQ(stores_.reader->Statement("ann", kKrw, {})->opening_balance, 0);
  EXPECT_THAT(stores_.reader->Statement("nobody", kKrw, {})->sums, IsEmpty());
}

TEST_P(StoreContractTest, TheWholeLedgerIsPagedOnce) {
  Run({TopUpOf("bob", 1, "k1"), TopUpOf("ann", 2, "k1"), TopUpOf("ann", 3, "k2"), TopUpOf("eve", 4, "k1")});
  std::vector<int64_t> amounts;
  std::optional<EntryKey> after;
  while (true) {
    const EntryPage page = *stores_.reader->Ledger(after, 2);
    for (const Entry& entry : page.entries) amounts.push_back(entry.money.amount);
    if (!page.more) break;
    after = EntryKey{page.entries.back().user_id, page.entries.back().id};
  }
  EXPECT_THAT(amounts, ElementsAre(2, 3, 1, 4));
}

class SqliteHome final : public Home {
 public:
  Stores Open() override {
    auto stores = OpenSqlite(file());
    CHECK(stores.has_value(), "{}", stores.error().detail);
    return *std::move(stores);
  }
  std::filesystem::path file() const { return dir_.path() / "wallet.db"; }

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
  const std::string& url() const { return url_; }

 private:
  const std::string url_ = testbed::PostgresServer::Shared().NewDatabase();
};

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContractTest,
                         ::testing::Values(HomeFactory{[] { return std::make_unique<PostgresHome>(); },
                                                       true}));

// What only a hand in the file can break, the auditor's sums find.
class SqliteTotalsTest : public ::testing::Test {
 protected:
  SqliteTotalsTest() {
    const std::vector<Command> commands = {{TopUp{"k1", "ann", {1000, kKrw}}, ""},
                                           {TopUp{"k2", "bob", {5, kKrw}}, ""}};
    CHECK(stores_.store->Save(Decide({}, commands, kNow, ids_).changes).has_value());
  }
  void Tamper(std::string_view sql) { ASSERT_TRUE(raw_.Execute(sql)); }
  Totals Compute() { return *stores_.reader->ComputeTotals(); }

  SeededRandom random_{3};
  EntryIds ids_{random_};
  SqliteHome home_;
  Stores stores_ = home_.Open();
  sql::Database raw_ = *sql::Database::Open(home_.file());
};

TEST_F(SqliteTotalsTest, ABalanceThatIsNotTheSumOfItsEntriesIsFound) {
  Tamper("UPDATE wallet SET balance = balance + 1 WHERE user_id = 'ann'");
  EXPECT_EQ(Compute().currencies.at(0).wallets_unequal_entries, 1);
  EXPECT_THAT(Compute().bad_users, ElementsAre("ann"));
}

TEST_F(SqliteTotalsTest, ANegativeWalletIsFound) {
  Tamper("UPDATE wallet SET balance = -1 WHERE user_id = 'bob'");
  EXPECT_EQ(Compute().currencies.at(0).wallets_negative, 1);
  EXPECT_THAT(Compute().bad_users, ElementsAre("bob"));
}

TEST_F(SqliteTotalsTest, EntriesWithoutAWalletAreFound) {
  Tamper("DELETE FROM wallet WHERE user_id = 'bob'");
  EXPECT_EQ(Compute().currencies.at(0).wallets_unequal_entries, 1);
  EXPECT_THAT(Compute().bad_users, ElementsAre("bob"));
}

TEST_F(SqliteTotalsTest, AnEntryWhoseLegsAreUnequalIsFound) {
  EXPECT_FALSE(raw_.Execute("UPDATE ledger SET contra_amount = contra_amount + 7 WHERE user_id = 'ann'"));
  Tamper("PRAGMA ignore_check_constraints = ON");
  Tamper("UPDATE ledger SET contra_amount = contra_amount + 7 WHERE user_id = 'ann'");
  EXPECT_EQ(Compute().currencies.at(0).sum_of_all_accounts, 7);
}

TEST_F(SqliteTotalsTest, EachEntryIsAnEventInTheOutbox) {
  const auto table = outbox::OpenSqliteTable(home_.file()).value();
  const std::vector<bus::Event> events = outbox::EventsIn(*table);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].topic, "wallet");
  EXPECT_EQ(events[0].key, "ann");
  EXPECT_EQ(events[1].key, "bob");
  EXPECT_EQ(events[0].type, "wallet.charged");
}

}  // namespace
}  // namespace boxoffice::wallet
