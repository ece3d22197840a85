#include "gateway/module.h"

#include <future>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "base/scheduling.h"
#include "gateway/access_metrics.h"
#include "gateway/jwks_client.h"
#include "gateway/routes.h"
#include "platform/auth/development.h"
#include "platform/auth/keys.h"
#include "platform/module/loop_lag.h"
#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

// What is still being answered when the connections are closed, at most.
constexpr milliseconds kAfterStop{1'000};
constexpr size_t kBlockingThreads = 2;

Result<Sessions> MakeSessions(const GatewayConfig& config, bool development, const Clock& clock) {
  if (!config.sign_in) return Sessions::Make(development ? &*config.tokens : nullptr, config.address, clock);
  const bool secure = config.sign_in->redirect_url.starts_with("https:");
  return Sessions::ForProvider(config.sign_in->session_key, config.sign_in->other_session_keys, secure,
                               clock);
}

obs::Gauge& Connections(obs::Registry& metrics, size_t limit) {
  metrics.GetGauge("boxoffice_http_connections_limit", "Connections of clients that may be open; beyond, 503")
      .Set(static_cast<double>(limit));
  return metrics.GetGauge("boxoffice_http_connections", "Connections of clients that are open");
}

}  // namespace

// In the order of construction: whatever uses the io_context's services goes before it.
struct GatewayModule::Running {
  Running(const module::Runtime& runtime, const GatewayConfig& config,
          std::unique_ptr<auth::JwksCache> jwks_cache, auth::TokenVerifier token_verifier,
          Sessions signing_in, WebFiles web_files)
      : jwks(std::move(jwks_cache)),
        verifier(std::move(token_verifier)),
        access(runtime.metrics),
        loop_lag(io.get_executor(), "gateway", runtime.metrics),
        backends(
            std::make_unique<Backends>(io.get_executor(), runtime.channels, runtime.metrics, config.limits)),
        waiting_room(std::make_unique<WaitingRoom>(*backends, blocking, runtime.clock, runtime.metrics)),
        seat_maps(std::make_unique<SeatMaps>(*backends, blocking)),
        rankings(std::make_unique<Rankings>(*backends)),
        sessions(std::move(signing_in)),
        web(std::move(web_files)),
        edge{runtime.clock, runtime.metrics, runtime.bus, *config.queue_keys, config.views,
             *backends,     *waiting_room,   *seat_maps,  *rankings,          sessions,
             web,           blocking,        {}} {
    blocking.CountIn(runtime.metrics, "gateway");
    runtime.metrics.AddCounterCallback(
        "boxoffice_gateway_signatures_computed_total", "Signatures of tokens that a public key was used for",
        {}, [computed = verifier.signatures_computed()] { return static_cast<double>(computed->load()); });
  }

  // With the tokens that the provider makes out to this gateway, not to the interface.
  Result<void> OfferSignIn(const GatewayConfig& config, const Clock& clock) {
    auth::TokenConfig tokens = *config.tokens;
    tokens.audience = config.sign_in->client_id;
    tokens.remembered_signatures = 0;  // each comes but once
    if (jwks) {
      id_tokens.emplace(auth::TokenVerifier::With(*jwks, std::move(tokens), clock));
    } else {
      BOXOFFICE_ASSIGN(id_tokens, auth::TokenVerifier::Make(tokens, clock));
    }
    BOXOFFICE_ASSIGN(sign_in, SignIn::Make(*config.sign_in, *id_tokens, clock));
    edge.sign_in = &*sign_in;
    return {};
  }

  // On the one thread that every request comes through.
  void Run() {
    thread = std::thread([this] {
      WakeAtOnce();
      io.run();
    });
  }

  const std::unique_ptr<auth::JwksCache> jwks;  // null: the key is configured
  auth::TokenVerifier verifier;
  std::optional<auth::TokenVerifier> id_tokens;
  std::optional<SignIn> sign_in;  // none: not offered
  AccessMetrics access;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  module::LoopLag loop_lag;
  rpc::WorkerPool blocking{kBlockingThreads};
  std::unique_ptr<Backends> backends;
  std::unique_ptr<WaitingRoom> waiting_room;
  std::unique_ptr<SeatMaps> seat_maps;
  std::unique_ptr<Rankings> rankings;
  const Sessions sessions;
  const WebFiles web;
  Edge edge;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<http::Server> server;
  std::thread thread;
  std::optional<JwksClient> jwks_client;
};

GatewayModule::GatewayModule(const module::Runtime& runtime, GatewayConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

GatewayModule::~GatewayModule() { Stop(); }

Result<void> GatewayModule::LoadKeys() {
  if (!config_.tokens) {
    BOXOFFICE_ASSIGN(config_.tokens, auth::DevelopmentTokens(runtime_.data_dir));
  }
  if (config_.queue_keys == nullptr) {
    BOXOFFICE_ASSIGN(std::string secret,
                     auth::LoadOrCreateSecret(runtime_.data_dir / "keys" / "queue-token.key"));
    BOXOFFICE_ASSIGN(auth::KeyRing ring, auth::KeyRing::Make({{"queue", std::move(secret)}}));
    config_.queue_keys = std::make_shared<const auth::KeyRing>(std::move(ring));
  }
  return {};
}

Result<void> GatewayModule::Start() {
  CHECK(running_ == nullptr, "a gateway starts once");
  const bool development = !config_.tokens;
  BOXOFFICE_TRY(LoadKeys());
  BOXOFFICE_ASSIGN(Sessions sessions, MakeSessions(config_, development, runtime_.clock));
  BOXOFFICE_ASSIGN(WebFiles web, WebFiles::Load(config_.edge.web_root));
  const auto& provider = config_.identity_provider;
  std::unique_ptr<auth::JwksCache> jwks;
  std::optional<auth::TokenVerifier> verifier;
  if (provider) {
    jwks = std::make_unique<auth::JwksCache>(config_.tokens->algorithm, provider->policy, runtime_.clock);
    verifier.emplace(auth::TokenVerifier::With(*jwks, *config_.tokens, runtime_.clock));
  } else {
    BOXOFFICE_ASSIGN(verifier, auth::TokenVerifier::Make(*config_.tokens, runtime_.clock));
  }
  running_ = std::make_unique<Running>(runtime_, config_, std::move(jwks), *std::move(verifier),
                                       std::move(sessions), std::move(web));
  Running& running = *running_;
  if (config_.sign_in) {
    const Result<void> offered = running.OfferSignIn(config_, runtime_.clock);
    if (!offered) {
      running_.reset();
      return offered;
    }
  }
  if (provider)
    running.jwks_client.emplace(provider->jwks_url, provider->trust, *running.jwks, runtime_.metrics);
  running.Run();

  auto gate = Gate::Make(config_.edge, running.io.get_executor(), running.blocking);
  if (!gate) {
    Stop();
    return std::unexpected(std::move(gate).error());
  }
  running.gate = *std::move(gate);
  const auth::TokenVerifier* cookies = running.sessions.verifier();
  Routes routes({running.verifier, cookies != nullptr ? *cookies : running.verifier}, *running.gate);
  AddRoutes(routes, running.edge);
  route_names_ = routes.names();
  http::ServerOptions options;
  options.address = config_.address;
  options.port = config_.port;
  options.max_connections = config_.max_connections;
  options.single_threaded = true;
  options.traced_as = name();
  options.untraced = {"/healthz", "/readyz", "/metrics"};
  options.finish = [&running](const http::Request& request, http::Response& response) {
    running.gate->Finish(request, response);
  };
  auto server = http::Server::Listen(
      running.io, routes.TakeRouter(), options,
      [&running](const http::RequestInfo& info, int status, std::chrono::microseconds time) {
        running.access.Count(info, status, time);
      });
  if (!server) {
    Stop();
    return std::unexpected(std::move(server).error());
  }
  running.server = *std::move(server);
  obs::Gauge& connections = Connections(runtime_.metrics, config_.max_connections);
  asio::post(running.io, [&running, &connections] {
    running.waiting_room->Start();
    running.loop_lag.Start(
        [&running, &connections] { connections.Set(static_cast<double>(running.server->connections())); });
  });
  obs::Log(obs::Level::kInfo, "gateway_listens", {{"address", config_.address}, {"port", port()}});
  return {};
}

void GatewayModule::Leave() {
  if (running_ != nullptr) running_->server->Leave();
}

void GatewayModule::Drain(std::chrono::milliseconds grace) {
  if (running_ == nullptr) return;
  running_->server->Drain();
  (void)running_->server->WaitDrained(grace);
}

// The thread ends by itself once no coroutine is left: each waits for a connection, a timer or a call, and
// all of these are ended here or have a deadline. Nothing is destroyed while something may still come back to
// it.
void GatewayModule::Stop() {
  if (running_ == nullptr) return;
  Running& running = *running_;
  if (running.server != nullptr) {
    running.server->Drain();
    running.server->Stop();
    (void)running.server->WaitDrained(kAfterStop);
  }
  std::promise<void> told;
  asio::post(running.io, [&] {
    running.loop_lag.Stop();
    running.waiting_room->Stop();
    running.seat_maps->Stop();
    running.backends->CloseCommands();
    told.set_value();
  });
  told.get_future().wait();
  running.work.reset();
  running.thread.join();
  // After the thread, whose coroutines may still be waiting for what runs there.
  running.blocking.join();
  running_.reset();
}

std::string GatewayModule::Unhealthy() const {
  if (running_ == nullptr || running_->jwks == nullptr || running_->jwks->loaded()) return {};
  return "the identity provider has not shown its keys yet: " + config_.identity_provider->jwks_url;
}

uint16_t GatewayModule::port() const { return running_ != nullptr ? running_->server->port() : 0; }

}  // namespace boxoffice::gateway
