// Webhooks of payment providers, and what operators see of payments and settle.
#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxSettlementBytes = 32 << 20;

// Passed on unread: whether it is believed is the payment service's.
asio::awaitable<Response> ReceiveWebhook(Edge& edge, Request& request) {
  payment::v1::ReceiveWebhookRequest query;
  query.set_provider(request.parameter("provider"));
  const std::pair<const char*, std::string*> headers[] = {
      {"webhook-id", query.mutable_webhook_id()},
      {"webhook-timestamp", query.mutable_webhook_timestamp()},
      {"webhook-signature", query.mutable_webhook_signature()}};
  for (const auto& [name, value] : headers) {
    const auto header = request.header(name);
    if (!header || header->empty()) {
      co_return RefusalResponse("webhook_malformed", fmt::format("field `{}` is missing", name));
    }
    *value = *header;
  }
  if (request.body().empty()) co_return RefusalResponse("webhook_malformed", "field `body` is missing");
  query.set_body(std::string(request.body()));
  const auto start = [&edge](auto... arguments) {
    edge.backends.payment->async()->ReceiveWebhook(arguments...);
  };
  const Result<payment::v1::ReceiveWebhookResponse> taken =
      co_await edge.backends.Ask<payment::v1::ReceiveWebhookResponse>(query, request.traceparent(), start);
  if (!taken) co_return ServiceFailure(taken.error());
  Response response;
  response.status = 204;
  co_return response;
}

void WriteMoney(http::JsonWriter& writer, std::string_view name, const money::v1::Money& money,
                bool there = true) {
  writer.Key(name);
  if (!there) {
    writer.Null();
    return;
  }
  writer.BeginObject().Field("amount", money.amount()).Field("currency", money.currency()).EndObject();
}

// What the provider refused to give back of a payment or of a part of one, and who has ended it.
template <typename Disputed>
void WriteDispute(http::JsonWriter& writer, const Disputed& disputed) {
  writer.Field("refusal", disputed.refusal()).Field("settled_by", disputed.settled_by());
  writer.Field("settled_reason", disputed.settled_reason());
}

void WritePayment(http::JsonWriter& writer, const payment::v1::Payment& payment) {
  writer.BeginObject();
  WriteUuid(writer, "id", payment.id());
  WriteUuid(writer, "reservation_id", payment.reservation_id());
  writer.Field("attempt", payment.attempt()).Field("user_id", payment.user_id());
  writer.Field("amount", payment.money().amount()).Field("currency", payment.money().currency());
  writer.Field("method", payment.method()).Field("state", payment::v1::PaymentState_Name(payment.state()));
  writer.Field("resolution", payment.resolution()).Field("provider_code", payment.provider_code());
  writer.Field("provider_reference", payment.provider_reference());
  writer.Field("refunded", payment.refunded()).Field("refunding", payment.refunding());
  writer.Field("captured_late", payment.captured_late());
  WriteDispute(writer, payment);
  writer.Key("refunds").BeginArray();
  for (const payment::v1::Refund& refund : payment.refunds()) {
    writer.BeginObject();
    WriteUuid(writer, "saga_id", refund.saga_id());
    writer.Field("amount", refund.money().amount()).Field("done", refund.done());
    WriteDispute(writer, refund);
    WriteTime(writer, "created_at", refund.created_at_ms());
    WriteTime(writer, "updated_at", refund.updated_at_ms());
    writer.EndObject();
  }
  writer.EndArray();
  WriteTime(writer, "created_at", payment.created_at_ms());
  WriteTime(writer, "updated_at", payment.updated_at_ms());
  writer.EndObject();
}

asio::awaitable<Response> ListPayments(Edge& edge, Request& request) {
  const Result<ReservationId> reservation = ReservationInPath(request);
  if (!reservation) co_return FailureResponse(reservation.error());
  payment::v1::ListPaymentsRequest query;
  query.set_reservation_id(std::string(reservation->bytes()));
  const auto start = [&edge](auto... arguments) {
    edge.backends.payment->async()->ListPayments(arguments...);
  };
  const Result<payment::v1::ListPaymentsResponse> list =
      co_await edge.backends.Ask<payment::v1::ListPaymentsResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  co_return ListResponse(list->payments(), {}, WritePayment);
}

// A payment's attempt; nullopt: it is none.
std::optional<uint32_t> ParseAttempt(std::string_view text) {
  const std::optional<int64_t> number = ParseNumber(text);
  if (!number || *number > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

// Where a page of payments ends: the reservation's id and the attempt.
Result<void> ReadPosition(std::string_view position, payment::v1::ListUnsettledPaymentsRequest& query) {
  if (position.empty()) return {};
  const auto id = ReservationId::FromBytes(position.substr(0, kIdBytes));
  const auto attempt = ParseAttempt(position.substr(std::min(kIdBytes, position.size())));
  if (!id || id->IsNil() || !attempt) {
    return Fail(Code::kInvalidArgument, "cursor_invalid");
  }
  query.set_after_reservation_id(std::string(id->bytes()));
  query.set_after_attempt(*attempt);
  return {};
}

asio::awaitable<Response> ListUnsettled(Edge& edge, Request& request) {
  const Result<Page> page = ReadPage(request, "payments");
  if (!page) co_return FailureResponse(page.error());
  payment::v1::ListUnsettledPaymentsRequest query;
  const Result<void> read = ReadPosition(page->after, query);
  if (!read) co_return FailureResponse(read.error());
  const std::string_view status = request.query("status").value_or("");
  if (status != "unsettled" && status != "refused") {
    co_return RefusalResponse("parameter_invalid", "field `status` is unsettled or refused");
  }
  query.set_refused(status == "refused");
  query.set_limit(page->limit);
  const auto start = [&edge](auto... arguments) {
    edge.backends.payment->async()->ListUnsettledPayments(arguments...);
  };
  const Result<payment::v1::ListUnsettledPaymentsResponse> list =
      co_await edge.backends.Ask<payment::v1::ListUnsettledPaymentsResponse>(query, request.traceparent(),
                                                                             start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->payments().empty()) {
    const payment::v1::Payment& last = *list->payments().rbegin();
    next = EncodeCursor("payments", fmt::format("{}{}", last.reservation_id(), last.attempt()));
  }
  co_return ListResponse(list->payments(), next, WritePayment);
}

asio::awaitable<Response> SettleOutside(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<ReservationId> reservation = ReservationInPath(request);
  if (!reservation) co_return FailureResponse(reservation.error());
  const std::optional<uint32_t> attempt = ParseAttempt(request.parameter("attempt"));
  if (!attempt) co_return RefusalResponse("payment_not_found");
  http::ObjectReader reader(request.body());
  const std::string reason = ReasonInBody(reader);
  const bool provider_gone = reader.Optional<bool>("provider_gone").value_or(false);
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  payment::v1::SettleOutsideRequest query;
  query.set_reservation_id(std::string(reservation->bytes()));
  query.set_attempt(*attempt);
  query.set_operator_id(caller.user);
  query.set_reason(reason);
  query.set_provider_gone(provider_gone);
  const auto start = [&edge](auto... arguments) {
    edge.backends.payment->async()->SettleOutside(arguments...);
  };
  // The provider is asked first.
  const Result<payment::v1::SettleOutsideResponse> settled =
      co_await edge.backends.AskWithin<payment::v1::SettleOutsideResponse>(
          edge.backends.limits().saga_timeout, query, request.traceparent(), start);
  if (!settled) co_return ServiceFailure(settled.error());
  asio::awaitable<Response> answer = ListPayments(edge, request);
  co_return co_await std::move(answer);
}

void WriteReport(http::JsonWriter& writer, const payment::v1::SettlementReport& report) {
  writer.BeginObject().Field("lines", report.lines()).Field("matched", report.matched());
  writer.Field("difference_count", report.difference_count()).Key("differences").BeginArray();
  for (const auto& difference : report.differences()) {
    writer.BeginObject().Field("kind", difference.kind()).Key("line");
    if (difference.line() == 0) {
      writer.Null();
    } else {
      writer.Value(difference.line());
    }
    writer.Field("operation", difference.operation()).Field("key", difference.key());
    WriteMoney(writer, "ours", difference.ours(), difference.has_ours());
    WriteMoney(writer, "theirs", difference.theirs(), difference.has_theirs());
    writer.Field("detail", difference.detail()).EndObject();
  }
  writer.EndArray().Key("totals").BeginArray();
  for (const auto& total : report.totals()) {
    writer.BeginObject().Field("operation", total.operation()).Field("currency", total.ours().currency());
    writer.Field("ours", total.ours().amount()).Field("theirs", total.theirs().amount()).EndObject();
  }
  writer.EndArray().EndObject();
}

asio::awaitable<Response> Reconcile(Edge& edge, Request& request) {
  payment::v1::ReconcileSettlementRequest query;
  const auto provider = request.query("provider");
  if (!provider || provider->empty())
    co_return RefusalResponse("parameter_invalid", "field `provider` is missing");
  const Result<Period> period = PeriodInQuery(request);
  if (!period) co_return FailureResponse(period.error());
  query.set_provider(std::string(*provider));
  query.set_csv(std::string(request.body()));
  query.set_from_ms(period->from_ms);
  query.set_until_ms(period->until_ms);
  const auto start = [&edge](auto... arguments) {
    edge.backends.payment->async()->ReconcileSettlement(arguments...);
  };
  const Result<payment::v1::SettlementReport> report =
      co_await edge.backends.AskWithin<payment::v1::SettlementReport>(
          edge.backends.limits().settlement_timeout, query, request.traceparent(), start);
  if (!report) co_return ServiceFailure(report.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteReport(writer, *report); });
}

}  // namespace

void AddPaymentRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kPost, "/v1/payments/webhooks/{provider}",
                [&edge](Request& request) { return ReceiveWebhook(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/reservations/{reservation}/payments",
                  [&edge](Request& request, const auth::Principal&) { return ListPayments(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/payments",
                  [&edge](Request& request, const auth::Principal&) { return ListUnsettled(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/reservations/{reservation}/payments/{attempt}/settle-outside",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return SettleOutside(edge, request, caller);
                  });
  routes.Operator(
      Method::kPost, "/v1/admin/settlements",
      [&edge](Request& request, const auth::Principal&) { return Reconcile(edge, request); },
      http::RouteOptions{.max_body = kMaxSettlementBytes});
}

}  // namespace boxoffice::gateway
