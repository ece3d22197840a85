// The cancellation of a show with all its reservations, as operators ask for it and follow it.
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
using reservation::v1::ShowCancellation;

Response Progress(const ShowCancellation& cancellation) {
  const bool runs = cancellation.finished_at_ms() == 0;
  Response response = ObjectResponse(
      [&](http::JsonWriter& writer) { WriteShowCancellation(writer, cancellation); }, runs ? 202 : 200);
  if (runs) {
    response.headers.Add("Location", fmt::format("/v1/admin/shows/{}/cancellation", cancellation.show_id()));
  }
  return response;
}

asio::awaitable<Response> Cancel(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  reservation::v1::CancelShowRequest query;
  query.set_show_id(*id);
  query.set_operator_id(caller.user);
  if (!request.body().empty()) {
    http::ObjectReader reader(request.body());
    query.set_reason(TextInBody(reader, "reason", kMaxReasonBytes));
    const Result<void> read = reader.Finish();
    if (!read) co_return FailureResponse(read.error());
  }
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->CancelShow(a...); };
  const Result<ShowCancellation> cancellation =
      co_await edge.backends.Ask<ShowCancellation>(query, request.traceparent(), start);
  if (!cancellation) co_return ServiceFailure(cancellation.error());
  co_return Progress(*cancellation);
}

asio::awaitable<Response> Get(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  reservation::v1::GetShowCancellationRequest query;
  query.set_show_id(*id);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->GetShowCancellation(a...); };
  const Result<ShowCancellation> cancellation =
      co_await edge.backends.Ask<ShowCancellation>(query, request.traceparent(), start);
  if (!cancellation) co_return ServiceFailure(cancellation.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShowCancellation(writer, *cancellation); });
}

}  // namespace

void AddAdminShowRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(
      Method::kPost, "/v1/admin/shows/{show}/cancel",
      [&edge](Request& request, const auth::Principal& caller) { return Cancel(edge, request, caller); });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/cancellation",
                  [&edge](Request& request, const auth::Principal&) { return Get(edge, request); });
}

}  // namespace boxoffice::gateway
