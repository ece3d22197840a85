// A service as a part of a process: what every service's module is given, and what it offers.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <grpcpp/channel.h>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/bus.h"
#include "platform/module/module.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/host.h"

namespace boxoffice::module {

// What a process gives to its modules; outlives them all. Embedded and scaled processes fill it differently,
// and nothing else differs but each service's store.
struct Runtime {
  const Clock& clock;
  Random& random;
  obs::Registry& metrics;
  bus::Bus& bus;
  rpc::ChannelFactory channels;
  // Where this process keeps files of its own (embedded stores, keys).
  std::filesystem::path data_dir;
  // Where the service listens besides its in-process channel; usually at one address, or none.
  rpc::Listen listen;
  // Where the service keeps its data; its store factory knows the schemes (store_url.h).
  std::string store_url;
  // What /readyz answers of this process. Thread-safe, once all modules have started.
  std::function<std::vector<Health>()> health;
};

// A module that serves one gRPC service. Construction does no I/O; Start opens the store, runs what has to be
// recovered, and serves.
class ServiceModule : public Module {
 public:
  // For callers in this process; only while it runs.
  [[nodiscard]] virtual rpc::InProcess ForThisProcess() = 0;
};

}  // namespace boxoffice::module
