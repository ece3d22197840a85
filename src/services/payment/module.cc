#include "services/payment/module.h"

#include <utility>

#include "platform/module/shared_keys.h"
#include "services/payment/provider_timer.h"
#include "services/payment/store_factory.h"

namespace boxoffice::payment {
namespace {

constexpr std::string_view kSandboxDatabase = "payment-sandbox.db";

}  // namespace

void AddKeys(config::Keys& keys, PaymentConfig& config) {
  keys.Duration(
      "provider.timeout_ms", config.service.provider_timeout, milliseconds(100), milliseconds(60'000),
      "For each call to a provider; after it, nothing is known. Less than step.payment_timeout_ms of "
      "reservation");
  keys.Duration("reconcile.interval_ms", config.service.reconcile_every, milliseconds(10),
                milliseconds(600'000), "From one look at unsettled payments to the next");
  keys.Integer("reconcile.at_most", config.service.reconcile_at_most, 1, 10'000,
               "Payments that are examined at each look");
  keys.Switch("sandbox.enabled", config.sandbox.enabled,
              "Whether there are the methods sandbox:…, by which anybody pays without money: false where "
              "seats are sold for real. What was paid by them is settled and given back all the same");
  keys.Path("sandbox.file", config.sandbox_file,
            "The database of the sandbox provider, one for all replicas; empty: in the data folder");
  keys.Duration("sandbox.slow_ms", config.sandbox.slow, milliseconds(0), milliseconds(600'000),
                "Until the script \"slow\" answers");
  keys.Duration("sandbox.late_ms", config.sandbox.late, milliseconds(0), milliseconds(600'000),
                "Until the script \"late_approval\" has its money");
  keys.Text("acquirer.url", config.acquirer.url,
            "Where the acquirer behind the methods http:… is, like https://acquirer.example/v1; empty: there "
            "is none");
  keys.Secret("acquirer.api_key", config.acquirer.api_key, "The bearer token that it knows us by");
  keys.SecretList(
      "acquirer.webhook_secrets", config.acquirer.webhook_secrets,
      "What it signs its webhooks with, whsec_…; several while they are rotated; none: webhooks are refused");
  keys.Duration("acquirer.timeout_ms", config.acquirer.timeout, milliseconds(0), milliseconds(60'000),
                "For one call to it, at least 100; 0: as provider.timeout_ms");
  keys.Text("acquirer.ca_file", config.acquirer.tls.ca_file,
            "PEM of the authorities that it is believed by; empty: the system's");
  module::AddBatchKeys(keys, config.service.limits);
  module::AddOutboxKeys(keys, config.outbox);
}

AcquirerConfig AcquirerOf(const PaymentConfig& config) {
  AcquirerConfig acquirer = config.acquirer;
  if (acquirer.timeout == milliseconds(0)) acquirer.timeout = config.service.provider_timeout;
  return acquirer;
}

PaymentModule::PaymentModule(const module::Runtime& runtime, PaymentConfig config)
    : runtime_(runtime), config_(std::move(config)) {}
PaymentModule::~PaymentModule() { Stop(); }

Result<void> PaymentModule::Start() {
  BOXOFFICE_ASSIGN(OpenedStores opened, OpenStores(runtime_.store_url));
  stores_ = std::move(opened.stores);
  timer_ = config_.make_timer ? config_.make_timer() : std::make_unique<ThreadTimer>();
  const std::filesystem::path sandbox_file =
      config_.sandbox_file.empty() ? runtime_.data_dir / kSandboxDatabase : config_.sandbox_file;
  BOXOFFICE_ASSIGN(sandbox_, SandboxProvider::Open(sandbox_file, *timer_, runtime_.clock, config_.sandbox));
  Providers providers{{"sandbox", sandbox_.get()}};
  if (!config_.acquirer.url.empty()) {
    BOXOFFICE_ASSIGN(acquirer_, HttpProvider::Make(AcquirerOf(config_), runtime_.metrics));
    providers.emplace("http", acquirer_.get());
  }
  BOXOFFICE_ASSIGN(outbox_,
                   module::StartOutbox(runtime_, "payment", std::move(opened.outbox), config_.outbox));
  service_ = std::make_unique<Service>(*stores_.store, *stores_.reader, std::move(providers), *timer_,
                                       runtime_.clock, runtime_.random, runtime_.metrics, config_.service,
                                       [this] { outbox_->publisher.Nudge(); });
  server_ = std::make_unique<RpcServer>(*service_, *stores_.reader);
  server_->CountIn(runtime_.metrics);
  service_->StartReconciler();
  return host_.Start(
      *server_, runtime_.listen, [this] { return Unhealthy(); }, {&outbox_->server}, &server_->streams());
}

void PaymentModule::Drain(std::chrono::milliseconds grace) { host_.Drain(grace); }

// In reverse order of Start, but for the timer and the acquirer: their threads call the service, so they end
// before the service goes. What a provider says from now on is asked for again after the next start.
void PaymentModule::Stop() {
  host_.Shutdown(std::chrono::milliseconds(0));
  if (service_) service_->Stop();
  acquirer_.reset();
  timer_.reset();
  server_.reset();
  service_.reset();
  outbox_.reset();
  sandbox_.reset();
  stores_ = {};
}

std::string PaymentModule::Unhealthy() const {
  return service_ && !service_->store_works() ? "payment's database does not take writes" : "";
}

rpc::InProcess PaymentModule::ForThisProcess() { return host_.ForThisProcess(); }

module::ServiceProgram Program() {
  const auto config = std::make_shared<PaymentConfig>();
  module::ServiceProgram program;
  program.service = "payment";
  program.topics = {"payment"};
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    return std::make_unique<PaymentModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::payment
