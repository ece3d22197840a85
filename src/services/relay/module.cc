#include "services/relay/module.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "platform/obs/log.h"
#include "services/relay/bus_client.h"
#include "services/relay/measured_sender.h"
#include "services/relay/store_factory.h"
#include "services/relay/webhook_client.h"

namespace boxoffice::relay {
namespace {

// Deadlines are by the service's clock, waiting is by the steady one: look again at least this often.
constexpr std::chrono::seconds kLongestWait{1};
constexpr std::chrono::hours kPruneEvery{1};
constexpr std::chrono::seconds kMeasureEvery{5};

}  // namespace

void AddKeys(config::Keys& keys, RelayConfig& config) {
  keys.Integer("target.max_in_flight", config.limits.in_flight_per_target, 1, 1'000,
               "Deliveries to one target at a time");
  keys.Duration("http.timeout_ms", config.http_timeout, std::chrono::milliseconds(100), kMaxHttpTimeout,
                "For one delivery");
  keys.Duration("delivery.kept_ms", config.log_age, std::chrono::milliseconds(0),
                std::chrono::milliseconds(31'622'400'000),
                "From a delivery's end, when it was delivered or given up, until it goes out of the log");
  keys.Duration("processed_event.kept_ms", config.processed_age, std::chrono::milliseconds(0),
                std::chrono::milliseconds(31'622'400'000),
                "From an event's making until its id is forgotten, once it and all before it were consumed");
  AddNetworkKeys(keys, config);
  keys.Text("http.ca_file", config.tls.ca_file,
            "PEM of the authorities that targets are believed by; empty: the system's");
}

void AddNetworkKeys(config::Keys& keys, RelayConfig& config) {
  keys.Text(
      "target.allow_networks", config.allow_networks,
      "Networks that targets may be in besides the public internet: 10.1.0.0/16,127.0.0.1; empty: none");
}

Result<void> CheckConfig(const RelayConfig& config) {
  if (config.log_age < RelayService::kLeastLogAge) {
    return Fail(Code::kInvalidArgument, "config",
                fmt::format("delivery.kept_ms must be {} or more (how long a delivery is tried, and a day): "
                            "what could not be delivered would be gone before anybody can replay it",
                            std::chrono::milliseconds(RelayService::kLeastLogAge).count()));
  }
  return bus::CheckKept(config.processed_age);
}

RelayModule::RelayModule(const module::Runtime& runtime, RelayConfig config)
    : runtime_(runtime), config_(std::move(config)) {}

RelayModule::~RelayModule() { Stop(); }

Result<void> RelayModule::Start() {
  auto networks = ParseNetworks(config_.allow_networks);
  if (!networks) {
    networks.error().detail = "target.allow_networks: " + networks.error().detail;
    return std::unexpected(networks.error());
  }
  const AddressPolicy addresses(*std::move(networks));
  BOXOFFICE_ASSIGN(std::unique_ptr<Store> store, OpenStore(runtime_.store_url));
  service_ = std::make_unique<RelayService>(std::move(store), runtime_.clock, runtime_.random, RandomSecret,
                                            addresses, config_.log_age);
  BOXOFFICE_TRY(service_->Load());
  sender_ = std::make_unique<MeasuredSender>(
      config_.make_sender ? config_.make_sender()
                          : std::make_unique<HttpSender>(config_.http_timeout, config_.tls, addresses),
      runtime_.clock, runtime_.metrics);
  dispatcher_ = std::make_unique<Dispatcher>(*service_, *sender_, runtime_.clock, config_.limits,
                                             [this] { nudged_.Nudge(); });
  thread_ = std::thread([this] { Loop(); });
  server_ = std::make_unique<RelayRpcServer>(*service_, runtime_.clock, [this] { nudged_.Nudge(); });
  server_->CountIn(runtime_.metrics);
  BOXOFFICE_TRY(host_.Start(*server_, runtime_.listen));
  BOXOFFICE_TRY(Subscribe(*service_, runtime_.bus, [this] { nudged_.Nudge(); }));
  subscribed_ = true;
  forgetter_ = std::make_unique<bus::Forgetter>(kGroup, ConsumedTopics(), config_.processed_age, runtime_.bus,
                                                runtime_.clock, runtime_.metrics, bus::ForgetIn(*service_));
  forgetter_->Start();
  return {};
}

void RelayModule::Loop() {
  std::chrono::milliseconds wait{0};
  // Its end is a nudge too, and not nudged_.Stop(): Drain waits for further ones.
  while (nudged_.Wait(wait, std::chrono::milliseconds(0)) && !stopping_) {
    const Result<std::optional<Timestamp>> next = dispatcher_->Round();
    wait = kLongestWait;
    if (!next) {
      obs::Log(obs::Level::kError, "relay_store_failed",
               {{"reason", next.error().reason}, {"detail", next.error().detail}});
    } else if (*next) {
      wait = std::clamp<std::chrono::milliseconds>(**next - runtime_.clock.Now(),
                                                   std::chrono::milliseconds(1), kLongestWait);
    }
    MeasureIfDue();
    PruneIfDue();
  }
}

// The oldest of all targets says what somebody is woken for. Until the first look, and while the store does
// not answer, it stays as it is.
void RelayModule::MeasureIfDue() {
  const auto now = std::chrono::steady_clock::now();
  if (now - measured_ < kMeasureEvery) return;
  measured_ = now;
  const Result<std::optional<Timestamp>> next = dispatcher_->NextDue();
  if (!next) return;
  runtime_.metrics
      .GetGauge(
          "boxoffice_relay_next_due_timestamp_seconds",
          "When the next attempt of any delivery is due, in the past where it is late; the end of a pause, "
          "or the next turn, where its target asked for one or has a rate; 0: none is pending")
      .Set(*next ? static_cast<double>(ToUnixMs(**next)) / 1000 : 0);
}

void RelayModule::PruneIfDue() {
  const auto now = std::chrono::steady_clock::now();
  if (pruned_ != std::chrono::steady_clock::time_point() && now - pruned_ < kPruneEvery) return;
  const Result<size_t> pruned = service_->Prune();
  runtime_.metrics
      .GetCounter("boxoffice_retention_deleted_total", "Rows deleted because of their age",
                  {{"service", "relay"}, {"kind", "delivery"}})
      .Add(pruned.value_or(0));
  // A full batch: there may be more, so come back at the next round.
  if (pruned && *pruned == 0) pruned_ = now;
}

void RelayModule::Drain(std::chrono::milliseconds grace) {
  const auto end = std::chrono::steady_clock::now() + grace;
  forgetter_.reset();
  if (std::exchange(subscribed_, false)) runtime_.bus.Unsubscribe(kGroup);
  host_.Drain(grace);
  stopping_ = true;
  nudged_.Nudge();
  if (thread_.joinable()) thread_.join();
  if (!dispatcher_) return;
  // What was sent has been received: record it rather than send it again.
  while (dispatcher_->RecordEnded().has_value() && dispatcher_->in_flight() > 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !nudged_.Wait(left, std::chrono::milliseconds(0))) return;
  }
}

void RelayModule::Stop() {
  Drain(std::chrono::milliseconds(0));
  host_.Shutdown(std::chrono::milliseconds(0));
  sender_.reset();
  server_.reset();
  dispatcher_.reset();
  service_.reset();
}

module::ServiceProgram Program() {
  const auto config = std::make_shared<RelayConfig>();
  module::ServiceProgram program;
  program.service = kGroup;
  program.consumed_topics = ConsumedTopics();
  program.add_keys = [config](config::Keys& keys) { AddKeys(keys, *config); };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    BOXOFFICE_TRY(CheckConfig(*config));
    return std::make_unique<RelayModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::relay
