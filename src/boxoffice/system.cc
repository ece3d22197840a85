#include "boxoffice/system.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "gateway/process.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/keys.h"
#include "platform/module/process_metrics.h"
#include "platform/module/store_url.h"
#include "services/payment/module.h"
#include "services/queue/module.h"
#include "services/ranking/module.h"
#include "services/relay/module.h"
#include "services/reservation/module.h"
#include "services/seat/module.h"
#include "services/wallet/module.h"

namespace boxoffice {

Result<std::unique_ptr<System>> System::Make(SystemConfig config) {
  auto system = std::unique_ptr<System>(new System(std::move(config)));
  BOXOFFICE_ASSIGN(system->bus_, bus::OpenBus(bus::DefaultBusUrl(system->config_.data_dir), system->clock_,
                                              system->metrics_));
  BOXOFFICE_ASSIGN(
      system->tracing_,
      otlp::Exporter::Start(system->config_.trace, module::DefaultStoreUrl(system->config_.data_dir),
                            bus::DefaultBusUrl(system->config_.data_dir), system->random_, system->metrics_));
  system->runtime_.reset(new module::Runtime{
      .clock = system->clock_,
      .random = system->random_,
      .metrics = system->metrics_,
      .bus = *system->bus_,
      .channels = [self = system.get()](std::string_view service) { return self->ForThisProcess(service); },
      .data_dir = system->config_.data_dir,
      .listen = {},
      .store_url = module::DefaultStoreUrl(system->config_.data_dir),
      .health = [self = system.get()] { return self->graph_.CheckHealth(); }});
  system->runtime_->listen.metrics = &system->metrics_;
  BOXOFFICE_TRY(system->AddModules());
  module::AddProcessMetrics(system->metrics_, system->config_.data_dir, system->runtime_->health);
  return system;
}

System::~System() { Stop(std::chrono::milliseconds(0)); }

namespace {

// A service's configuration by the environment.
template <typename Config>
Result<Config> FromEnvironment(void (*add_keys)(config::Keys&, Config&)) {
  Config config;
  config::Keys keys;
  add_keys(keys, config);
  BOXOFFICE_TRY(keys.Load(std::nullopt, [](const char* name) -> const char* { return std::getenv(name); }));
  return config;
}

}  // namespace

Result<void> CheckTimeouts() {
  BOXOFFICE_ASSIGN(const auto payment, FromEnvironment<payment::PaymentConfig>(payment::AddKeys));
  BOXOFFICE_ASSIGN(const auto reservation,
                   FromEnvironment<reservation::ReservationConfig>(reservation::AddKeys));
  const std::chrono::milliseconds call = reservation.calls.payment;
  const std::chrono::milliseconds provider = payment.service.provider_timeout;
  if (call > provider) return {};
  return Fail(
      Code::kInvalidArgument, "config",
      fmt::format("step.payment_timeout_ms ({}) must be more than provider.timeout_ms ({}): a saga waits "
                  "for payment, which waits for its provider",
                  call.count(), provider.count()));
}

template <typename Service, typename Config>
void System::AddService(Config config) {
  auto service = std::make_unique<Service>(*runtime_, std::move(config));
  services_[std::string(service->name())] = service.get();
  graph_.Add(std::move(service));
}

Result<void> System::AddModules() {
  BOXOFFICE_ASSIGN(wallet::WalletConfig wallet, FromEnvironment<wallet::WalletConfig>(wallet::AddKeys));
  BOXOFFICE_ASSIGN(payment::PaymentConfig payment, FromEnvironment<payment::PaymentConfig>(payment::AddKeys));
  BOXOFFICE_ASSIGN(reservation::ReservationConfig reservation,
                   FromEnvironment<reservation::ReservationConfig>(reservation::AddKeys));
  BOXOFFICE_TRY(reservation::CheckConfig(reservation));
  BOXOFFICE_ASSIGN(relay::RelayConfig relay, FromEnvironment<relay::RelayConfig>(relay::AddKeys));
  BOXOFFICE_TRY(relay::CheckConfig(relay));
  relay.allow_networks = config_.allow_networks;
  BOXOFFICE_ASSIGN(audit::AuditConfig audit, FromEnvironment<audit::AuditConfig>(gateway::AddAuditKeys));
  AddService<queue::QueueModule, queue::QueueConfig>();
  AddService<seat::SeatModule, seat::SeatConfig>();
  AddService<wallet::WalletModule>(std::move(wallet));
  AddService<payment::PaymentModule>(std::move(payment));
  AddService<reservation::ReservationModule>(std::move(reservation));
  AddService<ranking::RankingModule, ranking::RankingConfig>();
  AddService<relay::RelayModule>(std::move(relay));

  gateway::GatewayConfig config;
  config.address = config_.address;
  config.port = config_.port;
  config.edge = config_.edge;
  gateway_ = &gateway::AddGateway(graph_, *runtime_, std::move(config), std::move(audit));
  return {};
}

Result<void> System::Start() { return graph_.Start(); }
void System::Stop(std::chrono::milliseconds grace) { graph_.Stop(grace); }

bool System::Ready() const {
  return std::ranges::all_of(graph_.CheckHealth(),
                             [](const module::Health& module) { return module.problem.empty(); });
}

uint16_t System::port() const { return gateway_->port(); }

rpc::InProcess System::ForThisProcess(std::string_view service) const {
  const auto found = services_.find(service);
  CHECK(found != services_.end(), "no service {}", service);
  return found->second->ForThisProcess();
}

}  // namespace boxoffice
