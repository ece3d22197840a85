#include "services/ranking/module.h"

#include <utility>

#include "platform/obs/log.h"
#include "services/ranking/bus_client.h"
#include "services/ranking/store_factory.h"

namespace boxoffice::ranking {
namespace {

constexpr std::chrono::milliseconds kRetry{5'000};
// How often it looks whether other processes on this ranking have counted: where that is due.
constexpr std::chrono::milliseconds kRefreshEvery{250};

void AddKeys(config::Keys& keys, RankingConfig& config) {
  keys.Switch("rebuild", config.rebuild,
              "Whether it counts the whole log anew at the start; a new store does so by itself");
  keys.Duration("processed_event.kept_ms", config.processed_age, std::chrono::milliseconds(0),
                std::chrono::milliseconds(31'622'400'000),
                "From an event's making until its id is forgotten, once it and all before it were counted");
}

}  // namespace

RankingModule::RankingModule(const module::Runtime& runtime, RankingConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

RankingModule::~RankingModule() { Stop(); }

Result<void> RankingModule::Start() {
  BOXOFFICE_ASSIGN(std::unique_ptr<Store> store, OpenStore(runtime_.store_url));
  service_ = std::make_unique<RankingService>(std::move(store), runtime_.clock);
  BOXOFFICE_TRY(service_->Load());
  server_ = std::make_unique<RankingRpcServer>(
      *service_, runtime_.clock, [this] { RequestRebuild(); },
      [this] { return rebuild_requested_ || rebuild_due_; });
  server_->CountIn(runtime_.metrics);
  BOXOFFICE_TRY(host_.Start(*server_, runtime_.listen));
  Rebuild rebuild;
  if (service_->NeedsRebuild()) rebuild = RankingService::From::kWhatIsThere;
  if (config_.rebuild) rebuild = RankingService::From::kNothing;
  follower_ = std::thread([this, rebuild] { Follow(rebuild); });
  forgetter_ = std::make_unique<bus::Forgetter>(kGroup, ConsumedTopics(), config_.processed_age, runtime_.bus,
                                                runtime_.clock, runtime_.metrics, bus::ForgetIn(*service_));
  forgetter_->Start();
  return {};
}

// On its own thread, because a long log takes a while, and a stale ranking is no reason to keep a process
// from starting.
void RankingModule::Follow(Rebuild rebuild) {
  bool following = false;
  while (true) {
    if (rebuild_requested_) {
      rebuild = RankingService::From::kNothing;
      if (std::exchange(following, false)) runtime_.bus.Unsubscribe(kGroup);
    }
    if (!following) following = Begin(rebuild);
    // While the store does not answer, the ranking is stale, as it says (`as_of`).
    if (following) (void)service_->RefreshIfDue();
    std::unique_lock lock(mutex_);
    stop_.wait_for(lock, following ? kRefreshEvery : kRetry,
                   [this] { return stopping_ || rebuild_requested_; });
    if (stopping_) return;
  }
}

void RankingModule::RequestRebuild() {
  {
    const std::scoped_lock lock(mutex_);
    rebuild_requested_ = true;
  }
  stop_.notify_all();
}

// Whether the group is followed from now on.
bool RankingModule::Begin(Rebuild& rebuild) {
  Result<void> done;
  // Whoever asks from here on asks for another one; whoever asked a moment ago, while nothing of the kind was
  // about to begin, is still to get one.
  if (rebuild == RankingService::From::kNothing) {
    rebuild_due_ = true;
    rebuild_requested_ = false;
  }
  if (rebuild) done = RebuildFromLog(*service_, *rebuild, runtime_.bus, stopping_);
  if (done) {
    rebuild.reset();
    rebuild_due_ = false;
    done = Subscribe(*service_, runtime_.bus);
  }
  if (done || stopping_) return done.has_value();
  obs::Log(obs::Level::kError, "ranking_not_following",
           {{"reason", done.error().reason}, {"detail", done.error().detail}});
  return false;
}

void RankingModule::Drain(std::chrono::milliseconds grace) { host_.Drain(grace); }

void RankingModule::Stop() {
  forgetter_.reset();
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
    BOXOFFICE_TRY(bus::CheckKept(config->processed_age));
    return std::make_unique<RankingModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::ranking
