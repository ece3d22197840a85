// The part of the service over gRPC that is about whole shows: cancellations and waitlists.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <grpcpp/support/server_callback.h>

#include "boxoffice/reservation/v1/reservation.pb.h"
#include "platform/rpc/worker_pool.h"
#include "services/reservation/saga/show_service.h"
#include "services/reservation/show_store.h"

namespace boxoffice::reservation {

// As RpcServer: what changes something runs on `executor`, and so does what is counted once for all who ask
// (CancellationOf); queries on a pool of their own.
class ShowRpc {
 public:
  ShowRpc(asio::any_io_executor executor, ShowService& service, ShowReader& reader);
  // Waits for queries that run.
  ~ShowRpc();
  // As rpc::WorkerPool's.
  void CountIn(obs::Registry& metrics) { queries_.CountIn(metrics, "reservation_shows"); }

  grpc::ServerUnaryReactor* CancelShow(grpc::CallbackServerContext* context,
                                       const v1::CancelShowRequest& request, v1::ShowCancellation* response);
  grpc::ServerUnaryReactor* GetShowCancellation(grpc::CallbackServerContext* context,
                                                const v1::GetShowCancellationRequest& request,
                                                v1::ShowCancellation* response);
  grpc::ServerUnaryReactor* JoinWaitlist(grpc::CallbackServerContext* context,
                                         const v1::JoinWaitlistRequest& request, v1::WaitlistEntry* response);
  grpc::ServerUnaryReactor* LeaveWaitlist(grpc::CallbackServerContext* context,
                                          const v1::LeaveWaitlistRequest& request,
                                          v1::WaitlistEntry* response);
  grpc::ServerUnaryReactor* ListWaitlist(grpc::CallbackServerContext* context,
                                         const v1::ListWaitlistRequest& request,
                                         v1::ListWaitlistResponse* response);

 private:
  // Answers with what `ask` returns, on the service's thread. What nobody waits for any more does not begin.
  template <typename Response, typename Ask>
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context, Response* response, Ask ask);
  [[nodiscard]] Result<v1::WaitlistEntry> WithBefore(const WaitlistEntry& entry);
  [[nodiscard]] Result<v1::ListWaitlistResponse> List(const WaitlistQuery& query);

  asio::any_io_executor executor_;
  ShowService& service_;
  ShowReader& reader_;
  rpc::WorkerPool queries_{1};
};

}  // namespace boxoffice::reservation
