#include "services/payment/rpc_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"

namespace boxoffice::payment {
namespace {

using rpc::InvalidField;
using rpc::ParseId;
using rpc::ParseMoney;
using rpc::ParseText;

constexpr size_t kMaxUserIdBytes = 64;
constexpr size_t kMaxMethodBytes = 64;

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

Result<decltype(Command::body)> ParseBody(const v1::Command& proto) {
  switch (proto.body_case()) {
    case v1::Command::kApprove:
      return Parse(proto.approve());
    case v1::Command::kCancel:
      return Parse(proto.cancel());
    case v1::Command::kQuery:
      return Parse(proto.query());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField("body", "must be one of approve, cancel, query");
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
  return proto;
}

void Set(v1::Payment& proto, const Payment& payment) {
  proto.set_id(std::string(payment.id.bytes()));
  proto.set_reservation_id(std::string(payment.key.reservation.bytes()));
  proto.set_attempt(payment.key.attempt);
  proto.set_user_id(payment.user_id);
  proto.mutable_money()->set_amount(payment.money.amount);
  proto.mutable_money()->set_currency(std::string(payment.money.currency.code()));
  proto.set_method(payment.method);
  proto.set_state(ToProto(payment.state));
  proto.set_provider_code(payment.provider_code);
  proto.set_resolution(ResolutionName(payment.resolution));
  proto.set_provider_reference(payment.provider_reference);
  proto.set_created_at_ms(ToUnixMs(payment.created_at));
  proto.set_updated_at_ms(ToUnixMs(payment.updated_at));
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

}  // namespace

RpcServer::RpcServer(payment::Service& service, Reader& reader)
    : reader_(reader),
      handler_(Commands::Translate([](const v1::Command& proto) { return Parse(proto); },
                                   [&service](Command command, auto done, const resilience::Terms& terms) {
                                     service.Submit(std::move(command), std::move(done), terms);
                                   },
                                   [](const Outcome& outcome) { return ToProto(outcome); })) {}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new Commands(handler_, streams_);
}

grpc::ServerUnaryReactor* RpcServer::GetPayment(grpc::CallbackServerContext* context,
                                                const v1::GetPaymentRequest* request, v1::Payment* response) {
  return rpc::Answer<v1::Payment>(context, pool_.get_executor(), response,
                                  [this, request] { return AnswerGetPayment(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(context, pool_.get_executor(), response,
                                        [this, request] { return AnswerAudit(reader_, *request); });
}

}  // namespace boxoffice::payment
