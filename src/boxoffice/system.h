// The whole of Boxoffice in one process: every service on its embedded store, the gateway and the auditor,
// joined by channels that do not leave the process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/channel.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "gateway/gate.h"
#include "platform/bus/bus.h"
#include "platform/module/module.h"
#include "platform/module/service_module.h"
#include "platform/obs/metrics.h"
#include "platform/otlp/exporter.h"

namespace boxoffice::gateway {
class GatewayModule;
}

namespace boxoffice {

struct SystemConfig {
  std::filesystem::path data_dir;  // exists, and is this process' own (module::DataFolder)
  std::string address = "127.0.0.1";
  uint16_t port = 8080;        // of the gateway; 0: a free one
  std::string allow_networks;  // the relay's target.allow_networks
  gateway::EdgeConfig edge;
  otlp::TraceConfig trace;
};

// Whether what the environment says of payment and of reservation goes together, in whichever form they run.
// Error: config.
[[nodiscard]] Result<void> CheckTimeouts();

// Start and Stop from one thread.
class System {
 public:
  // Opens the bus and makes the modules. What binds wallet and payment to the world outside (limits, an
  // acquirer), what reservation's sagas go by, and how the relay sends, come from the environment, by the
  // keys that their own processes have. Errors: config, database_unavailable, schema_newer.
  [[nodiscard]] static Result<std::unique_ptr<System>> Make(SystemConfig config);
  ~System();

  // Errors: those of the modules, with the module's name in the detail: port_taken, database_unavailable,
  // schema_newer, …
  [[nodiscard]] Result<void> Start();
  // Drains and stops what runs. Again: no effect.
  void Stop(std::chrono::milliseconds grace);

  // Whether /readyz answers 200.
  [[nodiscard]] bool Ready() const;
  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // To a service by its name, between Start and Stop.
  [[nodiscard]] std::shared_ptr<grpc::Channel> Channel(std::string_view service) const {
    return ForThisProcess(service).channel;
  }

 private:
  [[nodiscard]] rpc::InProcess ForThisProcess(std::string_view service) const;
  explicit System(SystemConfig config) : config_(std::move(config)) {}
  // Error: config, of a variable of the environment.
  [[nodiscard]] Result<void> AddModules();
  template <typename Service, typename Config>
  void AddService(Config config = {});

  const SystemConfig config_;
  const SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  obs::Registry metrics_;
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<otlp::Exporter> tracing_;  // outlives the modules, to send their last spans
  std::unique_ptr<module::Runtime> runtime_;
  std::map<std::string, module::ServiceModule*, std::less<>> services_;
  gateway::GatewayModule* gateway_ = nullptr;
  module::Graph graph_;
};

}  // namespace boxoffice
