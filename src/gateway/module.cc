#include "gateway/module.h"

#include <algorithm>
#include <deque>
#include <future>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "base/random.h"
#include "base/scheduling.h"
#include "gateway/access_metrics.h"
#include "gateway/jwks_client.h"
#include "gateway/routes.h"
#include "platform/auth/development.h"
#include "platform/auth/keys.h"
#include "platform/module/loop_lag.h"
#include "platform/module/process.h"
#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

// What is still being answered when the connections are closed, at most.
constexpr milliseconds kAfterStop{1'000};
constexpr size_t kComputingThreads = 2;
constexpr size_t kBlockingThreads = 2;
constexpr size_t kMonitoringThreads = 1;
constexpr size_t kMostThreads = 8;  // by default

Result<Sessions> MakeSessions(const GatewayConfig& config, bool development, const Clock& clock) {
  // Behind a proxy, whoever asks comes from this machine.
  const bool offered = development && config.edge.development_sign_in && config.edge.trusted_proxies == 0;
  if (!config.sign_in) return Sessions::Make(offered ? &*config.tokens : nullptr, config.address, clock);
  const bool secure = config.sign_in->redirect_url.starts_with("https:");
  return Sessions::ForProvider(config.sign_in->session_key, config.sign_in->other_session_keys, secure,
                               clock);
}

// To be told 503 there were too many.
obs::Counter& DroppedConnections(obs::Registry& metrics) {
  return metrics.GetCounter("boxoffice_http_connections_dropped_total",
                            "Connections of clients that were closed without an answer: too many for 503");
}

obs::Gauge& Connections(obs::Registry& metrics, size_t limit) {
  metrics.GetGauge("boxoffice_http_connections_limit", "Connections of clients that may be open; beyond, 503")
      .Set(static_cast<double>(limit));
  return metrics.GetGauge("boxoffice_http_connections", "Connections of clients that are open");
}

std::deque<asio::io_context> MakeLoops(size_t count) {
  std::deque<asio::io_context> loops;
  while (loops.size() < count) loops.emplace_back(/*concurrency_hint=*/1);
  return loops;
}

// What one thread serves its connections with; nothing of it is another thread's.
struct Worker {
  Worker(const std::string& name, asio::io_context& loop, const ServicePeers& peers,
         const module::Runtime& runtime, const BackendLimits& limits, rpc::WorkerPool& computing)
      : io(loop),
        access(runtime.metrics),
        loop_lag(io.get_executor(), name, runtime.metrics),
        backends(io.get_executor(), peers, runtime.channels, runtime.metrics, limits),
        seat_maps(backends, computing, bodies),
        concert_pages(backends, computing) {}

  void Run() {
    thread = std::thread([this] {
      WakeAtOnce();
      io.run();
    });
  }

  asio::io_context& io;
  AccessMetrics access;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  module::LoopLag loop_lag;
  Backends backends;
  SharedBodies bodies;
  SeatMaps seat_maps;
  ConcertPages concert_pages;
  std::optional<SignIn> sign_in;  // none: not offered
  std::optional<Edge> edge;
  std::unique_ptr<Gate> gate;
  std::thread thread;
};

}  // namespace

// In the order of construction: whatever uses a loop's services goes before it.
struct GatewayModule::Running {
  Running(const module::Runtime& runtime, const GatewayConfig& config,
          std::unique_ptr<auth::JwksCache> jwks_cache, auth::TokenVerifier token_verifier,
          Sessions signing_in, WebFiles web_files)
      : jwks(std::move(jwks_cache)),
        verifier(std::move(token_verifier)),
        sessions(std::move(signing_in)),
        web(std::move(web_files)),
        caller_limits(config.edge, SystemSeed()),
        loops(
            MakeLoops(config.threads != 0 ? config.threads : ThreadsOn(std::thread::hardware_concurrency()))),
        peers(loops.front().get_executor(), runtime.channels, runtime.metrics, config.limits) {
    const BackendLimits share = config.limits.ShareOf(loops.size());
    for (asio::io_context& loop : loops) {
      const std::string name = workers.empty() ? "gateway" : fmt::format("gateway-{}", workers.size() + 1);
      workers.push_back(std::make_unique<Worker>(name, loop, peers, runtime, share, computing));
    }
    waiting_room =
        std::make_unique<WaitingRoom>(workers.front()->backends, computing, runtime.clock, runtime.metrics);
    for (const auto& worker : workers) {
      worker->edge.emplace(Edge{runtime.clock,
                                runtime.metrics,
                                runtime.bus,
                                *config.queue_keys,
                                config.views,
                                worker->backends,
                                *waiting_room,
                                worker->seat_maps,
                                worker->concert_pages,
                                rankings,
                                sessions,
                                web,
                                caller_limits,
                                blocking,
                                monitoring,
                                {},
                                nullptr,
                                config.edge.self_service});
    }
    computing.CountIn(runtime.metrics, "gateway");
    blocking.CountIn(runtime.metrics, "gateway-blocking");
    monitoring.CountIn(runtime.metrics, "gateway-monitoring");
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
    for (const auto& worker : workers) {
      BOXOFFICE_ASSIGN(worker->sign_in, SignIn::Make(*config.sign_in, *id_tokens, clock, redemptions));
      worker->edge->sign_in = &*worker->sign_in;
    }
    return {};
  }

  const std::unique_ptr<auth::JwksCache> jwks;  // null: the key is configured
  auth::TokenVerifier verifier;
  std::optional<auth::TokenVerifier> id_tokens;
  Redemptions redemptions;
  const Sessions sessions;
  const WebFiles web;
  CallerLimits caller_limits;
  Rankings rankings;
  std::deque<asio::io_context> loops;  // one for each thread; the first also does what is done once
  ServicePeers peers;
  rpc::WorkerPool computing{kComputingThreads};    // what takes long of what buyers wait for
  rpc::WorkerPool blocking{kBlockingThreads};      // what may wait for others, for operators alone
  rpc::WorkerPool monitoring{kMonitoringThreads};  // what is known here, whatever those wait for
  std::vector<std::unique_ptr<Worker>> workers;    // in the order of their loops
  std::unique_ptr<WaitingRoom> waiting_room;
  std::unique_ptr<http::Server> server;
  std::optional<JwksClient> jwks_client;
};

size_t GatewayModule::ThreadsOn(size_t processors) {
  if (processors < 2) return 1;
  return std::clamp<size_t>(processors / 2, 2, kMostThreads);
}

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
  if (config_.sign_in) {
    const Result<void> offered = running_->OfferSignIn(config_, runtime_.clock);
    if (!offered) {
      running_.reset();
      return offered;
    }
  }
  if (provider)
    running_->jwks_client.emplace(provider->jwks_url, provider->trust, *running_->jwks, runtime_.metrics);
  for (const auto& worker : running_->workers) worker->Run();
  Result<void> served = Serve();
  if (!served) Stop();
  return served;
}

Result<void> GatewayModule::Serve() {
  Running& running = *running_;
  const auth::TokenVerifier* cookies = running.sessions.verifier();
  const Routes::Verifiers verifiers{running.verifier, cookies != nullptr ? *cookies : running.verifier};
  std::vector<http::ServingLoop> loops;
  for (const auto& worker : running.workers) {
    BOXOFFICE_ASSIGN(worker->gate, Gate::Make(config_.edge, running.caller_limits, worker->io.get_executor(),
                                              running.computing, worker->bodies));
    Routes routes(verifiers, *worker->gate);
    AddRoutes(routes, *worker->edge);
    route_names_ = routes.names();
    loops.push_back(
        {&worker->io, routes.TakeRouter(),
         [access = &worker->access](const http::RequestInfo& info, int status,
                                    std::chrono::microseconds time) { access->Count(info, status, time); }});
  }
  http::ServerOptions options;
  options.address = config_.address;
  options.port = config_.port;
  options.max_connections = config_.max_connections;
  options.dropped = [&dropped = DroppedConnections(runtime_.metrics)] { dropped.Add(); };
  options.single_threaded = true;
  options.traced_as = name();
  options.untraced = {"/healthz", "/readyz", "/metrics"};
  options.given_once = {"Authorization", "Idempotency-Key", "X-Queue-Token"};
  options.finish = [gate = running.workers.front()->gate.get()](const http::Request& request,
                                                                http::Response& response) {
    gate->Finish(request, response);
  };
  BOXOFFICE_ASSIGN(running.server, http::Server::Listen(std::move(loops), std::move(options)));
  obs::Gauge& connections = Connections(runtime_.metrics, config_.max_connections);
  const auto count = [&running, &connections] {
    connections.Set(static_cast<double>(running.server->connections()));
  };
  for (const auto& worker : running.workers)
    asio::post(worker->io, [worker = worker.get(), count] { worker->loop_lag.Start(count); });
  asio::post(running.workers.front()->io, [&running] { running.waiting_room->Start(); });
  obs::Log(obs::Level::kInfo, "gateway_listens", {{"address", config_.address}, {"port", port()}});
  module::WarnOfFileLimit(config_.max_connections);
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

// The threads end by themselves once no coroutine is left: each waits for a connection, a timer or a call,
// and all of these are ended here or have a deadline. Nothing is destroyed while something may still come
// back to it.
void GatewayModule::Stop() {
  if (running_ == nullptr) return;
  Running& running = *running_;
  if (running.server != nullptr) {
    running.server->Drain();
    running.server->Stop();
    (void)running.server->WaitDrained(kAfterStop);
  }
  for (const auto& worker : running.workers) {
    std::promise<void> told;
    asio::post(worker->io, [&, first = worker == running.workers.front()] {
      worker->loop_lag.Stop();
      if (first) running.waiting_room->Stop();
      if (first) running.peers.Stop();
      worker->seat_maps.Stop();
      worker->backends.CloseCommands();
      told.set_value();
    });
    told.get_future().wait();
  }
  for (const auto& worker : running.workers) worker->work.reset();
  for (const auto& worker : running.workers) worker->thread.join();
  // After the threads, whose coroutines may still be waiting for what runs there.
  running.computing.join();
  running.blocking.join();
  running.monitoring.join();
  running_.reset();
}

std::string GatewayModule::Unhealthy() const {
  if (running_ == nullptr || running_->jwks == nullptr || running_->jwks->loaded()) return {};
  return "the identity provider has not shown its keys yet: " + config_.identity_provider->jwks_url;
}

std::string GatewayModule::Unreached() const {
  if (running_ == nullptr) return {};
  if (std::string service = running_->peers.Unreached(); !service.empty()) return service;
  return running_->waiting_room->HasHeads() ? "" : "the queues' heads";
}

uint16_t GatewayModule::port() const { return running_ != nullptr ? running_->server->port() : 0; }

}  // namespace boxoffice::gateway
