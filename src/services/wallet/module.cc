#include "services/wallet/module.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "platform/module/shared_keys.h"
#include "services/wallet/store_factory.h"

namespace boxoffice::wallet {
namespace {

// Each "KRW=2000000".
Result<std::map<Currency, int64_t>> ParseLimits(std::string_view key,
                                                const std::vector<std::string>& limits) {
  std::map<Currency, int64_t> parsed;
  for (const std::string& limit : limits) {
    const size_t equals = limit.find('=');
    const auto currency = Currency::Parse(std::string_view(limit).substr(0, equals));
    const auto amount = equals == std::string::npos
                            ? std::nullopt
                            : ParseNumber<int64_t>(std::string_view(limit).substr(equals + 1));
    const bool good = currency && amount && *amount >= 1 && *amount <= kMaxAmount;
    if (!good || !parsed.emplace(*currency, *amount).second) {
      return Fail(Code::kInvalidArgument, "config",
                  fmt::format("{}: \"{}\" must be a currency, once each, and minor units, like KRW=2000000",
                              key, limit));
    }
  }
  return parsed;
}

}  // namespace

void AddKeys(config::Keys& keys, WalletConfig& config) {
  keys.List(
      "limit.balance", config.balance_limits,
      "What a wallet may hold after a top-up, like KRW=2000000; a currency that is not named: no limit");
  keys.List("limit.top_up_per_day", config.daily_limits,
            "What may be topped up to a wallet from midnight to midnight (UTC), like KRW=500000");
  module::AddBatchKeys(keys, config.limits);
  module::AddOutboxKeys(keys, config.outbox);
}

WalletModule::WalletModule(const module::Runtime& runtime, WalletConfig config)
    : runtime_(runtime), config_(std::move(config)) {}
WalletModule::~WalletModule() { Stop(); }

Result<void> WalletModule::Start() {
  WalletLimits limits;
  BOXOFFICE_ASSIGN(limits.balance, ParseLimits("limit.balance", config_.balance_limits));
  BOXOFFICE_ASSIGN(limits.top_up_per_day, ParseLimits("limit.top_up_per_day", config_.daily_limits));
  BOXOFFICE_ASSIGN(OpenedStores opened, OpenStores(runtime_.store_url));
  stores_ = std::move(opened.stores);
  BOXOFFICE_ASSIGN(outbox_,
                   module::StartOutbox(runtime_, "wallet", std::move(opened.outbox), config_.outbox));
  service_ = std::make_unique<Service>(
      *stores_.store, runtime_.clock, runtime_.random, runtime_.metrics, config_.limits,
      [this] { outbox_->publisher.Nudge(); }, std::move(limits));
  server_ = std::make_unique<RpcServer>(*service_, *stores_.reader);
  server_->CountIn(runtime_.metrics);
  return host_.Start(
      *server_, runtime_.listen, [this] { return Unhealthy(); }, {&outbox_->server}, &server_->streams());
}

void WalletModule::Drain(std::chrono::milliseconds grace) { host_.Drain(grace); }

// In reverse order of Start. Commands that were taken are run to the end; their callers may no longer hear
// it.
void WalletModule::Stop() {
  host_.Shutdown(std::chrono::milliseconds(0));
  server_.reset();
  service_.reset();
  outbox_.reset();
  stores_ = {};
}

std::string WalletModule::Unhealthy() const {
  return service_ && !service_->store_works() ? "the wallet's database does not take writes" : "";
}

rpc::InProcess WalletModule::ForThisProcess() { return host_.ForThisProcess(); }

module::ServiceProgram Program() {
  const auto config = std::make_shared<WalletConfig>();
  module::ServiceProgram program;
  program.service = "wallet";
  program.topics = {"wallet"};
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    return std::make_unique<WalletModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::wallet
