// The ranking service as a part of a process.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "platform/bus/forgetting.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/rpc/host.h"
#include "services/ranking/rpc_server.h"
#include "services/ranking/service.h"
#include "services/ranking/store.h"

namespace boxoffice::ranking {

struct RankingConfig {
  // Counts the whole log anew at the start. A store that is new does so by itself.
  bool rebuild = false;
  // Of the ids of events that were counted: bus::kLeastKept or more.
  std::chrono::milliseconds processed_age = bus::kKept;
};

class RankingModule final : public module::ServiceModule {
 public:
  RankingModule(const module::Runtime& runtime, RankingConfig config);
  ~RankingModule() override;
  [[nodiscard]] std::string_view name() const override { return "ranking"; }
  // Serves at once; a rebuild runs beside it, and consuming begins after that.
  [[nodiscard]] Result<void> Start() override;
  void Leave() override { host_.Leave(); }
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override { return host_.ForThisProcess(); }

 private:
  // What of the log is to be counted before the group is followed.
  using Rebuild = std::optional<RankingService::From>;
  // What an operator asked for; again, before it has begun: no effect.
  void RequestRebuild();
  void Follow(Rebuild rebuild);
  [[nodiscard]] bool Begin(Rebuild& rebuild);

  const module::Runtime& runtime_;
  const RankingConfig config_;
  std::unique_ptr<RankingService> service_;
  std::unique_ptr<RankingRpcServer> server_;
  rpc::Host host_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> rebuild_requested_{false};
  std::atomic<bool> rebuild_due_{false};  // one from nothing is being tried, and has not ended
  std::mutex mutex_;
  std::condition_variable stop_;
  std::thread follower_;
  std::unique_ptr<bus::Forgetter> forgetter_;
};

// The ranking as a program: its keys are what RankingConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::ranking
