// A service's outbox in its module: published, and told of, by OutboxService of boxoffice/outbox/v1, beside
// the service's own contract.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "boxoffice/outbox/v1/outbox.grpc.pb.h"
#include "platform/module/service_module.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::module {

// Thread-safe. `publisher` and `clock`, by which the events are dated, outlive it; it outlives the server
// that it is registered with.
class OutboxServer final : public ::boxoffice::outbox::v1::OutboxService::CallbackService {
 public:
  OutboxServer(const outbox::Publisher& publisher, const Clock& clock)
      : publisher_(publisher), clock_(clock) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const outbox::v1::GetStatusRequest* request,
                                      outbox::v1::OutboxStatus* response) override;

 private:
  const outbox::Publisher& publisher_;
  const Clock& clock_;
};

// What publishes a service's outbox, and what tells how far it is.
struct RunningOutbox {
  // `runtime` outlives it.
  RunningOutbox(outbox::PublisherConfig config, const Runtime& runtime)
      : publisher(std::move(config), runtime.bus, runtime.clock, runtime.metrics),
        server(publisher, runtime.clock) {}

  outbox::Publisher publisher;
  OutboxServer server;  // for the host, beside the service
};

// Publishes what `open_table` opens, by `config`, until it is destroyed. `runtime` outlives it. Errors: as of
// outbox::Publisher::Start.
[[nodiscard]] Result<std::unique_ptr<RunningOutbox>> StartOutbox(const Runtime& runtime, std::string service,
                                                                 outbox::OpenTable open_table,
                                                                 outbox::PublisherConfig config);

}  // namespace boxoffice::module
