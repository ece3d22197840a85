// The gateway and the auditor whose verdicts it serves: together in every process that has a gateway.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "audit/module.h"
#include "gateway/module.h"
#include "platform/module/module.h"
#include "platform/module/service_module.h"

namespace boxoffice::gateway {

// Adds both to `graph`, which must outlive them; /readyz then speaks for all of the graph. `config.views` is
// filled in here.
GatewayModule& AddGateway(module::Graph& graph, const module::Runtime& runtime, GatewayConfig config,
                          audit::AuditConfig audit_config);

// Both as a process of their own, where the services are peers. Listens at the first of `runtime.listen` that
// is HOST:PORT. Errors of Start: as of GatewayModule.
class GatewayProcess final : public module::Module {
 public:
  // `runtime` outlives it.
  explicit GatewayProcess(const module::Runtime& runtime);
  ~GatewayProcess() override { Stop(); }

  [[nodiscard]] std::string_view name() const override { return "gateway"; }
  [[nodiscard]] Result<void> Start() override { return graph_.Start(); }
  void Drain(std::chrono::milliseconds grace) override { graph_.Stop(grace); }
  void Stop() override { graph_.Stop(std::chrono::milliseconds(0)); }

  [[nodiscard]] uint16_t port() const { return gateway_->port(); }

 private:
  module::Graph graph_;
  GatewayModule* gateway_;  // the graph's
};

}  // namespace boxoffice::gateway
