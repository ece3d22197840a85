#include "services/queue/module.h"

#include <utility>

#include "platform/auth/keys.h"
#include "platform/module/shared_keys.h"
#include "platform/obs/metrics.h"
#include "services/queue/store_factory.h"

namespace boxoffice::queue {
namespace {

Result<std::shared_ptr<const auth::KeyRing>> DevelopmentKeys(const module::Runtime& runtime) {
  BOXOFFICE_ASSIGN(std::string secret,
                   auth::LoadOrCreateSecret(runtime.data_dir / "keys" / "queue-token.key"));
  BOXOFFICE_ASSIGN(auth::KeyRing keys, auth::KeyRing::Make({{.id = "queue", .secret = std::move(secret)}}));
  return std::make_shared<const auth::KeyRing>(std::move(keys));
}

void Measure(const std::vector<QueueView>& views, obs::Registry& metrics) {
  uint64_t waiting = 0;
  uint64_t active = 0;
  for (const QueueView& view : views) {
    waiting += view.waiting;
    active += view.active;
  }
  metrics.GetGauge("boxoffice_queue_waiting", "People in line, of all shows")
      .Set(static_cast<double>(waiting));
  metrics.GetGauge("boxoffice_queue_active", "ACTIVE sessions, of all shows")
      .Set(static_cast<double>(active));
}

void AddKeys(config::Keys& keys, QueueConfig& config) {
  keys.Duration("tick.interval_ms", config.tick_interval, milliseconds(0), milliseconds(60'000),
                "From one round of admission to the next; 0: this replica makes none");
  module::AddBatchKeys(keys, config.limits);
}

}  // namespace

QueueModule::QueueModule(const module::Runtime& runtime, QueueConfig config)
    : runtime_(runtime), config_(std::move(config)) {}
QueueModule::~QueueModule() { Stop(); }

Result<void> QueueModule::Start() {
  auto keys = config_.keys;
  if (keys == nullptr) {
    BOXOFFICE_ASSIGN(keys, DevelopmentKeys(runtime_));
  }
  BOXOFFICE_ASSIGN(stores_, OpenStores(runtime_.store_url));
  service_ = std::make_unique<Service>(*stores_.store, runtime_.clock, runtime_.metrics, config_.limits);
  BOXOFFICE_TRY(service_->Load());
  server_ = std::make_unique<RpcServer>(*service_, *stores_.history, std::move(keys));
  BOXOFFICE_TRY(host_.Start(*server_, runtime_.listen, [this] { return Unhealthy(); }));
  if (config_.tick_interval.count() > 0) ScheduleTick();
  return {};
}

void QueueModule::ScheduleTick() {
  timer_.expires_after(config_.tick_interval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (!tick_waits_.exchange(true)) {
      // A tick that failed is no loss: the next one does what it would have done.
      service_->Submit(Tick{}, [this](const Result<Outcome>&) { tick_waits_ = false; });
    }
    Measure(service_->Views(), runtime_.metrics);
    ScheduleTick();
  });
}

// Admits nobody any more: another replica's ticks do.
void QueueModule::Drain(std::chrono::milliseconds grace) {
  ticker_.stop();
  ticker_.join();
  host_.Drain(grace);
}

// In reverse order of Start. Commands that were taken are run to the end; their callers may no longer hear
// it.
void QueueModule::Stop() {
  ticker_.stop();
  ticker_.join();
  host_.Shutdown(std::chrono::milliseconds(0));
  if (service_ != nullptr) service_->Stop();
  server_.reset();
  service_.reset();
  stores_ = {};
}

std::string QueueModule::Unhealthy() const {
  return service_ != nullptr && !service_->store_works() ? "the queue's database does not take writes" : "";
}

std::shared_ptr<grpc::Channel> QueueModule::InProcessChannel() { return host_.InProcessChannel(); }

module::ServiceProgram Program() {
  const auto config = std::make_shared<QueueConfig>();
  const auto secrets = std::make_shared<std::vector<std::string>>();
  module::ServiceProgram program;
  program.service = "queue";
  program.add_keys = [config, secrets](config::Keys& keys) {
    AddKeys(keys, *config);
    module::AddTokenKeys(keys, *secrets);
  };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config,
                  secrets](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    BOXOFFICE_ASSIGN(config->keys, module::MakeKeyRing(*secrets));
    return std::make_unique<QueueModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::queue
