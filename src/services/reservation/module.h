// The reservation service as a part of a process.
#pragma once

#include <memory>

#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/outbox/outbox.h"
#include "services/reservation/participant_client.h"
#include "services/reservation/saga/show_service.h"
#include "services/reservation/service.h"

namespace boxoffice::reservation {

// What the sagas call. Made at the start, on the thread that starts the module; used on that of `executor`.
using ParticipantsFactory = std::function<std::unique_ptr<Participants>(
    asio::any_io_executor executor, const module::Runtime& runtime, const CallTimeouts& calls)>;

// The services behind the runtime's channels.
[[nodiscard]] std::unique_ptr<Participants> ConnectParticipants(asio::any_io_executor executor,
                                                                const module::Runtime& runtime,
                                                                const CallTimeouts& calls);

// What the work on whole shows calls; otherwise the same.
using ShowsFactory = std::function<std::unique_ptr<Shows>(
    asio::any_io_executor executor, const module::Runtime& runtime, const CallTimeouts& calls)>;
[[nodiscard]] std::unique_ptr<Shows> ConnectShows(asio::any_io_executor executor,
                                                  const module::Runtime& runtime, const CallTimeouts& calls);

struct ReservationConfig {
  ParticipantsFactory connect_participants = ConnectParticipants;
  ShowsFactory connect_shows = ConnectShows;
  ServiceConfig service;
  ShowServiceConfig shows;  // but for the owner, the policy and the limits, which are the service's
  CallTimeouts calls;
  outbox::PublisherConfig outbox;  // but for the service and the database
};

class ReservationModule final : public module::ServiceModule {
 public:
  ReservationModule(const module::Runtime& runtime, ReservationConfig config);
  ~ReservationModule() override;

  [[nodiscard]] std::string_view name() const override { return "reservation"; }
  [[nodiscard]] std::vector<std::string> dependencies() const override {
    return {"queue", "seat", "wallet", "payment"};
  }
  [[nodiscard]] Result<void> Start() override;
  void Leave() override;
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override;

 private:
  struct Parts;
  const module::Runtime& runtime_;
  ReservationConfig config_;
  std::unique_ptr<Parts> parts_;
};

// The keys of `config`, which outlives them.
void AddKeys(config::Keys& keys, ReservationConfig& config);
// Whether what its keys say goes together. Error: config.
[[nodiscard]] Result<void> CheckConfig(const ReservationConfig& config);

// The reservation service as a program: its keys are what ReservationConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::reservation
