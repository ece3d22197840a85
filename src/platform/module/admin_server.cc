#include "platform/module/admin_server.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/host_port.h"
#include "platform/http/problem.h"
#include "platform/module/health_response.h"
#include "platform/obs/log.h"

namespace boxoffice::module {
namespace {

using http::Request;
using http::Response;

// Scrapers and probes; a person who looks.
constexpr size_t kMaxConnections = 64;
// For answers under way when it ends.
constexpr std::chrono::milliseconds kAfterStop{500};

http::asio::awaitable<Response> AnswerMetrics(obs::Registry& metrics) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics.Render();
  co_return response;
}

http::asio::awaitable<Response> AnswerHealth(std::vector<Health> modules, bool judge) {
  co_return HealthResponse(modules, judge);
}

Response LogLevelResponse() {
  return http::JsonResponse(fmt::format(R"({{"level":"{}"}})", obs::LevelName(obs::LogLevel())));
}

http::asio::awaitable<Response> AnswerLogLevel() { co_return LogLevelResponse(); }

http::asio::awaitable<Response> ChangeLogLevel(std::string name) {
  while (!name.empty() && name.back() <= ' ') name.pop_back();  // as `echo debug | curl -T -` sends it
  const auto level = obs::FindLevel(name);
  if (!level) {
    co_return http::ProblemResponse(
        {Code::kInvalidArgument, "invalid_log_level", "the body is debug, info, warning or error"});
  }
  obs::SetLogLevel(*level);
  obs::Log(obs::Level::kWarning, "log_level_changed", {{"log_level", name}});
  co_return LogLevelResponse();
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Start(std::string_view address, obs::Registry& metrics,
                                                        GetHealth health) {
  BOXOFFICE_ASSIGN(HostPort at, ParseHostPort(address));
  std::unique_ptr<AdminServer> admin(new AdminServer(std::move(at.host), std::move(health)));
  http::Router router;
  router.Add(http::Method::kGet, "/healthz", [](Request&) { return AnswerHealth({}, /*judge=*/false); });
  router.Add(http::Method::kGet, "/readyz",
             [raw = admin.get()](Request&) { return AnswerHealth(raw->health_(), /*judge=*/true); });
  router.Add(http::Method::kGet, "/metrics", [&metrics](Request&) { return AnswerMetrics(metrics); });
  router.Add(http::Method::kGet, "/log-level", [](Request&) { return AnswerLogLevel(); });
  router.Add(http::Method::kPut, "/log-level",
             [](Request& request) { return ChangeLogLevel(std::string(request.body())); });
  http::ServerOptions options;
  options.address = admin->host_;
  options.port = at.port;
  options.max_connections = kMaxConnections;
  options.single_threaded = true;
  BOXOFFICE_ASSIGN(admin->server_, http::Server::Listen(admin->io_, std::move(router), options));
  admin->thread_ = std::thread([raw = admin.get()] { raw->io_.run(); });
  return admin;
}

AdminServer::~AdminServer() {
  if (server_ != nullptr && thread_.joinable()) {
    server_->Drain();
    server_->Stop();
    (void)server_->WaitDrained(kAfterStop);
  }
  work_.reset();
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

std::string AdminServer::address() const { return HostPort{host_, server_->port()}.ToString(); }

}  // namespace boxoffice::module
