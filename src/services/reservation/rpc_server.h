// The reservation service over gRPC: proto ⇄ domain.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "platform/batch/inbox.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/worker_pool.h"
#include "services/reservation/rpc_shows.h"
#include "services/reservation/service.h"

namespace boxoffice::reservation {

// Commands run on `executor`, the service's thread; queries on a pool of their own.
class RpcServer final : public v1::ReservationService::CallbackService {
 public:
  RpcServer(asio::any_io_executor executor, reservation::Service& service, Reader& reader, ShowService& shows,
            ShowReader& show_reader);
  // Waits for queries that run.
  ~RpcServer() override;
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) {
    queries_.CountIn(metrics, "reservation");
    shows_.CountIn(metrics);
  }

  grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetReservation(grpc::CallbackServerContext* context,
                                           const v1::GetReservationRequest* request,
                                           v1::Reservation* response) override;
  grpc::ServerUnaryReactor* ListReservations(grpc::CallbackServerContext* context,
                                             const v1::ListReservationsRequest* request,
                                             v1::ListReservationsResponse* response) override;
  grpc::ServerUnaryReactor* ListSagas(grpc::CallbackServerContext* context,
                                      const v1::ListSagasRequest* request,
                                      v1::ListReservationsResponse* response) override;
  grpc::ServerUnaryReactor* ResolveSaga(grpc::CallbackServerContext* context,
                                        const v1::ResolveSagaRequest* request,
                                        v1::Reservation* response) override;
  grpc::ServerUnaryReactor* CancelShow(grpc::CallbackServerContext* context,
                                       const v1::CancelShowRequest* request,
                                       v1::ShowCancellation* response) override {
    return shows_.CancelShow(context, *request, response);
  }
  grpc::ServerUnaryReactor* GetShowCancellation(grpc::CallbackServerContext* context,
                                                const v1::GetShowCancellationRequest* request,
                                                v1::ShowCancellation* response) override {
    return shows_.GetShowCancellation(context, *request, response);
  }
  grpc::ServerUnaryReactor* JoinWaitlist(grpc::CallbackServerContext* context,
                                         const v1::JoinWaitlistRequest* request,
                                         v1::WaitlistEntry* response) override {
    return shows_.JoinWaitlist(context, *request, response);
  }
  grpc::ServerUnaryReactor* LeaveWaitlist(grpc::CallbackServerContext* context,
                                          const v1::LeaveWaitlistRequest* request,
                                          v1::WaitlistEntry* response) override {
    return shows_.LeaveWaitlist(context, *request, response);
  }
  grpc::ServerUnaryReactor* ListWaitlist(grpc::CallbackServerContext* context,
                                         const v1::ListWaitlistRequest* request,
                                         v1::ListWaitlistResponse* response) override {
    return shows_.ListWaitlist(context, *request, response);
  }
  grpc::ServerUnaryReactor* QuoteCancellation(grpc::CallbackServerContext* context,
                                              const v1::QuoteCancellationRequest* request,
                                              v1::CancellationQuote* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::ListReservationsResponse* response) override;

  [[nodiscard]] rpc::OpenStreams& streams() { return commands_; }

 private:
  using Commands = rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>;
  void Handle(v1::Command command, Commands::Reply reply);
  void HandleReserve(v1::Command& command, RequestDeadline deadline, Commands::Reply reply);
  asio::awaitable<void> HandleOther(v1::Command command, RequestDeadline deadline, Commands::Reply reply);
  // `command`, which is moved from, must live until then.
  asio::awaitable<Result<Answer>> Dispatch(v1::Command& command, RequestDeadline deadline);
  asio::awaitable<Result<Answer>> Cancel(Request request, v1::Cancel body);
  asio::awaitable<Result<Answer>> Move(Request request, v1::Move body);

  asio::any_io_executor executor_;
  batch::Inbox inbox_;
  reservation::Service& service_;
  Reader& reader_;
  ShowRpc shows_;
  rpc::WorkerPool queries_{1};
  Commands commands_;
};

}  // namespace boxoffice::reservation
