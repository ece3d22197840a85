// The gateway as a part of a process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/backends.h"
#include "gateway/edge.h"
#include "gateway/gate.h"
#include "gateway/sign_in.h"
#include "platform/auth/jwks.h"
#include "platform/auth/signed_token.h"
#include "platform/auth/token.h"
#include "platform/http/client.h"
#include "platform/http/server.h"
#include "platform/module/service_module.h"

namespace boxoffice::gateway {

// An identity provider that publishes its keys.
struct IdentityProvider {
  std::string jwks_url;  // http or https, of a JSON Web Key Set
  http::TlsOptions trust;
  auth::JwksCache::Policy policy;
};

struct GatewayConfig {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: a free one
  // How JWTs are verified; none: the development issuer's, in the process' data folder.
  std::optional<auth::TokenConfig> tokens;
  // Whose keys they are verified with, instead of one that is configured.
  std::optional<IdentityProvider> identity_provider;
  // How people sign in at that provider (or at whoever holds the configured key); none: only programs do.
  std::optional<SignInConfig> sign_in;
  // The keys of queue tokens, as the queue service has them; none: those in the process' data folder.
  std::shared_ptr<const auth::KeyRing> queue_keys;
  ProcessViews views;
  BackendLimits limits;
  EdgeConfig edge;
  size_t max_connections = 20'000;
  size_t threads = 0;  // that serve connections; 0: GatewayModule::ThreadsOn this machine's processors
  // Modules of this process that must run before; none in a process of its own, where the services are peers.
  std::vector<std::string> depends_on{"queue",   "seat",    "reservation", "wallet",
                                      "payment", "ranking", "relay"};
};

// Each of its threads serves some of the connections, and runs what the services answer for these; further
// ones wait for disks. Start and Stop from one thread.
class GatewayModule final : public module::Module {
 public:
  // One for each two processors, from 2 to 8; but one where there is one processor, or nobody knows (0).
  [[nodiscard]] static size_t ThreadsOn(size_t processors);
  // `runtime` outlives it.
  GatewayModule(const module::Runtime& runtime, GatewayConfig config);
  ~GatewayModule() override;

  [[nodiscard]] std::string_view name() const override { return "gateway"; }
  [[nodiscard]] std::vector<std::string> dependencies() const override { return config_.depends_on; }
  // Errors: port_taken, listen_failed, config (cors.origins, web.root, sign_in.…), token_key,
  // key_ring_invalid, and those of the key files.
  [[nodiscard]] Result<void> Start() override;
  // Each answer is the last of its connection from now on.
  void Leave() override;
  // Takes no more connections, ends streams and lets requests be answered.
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  // Where users can't be told yet, as the identity provider has not shown its keys.
  [[nodiscard]] std::string Unhealthy() const override;
  // What it needs for its answers and has not had once since its start: a service, as "seat", or "the queues'
  // heads"; "": nothing, from then on for good. Thread-safe, once started.
  [[nodiscard]] std::string Unreached() const;

  // Where it listens, once started.
  [[nodiscard]] uint16_t port() const;
  // "GET /v1/concerts", …: every route.
  [[nodiscard]] const std::vector<std::string>& routes() const { return route_names_; }

 private:
  struct Running;  // what exists between Start and Stop

  Result<void> LoadKeys();
  // What exists after it ends by Stop, also after an error.
  Result<void> Serve();

  const module::Runtime& runtime_;
  GatewayConfig config_;
  std::vector<std::string> route_names_;
  std::unique_ptr<Running> running_;
};

}  // namespace boxoffice::gateway
