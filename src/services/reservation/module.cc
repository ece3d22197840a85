#include "services/reservation/module.h"

#include <algorithm>
#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "platform/module/outbox_server.h"
#include "platform/outbox/outbox.h"
#include "services/reservation/participant_client.h"
#include "services/reservation/rpc_server.h"
#include "services/reservation/store_sqlite.h"

namespace boxoffice::reservation {
namespace {

// For giving up leases after the grace.
constexpr std::chrono::milliseconds kReleaseTime{1'000};

std::string HealthOf(const Service& service) {
  return service.store_works() ? "" : "reservation's database does not take writes";
}

}  // namespace

Result<Stores> OpenSqliteStores(const module::Runtime& runtime) {
  const auto file = runtime.data_dir / "reservation.db";
  BOXOFFICE_ASSIGN(std::unique_ptr<Store> store, SqliteStore::Open(file, runtime.random));
  BOXOFFICE_ASSIGN(std::unique_ptr<Reader> reader, SqliteReader::Open(file));
  return Stores{std::move(store), std::move(reader)};
}

std::unique_ptr<Participants> ConnectParticipants(asio::any_io_executor executor,
                                                  const module::Runtime& runtime) {
  return std::make_unique<ParticipantClient>(std::move(executor), runtime.channels, runtime.metrics,
                                             CallTimeouts{});
}

// In the order of construction; taken down in reverse.
struct ReservationModule::Parts {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  Stores stores;
  std::unique_ptr<outbox::Publisher> publisher;
  std::unique_ptr<module::OutboxServer> outbox_server;
  std::unique_ptr<Participants> participants;
  std::unique_ptr<Service> service;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<rpc::Host> host;
  std::thread thread;
};

ReservationModule::ReservationModule(const module::Runtime& runtime, ReservationConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

ReservationModule::~ReservationModule() { Stop(); }

Result<void> ReservationModule::Start() {
  auto parts = std::make_unique<Parts>();
  BOXOFFICE_ASSIGN(parts->stores, config_.open_stores(runtime_));
  parts->publisher = std::make_unique<outbox::Publisher>(
      outbox::PublisherConfig{.service = "reservation", .database = runtime_.data_dir / "reservation.db"},
      runtime_.bus, runtime_.metrics);
  BOXOFFICE_TRY(parts->publisher->Start());
  parts->outbox_server = std::make_unique<module::OutboxServer>(*parts->publisher, runtime_.clock);
  const auto executor = parts->io.get_executor();
  parts->participants = config_.connect_participants(executor, runtime_);
  ServiceConfig service = config_.service;
  // Unique to this process, so that a predecessor's lease is never taken for its own.
  if (service.owner.empty()) service.owner = Uuid::MakeV7(runtime_.clock.Now(), runtime_.random).ToString();
  parts->service = std::make_unique<Service>(
      service, executor, *parts->stores.store, *parts->stores.reader, *parts->participants, runtime_.clock,
      runtime_.random, runtime_.metrics, [publisher = parts->publisher.get()] { publisher->Nudge(); });
  parts->server = std::make_unique<RpcServer>(executor, *parts->service, *parts->stores.reader);
  parts->host = std::make_unique<rpc::Host>();
  BOXOFFICE_TRY(parts->host->Start(*parts->server, runtime_.listen,
                                   [service = parts->service.get()] { return HealthOf(*service); },
                                   {parts->outbox_server.get()}));
  parts->thread = std::thread([raw = parts.get()] { raw->io.run(); });
  asio::post(executor, [raw = parts.get()] { raw->service->StartScanning(); });
  parts_ = std::move(parts);
  return {};
}

// Not ready → stop claiming → let sagas finish → give up the leases of those that don't. Callers are told to
// go elsewhere meanwhile; what they send before they know is still run, so the sagas are waited for once
// more.
void ReservationModule::Drain(std::chrono::milliseconds grace) {
  if (!parts_) return;
  const auto end = std::chrono::steady_clock::now() + grace;
  const auto drain = [this](std::chrono::milliseconds at_most) {
    return asio::co_spawn(parts_->io, parts_->service->Drain(at_most), asio::use_future);
  };
  auto drained = drain(grace);
  parts_->host->Drain(grace);
  drained.wait_for(grace + kReleaseTime);
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  drain(std::max(left, std::chrono::milliseconds(0))).wait_for(kReleaseTime);
}

void ReservationModule::Stop() {
  if (!parts_) return;
  parts_->host->Shutdown(std::chrono::milliseconds(0));
  parts_->work.reset();
  parts_->io.stop();
  parts_->thread.join();
  parts_->server.reset();
  parts_->participants.reset();
  parts_->service.reset();
  parts_->publisher->Stop();
  parts_.reset();
}

std::string ReservationModule::Unhealthy() const {
  if (!parts_) return "not started";
  return HealthOf(*parts_->service);
}

std::shared_ptr<grpc::Channel> ReservationModule::InProcessChannel() {
  return parts_->host->InProcessChannel();
}

}  // namespace boxoffice::reservation
