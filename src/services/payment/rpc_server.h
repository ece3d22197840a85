// PaymentService over gRPC: proto ⇄ domain, and the checks of what comes in. No rule.
#pragma once

#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/worker_pool.h"
#include "services/payment/service.h"
#include "services/payment/store.h"

namespace boxoffice::payment {

// Malformed requests get invalid_field (the detail names the field) or amount_out_of_range, both
// kInvalidArgument. `service` and `reader` outlive it; it outlives the server that it is registered with.
class RpcServer final : public v1::PaymentService::CallbackService {
 public:
  RpcServer(payment::Service& service, Reader& reader);
  ~RpcServer() override {
    pool_.join();
    long_pool_.join();
  }
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) {
    pool_.CountIn(metrics, "payment");
    long_pool_.CountIn(metrics, "payment_long");
  }

  grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext* context) override;
  // The payment of a reservation that counts: the approved one, or else its last attempt. Errors:
  // payment_not_found.
  grpc::ServerUnaryReactor* GetPayment(grpc::CallbackServerContext* context,
                                       const v1::GetPaymentRequest* request, v1::Payment* response) override;
  grpc::ServerUnaryReactor* ListPayments(grpc::CallbackServerContext* context,
                                         const v1::ListPaymentsRequest* request,
                                         v1::ListPaymentsResponse* response) override;
  grpc::ServerUnaryReactor* ListUnsettledPayments(grpc::CallbackServerContext* context,
                                                  const v1::ListUnsettledPaymentsRequest* request,
                                                  v1::ListUnsettledPaymentsResponse* response) override;
  grpc::ServerUnaryReactor* SettleOutside(grpc::CallbackServerContext* context,
                                          const v1::SettleOutsideRequest* request,
                                          v1::SettleOutsideResponse* response) override;
  grpc::ServerUnaryReactor* ReceiveWebhook(grpc::CallbackServerContext* context,
                                           const v1::ReceiveWebhookRequest* request,
                                           v1::ReceiveWebhookResponse* response) override;
  // Walks over all payments: minutes on many. One at a time; it ends after a page if nobody waits any more.
  grpc::ServerUnaryReactor* ReconcileSettlement(grpc::CallbackServerContext* context,
                                                const v1::ReconcileSettlementRequest* request,
                                                v1::SettlementReport* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;

  [[nodiscard]] rpc::OpenStreams& streams() { return commands_; }

 private:
  using Commands = rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>;

  payment::Service& service_;
  Reader& reader_;
  Commands commands_;
  rpc::WorkerPool pool_{1};       // the reader has one connection
  rpc::WorkerPool long_pool_{1};  // for what walks over all payments, page by page
};

}  // namespace boxoffice::payment
