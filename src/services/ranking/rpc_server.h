// The ranking over gRPC.
#pragma once

#include <functional>
#include <utility>

#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "platform/rpc/worker_pool.h"
#include "services/ranking/service.h"

namespace boxoffice::ranking {

// Thread-safe. `service` and `clock` must outlive it.
class RankingRpcServer final : public v1::RankingService::CallbackService {
 public:
  // `rebuild` begins one, and `requested` tells whether one that was asked for has not ended yet.
  RankingRpcServer(RankingService& service, const Clock& clock, std::function<void()> rebuild,
                   std::function<bool()> requested)
      : service_(service), clock_(clock), rebuild_(std::move(rebuild)), requested_(std::move(requested)) {}
  // Waits for answers that are under way.
  ~RankingRpcServer() override { pool_.join(); }
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) { pool_.CountIn(metrics, "ranking"); }

  // Errors: invalid_argument, naming the field.
  grpc::ServerUnaryReactor* GetRanking(grpc::CallbackServerContext* context,
                                       const v1::GetRankingRequest* request,
                                       v1::GetRankingResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request, v1::Status* response) override;
  grpc::ServerUnaryReactor* Rebuild(grpc::CallbackServerContext* context, const v1::RebuildRequest* request,
                                    v1::Status* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

 private:
  [[nodiscard]] v1::Status Describe() const;

  RankingService& service_;
  const Clock& clock_;
  const std::function<void()> rebuild_;
  const std::function<bool()> requested_;
  rpc::WorkerPool pool_{1};
};

}  // namespace boxoffice::ranking
