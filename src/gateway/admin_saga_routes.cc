// Sagas, as operators find and resolve them.
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/reservations.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> GetOne(Edge& edge, Request& request) {
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  reservation::v1::GetReservationRequest query;
  query.set_id(std::string(id->bytes()));
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->GetReservation(a...); };
  const Result<reservation::v1::Reservation> found =
      co_await edge.backends.Ask<reservation::v1::Reservation>(query, request.traceparent(), start);
  if (!found) co_return ServiceFailure(found.error());
  co_return ReservationResponse(*found, Audience::kOperator);
}

asio::awaitable<Response> List(Edge& edge, Request& request) {
  const Result<Page> page = ReadPage(request, "sagas");
  if (!page) co_return FailureResponse(page.error());
  if (!page->after.empty() && !Uuid::FromBytes(page->after)) co_return RefusalResponse("cursor_invalid");
  const std::string_view status = request.query("status").value_or("");
  if (!status.empty() && status != "running" && status != "parked") {
    co_return RefusalResponse("parameter_invalid", "field `status` is running or parked");
  }
  reservation::v1::ListSagasRequest query;
  query.set_status(std::string(status));
  query.set_after_id(page->after);
  query.set_limit(page->limit);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->ListSagas(a...); };
  const Result<reservation::v1::ListReservationsResponse> list =
      co_await edge.backends.Ask<reservation::v1::ListReservationsResponse>(query, request.traceparent(),
                                                                            start);
  if (!list) co_return ServiceFailure(list.error());
  co_return ReservationsResponse(*list, "sagas", Audience::kOperator);
}

asio::awaitable<Response> Resolve(Edge& edge, Request& request, const auth::Principal& caller,
                                  std::string action) {
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  http::ObjectReader reader(request.body());
  const std::string reason = ReasonInBody(reader);
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  reservation::v1::ResolveSagaRequest query;
  query.set_reservation_id(std::string(id->bytes()));
  query.set_action(std::move(action));
  query.set_reason(reason);
  query.set_operator_id(caller.user);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->ResolveSaga(a...); };
  const Result<reservation::v1::Reservation> resolved =
      co_await edge.backends.Ask<reservation::v1::Reservation>(query, request.traceparent(), start);
  if (!resolved) co_return ServiceFailure(resolved.error());
  co_return ReservationResponse(*resolved, Audience::kOperator);
}

}  // namespace

void AddAdminSagaRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/reservations/{reservation}",
                  [&edge](Request& request, const auth::Principal&) { return GetOne(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/sagas",
                  [&edge](Request& request, const auth::Principal&) { return List(edge, request); });
  for (const std::string action : {"retry", "undo", "park"}) {
    routes.Operator(Method::kPost, "/v1/admin/sagas/{reservation}/" + action,
                    [&edge, action](Request& request, const auth::Principal& caller) {
                      return Resolve(edge, request, caller, action);
                    });
  }
}

}  // namespace boxoffice::gateway
