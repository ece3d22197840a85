// The gateway and the auditor whose verdicts it serves: together in every process that has a gateway.
#pragma once

#include "audit/module.h"
#include "gateway/module.h"
#include "platform/config/keys.h"
#include "platform/module/module.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"

namespace boxoffice::gateway {

// The auditor's audit.interval_ms and audit.max_memory_mib.
void AddAuditKeys(config::Keys& keys, audit::AuditConfig& config);

// Adds both to `graph`, which must outlive them. `config.views` is filled in here; /readyz answers as
// `runtime.health` says. The auditor stops first: a gateway that stops waits for audits that were asked for.
GatewayModule& AddGateway(module::Graph& graph, const module::Runtime& runtime, GatewayConfig config,
                          audit::AuditConfig audit_config);

// Both as a program of their own, where the services are peers. It listens at the first address of `listen`,
// which is IP:PORT; its /readyz is the process', and 503 until each service and the queues' heads were
// reached once, or for ten seconds after the start. The auditor runs every audit.interval_ms and on demand.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::gateway
