#include "services/ranking/module.h"

#include <utility>

#include "platform/obs/log.h"
#include "services/ranking/bus_client.h"
#include "services/ranking/store_factory.h"

namespace boxoffice::ranking {
namespace {

constexpr std::chrono::seconds kRetry{5};

void AddKeys(config::Keys& keys, RankingConfig& config) {
  keys.Switch("rebuild", config.rebuild,
              "Whether it counts the whole log anew at the start; a new store does so by itself");
}

}  // namespace

RankingModule::RankingModule(const module::Runtime& runtime, RankingConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

RankingModule::~RankingModule() { Stop(); }

Result<void> RankingModule::Start() {
  BOXOFFICE_ASSIGN(std::unique_ptr<Store> store, OpenStore(runtime_.store_url));
  service_ = std::make_unique<RankingService>(std::move(store), runtime_.clock);
  BOXOFFICE_TRY(service_->Load());
  server_ = std::make_unique<RankingRpcServer>(*service_);
  BOXOFFICE_TRY(host_.Start(*server_, runtime_.listen));
  follower_ = std::thread([this, rebuild = config_.rebuild || service_->NeedsRebuild()] { Follow(rebuild); });
  return {};
}

// On its own thread, because a long log takes a while, and a stale ranking is no reason to keep a process
// from starting.
void RankingModule::Follow(bool rebuild) {
  bool rebuilt = !rebuild;
  while (true) {
    Result<void> done = rebuilt ? Result<void>() : RebuildFromLog(*service_, runtime_.bus, stopping_);
    rebuilt = rebuilt || done.has_value();
    if (done) done = Subscribe(*service_, runtime_.bus);
    if (done || stopping_) return;
    obs::Log(obs::Level::kError, "ranking_not_following",
             {{"reason", done.error().reason}, {"detail", done.error().detail}});
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, kRetry, [this] { return stopping_.load(); })) return;
  }
}

void RankingModule::Drain(std::chrono::milliseconds grace) { host_.Drain(grace); }

void RankingModule::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (follower_.joinable()) {
    follower_.join();
    runtime_.bus.Unsubscribe(kGroup);
  }
  host_.Shutdown(std::chrono::milliseconds(0));
  server_.reset();
  service_.reset();
}

module::ServiceProgram Program() {
  const auto config = std::make_shared<RankingConfig>();
  module::ServiceProgram program;
  program.service = kGroup;
  program.consumed_topics = ConsumedTopics();
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    return std::make_unique<RankingModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::ranking
