// What machines and operators ask about the process itself.
#include "gateway/edge.h"
#include "gateway/openapi.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "platform/module/health_response.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> GetHealth() { co_return module::HealthResponse({}, /*judge=*/false); }

asio::awaitable<Response> GetReadiness(Edge& edge) {
  std::vector<module::Health> modules;
  if (edge.views.health) modules = edge.views.health();
  co_return module::HealthResponse(modules, /*judge=*/true);
}

asio::awaitable<Response> GetMetrics(Edge& edge) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = edge.metrics.Render();
  co_return response;
}

asio::awaitable<Response> GetOpenApi() {
  Response response;
  response.content_type = "application/yaml";
  response.body = OpenApiYaml();
  co_return response;
}

asio::awaitable<Response> LastAudit(Edge& edge) {
  if (!edge.views.last_audit) co_return RefusalResponse("audit_not_run");
  std::string report = co_await edge.RunBlocking(edge.views.last_audit);
  if (report.empty()) co_return RefusalResponse("audit_not_run");
  co_return http::JsonResponse(std::move(report));
}

asio::awaitable<Response> RunAudit(Edge& edge) {
  if (!edge.views.run_audit) co_return RefusalResponse("audit_not_run", "this process has no auditor");
  Result<std::string> report = co_await edge.RunBlocking(edge.views.run_audit);
  if (!report) co_return ServiceFailure(report.error());
  co_return http::JsonResponse(*std::move(report));
}

asio::awaitable<Response> ListDeadLetters(Edge& edge, Request& request) {
  const Result<Page> page = ReadPage(request, "dead-letters");
  if (!page) co_return FailureResponse(page.error());
  const auto work = [&bus = edge.bus, limit = page->limit] { return bus.DeadLetters(limit); };
  const Result<std::vector<bus::DeadLetter>> letters = co_await edge.RunBlocking(work);
  if (!letters) co_return ServiceFailure(letters.error());
  co_return ListResponse(*letters, {}, WriteDeadLetter);
}

asio::awaitable<Response> ReplayDeadLetter(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "dead_letter", "dead_letter_not_found");
  if (!id) co_return FailureResponse(id.error());
  const auto work = [&bus = edge.bus, id = *id] { return bus.Replay(id); };
  const Result<void> replayed = co_await edge.RunBlocking(work);
  if (!replayed && replayed.error().code == Code::kNotFound)
    co_return RefusalResponse("dead_letter_not_found");
  if (!replayed) co_return ServiceFailure(replayed.error());
  Response response;
  response.status = 204;
  co_return response;
}

asio::awaitable<Response> GetOutbox(Edge& edge) {
  std::vector<OutboxDepth> depths;
  if (edge.views.outbox) depths = edge.views.outbox();
  co_return ListResponse(depths, {}, [](http::JsonWriter& writer, const OutboxDepth& depth) {
    writer.BeginObject().Field("service", depth.service).Field("pending", depth.pending).EndObject();
  });
}

}  // namespace

void AddAdminOperationsRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/audit",
                  [&edge](Request&, const auth::Principal&) { return LastAudit(edge); });
  routes.Operator(Method::kPost, "/v1/admin/audit",
                  [&edge](Request&, const auth::Principal&) { return RunAudit(edge); });
  routes.Operator(Method::kGet, "/v1/admin/dead-letters", [&edge](Request& request, const auth::Principal&) {
    return ListDeadLetters(edge, request);
  });
  routes.Operator(
      Method::kPost, "/v1/admin/dead-letters/{dead_letter}/replay",
      [&edge](Request& request, const auth::Principal&) { return ReplayDeadLetter(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/outbox",
                  [&edge](Request&, const auth::Principal&) { return GetOutbox(edge); });
}

void AddOperationsRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/healthz", [](Request&) { return GetHealth(); });
  routes.Public(Method::kGet, "/readyz", [&edge](Request&) { return GetReadiness(edge); });
  routes.Public(Method::kGet, "/metrics", [&edge](Request&) { return GetMetrics(edge); });
  routes.Public(Method::kGet, "/openapi.yaml", [](Request&) { return GetOpenApi(); });
}

}  // namespace boxoffice::gateway
