// Queues, as operators watch and steer them.
#include <limits>

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

asio::awaitable<Result<queue::v1::ListQueuesResponse>> AskQueues(Edge& edge, const Request& request) {
  const queue::v1::ListQueuesRequest query;
  const auto start = [&edge](auto... arguments) { edge.backends.queue->async()->ListQueues(arguments...); };
  return edge.backends.Ask<queue::v1::ListQueuesResponse>(query, request.traceparent(), start);
}

asio::awaitable<Response> List(Edge& edge, Request& request) {
  const Result<queue::v1::ListQueuesResponse> queues = co_await AskQueues(edge, request);
  if (!queues) co_return ServiceFailure(queues.error());
  co_return ListResponse(queues->queues(), {}, WriteQueue);
}

Response Refused(const std::string& refusal) {
  return RefusalResponse(refusal, {}, [&](http::JsonWriter& writer) {
    if (refusal.starts_with("opens_at_")) writer.Field("field", "opens_at");
  });
}

asio::awaitable<Response> Configure(Edge& edge, const Request& request, queue::v1::ConfigureQueue change) {
  queue::v1::Command command;
  *command.mutable_configure() = std::move(change);
  const Result<queue::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  if (const std::string& refusal = outcome->queue().refusal(); !refusal.empty()) co_return Refused(refusal);
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteQueue(writer, outcome->queue()); });
}

asio::awaitable<Response> Get(Edge& edge, Request& request) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  const Result<queue::v1::ListQueuesResponse> queues = co_await AskQueues(edge, request);
  if (!queues) co_return ServiceFailure(queues.error());
  for (const queue::v1::Queue& queue : queues->queues()) {
    if (queue.show_id() != *show_id) continue;
    co_return ObjectResponse([&](http::JsonWriter& writer) { WriteQueue(writer, queue); });
  }
  const Result<void> known = co_await edge.RequireShow(*show_id, request, /*drafts=*/true);
  if (!known) co_return ServiceFailure(known.error());
  // Nobody has come yet: a change of nothing tells the defaults.
  queue::v1::ConfigureQueue nothing;
  nothing.set_show_id(*show_id);
  Response response = co_await Configure(edge, request, std::move(nothing));
  co_return response;
}

asio::awaitable<Response> Patch(Edge& edge, Request& request) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  http::ObjectReader reader(request.body());
  queue::v1::ConfigureQueue change;
  change.set_show_id(*show_id);
  if (const auto rate = reader.Optional<double>("rate_per_s")) change.set_rate_per_s(*rate);
  if (const auto cap = reader.Optional<int64_t>("active_cap")) {
    if (*cap < 0 || *cap > std::numeric_limits<uint32_t>::max()) {
      reader.Refuse("active_cap", "field_invalid", "is out of range");
    }
    change.set_active_cap(static_cast<uint32_t>(*cap));
  }
  if (const auto name = reader.Optional<std::string>("state")) {
    queue::v1::QueueState state{};
    if (!queue::v1::QueueState_Parse(*name, &state) || state == queue::v1::QUEUE_STATE_UNSPECIFIED) {
      reader.Refuse("state", "field_invalid", "must be OPEN, PAUSED, CLOSED, PREQUEUE or OFF");
    }
    change.set_state(state);
  }
  if (reader.Has("opens_at")) change.set_opens_at_ms(MaybeTimeInBody(reader, "opens_at"));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  const Result<void> known = co_await edge.RequireShow(*show_id, request, /*drafts=*/true);
  if (!known) co_return ServiceFailure(known.error());
  Response response = co_await Configure(edge, request, std::move(change));
  co_return response;
}

}  // namespace

void AddAdminQueueRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/queues",
                  [&edge](Request& request, const auth::Principal&) { return List(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/queue",
                  [&edge](Request& request, const auth::Principal&) { return Get(edge, request); });
  routes.Operator(Method::kPatch, "/v1/admin/shows/{show}/queue",
                  [&edge](Request& request, const auth::Principal&) { return Patch(edge, request); });
}

}  // namespace boxoffice::gateway
