// The wallet as a part of a process.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "platform/batch/executor.h"
#include "platform/module/outbox_server.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/outbox/outbox.h"
#include "platform/rpc/host.h"
#include "services/wallet/rpc_server.h"
#include "services/wallet/service.h"
#include "services/wallet/store.h"

namespace boxoffice::wallet {

struct WalletConfig {
  batch::Limits limits;
  outbox::PublisherConfig outbox;  // but for the service and the database
  // "KRW=2000000": a currency and minor units; a currency that is not there has no limit of its own.
  std::vector<std::string> balance_limits;
  std::vector<std::string> daily_limits;  // of top-ups
};

class WalletModule final : public module::ServiceModule {
 public:
  // `runtime` outlives it.
  WalletModule(const module::Runtime& runtime, WalletConfig config);
  ~WalletModule() override;

  [[nodiscard]] std::string_view name() const override { return "wallet"; }
  // Errors: config (a limit that can't be read), store_url, database_unavailable, schema_newer, port_taken,
  // listen_failed.
  [[nodiscard]] Result<void> Start() override;
  void Leave() override { host_.Leave(); }
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override;

 private:
  const module::Runtime& runtime_;
  const WalletConfig config_;
  Stores stores_;
  std::unique_ptr<module::RunningOutbox> outbox_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RpcServer> server_;
  rpc::Host host_;
};

// The keys of `config`, which outlives them.
void AddKeys(config::Keys& keys, WalletConfig& config);

// The wallet as a program: its keys are what WalletConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::wallet
