#include "services/seat/module.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "platform/module/shared_keys.h"
#include "platform/obs/log.h"
#include "services/seat/seat_gauges.h"
#include "services/seat/store_factory.h"

namespace boxoffice::seat {
namespace {

void AddKeys(config::Keys& keys, SeatConfig& config) {
  keys.Duration("sweep.interval_ms", config.sweep_interval, milliseconds(10), milliseconds(600'000),
                "From one look at holds that have ended to the next; their seats are free at once");
  keys.Integer("sweep.batch", config.service.sweep_batch, 1, 10'000, "Seats that one sweep command tidies");
  keys.Integer("sweep.max_commands", config.service.max_sweeps, 1, 10'000, "Sweep commands of one look");
  keys.Duration(
      "tombstone.kept_ms", config.service.tombstones_kept, milliseconds(0), milliseconds(31'622'400'000),
      "From a saga's making until its late commands are refused by their age, and not by what is stored");
  module::AddBatchKeys(keys, config.service.batch);
  module::AddOutboxKeys(keys, config.outbox);
}

}  // namespace

// Follows the other replicas four times a second, sweeps every interval, and measures now and then, on a
// thread of its own, until it is destroyed.
class SeatModule::Sweeper {
 public:
  Sweeper(SeatService& service, std::chrono::milliseconds interval, obs::Registry& metrics)
      : service_(service), interval_(interval), gauges_(metrics), thread_([this] { Loop(); }) {}
  ~Sweeper() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

 private:
  void Loop() {
    std::unique_lock lock(mutex_);
    // Rows may be tidied seldom; what others sold, and that a show was cancelled, is not to be learned late.
    auto sweep_at = std::chrono::steady_clock::now() + interval_;
    const auto next = [&sweep_at] {
      return std::min(sweep_at, std::chrono::steady_clock::now() + kFollowEvery);
    };
    while (!wake_.wait_until(lock, next(), [this] { return stopping_; })) {
      lock.unlock();
      if (const auto followed = service_.Follow(); !followed) {
        obs::Log(obs::Level::kWarning, "seat_news_failed",
                 {{"reason", followed.error().reason}, {"detail", followed.error().detail}});
      }
      if (std::chrono::steady_clock::now() >= sweep_at) {
        service_.Sweep();
        sweep_at = std::chrono::steady_clock::now() + interval_;
      }
      if (const auto now = std::chrono::steady_clock::now(); now >= look_at_) {
        gauges_.Look(service_);
        look_at_ = now + kLookEvery;
      }
      lock.lock();
    }
  }

  SeatService& service_;
  static constexpr std::chrono::seconds kLookEvery{2};
  static constexpr milliseconds kFollowEvery{250};  // as often as a gateway asks for a picture
  const std::chrono::milliseconds interval_;
  SeatGauges gauges_;
  std::chrono::steady_clock::time_point look_at_{};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when all else is made
};

SeatModule::SeatModule(const module::Runtime& runtime, SeatConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

SeatModule::~SeatModule() { Stop(); }

Result<void> SeatModule::Start() {
  BOXOFFICE_ASSIGN(OpenedStores opened, OpenStores(runtime_.store_url, runtime_.random));
  BOXOFFICE_ASSIGN(outbox_, module::StartOutbox(runtime_, "seat", std::move(opened.outbox), config_.outbox));
  store_clock_ = std::move(opened.clock);
  service_ = std::make_unique<SeatService>(std::move(opened.stores),
                                           store_clock_ ? *store_clock_ : runtime_.clock, runtime_.metrics,
                                           config_.service, [this] { outbox_->publisher.Nudge(); });
  BOXOFFICE_TRY(service_->Start());
  sweeper_ = std::make_unique<Sweeper>(*service_, config_.sweep_interval, runtime_.metrics);
  server_ = std::make_unique<SeatRpcServer>(*service_);
  server_->CountIn(runtime_.metrics);
  return host_.Start(
      *server_, runtime_.listen, [this] { return Unhealthy(); }, {&outbox_->server}, &server_->streams());
}

void SeatModule::Drain(std::chrono::milliseconds grace) {
  sweeper_.reset();
  host_.Drain(grace);
}

// In reverse order of Start. Commands that were taken are run to the end; their callers may no longer hear
// it.
void SeatModule::Stop() {
  sweeper_.reset();
  host_.Shutdown(std::chrono::milliseconds(0));
  server_.reset();
  service_.reset();
  store_clock_.reset();
  outbox_.reset();
}

std::string SeatModule::Unhealthy() const {
  return service_ && service_->works() ? "" : "the seat service's database does not take writes";
}

rpc::InProcess SeatModule::ForThisProcess() { return host_.ForThisProcess(); }

module::ServiceProgram Program() {
  const auto config = std::make_shared<SeatConfig>();
  module::ServiceProgram program;
  program.service = "seat";
  program.topics = {"seat"};
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    // A saga that may still act would be refused as one that was undone.
    if (config->service.tombstones_kept < kLeastTombstonesKept) {
      return Fail(
          Code::kInvalidArgument, "config",
          fmt::format("tombstone.kept_ms must be {} or more (what reservation's saga.deadline_ms and "
                      "saga.park_after_ms may be, and an hour): a saga that may still hold seats would "
                      "be taken for one that was undone",
                      milliseconds(kLeastTombstonesKept).count()));
    }
    return std::make_unique<SeatModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::seat
