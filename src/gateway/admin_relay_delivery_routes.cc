// What the relay has sent and what it has not, for operators: the log, and deliveries sent again.
#include <algorithm>

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

constexpr size_t kMaxReplayIds = 200;

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
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
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

asio::awaitable<Response> GetDelivery(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "delivery", "delivery_not_found");
  if (!id) co_return FailureResponse(id.error());
  relay::v1::GetDeliveryRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->GetDelivery(arguments...); };
  const Result<relay::v1::Delivery> delivery =
      co_await edge.backends.Ask<relay::v1::Delivery>(query, request.traceparent(), start);
  if (!delivery) co_return ServiceFailure(delivery.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteDelivery(writer, *delivery); });
}

Result<relay::v1::ReplayDeliveriesRequest> ReadReplay(std::string_view body) {
  http::ObjectReader reader(body);
  relay::v1::ReplayDeliveriesRequest query;
  const auto ids = reader.OptionalArray<std::string>("ids", kMaxReplayIds);
  if (ids && ids->empty()) reader.Refuse("ids", "field_invalid", "names none");
  for (const std::string& text : ids.value_or(std::vector<std::string>())) {
    const std::optional<int64_t> id = ParseNumber(text);
    if (!id) reader.Refuse("ids", "field_invalid", "holds something that is no delivery's id");
    query.add_ids(id.value_or(0));
  }
  if (reader.Has("target_id")) query.set_target_id(NumberInBody(reader, "target_id"));
  query.set_from_ms(TimeInBody(reader, "from"));
  query.set_until_ms(TimeInBody(reader, "until"));
  // A body without anything would mean all: that must be said.
  if (!ids && !reader.Has("target_id") && !reader.Has("from") && !reader.Has("until")) {
    reader.Refuse("ids", "field_missing", "is missing: give ids, or target_id, from or until");
  }
  BOXOFFICE_TRY(reader.Finish());
  return query;
}

asio::awaitable<Response> ReplayDeliveries(Edge& edge, Request& request) {
  const Result<relay::v1::ReplayDeliveriesRequest> query = ReadReplay(request.body());
  if (!query) co_return FailureResponse(query.error());
  const auto start = [&edge](auto... arguments) {
    edge.backends.relay->async()->ReplayDeliveries(arguments...);
  };
  const Result<relay::v1::ReplayDeliveriesResponse> answer =
      co_await edge.backends.Ask<relay::v1::ReplayDeliveriesResponse>(*query, request.traceparent(), start);
  if (!answer) co_return ServiceFailure(answer.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) {
    // A relay of the release before tells nothing of what is pending; and what was dead may be sent already.
    const uint32_t pending = std::max(answer->pending(), answer->replayed());
    writer.BeginObject().Field("replayed", answer->replayed()).Field("pending", pending);
    writer.Key("refused").BeginArray();
    for (const auto& refused : answer->refused()) {
      writer.BeginObject();
      WriteNumberId(writer, "id", refused.id());
      writer.Field("code", refused.code()).EndObject();
    }
    writer.EndArray().Field("more", answer->more()).EndObject();
  });
}

}  // namespace

void AddAdminRelayDeliveryRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(
      Method::kGet, "/v1/admin/relay/deliveries",
      [&edge](Request& request, const auth::Principal&) { return ListDeliveries(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/relay/deliveries/{delivery}",
                  [&edge](Request& request, const auth::Principal&) { return GetDelivery(edge, request); });
  routes.Operator(
      Method::kPost, "/v1/admin/relay/deliveries/{delivery}/replay",
      [&edge](Request& request, const auth::Principal&) { return ReplayDelivery(edge, request); });
  routes.Operator(
      Method::kPost, "/v1/admin/relay/deliveries/replay",
      [&edge](Request& request, const auth::Principal&) { return ReplayDeliveries(edge, request); });
}

}  // namespace boxoffice::gateway
