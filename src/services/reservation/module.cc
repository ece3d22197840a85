#include "services/reservation/module.h"

#include <algorithm>
#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include "platform/module/loop_lag.h"
#include "platform/module/outbox_server.h"
#include "platform/module/periodic.h"
#include "platform/module/shared_keys.h"
#include "services/reservation/participant_client.h"
#include "services/reservation/rpc_server.h"
#include "services/reservation/saga_gauges.h"
#include "services/reservation/show_client.h"
#include "services/reservation/store_factory.h"

namespace boxoffice::reservation {
namespace {

// For giving up leases after the grace.
constexpr std::chrono::milliseconds kReleaseTime{1'000};
constexpr std::chrono::milliseconds kMeasureEvery{5'000};

void AddSagaKeys(config::Keys& keys, ServiceConfig& config) {
  Policy& policy = config.policy;
  keys.Duration("saga.deadline_ms", policy.saga_deadline, milliseconds(1'000), milliseconds(3'600'000),
                "From a saga's start until it is undone instead of going on");
  keys.Integer("saga.max_tries", policy.max_tries, 1, 1'000, "Tries until a saga is parked for an operator");
  keys.Duration("saga.park_after_ms", policy.park_after, milliseconds(1'000), milliseconds(86'400'000),
                "Or from its start until it is parked");
  keys.Duration("saga.first_backoff_ms", policy.first_backoff, milliseconds(10), milliseconds(600'000),
                "From a first failed try to the next; doubles");
  keys.Duration("saga.max_backoff_ms", policy.max_backoff, milliseconds(10), milliseconds(3'600'000),
                "The longest such pause");
  keys.Integer(
      "saga.max_running", config.max_running, 1, 1'000'000,
      "Sagas that run at once here; further ones are refused with overloaded, new reservations from four "
      "fifths of it on");
  keys.Duration("lease.duration_ms", policy.lease, milliseconds(1'000), milliseconds(600'000),
                "How long a replica owns a saga without renewing");
  keys.Duration("lease.renew_ms", policy.renew_every, milliseconds(100), milliseconds(300'000),
                "From one renewal to the next; less than half of lease.duration_ms");
  keys.Duration("scan.interval_ms", config.scan_every, milliseconds(10), milliseconds(600'000),
                "From one look for sagas without an owner to the next");
  keys.Integer("scan.claim_limit", config.claim_limit, 1, 10'000, "Sagas that one look takes over");
  keys.Duration("hold.expiry_grace_ms", policy.expiry_grace, milliseconds(0), milliseconds(600'000),
                "How long an ended hold can still be confirmed; its seats are free for others at once");
  keys.Duration("hold.slack_ms", policy.hold_slack, milliseconds(0), milliseconds(600'000),
                "How long a confirmation holds the seats past its saga's deadline");
  keys.Duration("request.answers_kept_ms", policy.answers_kept, milliseconds(60'000),
                milliseconds(2'592'000'000), "How long a repeated request gets the same answer");
}

void AddShowKeys(config::Keys& keys, ReservationConfig& config) {
  ShowServiceConfig& shows = config.shows;
  keys.Duration("waitlist.offer_ms", config.service.policy.offer_time, milliseconds(60'000),
                milliseconds(1'800'000), "How long seats are held for whoever is next on a waitlist");
  keys.Duration("waitlist.poll_ms", shows.poll_every, milliseconds(50), milliseconds(60'000),
                "From one look at a waitlist, or at what a cancelled show waits for, to the next");
  keys.Duration(
      "show_cancel.settle_ms", shows.settle, milliseconds(0), milliseconds(600'000),
      "From the end of a cancelled show's sale until what the seat service was deciding then is over; "
      "waitlists give every seat replica as long to hear of seats that are free");
  keys.Integer("show_cancel.parallel", shows.max_ended_at_once, 1, 10'000,
               "Reservations of a cancelled show that are cancelled at once");
}

std::string HealthOf(const Service& service) {
  return service.store_works() ? "" : "reservation's database does not take writes";
}

}  // namespace

void AddKeys(config::Keys& keys, ReservationConfig& config) {
  AddSagaKeys(keys, config.service);
  AddShowKeys(keys, config);
  RetryPolicy& retry = config.service.retry;
  keys.Integer("step.retries", retry.retries, 0, 100, "Repeats of a step while the buyer waits");
  keys.Duration("step.first_pause_ms", retry.first_pause, milliseconds(1), milliseconds(60'000),
                "Before the first repeat; doubles, with full jitter");
  keys.Duration("step.give_up_after_ms", retry.give_up_after, milliseconds(100), milliseconds(600'000),
                "From the start of a run until the saga is postponed and the buyer answered");
  keys.Duration("step.timeout_ms", config.calls.step, milliseconds(10), milliseconds(60'000),
                "For one call to queue, seat or wallet");
  keys.Duration(
      "step.payment_timeout_ms", config.calls.payment, milliseconds(10), milliseconds(120'000),
      "For one call to payment: more than its provider.timeout_ms, half a second say; or sagas stop "
      "waiting before it does");
  module::AddBatchKeys(keys, config.service.limits);
  module::AddOutboxKeys(keys, config.outbox);
}

Result<void> CheckConfig(const ReservationConfig& config) {
  const Policy& policy = config.service.policy;
  if (policy.renew_every * 2 >= policy.lease) {
    return Fail(
        Code::kInvalidArgument, "config",
        "lease.renew_ms must be less than half of lease.duration_ms, or a lease ends while it is held");
  }
  // Whoever repeats a request whose answer is gone buys a second time.
  if (const milliseconds longest = policy.saga_deadline + policy.park_after; policy.answers_kept < longest) {
    return Fail(
        Code::kInvalidArgument, "config",
        fmt::format("request.answers_kept_ms must be {} or more (saga.deadline_ms and saga.park_after_ms): "
                    "whoever repeats a request that is still under way, or has just ended, would buy twice",
                    longest.count()));
  }
  return {};
}

std::unique_ptr<Participants> ConnectParticipants(asio::any_io_executor executor,
                                                  const module::Runtime& runtime, const CallTimeouts& calls) {
  return std::make_unique<ParticipantClient>(std::move(executor), runtime.channels, runtime.metrics, calls);
}

std::unique_ptr<Shows> ConnectShows(asio::any_io_executor executor, const module::Runtime& runtime,
                                    const CallTimeouts& calls) {
  return std::make_unique<ShowClient>(std::move(executor), runtime.channels, runtime.metrics, calls.step);
}

// In the order of construction; taken down in reverse.
struct ReservationModule::Parts {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<module::LoopLag> loop_lag;
  OpenedStores stores;
  std::unique_ptr<module::RunningOutbox> outbox;
  std::unique_ptr<Participants> participants;
  std::unique_ptr<Service> service;
  std::unique_ptr<Shows> shows;
  std::unique_ptr<ShowService> show_service;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<rpc::Host> host;
  std::unique_ptr<module::Periodic> measuring;
  std::thread thread;
};

ReservationModule::ReservationModule(const module::Runtime& runtime, ReservationConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

ReservationModule::~ReservationModule() { Stop(); }

Result<void> ReservationModule::Start() {
  auto parts = std::make_unique<Parts>();
  BOXOFFICE_ASSIGN(parts->stores, OpenStores(runtime_.store_url, runtime_.random));
  BOXOFFICE_ASSIGN(parts->outbox,
                   module::StartOutbox(runtime_, "reservation", parts->stores.outbox, config_.outbox));
  const auto executor = parts->io.get_executor();
  parts->loop_lag = std::make_unique<module::LoopLag>(executor, "reservation", runtime_.metrics);
  parts->participants = config_.connect_participants(executor, runtime_, config_.calls);
  ServiceConfig service = config_.service;
  // Unique to this process, so that a predecessor's lease is never taken for its own.
  if (service.owner.empty()) service.owner = Uuid::MakeV7(runtime_.clock.Now(), runtime_.random).ToString();
  parts->service = std::make_unique<Service>(
      service, executor, *parts->stores.store, *parts->stores.reader, *parts->stores.show_reader,
      *parts->participants, parts->stores.clock ? *parts->stores.clock : runtime_.clock, runtime_.random,
      runtime_.metrics, [outbox = parts->outbox.get()] { outbox->publisher.Nudge(); });
  parts->shows = config_.connect_shows(executor, runtime_, config_.calls);
  ShowServiceConfig shows = config_.shows;
  shows.owner = service.owner;
  shows.policy = service.policy;
  shows.limits = service.limits;
  parts->show_service = std::make_unique<ShowService>(
      shows, executor, *parts->stores.shows, *parts->stores.show_reader, *parts->stores.reader,
      *parts->service, *parts->shows, parts->stores.clock ? *parts->stores.clock : runtime_.clock,
      runtime_.random, runtime_.metrics);
  parts->server = std::make_unique<RpcServer>(executor, *parts->service, *parts->stores.reader,
                                              *parts->show_service, *parts->stores.show_reader);
  parts->server->CountIn(runtime_.metrics);
  parts->host = std::make_unique<rpc::Host>();
  BOXOFFICE_TRY(parts->host->Start(
      *parts->server, runtime_.listen, [service = parts->service.get()] { return HealthOf(*service); },
      {&parts->outbox->server}, &parts->server->streams()));
  parts->measuring = std::make_unique<module::Periodic>(kMeasureEvery, [this, raw = parts.get()] {
    (void)MeasureSagas(*raw->stores.reader, runtime_.metrics);  // what can't be read shows elsewhere
  });
  parts->thread = std::thread([raw = parts.get()] { raw->io.run(); });
  asio::post(executor, [raw = parts.get()] {
    raw->service->StartScanning();
    raw->show_service->StartWorking();
    raw->loop_lag->Start();
  });
  parts_ = std::move(parts);
  return {};
}

void ReservationModule::Leave() {
  if (parts_) parts_->host->Leave();
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
  asio::co_spawn(parts_->io, parts_->show_service->Drain(grace), asio::detached);
  auto drained = drain(grace);
  parts_->host->Drain(grace);
  drained.wait_for(grace + kReleaseTime);
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  drain(std::max(left, std::chrono::milliseconds(0))).wait_for(kReleaseTime);
}

void ReservationModule::Stop() {
  if (!parts_) return;
  parts_->measuring.reset();
  parts_->host->Shutdown(std::chrono::milliseconds(0));
  parts_->work.reset();
  parts_->io.stop();
  parts_->thread.join();
  parts_->server.reset();
  parts_->show_service.reset();
  parts_->shows.reset();
  parts_->participants.reset();
  parts_->service.reset();
  parts_.reset();
}

std::string ReservationModule::Unhealthy() const {
  if (!parts_) return "not started";
  return HealthOf(*parts_->service);
}

rpc::InProcess ReservationModule::ForThisProcess() { return parts_->host->ForThisProcess(); }

module::ServiceProgram Program() {
  const auto config = std::make_shared<ReservationConfig>();
  module::ServiceProgram program;
  program.service = "reservation";
  program.peers = {"queue", "seat", "wallet", "payment"};
  program.topics = {"reservation"};
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    BOXOFFICE_TRY(CheckConfig(*config));
    return std::make_unique<ReservationModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::reservation
