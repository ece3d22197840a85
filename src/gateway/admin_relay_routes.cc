// Targets of the relay and what was sent to them, for operators.
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

constexpr size_t kMaxEventTypes = 64;

asio::awaitable<Response> ListTargets(Edge& edge, Request& request) {
  const Result<NumberedPage> page = ReadNumberedPage(request, "targets");
  if (!page) co_return FailureResponse(page.error());
  relay::v1::ListTargetsRequest query;
  query.set_after_id(page->after);
  query.set_limit(page->limit);
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->ListTargets(arguments...); };
  const Result<relay::v1::ListTargetsResponse> list =
      co_await edge.backends.Ask<relay::v1::ListTargetsResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->targets().empty()) {
    next = EncodeCursor("targets", std::to_string(list->targets().rbegin()->id()));
  }
  co_return ListResponse(list->targets(), next, WriteTarget);
}

asio::awaitable<Response> CreateTarget(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  http::ObjectReader reader(request.body());
  relay::v1::CreateTargetRequest query;
  query.set_operation_key(fmt::format("{}:{}", caller.user, *key));
  query.set_url(reader.Required<std::string>("url"));
  const auto types = reader.OptionalArray<std::string>("event_types", kMaxEventTypes);
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  if (types) query.mutable_event_types()->Add(types->begin(), types->end());
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->CreateTarget(arguments...); };
  const Result<relay::v1::Target> target =
      co_await edge.backends.Ask<relay::v1::Target>(query, request.traceparent(), start);
  if (!target) co_return ServiceFailure(target.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteTarget(writer, *target); }, 201);
}

asio::awaitable<Response> DeleteTarget(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "target", "target_not_found");
  if (!id) co_return FailureResponse(id.error());
  relay::v1::DeleteTargetRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->DeleteTarget(arguments...); };
  const Result<relay::v1::DeleteTargetResponse> deleted =
      co_await edge.backends.Ask<relay::v1::DeleteTargetResponse>(query, request.traceparent(), start);
  if (!deleted) co_return ServiceFailure(deleted.error());
  Response response;
  response.status = 204;
  co_return response;
}

asio::awaitable<Response> ListDeliveries(Edge& edge, Request& request) {
  const Result<NumberedPage> page = ReadNumberedPage(request, "deliveries");
  if (!page) co_return FailureResponse(page.error());
  relay::v1::ListDeliveriesRequest query;
  query.set_before_id(page->after);
  query.set_limit(page->limit);
  if (const auto target = request.query("target_id")) {
    const std::optional<int64_t> id = ParseNumber(*target);
    if (!id) co_return RefusalResponse("parameter_invalid", "field `target_id` is an id");
    query.set_target_id(*id);
  }
  if (const auto state = request.query("state")) {
    if (*state != "pending" && *state != "delivered" && *state != "dead") {
      co_return RefusalResponse("parameter_invalid", "field `state` is pending, delivered or dead");
    }
    query.set_state(std::string(*state));
  }
  const auto start = [&edge](auto... arguments) {
    edge.backends.relay->async()->ListDeliveries(arguments...);
  };
  const Result<relay::v1::ListDeliveriesResponse> list =
      co_await edge.backends.Ask<relay::v1::ListDeliveriesResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->deliveries().empty()) {
    next = EncodeCursor("deliveries", std::to_string(list->deliveries().rbegin()->id()));
  }
  co_return ListResponse(list->deliveries(), next, WriteDelivery);
}

asio::awaitable<Response> ReplayDelivery(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "delivery", "delivery_not_found");
  if (!id) co_return FailureResponse(id.error());
  relay::v1::ReplayDeliveryRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) {
    edge.backends.relay->async()->ReplayDelivery(arguments...);
  };
  const Result<relay::v1::Delivery> delivery =
      co_await edge.backends.Ask<relay::v1::Delivery>(query, request.traceparent(), start);
  if (!delivery) co_return ServiceFailure(delivery.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteDelivery(writer, *delivery); });
}

}  // namespace

void AddAdminRelayRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/relay/targets",
                  [&edge](Request& request, const auth::Principal&) { return ListTargets(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/relay/targets",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return CreateTarget(edge, request, caller);
                  });
  routes.Operator(Method::kDelete, "/v1/admin/relay/targets/{target}",
                  [&edge](Request& request, const auth::Principal&) { return DeleteTarget(edge, request); });
  routes.Operator(
      Method::kGet, "/v1/admin/relay/deliveries",
      [&edge](Request& request, const auth::Principal&) { return ListDeliveries(edge, request); });
  routes.Operator(
      Method::kPost, "/v1/admin/relay/deliveries/{delivery}/replay",
      [&edge](Request& request, const auth::Principal&) { return ReplayDelivery(edge, request); });
}

}  // namespace boxoffice::gateway
