// What machines and operators ask about the process itself.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

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

constexpr std::string_view kLetters = "dead-letters";  // as cursors have it
constexpr int64_t kMostLetters = 1'000'000;            // that the pages before may have told

asio::awaitable<Response> GetHealth() { co_return module::HealthResponse({}, /*judge=*/false); }

asio::awaitable<Response> GetReadiness(Edge& edge) {
  std::vector<module::Health> modules;
  if (edge.views.health) modules = edge.views.health();
  co_return module::HealthResponse(modules, /*judge=*/true);
}

// Reading them takes long where many connections are open; but they must not wait behind what waits.
asio::awaitable<Response> GetMetrics(Edge& edge) {
  const auto work = [&metrics = edge.metrics] { return metrics.Render(); };
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = co_await edge.RunMonitoring(work);
  co_return response;
}

// What was embedded when this was built: one text for all who ask.
http::Handler Static(std::string_view content_type, std::string_view text) {
  return [content_type,
          body = std::make_shared<const std::string>(text)](Request&) -> asio::awaitable<Response> {
    Response response;
    response.content_type = content_type;
    response.shared_body = body;
    if (content_type.starts_with("text/html")) {
      // The page loads its script and the contract from here, and nothing from elsewhere.
      response.headers.Add("Content-Security-Policy",
                           "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src "
                           "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    }
    co_return response;
  };
}

asio::awaitable<Response> LastAudit(Edge& edge) {
  if (!edge.views.last_audit) co_return RefusalResponse("audit_not_run", "this process has no auditor");
  std::string report = co_await edge.RunMonitoring(edge.views.last_audit);
  if (!report.empty()) co_return http::JsonResponse(std::move(report));
  // Not a fault of who asks: before the first verdict there is nothing to say.
  Response none;
  none.status = 204;
  co_return none;
}

// Nobody who waits for one holds a thread: it takes half a minute and more, and as long again behind another.
asio::awaitable<Result<std::string>> NewAudit(Edge& edge) {
  return AwaitElsewhere<Result<std::string>>(edge.backends.executor(), edge.views.run_audit);
}

asio::awaitable<Response> RunAudit(Edge& edge, Request& request) {
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  if (!edge.views.run_audit) co_return RefusalResponse("audit_not_run", "this process has no auditor");
  Result<std::string> report = co_await NewAudit(edge);
  if (!report) co_return ServiceFailure(report.error());
  co_return http::JsonResponse(*std::move(report));
}

// The bus tells the oldest ones, so a page's cursor is how many of them were told before.
Result<NumberedPage> ReadPageOfLetters(const Request& request) {
  BOXOFFICE_ASSIGN(const NumberedPage page, ReadNumberedPage(request, kLetters));
  if (page.after > kMostLetters) return Fail(Code::kInvalidArgument, "cursor_invalid");
  return page;
}

asio::awaitable<Response> ListDeadLetters(Edge& edge, Request& request) {
  const Result<NumberedPage> page = ReadPageOfLetters(request);
  if (!page) co_return FailureResponse(page.error());
  const auto end = static_cast<size_t>(page->after) + page->limit;
  const auto work = [&bus = edge.bus, end] { return bus.DeadLetters(end + 1); };
  const Result<std::vector<bus::DeadLetter>> letters = co_await edge.RunBlocking(work);
  if (!letters) co_return ServiceFailure(letters.error());
  const std::string next = letters->size() > end ? EncodeCursor(kLetters, std::to_string(end)) : "";
  const auto oldest = std::span(*letters).first(std::min(end, letters->size()));
  const auto told = oldest.subspan(std::min(static_cast<size_t>(page->after), oldest.size()));
  co_return ListResponse(told, next, WriteDeadLetter);
}

asio::awaitable<Response> ReplayDeadLetter(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "dead_letter", "dead_letter_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  const auto work = [&bus = edge.bus, id = *id] { return bus.Replay(id); };
  const Result<void> replayed = co_await edge.RunBlocking(work);
  if (!replayed && replayed.error().code == Code::kNotFound)
    co_return RefusalResponse("dead_letter_not_found");
  if (!replayed) co_return ServiceFailure(replayed.error());
  Response response;
  response.status = 204;
  co_return response;
}

asio::awaitable<Response> GetBreakers(Edge& edge) {
  const std::vector<rpc::BreakerRow> rows = edge.backends.breakers();
  co_return ListResponse(rows, {}, [](http::JsonWriter& writer, const rpc::BreakerRow& row) {
    const resilience::Breaker::Snapshot& breaker = row.breaker;
    writer.BeginObject().Field("client", row.client).Field("service", row.service).Key("replica");
    if (row.replica.empty()) {
      writer.Null();
    } else {
      writer.Value(row.replica);
    }
    writer.Field("reachable", row.reachable)
        .Field("leaving", row.leaving)
        .Field("state", StateName(breaker.state))
        .Field("calls", breaker.calls)
        .Field("failed", breaker.failed)
        .Field("refused", breaker.refused)
        .Field("opened", breaker.opened)
        .Field("probes_in_ms", breaker.probes_in.count())
        .EndObject();
  });
}

// What the services say of their outboxes, all asked at once.
struct OutboxAnswers {
  explicit OutboxAnswers(const asio::any_io_executor& executor)
      : all_told(executor, asio::steady_timer::time_point::max()) {}
  std::vector<OutboxRow> rows;
  size_t asked = 0;  // and have not told yet
  asio::steady_timer all_told;
};

asio::awaitable<void> AskOutbox(Edge& edge, size_t row, std::string traceparent,
                                std::shared_ptr<OutboxAnswers> answers) {
  const outbox::v1::GetStatusRequest query;
  const auto start = [&outbox = edge.backends.outboxes[row]](auto... a) {
    (*outbox.stub)->async()->GetStatus(a...);
  };
  Result<outbox::v1::OutboxStatus> status =
      co_await edge.backends.Ask<outbox::v1::OutboxStatus>(query, traceparent, start);
  answers->rows[row].status = std::move(status);
  if (--answers->asked == 0) answers->all_told.cancel();
}

// A service that does not answer is listed with what is wrong: the others' rows are worth having then above
// all.
asio::awaitable<Response> GetOutbox(Edge& edge, Request& request) {
  const auto answers = std::make_shared<OutboxAnswers>(edge.backends.executor());
  for (const Outbox& outbox : edge.backends.outboxes) answers->rows.push_back({outbox.service, {}});
  answers->asked = answers->rows.size();
  for (size_t row = 0; row < answers->rows.size(); ++row) {
    asio::co_spawn(edge.backends.executor(), AskOutbox(edge, row, request.traceparent(), answers),
                   asio::detached);
  }
  while (answers->asked > 0) {
    boost::system::error_code cancelled;
    co_await answers->all_told.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  co_return ListResponse(answers->rows, {}, WriteOutbox);
}

}  // namespace

void AddAdminOperationsRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/audit",
                  [&edge](Request&, const auth::Principal&) { return LastAudit(edge); });
  routes.Operator(Method::kPost, "/v1/admin/audit",
                  [&edge](Request& request, const auth::Principal&) { return RunAudit(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/breakers",
                  [&edge](Request&, const auth::Principal&) { return GetBreakers(edge); });
  routes.Operator(Method::kGet, "/v1/admin/dead-letters", [&edge](Request& request, const auth::Principal&) {
    return ListDeadLetters(edge, request);
  });
  routes.Operator(
      Method::kPost, "/v1/admin/dead-letters/{dead_letter}/replay",
      [&edge](Request& request, const auth::Principal&) { return ReplayDeadLetter(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/metrics",
                  [&edge](Request&, const auth::Principal&) { return GetMetrics(edge); });
  routes.Operator(Method::kGet, "/v1/admin/outbox",
                  [&edge](Request& request, const auth::Principal&) { return GetOutbox(edge, request); });
}

void AddOperationsRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/healthz", [](Request&) { return GetHealth(); });
  routes.Public(Method::kGet, "/readyz", [&edge](Request&) { return GetReadiness(edge); });
  // They name replicas, breakers and violations, which are operators' to know.
  if (!edge.views.has_admin_port)
    routes.Public(Method::kGet, "/metrics", [&edge](Request&) { return GetMetrics(edge); });
  routes.Public(Method::kGet, "/openapi.yaml", Static("application/yaml", OpenApiYaml()));
  routes.Public(Method::kGet, "/openapi.json", Static("application/json", OpenApiJson()));
  routes.Public(Method::kGet, "/docs", Static("text/html; charset=utf-8", DocsHtml()));
  routes.Public(Method::kGet, "/docs/page.js", Static("text/javascript; charset=utf-8", DocsScript()));
}

}  // namespace boxoffice::gateway
