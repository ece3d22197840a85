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
constexpr size_t kMaxShowIds = 200;
constexpr int64_t kKeepOldS = 24 * 60 * 60;  // of a rotation that does not say
constexpr int64_t kMaxKeepOldS = 7 * 24 * 60 * 60;

// Ids of shows; none that is no id.
std::optional<std::vector<int64_t>> ShowsIn(http::ObjectReader& reader) {
  const auto texts = reader.OptionalArray<std::string>("show_ids", kMaxShowIds);
  if (!texts) return std::nullopt;
  std::vector<int64_t> ids;
  for (const std::string& text : *texts) {
    const std::optional<int64_t> id = ParseNumber(text);
    if (!id) reader.Refuse("show_ids", "field_invalid", "holds something that is no show's id");
    ids.push_back(id.value_or(0));
  }
  return ids;
}

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
  const auto shows = ShowsIn(reader);
  query.set_payload(reader.Optional<std::string>("payload").value_or(""));
  query.set_rate_per_s(reader.Optional<double>("rate_per_s").value_or(0));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  if (types) query.mutable_event_types()->Add(types->begin(), types->end());
  if (shows) query.mutable_show_ids()->Add(shows->begin(), shows->end());
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

asio::awaitable<Response> ChangeTarget(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "target", "target_not_found");
  if (!id) co_return FailureResponse(id.error());
  http::ObjectReader reader(request.body());
  relay::v1::ChangeTargetRequest query;
  query.set_id(*id);
  if (const auto url = reader.Optional<std::string>("url")) query.set_url(*url);
  const auto types = reader.OptionalArray<std::string>("event_types", kMaxEventTypes);
  const auto shows = ShowsIn(reader);
  if (const auto payload = reader.Optional<std::string>("payload")) query.set_payload(*payload);
  if (const auto rate = reader.Optional<double>("rate_per_s")) query.set_rate_per_s(*rate);
  if (const auto enabled = reader.Optional<bool>("enabled")) query.set_enabled(*enabled);
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  if (types) query.mutable_event_types()->mutable_values()->Add(types->begin(), types->end());
  if (shows) query.mutable_show_ids()->mutable_values()->Add(shows->begin(), shows->end());
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->ChangeTarget(arguments...); };
  const Result<relay::v1::Target> target =
      co_await edge.backends.Ask<relay::v1::Target>(query, request.traceparent(), start);
  if (!target) co_return ServiceFailure(target.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteTarget(writer, *target); });
}

asio::awaitable<Response> RotateSecret(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> id = NumberInPath(request, "target", "target_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  int64_t keep_old_s = kKeepOldS;
  if (!request.body().empty()) {
    http::ObjectReader reader(request.body());
    keep_old_s = reader.Optional<int64_t>("keep_old_s").value_or(kKeepOldS);
    if (keep_old_s < 0 || keep_old_s > kMaxKeepOldS)
      reader.Refuse("keep_old_s", "field_invalid", "must be in 0 to 604800");
    const Result<void> read = reader.Finish();
    if (!read) co_return FailureResponse(read.error());
  }
  relay::v1::RotateSecretRequest query;
  query.set_operation_key(fmt::format("{}:{}", caller.user, *key));
  query.set_id(*id);
  query.set_keep_old_ms(keep_old_s * 1'000);
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->RotateSecret(arguments...); };
  const Result<relay::v1::Target> target =
      co_await edge.backends.Ask<relay::v1::Target>(query, request.traceparent(), start);
  if (!target) co_return ServiceFailure(target.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteTarget(writer, *target); });
}

asio::awaitable<Response> TestTarget(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "target", "target_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  relay::v1::TestTargetRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.relay->async()->TestTarget(arguments...); };
  const Result<relay::v1::Delivery> delivery =
      co_await edge.backends.Ask<relay::v1::Delivery>(query, request.traceparent(), start);
  if (!delivery) co_return ServiceFailure(delivery.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteDelivery(writer, *delivery); }, 202);
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
  routes.Operator(Method::kPatch, "/v1/admin/relay/targets/{target}",
                  [&edge](Request& request, const auth::Principal&) { return ChangeTarget(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/relay/targets/{target}/secret",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return RotateSecret(edge, request, caller);
                  });
  routes.Operator(Method::kPost, "/v1/admin/relay/targets/{target}/test",
                  [&edge](Request& request, const auth::Principal&) { return TestTarget(edge, request); });
  AddAdminRelayDeliveryRoutes(routes, edge);
}

}  // namespace boxoffice::gateway
