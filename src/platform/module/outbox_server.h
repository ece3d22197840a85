// OutboxService of boxoffice/outbox/v1: what a service has not published yet, told beside its own contract.
#pragma once

#include "base/clock.h"
#include "boxoffice/outbox/v1/outbox.grpc.pb.h"
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

}  // namespace boxoffice::module
