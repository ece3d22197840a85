#include "services/payment/rpc_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "platform/resilience/admission.h"
#include "platform/rpc/field.h"
#include "platform/rpc/status.h"
#include "platform/rpc/unary.h"
#include "services/payment/settlement.h"

namespace boxoffice::payment {
namespace {

using rpc::InvalidField;
using rpc::ParseId;
using rpc::ParseMoney;
using rpc::ParseText;

constexpr size_t kMaxUserIdBytes = 64;
constexpr size_t kMaxMethodBytes = 64;
constexpr size_t kMaxReasonBytes = 500;
constexpr uint32_t kMaxListPage = 200;

Result<PaymentKey> ParseKey(const std::string& reservation_id, uint32_t attempt) {
  BOXOFFICE_ASSIGN(const auto reservation, ParseId<ReservationId>("reservation_id", reservation_id));
  if (attempt == 0) return InvalidField("attempt", "must be at least 1");
  return PaymentKey{reservation, attempt};
}

Result<Approve> Parse(const v1::ApprovePayment& proto) {
  Approve approve;
  BOXOFFICE_ASSIGN(approve.key, ParseKey(proto.reservation_id(), proto.attempt()));
  BOXOFFICE_ASSIGN(approve.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(approve.money, ParseMoney(proto.money()));
  BOXOFFICE_ASSIGN(approve.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  if (proto.method().size() > kMaxMethodBytes) {
    return InvalidField("method", fmt::format("must have at most {} bytes", kMaxMethodBytes));
  }
  approve.method = proto.method().empty() ? std::string(kInternal) : proto.method();
  return approve;
}

Result<Cancel> Parse(const v1::CancelPayment& proto) {
  Cancel cancel;
  BOXOFFICE_ASSIGN(cancel.key, ParseKey(proto.reservation_id(), proto.attempt()));
  BOXOFFICE_ASSIGN(cancel.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  return cancel;
}

Result<Query> Parse(const v1::QueryPayment& proto) {
  Query query;
  BOXOFFICE_ASSIGN(query.key, ParseKey(proto.reservation_id(), proto.attempt()));
  return query;
}

Result<GiveBack> Parse(const v1::RefundPayment& proto) {
  GiveBack refund;
  BOXOFFICE_ASSIGN(refund.key, ParseKey(proto.reservation_id(), proto.attempt()));
  BOXOFFICE_ASSIGN(refund.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(refund.money, ParseMoney(proto.money()));
  return refund;
}

Result<decltype(Command::body)> ParseBody(const v1::Command& proto) {
  switch (proto.body_case()) {
    case v1::Command::kApprove:
      return Parse(proto.approve());
    case v1::Command::kCancel:
      return Parse(proto.cancel());
    case v1::Command::kQuery:
      return Parse(proto.query());
    case v1::Command::kRefund:
      return Parse(proto.refund());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField("body", "must be one of approve, cancel, query, refund");
}

Result<Command> Parse(const v1::Command& proto) {
  Command command;
  BOXOFFICE_ASSIGN(command.body, ParseBody(proto));
  command.traceparent = proto.header().traceparent();
  return command;
}

v1::PaymentState ToProto(State state) {
  switch (state) {
    case State::kNone:
      return v1::PAYMENT_STATE_UNSPECIFIED;
    case State::kPending:
      return v1::PENDING;
    case State::kApproved:
      return v1::APPROVED;
    case State::kDeclined:
      return v1::DECLINED;
    case State::kCancelled:
      return v1::CANCELLED;
  }
  return v1::PAYMENT_STATE_UNSPECIFIED;
}

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kDeclined:
      return "payment_declined";
    case Refusal::kMethodUnknown:
      return "method_unknown";
    case Refusal::kAlreadyApproved:
      return "already_approved";
    case Refusal::kNotApproved:
      return "payment_not_approved";
    case Refusal::kExceedsCaptured:
      return "refund_exceeds_captured";
    case Refusal::kRefundRefused:
      return "refund_refused";
    case Refusal::kNothingRefused:
      return "nothing_refused";
    case Refusal::kNotFound:
      return "payment_not_found";
  }
  return "";
}

// Empty: not certain yet.
const char* ResolutionName(Resolution resolution) {
  switch (resolution) {
    case Resolution::kOpen:
    case Resolution::kReopened:
      return "";
    case Resolution::kNeverSent:
      return "never_sent";
    case Resolution::kVoided:
      return "voided";
    case Resolution::kRefunded:
      return "refunded";
    case Resolution::kSettledOutside:
      return "settled_outside";
  }
  return "";
}

v1::Outcome ToProto(const Outcome& outcome) {
  v1::Outcome proto;
  v1::PaymentOutcome& payment = *proto.mutable_payment();
  payment.set_kind(rpc::KindToProto<v1::PaymentOutcome>(outcome.kind));
  payment.set_state(ToProto(outcome.state));
  if (!outcome.id.IsNil()) payment.set_payment_id(outcome.id.bytes().data(), outcome.id.bytes().size());
  if (outcome.refusal != Refusal::kNone) payment.set_refusal(RefusalName(outcome.refusal));
  payment.set_provider_code(outcome.provider_code);
  payment.set_resolution(ResolutionName(outcome.resolution));
  payment.set_refunded(outcome.refunded);
  return proto;
}

const char* EffectName(WebhookEffect effect) {
  switch (effect) {
    case WebhookEffect::kDone:
      return "done";
    case WebhookEffect::kRepeated:
      return "repeated";
    case WebhookEffect::kIgnored:
      return "ignored";
  }
  return "";
}

void Set(money::v1::Money& proto, const Money& money) {
  proto.set_amount(money.amount);
  proto.set_currency(std::string(money.currency.code()));
}

template <typename Proto>
void Set(Proto& proto, const Dispute& dispute) {
  proto.set_refusal(dispute.refusal);
  proto.set_settled_by(dispute.settled_by);
  proto.set_settled_reason(dispute.settled_reason);
}

void Set(v1::Payment& proto, const Payment& payment) {
  proto.set_id(std::string(payment.id.bytes()));
  proto.set_reservation_id(std::string(payment.key.reservation.bytes()));
  proto.set_attempt(payment.key.attempt);
  proto.set_user_id(payment.user_id);
  Set(*proto.mutable_money(), payment.money);
  proto.set_method(payment.method);
  proto.set_state(ToProto(payment.state));
  proto.set_provider_code(payment.provider_code);
  proto.set_resolution(ResolutionName(payment.resolution));
  proto.set_provider_reference(payment.provider_reference);
  proto.set_created_at_ms(ToUnixMs(payment.created_at));
  proto.set_updated_at_ms(ToUnixMs(payment.updated_at));
  proto.set_refunded(payment.refunded);
  proto.set_refunding(payment.refunding);
  proto.set_captured_late(payment.captured_late);
  Set(proto, payment.dispute);
}

// Each with its refunds.
template <typename Response>
void AddPayments(Response& response, const std::vector<Payment>& payments,
                 const std::vector<Refund>& refunds) {
  for (const Payment& payment : payments) {
    v1::Payment& row = *response.add_payments();
    Set(row, payment);
    for (const Refund& refund : refunds) {
      if (refund.payment != payment.key) continue;
      v1::Refund& part = *row.add_refunds();
      part.set_saga_id(std::string(refund.saga.bytes()));
      Set(*part.mutable_money(), {refund.amount, payment.money.currency});
      part.set_done(refund.done);
      part.set_created_at_ms(ToUnixMs(refund.created_at));
      part.set_updated_at_ms(ToUnixMs(refund.updated_at));
      Set(part, refund.dispute);
    }
  }
}

Result<v1::ListPaymentsResponse> AnswerListPayments(Reader& reader, const v1::ListPaymentsRequest& request) {
  BOXOFFICE_ASSIGN(const auto reservation,
                   ParseId<ReservationId>("reservation_id", request.reservation_id()));
  BOXOFFICE_ASSIGN(const std::vector<Payment> payments, reader.Payments(reservation));
  BOXOFFICE_ASSIGN(const std::vector<Refund> refunds, reader.Refunds(reservation));
  v1::ListPaymentsResponse response;
  AddPayments(response, payments, refunds);
  return response;
}

Result<v1::ListUnsettledPaymentsResponse> AnswerListUnsettledPayments(
    Reader& reader, const v1::ListUnsettledPaymentsRequest& request) {
  BOXOFFICE_TRY(rpc::CheckLimit(request.limit(), kMaxListPage));
  PaymentKey after;
  if (!request.after_reservation_id().empty()) {
    BOXOFFICE_ASSIGN(after.reservation,
                     ParseId<ReservationId>("after_reservation_id", request.after_reservation_id()));
    after.attempt = request.after_attempt();
  }
  const uint32_t one_more = request.limit() + 1;
  BOXOFFICE_ASSIGN(std::vector<PaymentKey> keys,
                   request.refused() ? reader.Refused(after, one_more) : reader.Unsettled(after, one_more));
  v1::ListUnsettledPaymentsResponse response;
  response.set_more(keys.size() > request.limit());
  if (response.more()) keys.pop_back();
  BOXOFFICE_ASSIGN(const Rows rows, reader.Find(keys));
  AddPayments(response, rows.payments, rows.refunds);
  return response;
}

void Set(v1::SettlementReport::Difference& proto, const Difference& difference) {
  proto.set_kind(std::string(DifferenceName(difference.kind)));
  proto.set_line(difference.line);
  if (difference.operation) proto.set_operation(std::string(OperationName(*difference.operation)));
  proto.set_key(difference.key);
  if (difference.ours) Set(*proto.mutable_ours(), *difference.ours);
  if (difference.theirs) Set(*proto.mutable_theirs(), *difference.theirs);
  proto.set_detail(difference.detail);
}

// The refunds of all of a page are one read, and those of other providers' payments none.
Result<void> ComparePage(Reader& reader, const PaymentPage& page, Reconciliation& reconciliation) {
  std::vector<PaymentKey> with_refunds;
  for (const Payment& payment : page.payments) {
    if (payment.refunded + payment.refunding > 0 && reconciliation.Covers(payment))
      with_refunds.push_back(payment.key);
  }
  Rows rows;
  if (!with_refunds.empty()) {
    BOXOFFICE_ASSIGN(rows, reader.Find(with_refunds));
  }
  for (const Payment& payment : page.payments) {
    reconciliation.Compare(payment,
                           std::ranges::equal_range(rows.refunds, payment.key, {}, &Refund::payment));
  }
  return {};
}

// Looks before each page whether `context` still has somebody who waits.
Result<v1::SettlementReport> AnswerReconcile(const payment::Service& service, Reader& reader,
                                             const grpc::CallbackServerContext& context,
                                             const v1::ReconcileSettlementRequest& request) {
  BOXOFFICE_ASSIGN(const std::string provider, ParseText("provider", request.provider(), kMaxMethodBytes));
  if (!service.HasProvider(provider)) {
    return Fail(Code::kNotFound, "provider_unknown", "no provider is called " + provider);
  }
  if (request.from_ms() < 0) return InvalidField("from_ms", "must not be negative");
  if (request.until_ms() < 0) return InvalidField("until_ms", "must not be negative");
  Period period;
  if (request.from_ms() != 0) period.from = FromUnixMs(request.from_ms());
  if (request.until_ms() != 0) period.until = FromUnixMs(request.until_ms());
  if (period.from && period.until && *period.from >= *period.until) {
    return InvalidField("until_ms", "must be after from_ms");
  }
  BOXOFFICE_ASSIGN(SettlementFile file, ReadSettlement(request.csv()));
  Reconciliation reconciliation(std::move(file), provider, period);
  ReservationId after;
  while (true) {
    if (context.IsCancelled()) return Fail(Code::kUnavailable, "deadline_passed", "nobody waits any more");
    BOXOFFICE_ASSIGN(const PaymentPage page, reader.Page(after, kMaxAuditPage));
    BOXOFFICE_TRY(ComparePage(reader, page, reconciliation));
    if (!page.more || page.payments.empty()) break;
    after = page.payments.back().key.reservation;
  }
  const SettlementReport report = reconciliation.Finish();
  v1::SettlementReport response;
  for (const Difference& difference : report.differences) Set(*response.add_differences(), difference);
  response.set_difference_count(report.difference_count);
  response.set_lines(report.lines);
  response.set_matched(report.matched);
  for (const SettlementTotal& total : report.totals) {
    v1::SettlementReport::Total& row = *response.add_totals();
    row.set_operation(std::string(OperationName(total.operation)));
    Set(*row.mutable_ours(), {total.ours, total.currency});
    Set(*row.mutable_theirs(), {total.theirs, total.currency});
  }
  return response;
}

// What a webhook's headers and body may be at most.
constexpr size_t kMaxWebhookFieldBytes = 1'024;
constexpr size_t kMaxWebhookIdBytes = 128;
constexpr size_t kMaxWebhookBytes = 64 << 10;

Result<WebhookRequest> Parse(const v1::ReceiveWebhookRequest& proto) {
  WebhookRequest request;
  BOXOFFICE_TRY(ParseText("provider", proto.provider(), kMaxMethodBytes));
  BOXOFFICE_ASSIGN(request.id, ParseText("webhook_id", proto.webhook_id(), kMaxWebhookIdBytes));
  BOXOFFICE_ASSIGN(request.timestamp,
                   ParseText("webhook_timestamp", proto.webhook_timestamp(), kMaxWebhookFieldBytes));
  BOXOFFICE_ASSIGN(request.signature,
                   ParseText("webhook_signature", proto.webhook_signature(), kMaxWebhookFieldBytes));
  BOXOFFICE_ASSIGN(request.body, ParseText("body", proto.body(), kMaxWebhookBytes));
  return request;
}

Result<SettleOutside> Parse(const v1::SettleOutsideRequest& proto) {
  SettleOutside settle;
  BOXOFFICE_ASSIGN(settle.key, ParseKey(proto.reservation_id(), proto.attempt()));
  BOXOFFICE_ASSIGN(settle.operator_id, ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(settle.reason, ParseText("reason", proto.reason(), kMaxReasonBytes));
  settle.provider_gone = proto.provider_gone();
  return settle;
}

Result<v1::Payment> AnswerGetPayment(Reader& reader, const v1::GetPaymentRequest& request) {
  BOXOFFICE_ASSIGN(const auto reservation,
                   ParseId<ReservationId>("reservation_id", request.reservation_id()));
  BOXOFFICE_ASSIGN(const std::vector<Payment> payments, reader.Payments(reservation));
  if (payments.empty()) return Fail(Code::kNotFound, "payment_not_found", reservation.ToString());
  auto counts = std::ranges::find(payments, State::kApproved, &Payment::state);
  if (counts == payments.end()) counts = std::prev(payments.end());
  v1::Payment response;
  Set(response, *counts);
  return response;
}

Result<v1::AuditResponse> AnswerAudit(Reader& reader, const v1::AuditRequest& request) {
  v1::AuditResponse response;
  if (!request.reservation_id().empty()) {
    BOXOFFICE_ASSIGN(const auto reservation,
                     ParseId<ReservationId>("reservation_id", request.reservation_id()));
    BOXOFFICE_ASSIGN(const std::vector<Payment> payments, reader.Payments(reservation));
    for (const Payment& payment : payments) Set(*response.add_payments(), payment);
    return response;
  }
  BOXOFFICE_TRY(rpc::CheckLimit(request.limit(), kMaxAuditPage));
  ReservationId after;
  if (!request.after_reservation_id().empty()) {
    BOXOFFICE_ASSIGN(after, ParseId<ReservationId>("after_reservation_id", request.after_reservation_id()));
  }
  BOXOFFICE_ASSIGN(const PaymentPage page, reader.Page(after, request.limit()));
  for (const Payment& payment : page.payments) Set(*response.add_payments(), payment);
  response.set_more(page.more);
  return response;
}

std::string TraceparentOf(const grpc::CallbackServerContext& context) {
  const auto traced = context.client_metadata().find("traceparent");
  if (traced == context.client_metadata().end()) return {};
  return {traced->second.data(), traced->second.size()};
}

}  // namespace

RpcServer::RpcServer(payment::Service& service, Reader& reader)
    : service_(service),
      reader_(reader),
      commands_(Commands::Translate([](const v1::Command& proto) { return Parse(proto); },
                                    [&service](Command command, auto done, const resilience::Terms& terms) {
                                      service.Submit(std::move(command), std::move(done), terms);
                                    },
                                    [](const Outcome& outcome) { return ToProto(outcome); })) {}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new rpc::CommandServer(commands_);
}

grpc::ServerUnaryReactor* RpcServer::GetPayment(grpc::CallbackServerContext* context,
                                                const v1::GetPaymentRequest* request, v1::Payment* response) {
  return rpc::Answer<v1::Payment>(context, pool_, response,
                                  [this, request] { return AnswerGetPayment(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::ListPayments(grpc::CallbackServerContext* context,
                                                  const v1::ListPaymentsRequest* request,
                                                  v1::ListPaymentsResponse* response) {
  return rpc::Answer<v1::ListPaymentsResponse>(
      context, pool_, response, [this, request] { return AnswerListPayments(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::ListUnsettledPayments(grpc::CallbackServerContext* context,
                                                           const v1::ListUnsettledPaymentsRequest* request,
                                                           v1::ListUnsettledPaymentsResponse* response) {
  return rpc::Answer<v1::ListUnsettledPaymentsResponse>(
      context, pool_, response, [this, request] { return AnswerListUnsettledPayments(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::SettleOutside(grpc::CallbackServerContext* context,
                                                   const v1::SettleOutsideRequest* request,
                                                   v1::SettleOutsideResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Result<payment::SettleOutside> settle = Parse(*request);
  if (!settle) {
    reactor->Finish(rpc::ToStatus(settle.error()));
    return reactor;
  }
  service_.Submit({*std::move(settle), TraceparentOf(*context), {}}, [reactor](Result<Outcome> outcome) {
    if (outcome && outcome->kind != OutcomeKind::kDone) {
      const bool absent = outcome->refusal == Refusal::kNotFound;
      outcome = Fail(absent ? Code::kNotFound : Code::kConflict, RefusalName(outcome->refusal));
    }
    reactor->Finish(outcome ? grpc::Status::OK : rpc::ToStatus(outcome.error()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* RpcServer::ReceiveWebhook(grpc::CallbackServerContext* context,
                                                    const v1::ReceiveWebhookRequest* request,
                                                    v1::ReceiveWebhookResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Result<WebhookRequest> webhook = Parse(*request);
  if (webhook) webhook->traceparent = TraceparentOf(*context);
  if (!webhook) {
    reactor->Finish(rpc::ToStatus(webhook.error()));
    return reactor;
  }
  service_.ReceiveWebhook(request->provider(), *webhook, [reactor, response](Result<Outcome> outcome) {
    if (outcome) response->set_effect(EffectName(outcome->effect));
    reactor->Finish(outcome ? grpc::Status::OK : rpc::ToStatus(outcome.error()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* RpcServer::ReconcileSettlement(grpc::CallbackServerContext* context,
                                                         const v1::ReconcileSettlementRequest* request,
                                                         v1::SettlementReport* response) {
  return rpc::Answer<v1::SettlementReport>(
      context, long_pool_, response,
      [this, context, request] { return AnswerReconcile(service_, reader_, *context, *request); },
      resilience::Priority::kFinishing);
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(
      context, pool_, response, [this, request] { return AnswerAudit(reader_, *request); },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::payment
