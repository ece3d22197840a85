// The seat service as a part of a process.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "platform/module/outbox_server.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/outbox/outbox.h"
#include "platform/rpc/host.h"
#include "services/seat/rpc_server.h"
#include "services/seat/service.h"

namespace boxoffice::seat {

struct SeatConfig {
  ServiceOptions service;
  std::chrono::milliseconds sweep_interval{1000};
  outbox::PublisherConfig outbox;  // but for the service and the database
};

class SeatModule final : public module::ServiceModule {
 public:
  // `runtime` outlives it.
  SeatModule(const module::Runtime& runtime, SeatConfig config);
  ~SeatModule() override;

  [[nodiscard]] std::string_view name() const override { return "seat"; }
  // Errors: store_url, database_unavailable, schema_newer, layout_corrupt, outbox_schema, port_taken,
  // listen_failed.
  [[nodiscard]] Result<void> Start() override;
  void Leave() override { host_.Leave(); }
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] rpc::InProcess ForThisProcess() override;

 private:
  class Sweeper;

  const module::Runtime& runtime_;
  const SeatConfig config_;
  std::unique_ptr<module::RunningOutbox> outbox_;
  std::unique_ptr<Clock> store_clock_;  // as OpenedStores has it
  std::unique_ptr<SeatService> service_;
  std::unique_ptr<SeatRpcServer> server_;
  std::unique_ptr<Sweeper> sweeper_;
  rpc::Host host_;
};

// The seat service as a program: its keys are what SeatConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::seat
