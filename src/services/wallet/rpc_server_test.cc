// The wallet as its callers see it: the module on a folder of its own, through the in-process channel.
#include <future>

#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/store_url.h"
#include "platform/rpc/command_client.h"
#include "services/wallet/module.h"
#include "testing/temp_dir.h"

namespace boxoffice::wallet {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Client = rpc::CommandClient<v1::CommandBatch, v1::OutcomeBatch>;

class WalletRpcTest : public ::testing::Test {
 protected:
  WalletRpcTest() { StartModule(); }
  ~WalletRpcTest() override { StopModule(); }

  void StartModule() {
    module_ = std::make_unique<WalletModule>(runtime_, WalletConfig{});
    const auto started = module_->Start();
    CHECK(started.has_value(), "{}", started.error().detail);
    stub_ = v1::WalletService::NewStub(module_->InProcessChannel());
    client_ = std::make_unique<Client>(
        "test", pool_.get_executor(),
        [this](grpc::ClientContext* context, Client::Reactor* reactor) {
          stub_->async()->Execute(context, reactor);
        },
        metrics_);
  }
  void StopModule() {
    client_.reset();
    stub_.reset();
    module_->Stop();
  }

  std::future<Result<v1::Outcome>> Send(v1::Command command) {
    auto promise = std::make_shared<std::promise<Result<v1::Outcome>>>();
    client_->Send(std::move(command), 10s,
                  [promise](Result<v1::Outcome> o) { promise->set_value(std::move(o)); });
    return promise->get_future();
  }
  v1::WalletOutcome Run(v1::Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().reason << outcome.error().detail;
    return outcome ? outcome->wallet() : v1::WalletOutcome();
  }
  Error RunError(v1::Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_FALSE(outcome.has_value());
    return outcome ? Error{} : outcome.error();
  }
  std::string NewId() { return std::string(SagaId::Make(clock_.Now(), random_).bytes()); }

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

  testbed::TempDir dir_;
  ManualClock clock_;
  SeededRandom random_{5};
  obs::Registry metrics_;
  std::unique_ptr<bus::SqliteBus> bus_ =
      *bus::SqliteBus::Open({.file = dir_.path() / "bus.db"}, clock_, metrics_);
  module::Runtime runtime_{
      clock_, random_, metrics_, *bus_, {}, dir_.path(), {}, module::DefaultStoreUrl(dir_.path()), {}};
  boost::asio::thread_pool pool_{1};
  std::string reservation_ = NewId();
  std::unique_ptr<WalletModule> module_;
  std::unique_ptr<v1::WalletService::Stub> stub_;
  std::unique_ptr<Client> client_;
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
  const auto records = *bus_->Read("wallet", 0, 10);
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

}  // namespace
}  // namespace boxoffice::wallet
