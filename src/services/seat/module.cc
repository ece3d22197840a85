#include "services/seat/module.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "platform/obs/log.h"
#include "services/seat/store_sqlite.h"

namespace boxoffice::seat {
namespace {

constexpr std::string_view kDatabase = "seat.db";

}  // namespace

// Follows the other replicas and sweeps, every interval, on a thread of its own, until it is destroyed.
class SeatModule::Sweeper {
 public:
  Sweeper(SeatService& service, std::chrono::milliseconds interval)
      : service_(service), interval_(interval), thread_([this] { Loop(); }) {}
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
    while (!wake_.wait_for(lock, interval_, [this] { return stopping_; })) {
      lock.unlock();
      if (const auto followed = service_.Follow(); !followed) {
        obs::Log(obs::Level::kWarning, "seat_news_failed",
                 {{"reason", followed.error().reason}, {"detail", followed.error().detail}});
      }
      service_.Sweep();
      lock.lock();
    }
  }

  SeatService& service_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when all else is made
};

SeatModule::SeatModule(const module::Runtime& runtime, SeatConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

SeatModule::~SeatModule() { Stop(); }

Result<void> SeatModule::Start() {
  const std::filesystem::path database = runtime_.data_dir / kDatabase;
  const auto open = [&] {
    return config_.open_store ? config_.open_store(runtime_) : OpenSqliteStore(database, runtime_.random);
  };
  SeatService::Stores stores;
  BOXOFFICE_ASSIGN(stores.commands, open());
  BOXOFFICE_ASSIGN(stores.requests, open());
  BOXOFFICE_ASSIGN(stores.news, open());
  publisher_ = std::make_unique<outbox::Publisher>(
      outbox::PublisherConfig{.service = "seat", .database = database}, runtime_.bus, runtime_.metrics);
  BOXOFFICE_TRY(publisher_->Start());
  service_ = std::make_unique<SeatService>(std::move(stores), runtime_.clock, runtime_.metrics,
                                           config_.service, [this] { publisher_->Nudge(); });
  BOXOFFICE_TRY(service_->Start());
  sweeper_ = std::make_unique<Sweeper>(*service_, config_.sweep_interval);
  server_ = std::make_unique<SeatRpcServer>(*service_);
  return host_.Start(*server_, runtime_.listen);
}

void SeatModule::Drain(std::chrono::milliseconds grace) {
  sweeper_.reset();
  host_.Shutdown(grace);
}

// In reverse order of Start. Commands that were taken are run to the end; their callers may no longer hear
// it.
void SeatModule::Stop() {
  sweeper_.reset();
  host_.Shutdown(std::chrono::milliseconds(0));
  server_.reset();
  service_.reset();
  publisher_.reset();
}

std::string SeatModule::Unhealthy() const {
  return service_ && service_->works() ? "" : "the seat service's database does not take writes";
}

std::shared_ptr<grpc::Channel> SeatModule::InProcessChannel() { return host_.InProcessChannel(); }

}  // namespace boxoffice::seat
