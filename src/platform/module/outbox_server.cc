#include "platform/module/outbox_server.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace boxoffice::module {

grpc::ServerUnaryReactor* OutboxServer::GetStatus(grpc::CallbackServerContext* context,
                                                  const outbox::v1::GetStatusRequest*,
                                                  outbox::v1::OutboxStatus* response) {
  const outbox::Status status = publisher_.status();
  response->set_pending(status.pending);
  if (status.oldest) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - *status.oldest);
    response->set_oldest_age_ms(std::max<int64_t>(age.count(), 0));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

Result<std::unique_ptr<RunningOutbox>> StartOutbox(const Runtime& runtime, std::string service,
                                                   outbox::OpenTable open_table,
                                                   outbox::PublisherConfig config) {
  config.service = std::move(service);
  config.open_table = std::move(open_table);
  auto outbox = std::make_unique<RunningOutbox>(std::move(config), runtime);
  BOXOFFICE_TRY(outbox->publisher.Start());
  return outbox;
}

}  // namespace boxoffice::module
