#include "services/wallet/wallet.h"

#include <map>

#include <gmock/gmock.h>

namespace boxoffice::wallet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Currency kKrw = *Currency::Parse("KRW");
const Currency kEur = *Currency::Parse("EUR");
const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// The ledger as a store would keep it: applies what Decide wants saved.
class WalletTest : public ::testing::Test {
 protected:
  SagaId NewSaga() { return SagaId::Make(kNow, random_); }

  std::vector<Outcome> RunBatch(const std::vector<Command>& commands, Timestamp now = kNow) {
    Rows rows;
    for (const auto& [key, row] : wallets_) rows.wallets.push_back(row);
    for (const auto& [saga, row] : debits_) rows.debits.push_back(row);
    for (const auto& [key, row] : top_ups_) rows.top_ups.push_back(row);
    for (const auto& [user, row] : accounts_) rows.accounts.push_back(row);
    for (const Entry& entry : entries_) {
      rows.entries.push_back(entry);
      if (entry.kind != EntryKind::kPartialRefund) continue;
      rows.parts.push_back(
          {{entry.reservation, entry.saga}, entry.user_id, entry.money, entry.id, entry.balance_after});
    }
    Decision decision = Decide(rows, commands, now, ids_, limits_);
    last_ = decision.changes;
    for (WalletRow row : last_.wallets) {
      ++row.version;
      wallets_[row.key] = row;
    }
    for (AccountRow row : last_.accounts) {
      ++row.version;
      accounts_[row.user_id] = row;
    }
    for (const DebitChange& change : last_.debits) debits_[change.row.saga] = change.row;
    for (const Entry& entry : last_.entries) {
      entries_.push_back(entry);
      if (entry.of_saga()) continue;
      const TopUpKey key{entry.user_id, entry.client_key};
      top_ups_[key] = {key, entry.money, entry.id, entry.balance_after, entry.reason};
    }
    EXPECT_EQ(decision.outcomes.size(), commands.size());
    return decision.outcomes;
  }
  Outcome Run(Command command) { return RunBatch({std::move(command)}).at(0); }

  int64_t Balance(const std::string& user, Currency currency = kKrw) {
    return wallets_[{user, currency}].balance;
  }

  static Command TopUpOf(const std::string& user, int64_t amount, const std::string& key,
                         Currency currency = kKrw) {
    return {TopUp{key, user, {amount, currency}}, ""};
  }
  Command DebitOf(SagaId saga, int64_t amount, const std::string& user = "ann") {
    return {Debit{saga, reservation_, user, {amount, kKrw}}, ""};
  }
  Command RefundOf(SagaId debit_saga, const std::string& user = "ann") {
    return {Refund{NewSaga(), reservation_, user, debit_saga}, ""};
  }

  Command PartOf(SagaId saga, SagaId debit_saga, int64_t amount, Currency currency = kKrw) {
    return {PartialRefund{saga, reservation_, "ann", debit_saga, {amount, currency}}, ""};
  }
  static Command AdjustOf(int64_t amount, const std::string& key, const std::string& reason = "a gift") {
    return {Adjust{key, "ann", {amount, kKrw}, reason, "root"}, ""};
  }
  static Command ReverseOf(EntryId entry) { return {ReverseTopUp{"ann", entry, "charged back", "root"}, ""}; }
  static Command StateOf(AccountState state) { return {SetState{"ann", state, "asked for", "root"}, ""}; }

  SeededRandom random_{7};
  EntryIds ids_{random_};
  WalletLimits limits_;
  ReservationId reservation_ = ReservationId::Make(kNow, random_);
  std::map<WalletKey, WalletRow> wallets_;
  std::map<SagaId, DebitRow> debits_;
  std::map<TopUpKey, TopUpRow> top_ups_;
  std::map<std::string, AccountRow> accounts_;
  std::vector<Entry> entries_;
  Changes last_;
};

TEST_F(WalletTest, TopUpMovesMoneyFromExternalToTheUser) {
  const Outcome outcome = Run(TopUpOf("ann", 1000, "k1"));
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.balance, (Money{1000, kKrw}));
  ASSERT_THAT(entries_, SizeIs(1));
  EXPECT_EQ(entries_[0].id, outcome.entry);
  EXPECT_EQ(entries_[0].money, (Money{1000, kKrw}));
  EXPECT_EQ(entries_[0].contra(), SystemAccount::kExternal);
  EXPECT_EQ(entries_[0].created_at, kNow);
  EXPECT_THAT(last_.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 1000, 0}));
}

TEST_F(WalletTest, ARepeatedTopUpGetsTheRecordedAnswerAndMovesNothing) {
  const Outcome first = Run(TopUpOf("ann", 1000, "k1"));
  Run(TopUpOf("ann", 500, "k2"));
  EXPECT_EQ(Run(TopUpOf("ann", 1000, "k1")), first);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Balance("ann"), 1500);
}

TEST_F(WalletTest, ATopUpRepeatedWithOtherContentIsAMismatch) {
  Run(TopUpOf("ann", 1000, "k1"));
  EXPECT_EQ(Run(TopUpOf("ann", 1001, "k1")).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Run(TopUpOf("ann", 1000, "k1", kEur)).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, AClientKeyBelongsToItsUser) {
  Run(TopUpOf("ann", 1000, "k1"));
  EXPECT_EQ(Run(TopUpOf("bob", 1000, "k1")).kind, OutcomeKind::kDone);
  EXPECT_EQ(Balance("bob"), 1000);
}

TEST_F(WalletTest, ATopUpBeyondTheLimitIsRefusedAndNotRecorded) {
  Run(TopUpOf("ann", kMaxAmount - 10, "k1"));
  const Outcome refused = Run(TopUpOf("ann", 11, "k2"));
  EXPECT_EQ(refused.kind, OutcomeKind::kRefused);
  EXPECT_EQ(refused.refusal, Refusal::kBalanceLimit);
  EXPECT_EQ(refused.balance, (Money{kMaxAmount - 10, kKrw}));
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(TopUpOf("ann", 10, "k2")).kind, OutcomeKind::kDone);
}

TEST_F(WalletTest, DebitMovesMoneyFromTheUserToSales) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  const Outcome outcome = Run(DebitOf(saga, 300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.balance, (Money{700, kKrw}));
  EXPECT_EQ(entries_.back().money, (Money{-300, kKrw}));
  EXPECT_EQ(entries_.back().contra(), SystemAccount::kSales);
  EXPECT_EQ(entries_.back().saga, saga);
  EXPECT_EQ(entries_.back().reservation, reservation_);
}

TEST_F(WalletTest, ADebitOfMoreThanTheBalanceIsRefusedAndNotRecorded) {
  Run(TopUpOf("ann", 299, "k1"));
  const SagaId saga = NewSaga();
  const Outcome refused = Run(DebitOf(saga, 300));
  EXPECT_EQ(refused.kind, OutcomeKind::kRefused);
  EXPECT_EQ(refused.refusal, Refusal::kBalanceTooLow);
  EXPECT_EQ(refused.balance, (Money{299, kKrw}));
  EXPECT_EQ(refused.needed, 300);
  EXPECT_TRUE(last_.empty());
  EXPECT_TRUE(last_.wallets.empty());
}

TEST_F(WalletTest, ADebitOfTheWholeBalanceIsDone) {
  Run(TopUpOf("ann", 300, "k1"));
  EXPECT_EQ(Run(DebitOf(NewSaga(), 300)).kind, OutcomeKind::kDone);
  EXPECT_EQ(Balance("ann"), 0);
}

TEST_F(WalletTest, ARepeatedDebitGetsTheRecordedAnswerAndMovesNothing) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  const Outcome first = Run(DebitOf(saga, 300));
  Run(TopUpOf("ann", 50, "k2"));
  EXPECT_EQ(Run(DebitOf(saga, 300)), first);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Balance("ann"), 750);
}

TEST_F(WalletTest, ADebitRepeatedWithOtherContentIsAMismatch) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 300));
  EXPECT_EQ(Run(DebitOf(saga, 301)).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Run(DebitOf(saga, 300, "bob")).kind, OutcomeKind::kMismatch);
  Command other = DebitOf(saga, 300);
  std::get<Debit>(other.body).reservation = ReservationId::Make(kNow, random_);
  EXPECT_EQ(Run(other).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, RefundGivesTheDebitBack) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 300));
  const Outcome outcome = Run(RefundOf(saga));
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.balance, (Money{1000, kKrw}));
  EXPECT_EQ(entries_.back().kind, EntryKind::kRefund);
  EXPECT_EQ(entries_.back().money, (Money{300, kKrw}));
  EXPECT_EQ(entries_.back().contra(), SystemAccount::kSales);
  EXPECT_EQ(entries_.back().saga, saga);
}

TEST_F(WalletTest, ARefundHappensOnceWhoeverAsks) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 300));
  const Outcome first = Run(RefundOf(saga));
  Run(TopUpOf("ann", 5, "k2"));
  EXPECT_EQ(Run(RefundOf(saga)), first);  // each asks as another saga
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Balance("ann"), 1005);
}

TEST_F(WalletTest, ARefundOfADebitThatNeverCameLeavesATombstoneAndMovesNothing) {
  const SagaId saga = NewSaga();
  const Outcome outcome = Run(RefundOf(saga));
  EXPECT_EQ(outcome, Outcome{});
  ASSERT_THAT(last_.debits, SizeIs(1));
  EXPECT_EQ(last_.debits[0].row.state, DebitState::kNeverCame);
  EXPECT_TRUE(last_.debits[0].created);
  EXPECT_THAT(last_.entries, IsEmpty());
  EXPECT_EQ(Run(RefundOf(saga)), Outcome{});
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, ADebitAfterItsUndoIsAborted) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId never_came = NewSaga();
  Run(RefundOf(never_came));
  EXPECT_EQ(Run(DebitOf(never_came, 300)).kind, OutcomeKind::kAborted);
  const SagaId refunded = NewSaga();
  Run(DebitOf(refunded, 300));
  Run(RefundOf(refunded));
  EXPECT_EQ(Run(DebitOf(refunded, 300)).kind, OutcomeKind::kAborted);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Balance("ann"), 1000);
}

TEST_F(WalletTest, ATopUpCannotMakeALateDuplicateOfARefusedDebitSucceedAfterItsUndo) {
  const SagaId saga = NewSaga();
  EXPECT_EQ(Run(DebitOf(saga, 300)).kind, OutcomeKind::kRefused);
  Run(RefundOf(saga));
  Run(TopUpOf("ann", 1000, "k1"));
  EXPECT_EQ(Run(DebitOf(saga, 300)).kind, OutcomeKind::kAborted);
}

TEST_F(WalletTest, ARefundNamingAnotherReservationOrUserIsAMismatch) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 300));
  EXPECT_EQ(Run(RefundOf(saga, "bob")).kind, OutcomeKind::kMismatch);
  Command other = RefundOf(saga);
  std::get<Refund>(other.body).reservation = ReservationId::Make(kNow, random_);
  EXPECT_EQ(Run(other).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, ARefundIsNeverRefusedEvenBeyondTheLimit) {
  Run(TopUpOf("ann", kMaxAmount, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 300));
  Run(TopUpOf("ann", 300, "k2"));
  EXPECT_EQ(Run(RefundOf(saga)).kind, OutcomeKind::kDone);
  EXPECT_EQ(Balance("ann"), kMaxAmount + 300);
}

TEST_F(WalletTest, CommandsOnOneWalletInABatchAreMergedInOrder) {
  const SagaId first = NewSaga();
  const SagaId second = NewSaga();
  const auto outcomes = RunBatch(
      {TopUpOf("ann", 500, "k1"), DebitOf(first, 300), DebitOf(second, 300), TopUpOf("ann", 7, "k2")});
  EXPECT_EQ(outcomes[0].balance, (Money{500, kKrw}));
  EXPECT_EQ(outcomes[1].balance, (Money{200, kKrw}));
  EXPECT_EQ(outcomes[2].kind, OutcomeKind::kRefused);  // and does not fail its neighbours
  EXPECT_EQ(outcomes[3].balance, (Money{207, kKrw}));
  EXPECT_THAT(last_.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 207, 0}));
  EXPECT_THAT(last_.entries, SizeIs(3));
}

TEST_F(WalletTest, ARepeatInTheSameBatchGetsTheFirstAnswer) {
  const SagaId saga = NewSaga();
  const auto outcomes = RunBatch({TopUpOf("ann", 500, "k1"), TopUpOf("ann", 500, "k1"), DebitOf(saga, 300),
                                  DebitOf(saga, 300), RefundOf(saga), RefundOf(saga)});
  EXPECT_EQ(outcomes[0], outcomes[1]);
  EXPECT_EQ(outcomes[2], outcomes[3]);
  EXPECT_EQ(outcomes[4], outcomes[5]);
  EXPECT_THAT(last_.entries, SizeIs(3));
  EXPECT_EQ(Balance("ann"), 500);
}

TEST_F(WalletTest, ActionAndUndoInOneBatchEndNeutralInEitherOrder) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId saga = NewSaga();
  RunBatch({DebitOf(saga, 300), RefundOf(saga)});
  ASSERT_THAT(last_.debits, SizeIs(1));
  EXPECT_TRUE(last_.debits[0].created);
  EXPECT_EQ(last_.debits[0].row.state, DebitState::kRefunded);
  const SagaId other = NewSaga();
  const auto outcomes = RunBatch({RefundOf(other), DebitOf(other, 300)});
  EXPECT_EQ(outcomes[1].kind, OutcomeKind::kAborted);
  EXPECT_EQ(Balance("ann"), 1000);
}

TEST_F(WalletTest, CurrenciesOfAUserAreWalletsOfTheirOwn) {
  Run(TopUpOf("ann", 1000, "k1", kEur));
  EXPECT_EQ(Run(DebitOf(NewSaga(), 1)).refusal, Refusal::kBalanceTooLow);
  EXPECT_EQ(Balance("ann", kEur), 1000);
  EXPECT_EQ(Balance("ann", kKrw), 0);
}

TEST_F(WalletTest, EntryIdsGrowWithinAMillisecondAndWhenTheClockStepsBack) {
  EntryId last;
  for (int i = 0; i < 1000; ++i) {
    const EntryId next = ids_.Next(kNow - milliseconds(i / 100));
    ASSERT_LT(last, next);
    last = next;
  }
}

TEST_F(WalletTest, TheLoadedVersionTravelsToTheSave) {
  Run(TopUpOf("ann", 1000, "k1"));
  Run(DebitOf(NewSaga(), 1));
  EXPECT_THAT(last_.wallets, ElementsAre(WalletRow{{"ann", kKrw}, 999, 1}));
}

TEST_F(WalletTest, KeysAreSortedAndNamedOnce) {
  const SagaId saga = NewSaga();
  const std::vector<Command> commands = {TopUpOf("bob", 1, "k"), DebitOf(saga, 1), DebitOf(saga, 1),
                                         RefundOf(saga), TopUpOf("ann", 1, "k")};
  const Keys keys = KeysOf(commands);
  EXPECT_THAT(keys.wallets, ElementsAre(WalletKey{"ann", kKrw}, WalletKey{"bob", kKrw}));
  EXPECT_THAT(keys.sagas, ElementsAre(saga));
  EXPECT_THAT(keys.top_ups, ElementsAre(TopUpKey{"ann", "k"}, TopUpKey{"bob", "k"}));
}

// Whatever comes in whatever order and batches: balances are the sums of entries, none is negative, no debit
// is given back twice.
TEST_F(WalletTest, AnySequenceKeepsTheInvariants) {
  std::vector<SagaId> sagas;
  for (int i = 0; i < 40; ++i) sagas.push_back(NewSaga());
  const std::vector<std::string> users = {"ann", "bob", "cat"};
  for (int round = 0; round < 300; ++round) {
    std::vector<Command> commands;
    for (uint64_t i = random_.Below(12); i > 0; --i) {
      const size_t n = random_.Below(sagas.size());
      const std::string& user = users[n % users.size()];
      const auto amount = static_cast<int64_t>(1 + random_.Below(50));
      switch (random_.Below(3)) {
        case 0:
          commands.push_back(TopUpOf(user, amount, "k" + std::to_string(random_.Below(60))));
          break;
        case 1:
          commands.push_back(DebitOf(sagas[n], amount, user));
          break;
        default:
          commands.push_back(RefundOf(sagas[n], user));
      }
    }
    RunBatch(commands);
    std::map<std::string, int64_t> sums;
    std::map<SagaId, int64_t> net;
    for (const Entry& entry : entries_) {
      sums[entry.user_id] += entry.money.amount;
      if (entry.kind != EntryKind::kTopUp) net[entry.saga] += entry.money.amount;
    }
    for (const std::string& user : users) {
      ASSERT_EQ(Balance(user), sums[user]);
      ASSERT_GE(Balance(user), 0);
    }
    for (const auto& [saga, amount] : net) ASSERT_LE(amount, 0);
  }
}

TEST_F(WalletTest, APartOfADebitIsGivenBackOncePerSaga) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId debit = NewSaga(), part = NewSaga();
  Run(DebitOf(debit, 300));
  const Outcome outcome = Run(PartOf(part, debit, 100));
  EXPECT_EQ(outcome.balance, (Money{800, kKrw}));
  EXPECT_EQ(entries_.back().kind, EntryKind::kPartialRefund);
  EXPECT_EQ(entries_.back().contra(), SystemAccount::kSales);
  EXPECT_EQ(entries_.back().saga, part);
  EXPECT_EQ(debits_.at(debit).refunded, 100);
  EXPECT_EQ(Run(PartOf(part, debit, 100)), outcome);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(PartOf(part, debit, 101)).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Run(PartOf(part, debit, 100, kEur)).kind, OutcomeKind::kMismatch);
}

TEST_F(WalletTest, PartsTogetherAreNeverMoreThanWasDebited) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId debit = NewSaga();
  Run(DebitOf(debit, 300));
  Run(PartOf(NewSaga(), debit, 200));
  EXPECT_EQ(Run(PartOf(NewSaga(), debit, 101)).refusal, Refusal::kExceedsDebit);
  EXPECT_EQ(Run(PartOf(NewSaga(), debit, 1, kEur)).refusal, Refusal::kExceedsDebit);
  EXPECT_TRUE(last_.empty());
  Run(PartOf(NewSaga(), debit, 100));
  EXPECT_EQ(Balance("ann"), 1000);
  EXPECT_EQ(Run(PartOf(NewSaga(), debit, 1)).refusal, Refusal::kExceedsDebit);
}

TEST_F(WalletTest, ARefundAfterPartsGivesTheRestBackAndEndsThem) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId debit = NewSaga(), part = NewSaga();
  Run(DebitOf(debit, 300));
  Run(PartOf(part, debit, 100));
  EXPECT_EQ(Run(RefundOf(debit)).balance, (Money{1000, kKrw}));
  EXPECT_EQ(entries_.back().money, (Money{200, kKrw}));
  EXPECT_EQ(Run(PartOf(NewSaga(), debit, 1)).kind, OutcomeKind::kAborted);
  EXPECT_EQ(Run(PartOf(part, debit, 100)).kind, OutcomeKind::kDone) << "it was done before";
  EXPECT_EQ(Balance("ann"), 1000);
}

TEST_F(WalletTest, ARefundOfWhatPartsHaveGivenBackWhollyMovesNothingAndIsFinal) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId debit = NewSaga();
  Run(DebitOf(debit, 300));
  Run(PartOf(NewSaga(), debit, 300));
  const Outcome outcome = Run(RefundOf(debit));
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.balance, (Money{1000, kKrw}));
  EXPECT_TRUE(outcome.entry.IsNil());
  EXPECT_THAT(last_.entries, IsEmpty());
  EXPECT_EQ(Run(DebitOf(debit, 300)).kind, OutcomeKind::kAborted);
}

TEST_F(WalletTest, APartOfADebitThatIsNotThereOrIsAnothersMovesNothing) {
  Run(TopUpOf("ann", 1000, "k1"));
  const SagaId debit = NewSaga();
  EXPECT_EQ(Run(PartOf(NewSaga(), debit, 1)).kind, OutcomeKind::kAborted);
  Run(DebitOf(debit, 300));
  Command other = PartOf(NewSaga(), debit, 1);
  std::get<PartialRefund>(other.body).user_id = "bob";
  EXPECT_EQ(Run(other).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, AnAdjustmentMovesMoneyBothWaysOnceForItsKey) {
  const Outcome given = Run(AdjustOf(500, "a1"));
  EXPECT_EQ(given.balance, (Money{500, kKrw}));
  EXPECT_EQ(entries_.back().contra(), SystemAccount::kAdjustments);
  EXPECT_EQ(entries_.back().reason, "a gift");
  EXPECT_EQ(entries_.back().operator_id, "root");
  EXPECT_EQ(Run(AdjustOf(500, "a1")), given);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(AdjustOf(501, "a1")).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Run(AdjustOf(-200, "a2")).balance, (Money{300, kKrw}));
}

TEST_F(WalletTest, AnAdjustmentsKeyIsForItsReasonToo) {
  const Outcome given = Run(AdjustOf(500, "a1", "a gift"));
  EXPECT_EQ(Run(AdjustOf(500, "a1", "lost in the move")).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(AdjustOf(500, "a1", "a gift")), given);
  const auto outcomes = RunBatch({AdjustOf(5, "a2", "a gift"), AdjustOf(5, "a2", "lost in the move")});
  EXPECT_EQ(outcomes[1].kind, OutcomeKind::kMismatch) << "in one batch, too";
}

TEST_F(WalletTest, AnAdjustmentLeavesNoWalletNegativeAndNoneAboveTheBound) {
  Run(AdjustOf(500, "a1"));
  const Outcome refused = Run(AdjustOf(-501, "a2"));
  EXPECT_EQ(refused.refusal, Refusal::kBalanceTooLow);
  EXPECT_EQ(refused.needed, 501);
  EXPECT_EQ(Run(AdjustOf(kMaxAmount, "a3")).refusal, Refusal::kBalanceLimit);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, AClientsKeyIsNotAnOperatorsKey) {
  Run(TopUpOf("ann", 500, "k1"));
  EXPECT_EQ(Run(AdjustOf(500, "k1")).balance, (Money{1000, kKrw}));
}

TEST_F(WalletTest, ATopUpIsReversedOnceWhoeverAsks) {
  const Outcome charged = Run(TopUpOf("ann", 500, "k1"));
  const Outcome reversed = Run(ReverseOf(charged.entry));
  EXPECT_EQ(reversed.balance, (Money{0, kKrw}));
  EXPECT_EQ(entries_.back().kind, EntryKind::kTopUpReversal);
  EXPECT_EQ(entries_.back().contra(), SystemAccount::kExternal);
  Run(TopUpOf("ann", 500, "k2"));
  EXPECT_EQ(Run(ReverseOf(charged.entry)), reversed);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Balance("ann"), 500);
}

TEST_F(WalletTest, OnlyATopUpThatIsStillThereCanBeReversed) {
  const Outcome charged = Run(TopUpOf("ann", 500, "k1"));
  const SagaId saga = NewSaga();
  const Outcome debited = Run(DebitOf(saga, 1));
  const Outcome refused = Run(ReverseOf(charged.entry));
  EXPECT_EQ(refused.refusal, Refusal::kBalanceTooLow);
  EXPECT_EQ(refused.needed, 500);
  EXPECT_EQ(Run(ReverseOf(debited.entry)).refusal, Refusal::kNotATopUp);
  EXPECT_EQ(Run(ReverseOf(EntryId::Make(kNow, random_))).refusal, Refusal::kNotATopUp);
  EXPECT_TRUE(last_.empty());
}

TEST_F(WalletTest, AFrozenWalletTakesAndSpendsNothingUntilItIsThawed) {
  Run(TopUpOf("ann", 500, "k1"));
  EXPECT_EQ(Run(StateOf(AccountState::kFrozen)).state, AccountState::kFrozen);
  EXPECT_EQ(last_.accounts.at(0).reason, "asked for");
  EXPECT_THAT(last_.wallets, SizeIs(1))
      << "its version moves, so that a debit decided before is decided again";
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k2")).refusal, Refusal::kFrozen);
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k3", kEur)).refusal, Refusal::kFrozen);
  EXPECT_EQ(Run(DebitOf(NewSaga(), 1)).refusal, Refusal::kFrozen);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(TopUpOf("ann", 500, "k1")).kind, OutcomeKind::kDone) << "a repeat gets its answer";
  EXPECT_EQ(Run(TopUpOf("bob", 1, "k1")).kind, OutcomeKind::kDone);
  EXPECT_EQ(Run(AdjustOf(-100, "a1")).kind, OutcomeKind::kDone);
  Run(StateOf(AccountState::kActive));
  EXPECT_EQ(Run(DebitOf(NewSaga(), 400)).kind, OutcomeKind::kDone);
}

TEST_F(WalletTest, AWalletIsClosedOnlyWhenItIsEmptyAndForEver) {
  Run(TopUpOf("ann", 500, "k1"));
  Run(TopUpOf("ann", 5, "k2", kEur));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 500));
  const Outcome refused = Run(StateOf(AccountState::kClosed));
  EXPECT_EQ(refused.refusal, Refusal::kNotEmpty);
  EXPECT_EQ(refused.balance, (Money{5, kEur}));
  EXPECT_TRUE(last_.empty());
  Run({Adjust{"a1", "ann", {-5, kEur}, "paid out", "root"}, ""});
  EXPECT_EQ(Run(StateOf(AccountState::kClosed)).state, AccountState::kClosed);
  EXPECT_EQ(Run(StateOf(AccountState::kClosed)).kind, OutcomeKind::kDone);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(StateOf(AccountState::kActive)).refusal, Refusal::kClosed);
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k3")).refusal, Refusal::kClosed);
  EXPECT_EQ(Run(AdjustOf(1, "a2")).refusal, Refusal::kClosed);
}

TEST_F(WalletTest, AnUndoCreditsAClosedWalletAllTheSameAndAnOperatorPaysItOut) {
  Run(TopUpOf("ann", 500, "k1"));
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 500));
  Run(StateOf(AccountState::kClosed));
  EXPECT_EQ(Run(PartOf(NewSaga(), saga, 100)).balance, (Money{100, kKrw}));
  EXPECT_EQ(Run(RefundOf(saga)).balance, (Money{500, kKrw}));
  EXPECT_EQ(Run(DebitOf(NewSaga(), 1)).refusal, Refusal::kClosed);
  EXPECT_EQ(Run(AdjustOf(-500, "a1")).balance, (Money{0, kKrw}));
}

TEST_F(WalletTest, ATopUpBeyondTheConfiguredBalanceIsRefusedAndARefundIsNot) {
  limits_.balance[kKrw] = 1000;
  Run(TopUpOf("ann", 900, "k1"));
  const Outcome refused = Run(TopUpOf("ann", 101, "k2"));
  EXPECT_EQ(refused.refusal, Refusal::kBalanceLimit);
  EXPECT_EQ(refused.limit, 1000);
  EXPECT_EQ(refused.available, 100);
  EXPECT_EQ(Run(TopUpOf("ann", 5'000, "k3", kEur)).kind, OutcomeKind::kDone)
      << "another currency has no limit";
  const SagaId saga = NewSaga();
  Run(DebitOf(saga, 500));
  Run(TopUpOf("ann", 600, "k4"));
  EXPECT_EQ(Run(RefundOf(saga)).balance, (Money{1500, kKrw}));
}

TEST_F(WalletTest, WhatMayBeToppedUpADayIsLimitedAndTheNextDayBeginsAnew) {
  limits_.top_up_per_day[kKrw] = 1000;
  Run(TopUpOf("ann", 700, "k1"));
  Run(DebitOf(NewSaga(), 700));
  const Outcome refused = Run(TopUpOf("ann", 301, "k2"));
  EXPECT_EQ(refused.refusal, Refusal::kDailyLimit);
  EXPECT_EQ(refused.limit, 1000);
  EXPECT_EQ(refused.available, 300);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(TopUpOf("ann", 300, "k3")).kind, OutcomeKind::kDone);
  EXPECT_EQ(Run(TopUpOf("bob", 1000, "k1")).kind, OutcomeKind::kDone) << "each wallet has its own";
  EXPECT_EQ(RunBatch({TopUpOf("ann", 1000, "k4")}, kNow + std::chrono::hours(24)).at(0).kind,
            OutcomeKind::kDone);
}

// Of a replica whose clock is behind, or one that steps back over midnight.
TEST_F(WalletTest, AnEarlierDayAfterALaterOneHasNoRoomOfItsOwn) {
  limits_.top_up_per_day[kKrw] = 1000;
  Run(TopUpOf("ann", 1000, "k1"));
  EXPECT_EQ(RunBatch({TopUpOf("ann", 1, "k2")}, kNow - std::chrono::hours(24)).at(0).refusal,
            Refusal::kDailyLimit);
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k3")).refusal, Refusal::kDailyLimit);
}

TEST_F(WalletTest, OpeningAWalletMovesTheAccountAsItIs) {
  Run(TopUpOf("ann", 5, "k1"));
  EXPECT_THAT(last_.accounts, ElementsAre(AccountRow{"ann", AccountState::kActive, "", "", Timestamp{}, 0}));
  Run(TopUpOf("ann", 5, "k2"));
  EXPECT_THAT(last_.accounts, IsEmpty()) << "it is open";
  Run(StateOf(AccountState::kFrozen));
  Run({Adjust{"a1", "ann", {5, kEur}, "a gift", "root"}, ""});
  EXPECT_THAT(last_.accounts,
              ElementsAre(AccountRow{"ann", AccountState::kFrozen, "asked for", "root", kNow, 2}));
}

}  // namespace
}  // namespace boxoffice::wallet
