// Payment as its callers see it: the module on a folder of its own, through the in-process channel.
#include <future>

#include <gmock/gmock.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "services/payment/module.h"
#include "services/payment/provider_timer_manual.h"
#include "testing/service_fixture.h"

namespace boxoffice::payment {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Base = testbed::ServiceFixture<PaymentModule, v1::PaymentService, v1::CommandBatch, v1::OutcomeBatch>;

class PaymentRpcTest : public Base {
 protected:
  PaymentRpcTest() { StartModule(); }

  void StartModule(bool with_sandbox = true) {
    PaymentConfig config;
    config.sandbox.enabled = with_sandbox;
    config.make_timer = [this] {
      auto timer = std::make_unique<ManualTimer>(clock_);
      timer_ = timer.get();
      return timer;
    };
    Base::StartModule(config);
  }
  v1::PaymentOutcome Run(v1::Command command) { return Base::Run(std::move(command)).payment(); }
  // Sends a command on which the provider keeps still, and lets the time-out pass. The reconciler waits too.
  Error RunTimingOut(v1::Command command) {
    auto outcome = Send(std::move(command));
    timer_->AwaitWaiting(2);
    timer_->Advance(3s);
    const auto answer = outcome.get();
    EXPECT_FALSE(answer.has_value());
    return answer ? Error{} : answer.error();
  }

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
  v1::Command RefundOf(int64_t amount) {
    v1::Command command;
    command.mutable_refund()->set_saga_id(NewId());
    command.mutable_refund()->set_reservation_id(reservation_);
    command.mutable_refund()->set_attempt(1);
    command.mutable_refund()->mutable_money()->set_amount(amount);
    command.mutable_refund()->mutable_money()->set_currency("KRW");
    return command;
  }
  // Of another reservation from now on, which is younger.
  void TakeNewReservation() {
    clock_.Advance(1ms);
    reservation_ = NewId();
  }
  v1::ListUnsettledPaymentsResponse ListUnsettled(uint32_t limit, bool refused,
                                                  const v1::Payment& after = {}) {
    grpc::ClientContext context;
    v1::ListUnsettledPaymentsRequest request;
    request.set_limit(limit);
    request.set_refused(refused);
    request.set_after_reservation_id(after.reservation_id());
    request.set_after_attempt(after.attempt());
    v1::ListUnsettledPaymentsResponse response;
    EXPECT_TRUE(stub_->ListUnsettledPayments(&context, request, &response).ok());
    return response;
  }
  v1::Payment GetPayment() {
    grpc::ClientContext context;
    v1::GetPaymentRequest request;
    request.set_reservation_id(reservation_);
    v1::Payment payment;
    EXPECT_TRUE(stub_->GetPayment(&context, request, &payment).ok());
    return payment;
  }

  std::string reservation_ = NewId();
  std::string saga_ = NewId();
  ManualTimer* timer_ = nullptr;
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

TEST_F(PaymentRpcTest, WithoutTheSandboxItsMethodsAreUnknown) {
  StopModule();
  StartModule(/*with_sandbox=*/false);
  for (const char* method : {"sandbox:approve", "sandbox:decline", "sandbox:refund_refused"}) {
    const auto refused = Run(ApproveOf(method));
    EXPECT_EQ(refused.kind(), v1::PaymentOutcome::REFUSED) << method;
    EXPECT_EQ(refused.refusal(), "method_unknown") << method;
  }
  EXPECT_EQ(Run(ApproveOf("internal")).state(), v1::APPROVED);
}

TEST_F(PaymentRpcTest, WhatTheSandboxTookIsGivenBackAlsoOnceItIsSwitchedOff) {
  Run(ApproveOf("sandbox:approve"));
  const std::string taken = reservation_;
  TakeNewReservation();
  EXPECT_EQ(RunError(ApproveOf("sandbox:error_after_capture")).reason, "payment_unknown");
  StopModule();
  StartModule(/*with_sandbox=*/false);  // the reconciler looks at once
  EXPECT_EQ(Run(QueryOf()).state(), v1::APPROVED) << "what was in doubt is found out";
  reservation_ = taken;
  EXPECT_EQ(Run(ApproveOf("sandbox:approve")).state(), v1::APPROVED) << "what is on record is told again";
  EXPECT_EQ(Run(RefundOf(300)).refunded(), 300);
  EXPECT_EQ(Run(CancelOf()).resolution(), "refunded");
}

TEST(PaymentConfigTest, AnAcquirerWithoutATimeOutOfItsOwnHasThatOfAllProviders) {
  PaymentConfig config;
  config.service.provider_timeout = 7s;
  EXPECT_EQ(AcquirerOf(config).timeout, 7s);
  config.acquirer.timeout = 900ms;
  EXPECT_EQ(AcquirerOf(config).timeout, 900ms);
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

TEST_F(PaymentRpcTest, ATimeOutBeforeTheCaptureIsSentAgainByRepeating) {
  EXPECT_EQ(RunTimingOut(ApproveOf("sandbox:timeout_before_capture")).reason, "payment_unknown");
  EXPECT_EQ(Run(ApproveOf("sandbox:timeout_before_capture")).state(), v1::APPROVED);
  EXPECT_EQ(Run(CancelOf()).resolution(), "refunded");
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
  const auto records = bus_->Read("payment", {}, 10)->records;
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

TEST_F(PaymentRpcTest, APartIsGivenBackAtTheSandboxAndTheRestByACancellation) {
  Run(ApproveOf("sandbox:approve"));
  v1::Command refund = RefundOf(300);
  const auto refunded = Run(refund);
  EXPECT_EQ(refunded.kind(), v1::PaymentOutcome::DONE);
  EXPECT_EQ(refunded.refunded(), 300);
  EXPECT_EQ(Run(refund).SerializeAsString(), refunded.SerializeAsString());
  refund.mutable_refund()->set_saga_id(NewId());
  refund.mutable_refund()->mutable_money()->set_amount(701);
  EXPECT_EQ(Run(refund).refusal(), "refund_exceeds_captured");
  grpc::ClientContext context;
  v1::ListPaymentsRequest list;
  list.set_reservation_id(reservation_);
  v1::ListPaymentsResponse payments;
  ASSERT_TRUE(stub_->ListPayments(&context, list, &payments).ok());
  ASSERT_THAT(payments.payments(), SizeIs(1));
  ASSERT_THAT(payments.payments(0).refunds(), SizeIs(1));
  EXPECT_TRUE(payments.payments(0).refunds(0).done());
  EXPECT_EQ(payments.payments(0).refunds(0).money().amount(), 300);
  EXPECT_EQ(payments.payments(0).refunded(), 300);
  EXPECT_EQ(Run(CancelOf()).resolution(), "refunded");
  refund.mutable_refund()->mutable_money()->set_amount(1);
  EXPECT_EQ(Run(refund).kind(), v1::PaymentOutcome::ABORTED);
  refund.mutable_refund()->mutable_money()->set_amount(0);
  EXPECT_EQ(RunError(refund).reason, "amount_out_of_range");
  refund.mutable_refund()->set_attempt(0);
  EXPECT_THAT(RunError(refund).detail, StartsWith("attempt:"));
}

TEST_F(PaymentRpcTest, WhatTheProviderRefusesToGiveBackIsEndedByAnOperator) {
  Run(ApproveOf("sandbox:refund_refused"));
  EXPECT_EQ(Run(CancelOf()).kind(), v1::PaymentOutcome::REFUSED);
  const v1::PaymentOutcome refused = Run(CancelOf());
  EXPECT_EQ(refused.refusal(), "refund_refused");
  EXPECT_EQ(refused.provider_code(), "charge_disputed");
  v1::Payment payment = GetPayment();
  EXPECT_EQ(payment.resolution(), "") << "nobody claims that the money went back";
  EXPECT_EQ(payment.refusal(), "charge_disputed");
  v1::SettleOutsideRequest request;
  request.set_reservation_id(reservation_);
  request.set_attempt(1);
  request.set_operator_id("root");
  const auto settle = [&] {
    grpc::ClientContext context;
    v1::SettleOutsideResponse response;
    const grpc::Status status = stub_->SettleOutside(&context, request, &response);
    return status.ok() ? Error{} : rpc::FromStatus(status);
  };
  EXPECT_THAT(settle().detail, StartsWith("reason:"));
  request.set_reason(std::string(501, 'x'));
  EXPECT_THAT(settle().detail, StartsWith("reason:"));
  request.set_reason("charged back");
  request.set_attempt(1);
  EXPECT_EQ(settle().reason, "") << "it is asked once more, and refuses still";
  payment = GetPayment();
  EXPECT_EQ(payment.resolution(), "settled_outside");
  EXPECT_EQ(payment.settled_by(), "root");
  EXPECT_EQ(payment.settled_reason(), "charged back");
  EXPECT_EQ(Run(CancelOf()).resolution(), "settled_outside");
}

TEST_F(PaymentRpcTest, OnlyAProviderThatIsGoneIsNotAskedOnceMoreBeforeItIsSettledOutside) {
  const obs::Counter& refusals = metrics_.GetCounter("boxoffice_payment_refunds_refused_total", "");
  for (const bool gone : {false, true}) {
    TakeNewReservation();
    Run(ApproveOf("sandbox:refund_refused"));
    EXPECT_EQ(Run(CancelOf()).kind(), v1::PaymentOutcome::REFUSED);
    const uint64_t before = refusals.value();
    v1::SettleOutsideRequest request;
    request.set_reservation_id(reservation_);
    request.set_attempt(1);
    request.set_operator_id("root");
    request.set_reason("insolvent");
    request.set_provider_gone(gone);
    grpc::ClientContext context;
    v1::SettleOutsideResponse response;
    EXPECT_TRUE(stub_->SettleOutside(&context, request, &response).ok());
    EXPECT_EQ(refusals.value() - before, gone ? 0U : 1U);
    EXPECT_EQ(GetPayment().resolution(), "settled_outside");
  }
}

TEST_F(PaymentRpcTest, ToSettleOutsideAPaymentThatIsNotThereAndOneOfWhichNothingIsRefusedAreTwoRefusals) {
  Run(ApproveOf("sandbox:approve"));
  v1::SettleOutsideRequest request;
  request.set_reservation_id(reservation_);
  request.set_operator_id("root");
  request.set_reason("charged back");
  const auto settle = [&](uint32_t attempt) {
    request.set_attempt(attempt);
    grpc::ClientContext context;
    v1::SettleOutsideResponse response;
    return rpc::FromStatus(stub_->SettleOutside(&context, request, &response));
  };
  const Error none = settle(9), unrefused = settle(1);
  EXPECT_EQ(none.code, Code::kNotFound);
  EXPECT_EQ(none.reason, "payment_not_found");
  EXPECT_EQ(unrefused.code, Code::kConflict);
  EXPECT_EQ(unrefused.reason, "nothing_refused");
}

TEST_F(PaymentRpcTest, WhatIsNotSettledIsListedOldestFirstAndWhatTheProviderRefusesAlone) {
  Run(ApproveOf("sandbox:refund_refused"));
  Run(CancelOf());
  const std::string whole = reservation_;
  TakeNewReservation();
  EXPECT_EQ(RunError(ApproveOf("sandbox:error_after_capture")).reason, "payment_unknown");
  const std::string in_doubt = reservation_;
  TakeNewReservation();
  Run(ApproveOf("sandbox:refund_refused"));
  EXPECT_EQ(Run(RefundOf(300)).refusal(), "refund_refused");
  const std::string in_part = reservation_;
  TakeNewReservation();
  Run(ApproveOf("sandbox:approve"));

  const auto all = ListUnsettled(10, /*refused=*/false);
  ASSERT_THAT(all.payments(), SizeIs(3));
  EXPECT_EQ(all.payments(0).reservation_id(), whole);
  EXPECT_EQ(all.payments(1).reservation_id(), in_doubt);
  EXPECT_EQ(all.payments(2).reservation_id(), in_part);
  EXPECT_FALSE(all.more());

  const auto first = ListUnsettled(1, /*refused=*/true);
  ASSERT_THAT(first.payments(), SizeIs(1));
  EXPECT_EQ(first.payments(0).reservation_id(), whole);
  EXPECT_EQ(first.payments(0).refusal(), "charge_disputed");
  EXPECT_TRUE(first.more());
  const auto rest = ListUnsettled(1, /*refused=*/true, first.payments(0));
  ASSERT_THAT(rest.payments(), SizeIs(1));
  EXPECT_EQ(rest.payments(0).reservation_id(), in_part);
  ASSERT_THAT(rest.payments(0).refunds(), SizeIs(1));
  EXPECT_EQ(rest.payments(0).refunds(0).refusal(), "charge_disputed");
  EXPECT_FALSE(rest.more());

  for (const std::string& reservation : {whole, in_part}) {
    grpc::ClientContext context;
    v1::SettleOutsideRequest request;
    request.set_reservation_id(reservation);
    request.set_attempt(1);
    request.set_operator_id("root");
    request.set_reason("charged back");
    v1::SettleOutsideResponse response;
    EXPECT_TRUE(stub_->SettleOutside(&context, request, &response).ok());
  }
  EXPECT_THAT(ListUnsettled(10, /*refused=*/true).payments(), SizeIs(0));
  EXPECT_THAT(ListUnsettled(10, /*refused=*/false).payments(), SizeIs(1));
}

TEST_F(PaymentRpcTest, AMalformedPageOfUnsettledPaymentsIsNamed) {
  const auto detail_of = [this](uint32_t limit, const std::string& after) {
    grpc::ClientContext context;
    v1::ListUnsettledPaymentsRequest request;
    request.set_limit(limit);
    request.set_after_reservation_id(after);
    v1::ListUnsettledPaymentsResponse response;
    return stub_->ListUnsettledPayments(&context, request, &response).error_message();
  };
  EXPECT_THAT(detail_of(0, ""), HasSubstr("limit:"));
  EXPECT_THAT(detail_of(201, ""), HasSubstr("limit:"));
  EXPECT_THAT(detail_of(1, "short"), HasSubstr("after_reservation_id:"));
}

TEST_F(PaymentRpcTest, WebhooksOfProvidersThatSendNoneAreRefused) {
  v1::ReceiveWebhookRequest request;
  v1::ReceiveWebhookResponse response;
  grpc::ClientContext c1, c2;
  request.set_provider("sandbox");
  EXPECT_EQ(stub_->ReceiveWebhook(&c1, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "without an id";
  request.set_webhook_id("w");
  request.set_webhook_timestamp("1");
  request.set_webhook_signature("s");
  request.set_body("{}");
  EXPECT_EQ(stub_->ReceiveWebhook(&c2, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(PaymentRpcTest, ASettlementFileIsComparedWithOurPayments) {
  Run(ApproveOf("sandbox:approve"));
  const std::string key = ReservationId::FromBytes(reservation_)->ToString() + "/1";
  v1::ReconcileSettlementRequest request;
  request.set_provider("sandbox");
  request.set_csv("operation,key,amount,currency\ncapture," + key + ",1000,KRW\ncapture,other/1,5,KRW\n");
  v1::SettlementReport report;
  grpc::ClientContext c1, c2, c3, c4;
  ASSERT_TRUE(stub_->ReconcileSettlement(&c1, request, &report).ok());
  EXPECT_EQ(report.matched(), 1U);
  ASSERT_THAT(report.differences(), SizeIs(1));
  EXPECT_EQ(report.differences(0).kind(), "missing_here");
  EXPECT_EQ(report.differences(0).line(), 3U);
  ASSERT_THAT(report.totals(), SizeIs(1));
  EXPECT_EQ(report.totals(0).ours().amount(), 1000);
  EXPECT_EQ(report.totals(0).theirs().amount(), 1005);
  request.set_csv("nonsense");
  EXPECT_EQ(stub_->ReconcileSettlement(&c2, request, &report).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_provider("nobody");
  EXPECT_EQ(stub_->ReconcileSettlement(&c3, request, &report).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_provider("sandbox");
  request.set_from_ms(2);
  request.set_until_ms(1);
  EXPECT_EQ(stub_->ReconcileSettlement(&c4, request, &report).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(PaymentRpcTest, ABoundOfAPeriodThatIsNegativeIsNamed) {
  v1::ReconcileSettlementRequest request;
  request.set_provider("sandbox");
  request.set_csv("operation,key,amount,currency\n");
  request.set_until_ms(-1);
  v1::SettlementReport report;
  grpc::ClientContext c1, c2;
  EXPECT_THAT(stub_->ReconcileSettlement(&c1, request, &report).error_message(), HasSubstr("until_ms:"));
  request.set_from_ms(-1);
  EXPECT_THAT(stub_->ReconcileSettlement(&c2, request, &report).error_message(), HasSubstr("from_ms:"));
}

TEST_F(PaymentRpcTest, AReportOnAFileInLatin1CanBeRead) {
  v1::ReconcileSettlementRequest request;
  request.set_provider("sandbox");
  request.set_csv("operation,key,amount,currency\ncapture,k\xE9,5,KRW\ncapture,other/1,5,KRW\n");
  v1::SettlementReport report;
  grpc::ClientContext context;
  const grpc::Status status = stub_->ReconcileSettlement(&context, request, &report);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(report.differences(), SizeIs(2));
  EXPECT_EQ(report.differences(0).kind(), "line_malformed");
  EXPECT_EQ(report.differences(1).kind(), "missing_here");
}

}  // namespace
}  // namespace boxoffice::payment
