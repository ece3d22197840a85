// QueueService over gRPC: proto ⇄ domain, tokens ⇄ claims, and the checks of what comes in. No rule.
#pragma once

#include <memory>

#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "platform/auth/signed_token.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/worker_pool.h"
#include "services/queue/service.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Malformed requests, and settings out of their range, get invalid_field (kInvalidArgument; the detail names
// the field). `service` and `history` outlive it; it outlives the server that it is registered with.
class RpcServer final : public v1::QueueService::CallbackService {
 public:
  RpcServer(queue::Service& service, History& history, std::shared_ptr<const auth::KeyRing> keys);
  ~RpcServer() override { pool_.join(); }
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) { pool_.CountIn(metrics, "queue"); }

  grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext* context) override;
  // From memory. Error: not_leading.
  grpc::ServerUnaryReactor* GetHeads(grpc::CallbackServerContext* context, const v1::GetHeadsRequest* request,
                                     v1::GetHeadsResponse* response) override;
  grpc::ServerUnaryReactor* ListQueues(grpc::CallbackServerContext* context,
                                       const v1::ListQueuesRequest* request,
                                       v1::ListQueuesResponse* response) override;
  // Pages of at most 1,000 rows; a limit of 0 asks for as many.
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

  [[nodiscard]] rpc::OpenStreams& streams() { return commands_; }

 private:
  template <typename Response>
  grpc::ServerUnaryReactor* AnswerFromMemory(grpc::CallbackServerContext* context,
                                             const queue::Service::Moment& since, Response& response);

  using Commands = rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>;

  queue::Service& service_;  // the generated base has a Service of its own
  History& history_;
  const std::shared_ptr<const auth::KeyRing> keys_;
  Commands commands_;
  rpc::WorkerPool pool_{1};  // the history has one connection
};

}  // namespace boxoffice::queue
