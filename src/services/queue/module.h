// The waiting room as a part of a process.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/result.h"
#include "platform/auth/signed_token.h"
#include "platform/batch/executor.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "platform/rpc/host.h"
#include "services/queue/rpc_server.h"
#include "services/queue/service.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

struct QueueConfig {
  batch::Limits limits;
  // Between two rounds of admission. 0: nobody ticks, and only joins onto an empty line admit.
  std::chrono::milliseconds tick_interval{250};
  // The keys of the tokens. Empty: a development key, id "queue", in data_dir/keys/queue-token.key, made at
  // the first start.
  std::shared_ptr<const auth::KeyRing> keys;
};

class QueueModule final : public module::ServiceModule {
 public:
  // `runtime` outlives it.
  QueueModule(const module::Runtime& runtime, QueueConfig config);
  ~QueueModule() override;

  [[nodiscard]] std::string_view name() const override { return "queue"; }
  // Errors: store_url, database_unavailable, schema_newer, port_taken, and those of auth::LoadOrCreateSecret.
  [[nodiscard]] Result<void> Start() override;
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] std::shared_ptr<grpc::Channel> InProcessChannel() override;

 private:
  void ScheduleTick();

  const module::Runtime& runtime_;
  const QueueConfig config_;
  Stores stores_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RpcServer> server_;
  rpc::Host host_;
  std::atomic<bool> tick_waits_{false};  // in the service's queue: one is enough
  boost::asio::thread_pool ticker_{1};
  boost::asio::steady_timer timer_{ticker_};
};

// The waiting room as a program: its keys are what QueueConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::queue
