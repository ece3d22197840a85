// Payment as its callers see it: the module on a folder of its own, through the in-process channel.
#include <future>

#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/store_url.h"
#include "platform/rpc/command_client.h"
#include "services/payment/module.h"
#include "services/payment/provider_timer_manual.h"
#include "testing/temp_dir.h"

namespace boxoffice::payment {
namespace {

using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Client = rpc::CommandClient<v1::CommandBatch, v1::OutcomeBatch>;

class PaymentRpcTest : public ::testing::Test {
 protected:
  PaymentRpcTest() { StartModule(); }
  ~PaymentRpcTest() override { StopModule(); }

  void StartModule() {
    PaymentConfig config;
    config.make_timer = [this] {
      auto timer = std::make_unique<ManualTimer>(clock_);
      timer_ = timer.get();
      return timer;
    };
    module_ = std::make_unique<PaymentModule>(runtime_, config);
    const auto started = module_->Start();
    CHECK(started.has_value(), "{}", started.error().detail);
    stub_ = v1::PaymentService::NewStub(module_->InProcessChannel());
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
    client_->Send(std::move(command), 30s,
                  [promise](Result<v1::Outcome> o) { promise->set_value(std::move(o)); });
    return promise->get_future();
  }
  v1::PaymentOutcome Run(v1::Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().reason << outcome.error().detail;
    return outcome ? outcome->payment() : v1::PaymentOutcome();
  }
  Error RunError(v1::Command command) {
    auto outcome = Send(std::move(command)).get();
    EXPECT_FALSE(outcome.has_value());
    return outcome ? Error{} : outcome.error();
  }
  // Sends a command on which the provider keeps still, and lets the time-out pass. The reconciler waits too.
  Error RunTimingOut(v1::Command command) {
    auto outcome = Send(std::move(command));
    timer_->AwaitWaiting(2);
    timer_->Advance(3s);
    const auto answer = outcome.get();
    EXPECT_FALSE(answer.has_value());
    return answer ? Error{} : answer.error();
  }
  std::string NewId() { return std::string(SagaId::Make(clock_.Now(), random_).bytes()); }

  v1::Command ApproveOf(const std::string& method, uint32_t attempt = 1) {
    v1::Command command;
    auto& approve = *command.mutable_approve();
    approve.set_saga_id(saga_);
    approve.set_reservation_id(reservation_);
    approve.set_attempt(attempt);
    approve.set_user_id("ann");
    approve.mutable_money()->set_amount(1000);
    approve.mutable_money()->set_currency("KRW");
    approve.set_method(method);
    return command;
  }
  v1::Command CancelOf(uint32_t attempt = 1) {
    v1::Command command;
    command.mutable_cancel()->set_saga_id(saga_);
    command.mutable_cancel()->set_reservation_id(reservation_);
    command.mutable_cancel()->set_attempt(attempt);
    return command;
  }
  v1::Command QueryOf(uint32_t attempt = 1) {
    v1::Command command;
    command.mutable_query()->set_reservation_id(reservation_);
    command.mutable_query()->set_attempt(attempt);
    return command;
  }
  v1::Payment GetPayment() {
    grpc::ClientContext context;
    v1::GetPaymentRequest request;
    request.set_reservation_id(reservation_);
    v1::Payment payment;
    EXPECT_TRUE(stub_->GetPayment(&context, request, &payment).ok());
    return payment;
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
  std::string saga_ = NewId();
  ManualTimer* timer_ = nullptr;
  std::unique_ptr<PaymentModule> module_;
  std::unique_ptr<v1::PaymentService::Stub> stub_;
  std::unique_ptr<Client> client_;
};

TEST_F(PaymentRpcTest, AnInternalPaymentIsApprovedAndCancelled) {
  const auto approved = Run(ApproveOf(""));
  EXPECT_EQ(approved.kind(), v1::PaymentOutcome::DONE);
  EXPECT_EQ(approved.state(), v1::APPROVED);
  EXPECT_EQ(approved.payment_id().size(), 16);
  EXPECT_EQ(Run(ApproveOf("internal")).SerializeAsString(), approved.SerializeAsString());
  EXPECT_EQ(Run(ApproveOf("internal", 2)).refusal(), "already_approved");
  EXPECT_EQ(Run(ApproveOf("sandbox:approve")).kind(), v1::PaymentOutcome::MISMATCH);
  const auto payment = GetPayment();
  EXPECT_EQ(payment.method(), "internal");
  EXPECT_EQ(payment.money().amount(), 1000);
  EXPECT_EQ(payment.created_at_ms(), ToUnixMs(clock_.Now()));
  const auto cancelled = Run(CancelOf());
  EXPECT_EQ(cancelled.kind(), v1::PaymentOutcome::DONE);
  EXPECT_EQ(cancelled.state(), v1::CANCELLED);
  EXPECT_EQ(cancelled.resolution(), "voided");
  EXPECT_EQ(Run(ApproveOf("")).kind(), v1::PaymentOutcome::ABORTED);
}

TEST_F(PaymentRpcTest, AnUnknownMethodIsRefused) {
  for (const char* method : {"sandbox:fly", "sandbox", "gold", "internal:x"}) {
    const auto refused = Run(ApproveOf(method));
    EXPECT_EQ(refused.kind(), v1::PaymentOutcome::REFUSED);
    EXPECT_EQ(refused.refusal(), "method_unknown");
  }
}

TEST_F(PaymentRpcTest, TheSandboxApprovesAndDeclines) {
  EXPECT_EQ(Run(ApproveOf("sandbox:decline")).refusal(), "payment_declined");
  EXPECT_EQ(GetPayment().provider_code(), "card_declined");
  EXPECT_EQ(Run(CancelOf()).resolution(), "never_sent");
  EXPECT_EQ(Run(ApproveOf("sandbox:approve", 2)).state(), v1::APPROVED);
  EXPECT_THAT(GetPayment().provider_reference(), StartsWith("sandbox-"));
  EXPECT_EQ(Run(CancelOf(2)).resolution(), "refunded");
}

TEST_F(PaymentRpcTest, ATimeOutBeforeTheCaptureEndsCertainlyByCancelling) {
  EXPECT_EQ(RunTimingOut(ApproveOf("sandbox:timeout_before_capture")).reason, "payment_unknown");
  EXPECT_EQ(GetPayment().state(), v1::PENDING);
  EXPECT_EQ(Run(QueryOf()).state(), v1::PENDING);
  EXPECT_EQ(Run(CancelOf()).resolution(), "never_sent");
  EXPECT_EQ(Run(ApproveOf("sandbox:timeout_before_capture")).kind(), v1::PaymentOutcome::ABORTED);
}

TEST_F(PaymentRpcTest, ATimeOutAfterTheCaptureIsFoundOutByRepeating) {
  auto outcome = Send(ApproveOf("sandbox:timeout_after_capture"));
  timer_->AwaitWaiting(2);
  const Error other = RunError(ApproveOf("internal", 2));
  EXPECT_EQ(other.reason, "attempt_unsettled");
  EXPECT_EQ(other.code, Code::kUnavailable);
  timer_->Advance(3s);
  const auto unknown = outcome.get();
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, Code::kUnknown);
  EXPECT_EQ(Run(ApproveOf("sandbox:timeout_after_capture")).state(), v1::APPROVED);
  EXPECT_EQ(Run(CancelOf()).resolution(), "refunded");
}

TEST_F(PaymentRpcTest, AnErrorAfterTheCaptureIsUnknownAndCancellingRefunds) {
  const Error error = RunError(ApproveOf("sandbox:error_after_capture"));
  EXPECT_EQ(error.code, Code::kUnknown);
  EXPECT_EQ(error.reason, "payment_unknown");
  EXPECT_EQ(Run(CancelOf()).resolution(), "refunded");
}

TEST_F(PaymentRpcTest, ASlowApprovalIsWaitedFor) {
  auto outcome = Send(ApproveOf("sandbox:slow"));
  timer_->AwaitWaiting(3);  // the reconciler, the time-out, and the provider
  timer_->Advance(2s);
  EXPECT_EQ(outcome.get()->payment().state(), v1::APPROVED);
}

TEST_F(PaymentRpcTest, ALateApprovalIsFoundByTheReconciler) {
  EXPECT_EQ(RunTimingOut(ApproveOf("sandbox:late_approval")).reason, "payment_unknown");
  timer_->Advance(3s);
  timer_->Advance(1s);
  EXPECT_EQ(Run(QueryOf()).state(), v1::APPROVED);
}

TEST_F(PaymentRpcTest, ALateApprovalDoesNotComeOnceCancelled) {
  EXPECT_EQ(RunTimingOut(ApproveOf("sandbox:late_approval")).reason, "payment_unknown");
  EXPECT_EQ(Run(CancelOf()).resolution(), "voided");
  timer_->Advance(10s);
  EXPECT_EQ(Run(ApproveOf("sandbox:late_approval")).kind(), v1::PaymentOutcome::ABORTED);
}

TEST_F(PaymentRpcTest, WhatWasInDoubtAtACrashIsFoundOutAfterTheRestart) {
  auto lost = Send(ApproveOf("sandbox:timeout_after_capture"));
  timer_->AwaitWaiting(2);
  StopModule();
  EXPECT_FALSE(lost.get().has_value());
  StartModule();  // the reconciler looks at once
  EXPECT_EQ(Run(QueryOf()).state(), v1::APPROVED);
}

TEST_F(PaymentRpcTest, AMalformedFieldIsNamed) {
  auto command = ApproveOf("");
  command.mutable_approve()->set_attempt(0);
  EXPECT_THAT(RunError(command).detail, StartsWith("attempt:"));
  command = ApproveOf("");
  command.mutable_approve()->set_saga_id("short");
  EXPECT_THAT(RunError(command).detail, StartsWith("saga_id:"));
  command = ApproveOf("");
  command.mutable_approve()->mutable_money()->set_amount(0);
  EXPECT_EQ(RunError(command).reason, "amount_out_of_range");
  command = ApproveOf("");
  command.mutable_approve()->mutable_money()->set_currency("won");
  EXPECT_THAT(RunError(command).detail, StartsWith("money.currency:"));
  command = ApproveOf("");
  command.mutable_approve()->clear_user_id();
  EXPECT_THAT(RunError(command).detail, StartsWith("user_id:"));
  EXPECT_THAT(RunError(ApproveOf(std::string(65, 'x'))).detail, StartsWith("method:"));
  command = CancelOf();
  command.mutable_cancel()->clear_reservation_id();
  const Error error = RunError(command);
  EXPECT_THAT(error.detail, StartsWith("reservation_id:"));
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.reason, "invalid_field");
  EXPECT_THAT(RunError(v1::Command()).detail, StartsWith("body:"));
}

TEST_F(PaymentRpcTest, QueriesShowThePaymentThatCountsAndAllOfThemToTheAuditor) {
  Run(ApproveOf("sandbox:decline", 1));
  Run(ApproveOf("internal", 2));
  Run(CancelOf(3));
  EXPECT_EQ(GetPayment().attempt(), 2);
  grpc::ClientContext c1, c2, c3, c4;
  v1::AuditRequest audit;
  audit.set_reservation_id(reservation_);
  v1::AuditResponse response;
  ASSERT_TRUE(stub_->Audit(&c1, audit, &response).ok());
  EXPECT_THAT(response.payments(), SizeIs(3));
  audit.clear_reservation_id();
  EXPECT_EQ(stub_->Audit(&c2, audit, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  audit.set_limit(1);
  ASSERT_TRUE(stub_->Audit(&c3, audit, &response).ok());
  EXPECT_THAT(response.payments(), SizeIs(3));
  EXPECT_FALSE(response.more());
  v1::GetPaymentRequest unknown;
  unknown.set_reservation_id(NewId());
  v1::Payment payment;
  EXPECT_EQ(stub_->GetPayment(&c4, unknown, &payment).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(PaymentRpcTest, EventsFollowThePaymentOntoTheBus) {
  Run(ApproveOf("sandbox:decline", 1));
  auto approve = ApproveOf("internal", 2);
  approve.mutable_header()->set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  Run(approve);
  Run(CancelOf(2));
  Run(CancelOf(2));
  StopModule();  // publishes what is there
  const auto records = *bus_->Read("payment", 0, 10);
  StartModule();
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].event.type, "payment.declined");
  EXPECT_EQ(records[1].event.type, "payment.approved");
  EXPECT_EQ(records[1].event.traceparent, approve.header().traceparent());
  EXPECT_EQ(records[2].event.type, "payment.cancelled");
  EXPECT_EQ(records[0].event.key, ReservationId::FromBytes(reservation_)->ToString());
  boxoffice::bus::v1::PaymentEvent body;
  ASSERT_TRUE(body.ParseFromString(records[0].event.body));
  EXPECT_EQ(body.provider_code(), "card_declined");
  EXPECT_EQ(body.reservation_id(), reservation_);
}

}  // namespace
}  // namespace boxoffice::payment
