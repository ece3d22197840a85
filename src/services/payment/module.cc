#include "services/payment/module.h"

#include "services/payment/provider_timer.h"
#include "services/payment/store_sqlite.h"

namespace boxoffice::payment {
namespace {

constexpr std::string_view kDatabase = "payment.db";
constexpr std::string_view kSandboxDatabase = "payment-sandbox.db";

}  // namespace

PaymentModule::PaymentModule(const module::Runtime& runtime, PaymentConfig config)
    : runtime_(runtime), config_(std::move(config)) {}
PaymentModule::~PaymentModule() { Stop(); }

Result<void> PaymentModule::Start() {
  BOXOFFICE_ASSIGN(stores_, config_.open_stores ? config_.open_stores(runtime_)
                                                : OpenSqlite(runtime_.data_dir / kDatabase));
  timer_ = config_.make_timer ? config_.make_timer() : std::make_unique<ThreadTimer>();
  BOXOFFICE_ASSIGN(sandbox_, SandboxProvider::Open(runtime_.data_dir / kSandboxDatabase, *timer_,
                                                   runtime_.clock, config_.sandbox));
  publisher_ = std::make_unique<outbox::Publisher>(
      outbox::PublisherConfig{.service = "payment", .database = runtime_.data_dir / kDatabase}, runtime_.bus,
      runtime_.metrics);
  BOXOFFICE_TRY(publisher_->Start());
  outbox_server_ = std::make_unique<module::OutboxServer>(*publisher_, runtime_.clock);
  service_ = std::make_unique<Service>(
      *stores_.store, *stores_.reader, Providers{{"sandbox", sandbox_.get()}}, *timer_, runtime_.clock,
      runtime_.random, runtime_.metrics, config_.service, [this] { publisher_->Nudge(); });
  server_ = std::make_unique<RpcServer>(*service_, *stores_.reader);
  service_->StartReconciler();
  return host_.Start(*server_, runtime_.listen, [this] { return Unhealthy(); }, {outbox_server_.get()});
}

// In reverse order of Start, but for the timer: its tasks refer to the service, so it ends before the service
// goes. What a provider says from now on is asked for again after the next start.
void PaymentModule::Stop() {
  host_.Shutdown(std::chrono::milliseconds(0));
  if (service_) service_->Stop();
  timer_.reset();
  server_.reset();
  service_.reset();
  outbox_server_.reset();
  publisher_.reset();
  sandbox_.reset();
  stores_ = {};
}

std::string PaymentModule::Unhealthy() const {
  return service_ && !service_->store_works() ? "payment's database does not take writes" : "";
}

std::shared_ptr<grpc::Channel> PaymentModule::InProcessChannel() { return host_.InProcessChannel(); }

}  // namespace boxoffice::payment
