// The ranking over gRPC.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "services/ranking/service.h"

namespace boxoffice::ranking {

// Thread-safe. `service` must outlive it.
class RankingRpcServer final : public v1::RankingService::CallbackService {
 public:
  explicit RankingRpcServer(const RankingService& service) : service_(service) {}
  // Waits for answers that are under way.
  ~RankingRpcServer() override { pool_.join(); }

  // Errors: invalid_argument, naming the field.
  grpc::ServerUnaryReactor* GetRanking(grpc::CallbackServerContext* context,
                                       const v1::GetRankingRequest* request,
                                       v1::GetRankingResponse* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

 private:
  const RankingService& service_;
  boost::asio::thread_pool pool_{1};
};

}  // namespace boxoffice::ranking
