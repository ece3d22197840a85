// The relay over gRPC.
#pragma once

#include <functional>
#include <utility>

#include <boost/asio/thread_pool.hpp>

#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "services/relay/service.h"

namespace boxoffice::relay {

// Thread-safe. Errors of all, besides the service's: invalid_argument, naming the field.
class RelayRpcServer final : public v1::RelayService::CallbackService {
 public:
  // `replayed` is called when a delivery has become due. `service` must outlive this.
  RelayRpcServer(relay::RelayService& service, std::function<void()> replayed)
      : service_(service), replayed_(std::move(replayed)) {}
  // Waits for answers that are under way.
  ~RelayRpcServer() override { pool_.join(); }

  grpc::ServerUnaryReactor* CreateTarget(grpc::CallbackServerContext* context,
                                         const v1::CreateTargetRequest* request,
                                         v1::Target* response) override;
  grpc::ServerUnaryReactor* DeleteTarget(grpc::CallbackServerContext* context,
                                         const v1::DeleteTargetRequest* request,
                                         v1::DeleteTargetResponse* response) override;
  grpc::ServerUnaryReactor* ListTargets(grpc::CallbackServerContext* context,
                                        const v1::ListTargetsRequest* request,
                                        v1::ListTargetsResponse* response) override;
  grpc::ServerUnaryReactor* ListDeliveries(grpc::CallbackServerContext* context,
                                           const v1::ListDeliveriesRequest* request,
                                           v1::ListDeliveriesResponse* response) override;
  grpc::ServerUnaryReactor* ReplayDelivery(grpc::CallbackServerContext* context,
                                           const v1::ReplayDeliveryRequest* request,
                                           v1::Delivery* response) override;

 private:
  relay::RelayService& service_;
  const std::function<void()> replayed_;
  boost::asio::thread_pool pool_{1};
};

}  // namespace boxoffice::relay
