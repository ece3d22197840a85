// The wallet as its callers see it: the module on a folder of its own, through the in-process channel.
#include <future>
#include <limits>

#include <gmock/gmock.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/host.h"
#include "services/wallet/module.h"
#include "testing/service_fixture.h"

namespace boxoffice::wallet {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Base = testbed::ServiceFixture<WalletModule, v1::WalletService, v1::CommandBatch, v1::OutcomeBatch>;

class WalletRpcTest : public Base {
 protected:
  WalletRpcTest() { StartModule(); }

  void StartModule() { Base::StartModule(WalletConfig{}); }
  v1::WalletOutcome Run(v1::Command command) { return Base::Run(std::move(command)).wallet(); }

  static v1::Command TopUpOf(const std::string& user, int64_t amount, const std::string& key,
                             const std::string& currency = "KRW") {
    v1::Command command;
    command.mutable_top_up()->set_user_id(user);
    command.mutable_top_up()->set_client_key(key);
    command.mutable_top_up()->mutable_money()->set_amount(amount);
    command.mutable_top_up()->mutable_money()->set_currency(currency);
    return command;
  }
  v1::Command DebitOf(const std::string& saga, int64_t amount) {
    v1::Command command;
    command.mutable_debit()->set_saga_id(saga);
    command.mutable_debit()->set_reservation_id(reservation_);
    command.mutable_debit()->set_user_id("ann");
    command.mutable_debit()->mutable_money()->set_amount(amount);
    command.mutable_debit()->mutable_money()->set_currency("KRW");
    return command;
  }
  v1::Command RefundOf(const std::string& saga) {
    v1::Command command;
    command.mutable_refund()->set_saga_id(NewId());
    command.mutable_refund()->set_debit_saga_id(saga);
    command.mutable_refund()->set_reservation_id(reservation_);
    command.mutable_refund()->set_user_id("ann");
    return command;
  }

  std::string reservation_ = NewId();
};

TEST_F(WalletRpcTest, MoneyGoesThroughTheWholeService) {
  const std::string saga = NewId();
  EXPECT_EQ(Run(TopUpOf("ann", 1000, "k1")).kind(), v1::WalletOutcome::DONE);
  const auto debited = Run(DebitOf(saga, 300));
  EXPECT_EQ(debited.kind(), v1::WalletOutcome::DONE);
  EXPECT_EQ(debited.balance().amount(), 700);
  EXPECT_EQ(debited.balance().currency(), "KRW");
  const auto refused = Run(DebitOf(NewId(), 701));
  EXPECT_EQ(refused.kind(), v1::WalletOutcome::REFUSED);
  EXPECT_EQ(refused.refusal(), "balance_too_low");
  EXPECT_EQ(refused.balance().amount(), 700);
  EXPECT_EQ(refused.needed(), 701);
  EXPECT_EQ(Run(RefundOf(saga)).balance().amount(), 1000);
  EXPECT_EQ(Run(DebitOf(saga, 300)).kind(), v1::WalletOutcome::ABORTED);
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k1")).kind(), v1::WalletOutcome::MISMATCH);
  EXPECT_EQ(Run(TopUpOf("ann", kMaxAmount, "k2")).refusal(), "balance_limit");
}

TEST_F(WalletRpcTest, AnswersSurviveARestart) {
  const std::string saga = NewId();
  const auto charged = Run(TopUpOf("ann", 1000, "k1"));
  const auto debited = Run(DebitOf(saga, 300));
  StopModule();
  StartModule();
  EXPECT_EQ(Run(TopUpOf("ann", 1000, "k1")).SerializeAsString(), charged.SerializeAsString());
  EXPECT_EQ(Run(DebitOf(saga, 300)).SerializeAsString(), debited.SerializeAsString());
}

TEST_F(WalletRpcTest, ManyCommandsOnOneWalletAtOnceNeverOverdraw) {
  Run(TopUpOf("ann", 100, "k1"));
  std::vector<std::future<Result<v1::Outcome>>> answers;
  for (int i = 0; i < 300; ++i) answers.push_back(Send(DebitOf(NewId(), 1)));
  int done = 0;
  for (auto& answer : answers) done += answer.get()->wallet().kind() == v1::WalletOutcome::DONE ? 1 : 0;
  EXPECT_EQ(done, 100);
}

TEST_F(WalletRpcTest, AnAmountOutOfRangeIsAnErrorAndNotRecorded) {
  for (const int64_t amount : {int64_t{0}, int64_t{-1}, kMaxAmount + 1}) {
    const Error error = RunError(TopUpOf("ann", amount, "k1"));
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_EQ(error.reason, "amount_out_of_range");
    EXPECT_EQ(RunError(DebitOf(NewId(), amount)).reason, "amount_out_of_range");
  }
  EXPECT_EQ(Run(TopUpOf("ann", kMaxAmount, "k1")).kind(), v1::WalletOutcome::DONE);
}

TEST_F(WalletRpcTest, AMalformedFieldIsNamed) {
  EXPECT_THAT(RunError(TopUpOf("", 1, "k")).detail, StartsWith("user_id:"));
  EXPECT_THAT(RunError(TopUpOf(std::string(65, 'a'), 1, "k")).detail, StartsWith("user_id:"));
  EXPECT_THAT(RunError(TopUpOf("ann", 1, "")).detail, StartsWith("client_key:"));
  EXPECT_THAT(RunError(TopUpOf("ann", 1, "k", "krw")).detail, StartsWith("money.currency:"));
  EXPECT_THAT(RunError(DebitOf("short", 1)).detail, StartsWith("saga_id:"));
  EXPECT_THAT(RunError(DebitOf(std::string(16, '\0'), 1)).detail, StartsWith("saga_id:"));
  v1::Command refund = RefundOf(NewId());
  refund.mutable_refund()->clear_reservation_id();
  EXPECT_THAT(RunError(refund).detail, StartsWith("reservation_id:"));
  refund = RefundOf("");
  const Error error = RunError(refund);
  EXPECT_THAT(error.detail, StartsWith("debit_saga_id:"));
  EXPECT_EQ(error.reason, "invalid_field");
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_THAT(RunError(v1::Command()).detail, StartsWith("body:"));
}

TEST_F(WalletRpcTest, AClientKeyIsAsLongAsAnIdempotencyKeyOfTheGateway) {
  EXPECT_EQ(Run(TopUpOf("ann", 1, std::string(255, 'k'))).kind(), v1::WalletOutcome::DONE);
  EXPECT_THAT(RunError(TopUpOf("ann", 1, std::string(256, 'k'))).detail, StartsWith("client_key:"));
}

TEST_F(WalletRpcTest, OpeningAWalletIsNoChangeOfState) {
  Run(TopUpOf("ann", 1, "k1"));
  grpc::ClientContext context;
  v1::GetWalletRequest get;
  get.set_user_id("ann");
  v1::Wallet wallet;
  ASSERT_TRUE(stub_->GetWallet(&context, get, &wallet).ok());
  EXPECT_EQ(wallet.state(), v1::ACTIVE);
  EXPECT_EQ(wallet.state_changed_at_ms(), 0);
  EXPECT_EQ(wallet.state_reason() + wallet.state_operator_id(), "");
}

TEST_F(WalletRpcTest, QueriesShowBalancesEntriesAndTheAuditorsSums) {
  const std::string saga = NewId();
  Run(TopUpOf("ann", 1000, "k1"));
  Run(DebitOf(saga, 300));
  grpc::ClientContext c1, c2, c3, c4, c5;
  v1::GetWalletRequest get;
  get.set_user_id("ann");
  v1::Wallet wallet;
  ASSERT_TRUE(stub_->GetWallet(&c1, get, &wallet).ok());
  ASSERT_THAT(wallet.balances(), SizeIs(1));
  EXPECT_EQ(wallet.balances(0).amount(), 700);

  v1::ListEntriesRequest list;
  list.set_user_id("ann");
  list.set_limit(1);
  v1::ListEntriesResponse entries;
  ASSERT_TRUE(stub_->ListEntries(&c2, list, &entries).ok());
  EXPECT_EQ(entries.entries(0).kind(), "debit");
  EXPECT_EQ(entries.entries(0).money().amount(), -300);
  EXPECT_TRUE(entries.more());
  list.set_limit(201);
  EXPECT_EQ(stub_->ListEntries(&c3, list, &entries).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  v1::AuditRequest audit;
  audit.set_reservation_id(reservation_);
  v1::AuditResponse rows;
  ASSERT_TRUE(stub_->Audit(&c4, audit, &rows).ok());
  EXPECT_EQ(rows.rows(0).debited(), 300);
  EXPECT_EQ(rows.rows(0).effective_debits(), 1);

  v1::GetTotalsResponse totals;
  ASSERT_TRUE(stub_->GetTotals(&c5, {}, &totals).ok());
  ASSERT_THAT(totals.totals(), SizeIs(1));
  EXPECT_EQ(totals.totals(0).sum_of_all_accounts(), 0);
  EXPECT_EQ(totals.totals(0).wallets_unequal_entries(), 0);
  EXPECT_EQ(totals.totals(0).sum_of_wallets(), 700);
}

TEST_F(WalletRpcTest, EventsFollowTheMoneyOntoTheBus) {
  const std::string saga = NewId();
  v1::Command top_up = TopUpOf("ann", 1000, "k1");
  top_up.mutable_header()->set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  Run(top_up);
  Run(DebitOf(saga, 300));
  Run(RefundOf(saga));
  Run(RefundOf(saga));
  StopModule();  // publishes what is there
  const auto records = bus_->Read("wallet", {}, 10)->records;
  StartModule();
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].event.type, "wallet.charged");
  EXPECT_EQ(records[0].event.traceparent, top_up.header().traceparent());
  EXPECT_EQ(records[1].event.type, "wallet.debited");
  EXPECT_EQ(records[2].event.type, "wallet.refunded");
  boxoffice::bus::v1::WalletEvent body;
  ASSERT_TRUE(body.ParseFromString(records[1].event.body));
  EXPECT_EQ(records[1].event.key, "ann");
  EXPECT_EQ(body.amount(), 300);
  EXPECT_EQ(body.balance_after(), 700);
  EXPECT_EQ(body.reservation_id(), reservation_);
}

class WalletLimitsRpcTest : public WalletRpcTest {
 protected:
  WalletLimitsRpcTest() {
    StopModule();
    WalletConfig config;
    config.balance_limits = {"KRW=1000", "EUR=5"};
    config.daily_limits = {"KRW=700"};
    Base::StartModule(config);
  }
};

TEST_F(WalletLimitsRpcTest, LimitsAreThoseOfTheConfiguration) {
  const auto over_day = Run(TopUpOf("ann", 701, "k1"));
  EXPECT_EQ(over_day.refusal(), "daily_limit");
  EXPECT_EQ(over_day.limit(), 700);
  EXPECT_EQ(over_day.available(), 700);
  EXPECT_EQ(Run(TopUpOf("ann", 6, "k1", "EUR")).refusal(), "balance_limit");
  EXPECT_EQ(Run(TopUpOf("ann", 700, "k1")).kind(), v1::WalletOutcome::DONE);
  clock_.Advance(std::chrono::hours(24));
  EXPECT_EQ(Run(TopUpOf("ann", 301, "k2")).refusal(), "balance_limit");
  EXPECT_EQ(Run(TopUpOf("ann", 300, "k2")).kind(), v1::WalletOutcome::DONE);
}

TEST_F(WalletLimitsRpcTest, ALimitThatCannotBeReadStopsTheStart) {
  StopModule();
  for (const std::string odd : {"KRW", "KRW=", "KRW=0", "won=5", "KRW=1.5", "KRW=9999999999999999"}) {
    WalletConfig config;
    config.daily_limits = {odd};
    WalletModule module(runtime_, config);
    const auto started = module.Start();
    ASSERT_FALSE(started.has_value()) << odd;
    EXPECT_EQ(started.error().reason, "config");
    EXPECT_THAT(started.error().detail, StartsWith("limit.top_up_per_day: \"" + odd));
  }
  WalletConfig twice;
  twice.balance_limits = {"KRW=1", "KRW=2"};
  EXPECT_FALSE(WalletModule(runtime_, twice).Start().has_value());
}

TEST_F(WalletRpcTest, OperatorsAdjustReverseFreezeAndClose) {
  const auto charged = Run(TopUpOf("ann", 1000, "k1"));
  v1::Command adjust;
  adjust.mutable_adjust()->set_user_id("ann");
  adjust.mutable_adjust()->set_client_key("a1");
  adjust.mutable_adjust()->mutable_money()->set_amount(-100);
  adjust.mutable_adjust()->mutable_money()->set_currency("KRW");
  adjust.mutable_adjust()->set_reason("a fee");
  adjust.mutable_adjust()->set_operator_id("root");
  EXPECT_EQ(Run(adjust).balance().amount(), 900);
  EXPECT_EQ(Run(adjust).balance().amount(), 900);
  v1::Command reverse;
  reverse.mutable_reverse_top_up()->set_user_id("ann");
  reverse.mutable_reverse_top_up()->set_entry_id(charged.entry_id());
  reverse.mutable_reverse_top_up()->set_reason("charged back");
  reverse.mutable_reverse_top_up()->set_operator_id("root");
  EXPECT_EQ(Run(reverse).refusal(), "balance_too_low");
  v1::Command state;
  state.mutable_set_state()->set_user_id("ann");
  state.mutable_set_state()->set_state(v1::FROZEN);
  state.mutable_set_state()->set_reason("asked for");
  state.mutable_set_state()->set_operator_id("root");
  EXPECT_EQ(Run(state).state(), v1::FROZEN);
  EXPECT_EQ(Run(TopUpOf("ann", 1, "k2")).refusal(), "wallet_frozen");
  state.mutable_set_state()->set_state(v1::CLOSED);
  EXPECT_EQ(Run(state).refusal(), "wallet_not_empty");
  grpc::ClientContext context;
  v1::GetWalletRequest get;
  get.set_user_id("ann");
  v1::Wallet wallet;
  ASSERT_TRUE(stub_->GetWallet(&context, get, &wallet).ok());
  EXPECT_EQ(wallet.state(), v1::FROZEN);
  EXPECT_EQ(wallet.state_reason(), "asked for");
}

TEST_F(WalletRpcTest, AMalformedFieldOfAnOperatorIsNamed) {
  v1::Command command;
  command.mutable_adjust()->set_client_key(" adjust root k");
  EXPECT_THAT(RunError(command).detail, StartsWith("client_key:"));
  EXPECT_THAT(RunError(TopUpOf("ann", 1, " x")).detail, StartsWith("client_key:"));
  command.mutable_adjust()->set_client_key("k");
  command.mutable_adjust()->set_user_id("ann");
  command.mutable_adjust()->mutable_money()->set_currency("KRW");
  for (const int64_t amount :
       {int64_t{0}, kMaxAmount + 1, -kMaxAmount - 1, std::numeric_limits<int64_t>::min()}) {
    command.mutable_adjust()->mutable_money()->set_amount(amount);
    EXPECT_EQ(RunError(command).reason, "amount_out_of_range");
  }
  command.mutable_adjust()->mutable_money()->set_amount(-1);
  EXPECT_THAT(RunError(command).detail, StartsWith("reason:"));
  command.mutable_adjust()->set_reason(std::string(501, 'x'));
  EXPECT_THAT(RunError(command).detail, StartsWith("reason:"));
  command.mutable_adjust()->set_reason("r");
  EXPECT_THAT(RunError(command).detail, StartsWith("operator_id:"));
  // "a b" with the key "c" would be "a" with "b c".
  command.mutable_adjust()->set_operator_id("a b");
  EXPECT_THAT(RunError(command).detail, StartsWith("operator_id:"));
  command.mutable_reverse_top_up()->set_user_id("ann");
  EXPECT_THAT(RunError(command).detail, StartsWith("entry_id:"));
  command.mutable_set_state()->set_user_id("ann");
  EXPECT_THAT(RunError(command).detail, StartsWith("state:"));
  command.mutable_partial_refund()->set_saga_id("short");
  EXPECT_THAT(RunError(command).detail, StartsWith("saga_id:"));
}

TEST_F(WalletRpcTest, APartOfADebitGoesBackAndTheStatementAndTheExportShowIt) {
  const std::string saga = NewId();
  Run(TopUpOf("ann", 1000, "k1"));
  Run(DebitOf(saga, 300));
  v1::Command part;
  part.mutable_partial_refund()->set_saga_id(NewId());
  part.mutable_partial_refund()->set_reservation_id(reservation_);
  part.mutable_partial_refund()->set_user_id("ann");
  part.mutable_partial_refund()->set_debit_saga_id(saga);
  part.mutable_partial_refund()->mutable_money()->set_amount(100);
  part.mutable_partial_refund()->mutable_money()->set_currency("KRW");
  EXPECT_EQ(Run(part).balance().amount(), 800);
  part.mutable_partial_refund()->set_saga_id(NewId());
  part.mutable_partial_refund()->mutable_money()->set_amount(201);
  EXPECT_EQ(Run(part).refusal(), "refund_exceeds_debit");

  grpc::ClientContext c1, c2, c3;
  v1::GetStatementRequest ask;
  ask.set_user_id("ann");
  ask.set_currency("KRW");
  v1::Statement statement;
  ASSERT_TRUE(stub_->GetStatement(&c1, ask, &statement).ok());
  EXPECT_EQ(statement.closing_balance(), 800);
  ASSERT_THAT(statement.sums(), SizeIs(3));
  EXPECT_EQ(statement.sums(2).kind(), "partial_refund");
  ask.set_from_ms(2);
  ask.set_until_ms(2);
  EXPECT_EQ(stub_->GetStatement(&c2, ask, &statement).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  v1::ExportLedgerRequest request;
  request.set_limit(100);
  v1::ExportLedgerResponse ledger;
  ASSERT_TRUE(stub_->ExportLedger(&c3, request, &ledger).ok());
  ASSERT_THAT(ledger.rows(), SizeIs(3));
  int64_t sum = 0;
  for (const auto& row : ledger.rows()) sum += row.entry().money().amount() + row.contra_amount();
  EXPECT_EQ(sum, 0);
  EXPECT_EQ(ledger.rows(0).contra_account(), "external");
  EXPECT_EQ(ledger.rows(1).contra_account(), "sales");
}

class IdleStore final : public Store {
 public:
  Result<Rows> Load(const Keys&) override { return Rows(); }
  Result<Keys> Save(const Changes&) override { return Keys(); }
};

// A ledger whose sums take until the test lets them go.
class LongLedger final : public Reader {
 public:
  Result<std::vector<Money>> Balances(const std::string&) override {
    return std::vector<Money>{{7, *Currency::Parse("KRW")}};
  }
  Result<std::optional<AccountRow>> Account(const std::string&) override { return std::nullopt; }
  Result<EntryPage> Entries(const std::string&, std::optional<Currency>, std::optional<EntryId>, uint32_t,
                            const Period&) override {
    return EntryPage();
  }
  Result<StatementSums> Statement(const std::string&, Currency, const Period&) override {
    return StatementSums();
  }
  Result<EntryPage> Ledger(const std::optional<EntryKey>&, uint32_t) override { return EntryPage(); }
  Result<ReservationPage> Reservations(ReservationId, uint32_t) override { return ReservationPage(); }
  Result<std::optional<ReservationTotals>> Reservation(ReservationId) override { return std::nullopt; }
  Result<Totals> ComputeTotals() override {
    begun.set_value();
    go_on.get_future().wait();
    return Totals();
  }

  std::promise<void> begun, go_on;
};

TEST(WalletRpcServerTest, ABalanceIsToldWhileTheWholeLedgerIsSummedUp) {
  const ManualClock clock;
  SeededRandom random{1};
  obs::Registry metrics;
  IdleStore store;
  LongLedger ledger;
  Service service(store, clock, random, metrics, {}, [] {});
  RpcServer server(service, ledger);
  rpc::Host host;
  ASSERT_TRUE(host.Start(server, {}));
  const auto stub = v1::WalletService::NewStub(host.InProcessChannel());
  auto summed = std::async(std::launch::async, [&stub] {
    grpc::ClientContext context;
    v1::GetTotalsResponse totals;
    return stub->GetTotals(&context, v1::GetTotalsRequest(), &totals).ok();
  });
  ledger.begun.get_future().wait();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  v1::GetWalletRequest get;
  get.set_user_id("ann");
  v1::Wallet wallet;
  EXPECT_TRUE(stub->GetWallet(&context, get, &wallet).ok());
  ledger.go_on.set_value();
  EXPECT_TRUE(summed.get());
}

}  // namespace
}  // namespace boxoffice::wallet
