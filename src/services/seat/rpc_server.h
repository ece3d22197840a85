// SeatService of boxoffice/seat/v1: translates between the contract and the use cases.
#pragma once

#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/worker_pool.h"
#include "services/seat/service.h"

namespace boxoffice::seat {

// Thread-safe. The service must outlive it; shut the gRPC server down first.
class SeatRpcServer final : public v1::SeatService::CallbackService {
 public:
  explicit SeatRpcServer(SeatService& service);
  ~SeatRpcServer() override;
  // How its threads are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) {
    pool_.CountIn(metrics, "seat");
    long_pool_.CountIn(metrics, "seat-long");
  }

  grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListConcerts(grpc::CallbackServerContext* context,
                                         const v1::ListConcertsRequest* request,
                                         v1::ListConcertsResponse* response) override;
  grpc::ServerUnaryReactor* GetConcert(grpc::CallbackServerContext* context,
                                       const v1::GetConcertRequest* request, v1::Concert* response) override;
  grpc::ServerUnaryReactor* GetShow(grpc::CallbackServerContext* context, const v1::GetShowRequest* request,
                                    v1::Show* response) override;
  grpc::ServerUnaryReactor* GetSeatMap(grpc::CallbackServerContext* context,
                                       const v1::GetSeatMapRequest* request, v1::SeatMap* response) override;
  grpc::ServerUnaryReactor* CreateConcert(grpc::CallbackServerContext* context,
                                          const v1::CreateConcertRequest* request,
                                          v1::Concert* response) override;
  grpc::ServerUnaryReactor* UpdateConcert(grpc::CallbackServerContext* context,
                                          const v1::UpdateConcertRequest* request,
                                          v1::Concert* response) override;
  grpc::ServerUnaryReactor* CreateShow(grpc::CallbackServerContext* context,
                                       const v1::CreateShowRequest* request, v1::Show* response) override;
  grpc::ServerUnaryReactor* UpdateShow(grpc::CallbackServerContext* context,
                                       const v1::UpdateShowRequest* request, v1::Show* response) override;
  grpc::ServerUnaryReactor* ChangeShowState(grpc::CallbackServerContext* context,
                                            const v1::ChangeShowStateRequest* request,
                                            v1::Show* response) override;
  grpc::ServerUnaryReactor* SetWaitlistFirst(grpc::CallbackServerContext* context,
                                             const v1::SetWaitlistFirstRequest* request,
                                             v1::Show* response) override;
  grpc::ServerUnaryReactor* BlockSeats(grpc::CallbackServerContext* context,
                                       const v1::BlockSeatsRequest* request,
                                       v1::BlockSeatsResponse* response) override;
  grpc::ServerUnaryReactor* ListBlocks(grpc::CallbackServerContext* context,
                                       const v1::ListBlocksRequest* request,
                                       v1::ListBlocksResponse* response) override;
  grpc::ServerUnaryReactor* AssignChannel(grpc::CallbackServerContext* context,
                                          const v1::AssignChannelRequest* request,
                                          v1::BlockSeatsResponse* response) override;
  grpc::ServerUnaryReactor* ListContingents(grpc::CallbackServerContext* context,
                                            const v1::ListContingentsRequest* request,
                                            v1::ListContingentsResponse* response) override;
  grpc::ServerUnaryReactor* ChangePrices(grpc::CallbackServerContext* context,
                                         const v1::ChangePricesRequest* request, v1::Show* response) override;
  grpc::ServerUnaryReactor* ListPriceChanges(grpc::CallbackServerContext* context,
                                             const v1::ListPriceChangesRequest* request,
                                             v1::ListPriceChangesResponse* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

  [[nodiscard]] rpc::OpenStreams& streams() { return commands_; }

 private:
  using Commands = rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>;

  Result<v1::BlockSeatsResponse> AnswerOf(int64_t show_id,
                                          const std::function<void(SeatService::Done)>& submit);

  SeatService& service_;
  Commands commands_;
  // Queries are short, but for a look for what is not known, or not fresh, while the database is slow, of
  // which there is one at a time, and one may wait for it: three threads, so that both hold up no other
  // query.
  rpc::WorkerPool pool_{3};
  // For what waits for the database: operators' requests and audits, which take turns there, and what waits
  // for a commit, as blocks do.
  rpc::WorkerPool long_pool_{2};
};

}  // namespace boxoffice::seat
