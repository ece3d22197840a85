// The relay service as a part of a process.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/nudge.h"
#include "platform/bus/forgetting.h"
#include "platform/config/keys.h"
#include "platform/http/client.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/rpc/host.h"
#include "services/relay/dispatcher.h"
#include "services/relay/rpc_server.h"
#include "services/relay/service.h"
#include "services/relay/store.h"

namespace boxoffice::relay {

// Shorter than kClaimLease (store_postgres.h), which nobody renews: else a second replica would send what the
// first is still sending.
inline constexpr std::chrono::milliseconds kMaxHttpTimeout{60'000};

struct RelayConfig {
  // How deliveries are sent; empty: over HTTP.
  std::function<std::unique_ptr<Sender>()> make_sender;
  DispatchLimits limits;
  std::chrono::milliseconds http_timeout{30'000};  // kMaxHttpTimeout or less
  http::TlsOptions tls;
  // Networks that deliveries may go to besides the public internet, as ParseNetworks takes them.
  std::string allow_networks;
  // Of the log of deliveries: RelayService::kLeastLogAge or more.
  std::chrono::milliseconds log_age = RelayService::kLogAge;
  // Of the ids of events that were accepted: bus::kLeastKept or more.
  std::chrono::milliseconds processed_age = bus::kKept;
};

// Its own keys, bound to `config`, which must outlive `keys`.
void AddKeys(config::Keys& keys, RelayConfig& config);
// Of those target.allow_networks alone.
void AddNetworkKeys(config::Keys& keys, RelayConfig& config);
// Error: config, where what must be replayed would not be kept.
[[nodiscard]] Result<void> CheckConfig(const RelayConfig& config);

class RelayModule final : public module::ServiceModule {
 public:
  RelayModule(const module::Runtime& runtime, RelayConfig config);
  ~RelayModule() override;
  [[nodiscard]] std::string_view name() const override { return "relay"; }
  // Errors: config (allow_networks), and the store's.
  [[nodiscard]] Result<void> Start() override;
  // Lets attempts that are under way end, and starts no more.
  void Leave() override { host_.Leave(); }
  void Drain(std::chrono::milliseconds grace) override;
  // An attempt that is cut off here is made again at the next start.
  void Stop() override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override { return host_.ForThisProcess(); }

 private:
  void Loop();
  void PruneIfDue();
  void MeasureIfDue();

  const module::Runtime& runtime_;
  const RelayConfig config_;
  std::unique_ptr<RelayService> service_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<RelayRpcServer> server_;
  rpc::Host host_;
  bool subscribed_ = false;
  std::unique_ptr<bus::Forgetter> forgetter_;

  Nudged nudged_;  // by what may be due sooner, and by the end of an attempt
  std::atomic<bool> stopping_ = false;
  std::chrono::steady_clock::time_point pruned_{};
  std::chrono::steady_clock::time_point measured_{};
  std::thread thread_;
};

// The relay as a program: its keys are what RelayConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::relay
