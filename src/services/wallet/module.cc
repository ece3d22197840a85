#include "services/wallet/module.h"

#include "services/wallet/store_sqlite.h"

namespace boxoffice::wallet {
namespace {

constexpr std::string_view kDatabase = "wallet.db";

}  // namespace

WalletModule::WalletModule(const module::Runtime& runtime, WalletConfig config)
    : runtime_(runtime), config_(std::move(config)) {}
WalletModule::~WalletModule() { Stop(); }

Result<void> WalletModule::Start() {
  BOXOFFICE_ASSIGN(stores_, config_.open_stores ? config_.open_stores(runtime_)
                                                : OpenSqlite(runtime_.data_dir / kDatabase));
  publisher_ = std::make_unique<outbox::Publisher>(
      outbox::PublisherConfig{.service = "wallet", .database = runtime_.data_dir / kDatabase}, runtime_.bus,
      runtime_.metrics);
  BOXOFFICE_TRY(publisher_->Start());
  outbox_server_ = std::make_unique<module::OutboxServer>(*publisher_, runtime_.clock);
  service_ = std::make_unique<Service>(*stores_.store, runtime_.clock, runtime_.random, runtime_.metrics,
                                       config_.limits, [this] { publisher_->Nudge(); });
  server_ = std::make_unique<RpcServer>(*service_, *stores_.reader);
  return host_.Start(*server_, runtime_.listen, [this] { return Unhealthy(); }, {outbox_server_.get()});
}

// In reverse order of Start. Commands that were taken are run to the end; their callers may no longer hear
// it.
void WalletModule::Stop() {
  host_.Shutdown(std::chrono::milliseconds(0));
  server_.reset();
  service_.reset();
  outbox_server_.reset();
  publisher_.reset();
  stores_ = {};
}

std::string WalletModule::Unhealthy() const {
  return service_ && !service_->store_works() ? "the wallet's database does not take writes" : "";
}

std::shared_ptr<grpc::Channel> WalletModule::InProcessChannel() { return host_.InProcessChannel(); }

}  // namespace boxoffice::wallet
