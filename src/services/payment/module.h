// Payment as a part of a process.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "platform/module/outbox_server.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/outbox/outbox.h"
#include "platform/rpc/host.h"
#include "services/payment/provider_http.h"
#include "services/payment/provider_sandbox.h"
#include "services/payment/rpc_server.h"
#include "services/payment/service.h"
#include "services/payment/store.h"

namespace boxoffice::payment {

struct PaymentConfig {
  ServiceConfig service;
  SandboxConfig sandbox;
  AcquirerConfig acquirer;             // behind the methods "http:<instrument>", if it has a URL
  outbox::PublisherConfig outbox;      // but for the service and the database
  std::filesystem::path sandbox_file;  // empty: payment-sandbox.db in the data folder
  // Makes the timer. Empty: a thread of its own.
  std::function<std::unique_ptr<Timer>()> make_timer;
};

class PaymentModule final : public module::ServiceModule {
 public:
  // `runtime` outlives it.
  PaymentModule(const module::Runtime& runtime, PaymentConfig config);
  ~PaymentModule() override;

  [[nodiscard]] std::string_view name() const override { return "payment"; }
  // Errors: config (the acquirer's), store_url, database_unavailable, schema_newer, port_taken,
  // listen_failed.
  [[nodiscard]] Result<void> Start() override;
  void Leave() override { host_.Leave(); }
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override;

 private:
  const module::Runtime& runtime_;
  const PaymentConfig config_;
  Stores stores_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<SandboxProvider> sandbox_;
  std::unique_ptr<HttpProvider> acquirer_;  // none without a URL
  std::unique_ptr<module::RunningOutbox> outbox_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RpcServer> server_;
  rpc::Host host_;
};

// The keys of `config`, which outlives them.
void AddKeys(config::Keys& keys, PaymentConfig& config);

// The acquirer as it is called: without a time-out of its own it has that of all providers.
[[nodiscard]] AcquirerConfig AcquirerOf(const PaymentConfig& config);

// Payment as a program: its keys are what PaymentConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::payment
