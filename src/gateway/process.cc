#include "gateway/process.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/host_port.h"
#include "platform/module/shared_keys.h"

namespace boxoffice::gateway {
namespace {

using SteadyClock = std::chrono::steady_clock;

// From the start on; then a gateway that reaches some of the services is better than none.
constexpr std::chrono::seconds kReachWithin{10};
constexpr int64_t kMaxRemembered = 10'000'000;
constexpr int64_t kMaxThreads = 64;

// What the keys are bound to.
struct Settings {
  GatewayConfig gateway;
  audit::AuditConfig audit;
  std::vector<std::string> token_keys;
  std::string jwt_algorithm = "ES256";
  std::string jwt_key;
  std::vector<std::string> jwt_other_keys;
  std::filesystem::path jwt_key_file;
  std::string jwks_url;
  std::filesystem::path jwks_ca_file;
  milliseconds jwks_refresh{600'000};
  std::string jwt_issuer;
  std::string jwt_audience = "boxoffice";
  milliseconds jwt_clock_skew{30'000};
  size_t remembered_signatures = size_t{1} << 20;
  SignInConfig sign_in;
  std::filesystem::path audit_certificate_file;
  std::filesystem::path audit_key_file;
};

void AddKeys(config::Keys& keys, Settings& settings) {
  BackendLimits& limits = settings.gateway.limits;
  const auto limit = [&keys](const char* name, milliseconds& time, const char* help) {
    keys.Duration(name, time, milliseconds(10), milliseconds(600'000), help);
  };
  limit("call.query_timeout_ms", limits.query_timeout, "For a query to a service");
  limit("call.import_timeout_ms", limits.import_timeout, "For the import of a seating plan");
  keys.Duration("call.settlement_timeout_ms", limits.settlement_timeout, milliseconds(10),
                milliseconds(3'600'000),
                "For the comparison of a settlement file, which walks over all payments");
  limit("call.command_timeout_ms", limits.command_timeout, "For a command to queue or wallet");
  limit("call.saga_timeout_ms", limits.saga_timeout, "For a command to reservation");
  keys.Integer(
      "call.max_in_flight", limits.max_in_flight, 1, 1'000'000,
      "Commands to one replica of a service at a time, shared out over http.threads; past it buyers get 503");
  keys.Integer("http.max_connections", settings.gateway.max_connections, 1, 1'000'000,
               "Connections at a time; past it 503");
  keys.Integer("http.threads", settings.gateway.threads, 0, kMaxThreads,
               "Threads that serve connections; 0: one for each two processors of the machine, from 2 to 8");
  AddEdgeKeys(keys, settings.gateway.edge);
  keys.OneOf("jwt.algorithm", settings.jwt_algorithm, {"ES256", "RS256", "HS256"},
             "How users' tokens are signed");
  keys.Secret("jwt.key", settings.jwt_key,
              "ES256, RS256: a public key as PEM; HS256: the secret; neither this nor jwt.key_file nor "
              "jwt.jwks_url: the development issuer's in the data folder");
  keys.Path("jwt.key_file", settings.jwt_key_file, "A file that holds jwt.key");
  keys.SecretList("jwt.other_keys", settings.jwt_other_keys,
                  "Further keys of the form of jwt.key that tokens are believed by, while it is exchanged");
  keys.Text("jwt.jwks_url", settings.jwks_url,
            "Instead: where the identity provider publishes its keys (JSON Web Key Set), http or https");
  keys.Path("jwt.jwks_ca_file", settings.jwks_ca_file,
            "PEM of the authorities that jwt.jwks_url is trusted by; empty: the system's");
  keys.Duration("jwt.jwks_refresh_ms", settings.jwks_refresh, milliseconds(1'000), milliseconds(86'400'000),
                "From one look at jwt.jwks_url to the next; an unknown key is looked for sooner");
  keys.Text("jwt.issuer", settings.jwt_issuer, "What a token's iss must be");
  keys.Text("jwt.audience", settings.jwt_audience, "What a token's aud must be, or have among others");
  keys.Duration("jwt.clock_skew_ms", settings.jwt_clock_skew, milliseconds(0), milliseconds(600'000),
                "How far the issuer's clock may be off");
  keys.Integer(
      "jwt.remembered_signatures", settings.remembered_signatures, 0, kMaxRemembered,
      "ES256, RS256: tokens whose signature is not computed again while they are used; 16 bytes each");
  keys.Text(
      "sign_in.client_id", settings.sign_in.client_id,
      "OpenID Connect: as which client of jwt.issuer people sign in here; empty: only programs have tokens");
  keys.Secret("sign_in.client_secret", settings.sign_in.client_secret,
              "That client's secret; empty: it is a public one, which PKCE alone protects");
  keys.Text("sign_in.redirect_url", settings.sign_in.redirect_url,
            "This gateway's own https://HOST/v1/session/oidc/callback, as it is registered there");
  keys.Text("sign_in.scope", settings.sign_in.scope, "What is asked for there");
  keys.Secret("sign_in.session_key", settings.sign_in.session_key,
              "What session cookies are signed with: 32 bytes or more, the same for every gateway");
  keys.SecretList("sign_in.other_session_keys", settings.sign_in.other_session_keys,
                  "Further keys that session cookies are believed by, while it is exchanged");
  module::AddTokenKeys(keys, settings.token_keys);
  AddAuditKeys(keys, settings.audit);
  keys.Path("audit.certificate_file", settings.audit_certificate_file,
            "With tls.*: PEM of the certificate that the auditor calls with, as itself");
  keys.Path("audit.key_file", settings.audit_key_file, "PEM of its private key");
}

Error Contradiction(std::string detail) { return {Code::kInvalidArgument, "config", std::move(detail)}; }

// None: the development issuer's.
Result<std::optional<auth::TokenConfig>> MakeTokenConfig(const Settings& settings) {
  auth::TokenConfig tokens;
  tokens.key = settings.jwt_key;
  tokens.other_keys = settings.jwt_other_keys;
  if (!settings.jwt_key_file.empty()) {
    if (!tokens.key.empty())
      return std::unexpected(Contradiction("jwt.key and jwt.key_file: give one of them"));
    std::ifstream in(settings.jwt_key_file);
    std::error_code ignored;
    if (in && !std::filesystem::is_directory(settings.jwt_key_file, ignored))
      tokens.key.assign(std::istreambuf_iterator<char>(in), {});
    while (tokens.key.ends_with('\n')) tokens.key.pop_back();
    if (!in || tokens.key.empty()) {
      return std::unexpected(
          Contradiction("jwt.key_file: " + settings.jwt_key_file.string() + " can't be read, or is empty"));
    }
  }
  if (tokens.key.empty() && !tokens.other_keys.empty())
    return std::unexpected(Contradiction("jwt.other_keys is for jwt.key or jwt.key_file, which is missing"));
  const bool has_jwks = !settings.jwks_url.empty();
  if (has_jwks && !tokens.key.empty())
    return std::unexpected(Contradiction("jwt.key and jwt.jwks_url: give one of them"));
  if (has_jwks && settings.jwt_algorithm == "HS256")
    return std::unexpected(
        Contradiction("jwt.jwks_url has public keys: jwt.algorithm is ES256 or RS256 there"));
  if (tokens.key.empty() && !has_jwks) return std::nullopt;
  if (settings.jwt_issuer.empty()) {
    return std::unexpected(
        Contradiction("jwt.issuer must be given where there is a jwt.key or jwt.jwks_url"));
  }
  BOXOFFICE_ASSIGN(tokens.algorithm, auth::ParseAlgorithm(settings.jwt_algorithm));
  tokens.issuer = settings.jwt_issuer;
  tokens.audience = settings.jwt_audience;
  tokens.clock_skew = std::chrono::duration_cast<std::chrono::seconds>(settings.jwt_clock_skew);
  tokens.remembered_signatures = settings.remembered_signatures;
  return tokens;
}

// None: the key is configured. Error: config.
Result<std::optional<IdentityProvider>> MakeIdentityProvider(const Settings& settings) {
  if (settings.jwks_url.empty()) {
    if (!settings.jwks_ca_file.empty())
      return std::unexpected(Contradiction("jwt.jwks_ca_file is for jwt.jwks_url, which is missing"));
    return std::nullopt;
  }
  if (!http::IsUrl(settings.jwks_url))
    return std::unexpected(Contradiction("jwt.jwks_url is http://HOST/PATH or https://HOST/PATH, not \"" +
                                         settings.jwks_url + "\""));
  IdentityProvider provider;
  provider.jwks_url = settings.jwks_url;
  provider.trust.ca_file = settings.jwks_ca_file;
  provider.policy.refresh = std::chrono::duration_cast<std::chrono::seconds>(settings.jwks_refresh);
  return provider;
}

// None: people can't sign in. What is wrong with the rest is said at the start. Error: config.
Result<std::optional<SignInConfig>> MakeSignIn(const Settings& settings) {
  SignInConfig sign_in = settings.sign_in;
  if (sign_in.client_id.empty()) {
    if (!sign_in.client_secret.empty() || !sign_in.redirect_url.empty() || !sign_in.session_key.empty())
      return std::unexpected(Contradiction("sign_in.… needs sign_in.client_id, which is missing"));
    return std::nullopt;
  }
  if (!settings.gateway.tokens)
    return std::unexpected(Contradiction("sign_in.client_id needs jwt.issuer and jwt.jwks_url or jwt.key"));
  sign_in.issuer = settings.jwt_issuer;
  if (!http::IsUrl(sign_in.issuer)) {
    return std::unexpected(
        Contradiction("sign_in.client_id: jwt.issuer must be the http(s) address of the provider"));
  }
  sign_in.trust.ca_file = settings.jwks_ca_file;
  return sign_in;
}

// Empty: plain text, as the rest of the process. Errors: config, and those of rpc::Tls::Load.
Result<rpc::ChannelFactory> AuditChannels(const rpc::ChannelFactory& channels, const Settings& settings) {
  const int given = !settings.audit_certificate_file.empty() + !settings.audit_key_file.empty();
  if (given != (channels.HasTls() ? 2 : 0)) {
    return std::unexpected(Contradiction(
        "audit.certificate_file and audit.key_file: give both of them where tls.* is given, else none"));
  }
  if (given == 0) return rpc::ChannelFactory();
  return channels.As("audit", settings.audit_certificate_file, settings.audit_key_file);
}

// Both as one module.
class GatewayProcess final : public module::Module {
 public:
  GatewayProcess(const module::Runtime& runtime, const Settings& settings) {
    gateway_ = &AddGateway(graph_, runtime, settings.gateway, settings.audit);
  }

  [[nodiscard]] std::string_view name() const override { return "gateway"; }
  [[nodiscard]] Result<void> Start() override {
    give_up_at_ = SteadyClock::now() + kReachWithin;
    return graph_.Start();
  }
  void Leave() override { gateway_->Leave(); }
  // Stops nothing: until Stop, the process is asked how it is, on a thread of its own.
  void Drain(milliseconds grace) override { graph_.Drain(grace); }
  void Stop() override { graph_.Stop(milliseconds(0)); }
  // As the gateway says, and at its start what it has not reached: whoever balances would send buyers to it
  // whom it could only refuse. A service that goes later is no reason to send them elsewhere: it is gone
  // there, too.
  [[nodiscard]] std::string Unhealthy() const override {
    std::string problem = gateway_->Unhealthy();
    if (!problem.empty() || SteadyClock::now() >= give_up_at_) return problem;
    const std::string missing = gateway_->Unreached();
    return missing.empty() ? "" : "it has not reached yet: " + missing;
  }

 private:
  module::Graph graph_;
  GatewayModule* gateway_ = nullptr;    // in the graph
  SteadyClock::time_point give_up_at_;  // since Start
};

}  // namespace

void AddAuditKeys(config::Keys& keys, audit::AuditConfig& config) {
  keys.Duration("audit.interval_ms", config.every, milliseconds(0), milliseconds(86'400'000),
                "From one audit to the next; 0: only when it is asked for");
  keys.Integer("audit.max_memory_mib", config.limits.memory_mib, 1, 1'048'576,
               "Of memory that an audit may take, in MiB, 64 bytes for each event of a reservation and each "
               "seat that is sold or held; past it there is no verdict");
}

GatewayModule& AddGateway(module::Graph& graph, const module::Runtime& runtime, GatewayConfig config,
                          audit::AuditConfig audit_config) {
  auto auditor = std::make_unique<audit::AuditModule>(runtime, std::move(audit_config));
  config.views.health = runtime.health;
  config.views.last_audit = [auditor = auditor.get()] { return auditor->LastJson(); };
  config.views.run_audit = [auditor = auditor.get()](std::function<void(Result<std::string>)> told) {
    auditor->RunNow([told = std::move(told)](const Result<audit::Verdict>& verdict) {
      told(verdict ? Result<std::string>(audit::ToJson(*verdict)) : std::unexpected(verdict.error()));
    });
  };
  auto gateway = std::make_unique<GatewayModule>(runtime, std::move(config));
  GatewayModule& added = *gateway;
  graph.Add(std::move(gateway));
  graph.Add(std::move(auditor));
  return added;
}

module::ServiceProgram Program() {
  const auto settings = std::make_shared<Settings>();
  // Their services are in other processes.
  settings->gateway.depends_on = {};
  settings->audit.depends_on = {};
  settings->gateway.views.has_admin_port = true;  // admin.listen
  module::ServiceProgram program;
  program.service = "gateway";
  program.listen = "127.0.0.1:8080";  // it is for browsers, so it is found where they look
  program.peers = {"queue", "seat", "reservation", "wallet", "payment", "ranking", "relay"};
  program.add_keys = [settings](config::Keys& keys) { AddKeys(keys, *settings); };
  program.make = [settings](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    BOXOFFICE_ASSIGN(HostPort at, ParseHostPort(runtime.listen.addresses.front()));
    settings->gateway.address = std::move(at.host);
    settings->gateway.port = at.port;
    BOXOFFICE_ASSIGN(settings->gateway.queue_keys, module::MakeKeyRing(settings->token_keys));
    BOXOFFICE_ASSIGN(settings->gateway.tokens, MakeTokenConfig(*settings));
    BOXOFFICE_ASSIGN(settings->gateway.identity_provider, MakeIdentityProvider(*settings));
    BOXOFFICE_ASSIGN(settings->gateway.sign_in, MakeSignIn(*settings));
    BOXOFFICE_ASSIGN(settings->audit.channels, AuditChannels(runtime.channels, *settings));
    return std::make_unique<GatewayProcess>(runtime, *settings);
  };
  return program;
}

}  // namespace boxoffice::gateway
