#include "gateway/process.h"

#include <charconv>
#include <memory>
#include <string>
#include <utility>

namespace boxoffice::gateway {
namespace {

GatewayConfig ConfigOf(const module::Runtime& runtime) {
  GatewayConfig config;
  config.depends_on = {};
  for (const std::string& listen : runtime.listen) {
    const size_t colon = listen.rfind(':');
    if (listen.starts_with("unix:") || colon == std::string::npos) continue;
    uint16_t port = 0;
    const char* end = listen.data() + listen.size();
    if (std::from_chars(listen.data() + colon + 1, end, port).ptr != end) continue;
    config.address = listen.substr(0, colon);
    config.port = port;
    break;
  }
  return config;
}

}  // namespace

GatewayModule& AddGateway(module::Graph& graph, const module::Runtime& runtime, GatewayConfig config,
                          audit::AuditConfig audit_config) {
  auto auditor = std::make_unique<audit::AuditModule>(runtime, std::move(audit_config));
  config.views.health = [&graph] { return graph.CheckHealth(); };
  config.views.last_audit = [auditor = auditor.get()] { return auditor->LastJson(); };
  config.views.run_audit = [auditor = auditor.get()] { return auditor->RunNowJson(); };
  // The gateway asks it as long as it runs.
  config.depends_on.emplace_back(auditor->name());
  graph.Add(std::move(auditor));
  auto gateway = std::make_unique<GatewayModule>(runtime, std::move(config));
  GatewayModule& added = *gateway;
  graph.Add(std::move(gateway));
  return added;
}

GatewayProcess::GatewayProcess(const module::Runtime& runtime)
    : gateway_(&AddGateway(graph_, runtime, ConfigOf(runtime), audit::AuditConfig{.depends_on = {}})) {}

}  // namespace boxoffice::gateway
