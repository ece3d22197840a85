// The ranking over gRPC.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "services/ranking/service.h"

namespace boxoffice::ranking {

// Thread-safe. `service` must outlive it.
class RpcServer final : public v1::RankingService::CallbackService {
 public:
  explicit RpcServer(const ranking::Service& service) : service_(service) {}
  // Waits for answers that are under way.
  ~RpcServer() override { pool_.join(); }

  // Errors: invalid_argument, naming the field.
  grpc::ServerUnaryReactor* GetRanking(grpc::CallbackServerContext* context,
                                       const v1::GetRankingRequest* request,
                                       v1::GetRankingResponse* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

 private:
  const ranking::Service& service_;  // not the generated Service
  boost::asio::thread_pool pool_{1};
};

}  // namespace boxoffice::ranking
