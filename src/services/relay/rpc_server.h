// The relay over gRPC.
#pragma once

#include <functional>
#include <utility>

#include "base/clock.h"
#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "platform/rpc/worker_pool.h"
#include "services/relay/service.h"

namespace boxoffice::relay {

// Thread-safe. Errors of all, besides the service's: invalid_argument, naming the field.
class RelayRpcServer final : public v1::RelayService::CallbackService {
 public:
  // `due` is called when a delivery may have become due. `service` and `clock` must outlive this.
  RelayRpcServer(relay::RelayService& service, const Clock& clock, std::function<void()> due)
      : service_(service), clock_(clock), due_(std::move(due)) {}
  // Waits for answers that are under way.
  ~RelayRpcServer() override { pool_.join(); }
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) { pool_.CountIn(metrics, "relay"); }

  grpc::ServerUnaryReactor* CreateTarget(grpc::CallbackServerContext* context,
                                         const v1::CreateTargetRequest* request,
                                         v1::Target* response) override;
  grpc::ServerUnaryReactor* ChangeTarget(grpc::CallbackServerContext* context,
                                         const v1::ChangeTargetRequest* request,
                                         v1::Target* response) override;
  grpc::ServerUnaryReactor* RotateSecret(grpc::CallbackServerContext* context,
                                         const v1::RotateSecretRequest* request,
                                         v1::Target* response) override;
  grpc::ServerUnaryReactor* TestTarget(grpc::CallbackServerContext* context,
                                       const v1::TestTargetRequest* request, v1::Delivery* response) override;
  grpc::ServerUnaryReactor* DeleteTarget(grpc::CallbackServerContext* context,
                                         const v1::DeleteTargetRequest* request,
                                         v1::DeleteTargetResponse* response) override;
  grpc::ServerUnaryReactor* ListTargets(grpc::CallbackServerContext* context,
                                        const v1::ListTargetsRequest* request,
                                        v1::ListTargetsResponse* response) override;
  grpc::ServerUnaryReactor* ListDeliveries(grpc::CallbackServerContext* context,
                                           const v1::ListDeliveriesRequest* request,
                                           v1::ListDeliveriesResponse* response) override;
  grpc::ServerUnaryReactor* GetDelivery(grpc::CallbackServerContext* context,
                                        const v1::GetDeliveryRequest* request,
                                        v1::Delivery* response) override;
  grpc::ServerUnaryReactor* ReplayDeliveries(grpc::CallbackServerContext* context,
                                             const v1::ReplayDeliveriesRequest* request,
                                             v1::ReplayDeliveriesResponse* response) override;
  grpc::ServerUnaryReactor* ReplayDelivery(grpc::CallbackServerContext* context,
                                           const v1::ReplayDeliveryRequest* request,
                                           v1::Delivery* response) override;

 private:
  relay::RelayService& service_;
  const Clock& clock_;
  const std::function<void()> due_;
  rpc::WorkerPool pool_{1};
};

}  // namespace boxoffice::relay
