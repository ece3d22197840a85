// WalletService over gRPC: proto ⇄ domain, and the checks of what comes in. No rule.
#pragma once

#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/command_server.h"
#include "platform/rpc/worker_pool.h"
#include "services/wallet/service.h"
#include "services/wallet/store.h"

namespace boxoffice::wallet {

// Malformed requests get invalid_field (the detail names the field) or amount_out_of_range, both
// kInvalidArgument. `service` and `reader` outlive it; it outlives the server that it is registered with.
class RpcServer final : public v1::WalletService::CallbackService {
 public:
  RpcServer(wallet::Service& service, Reader& reader);
  ~RpcServer() override {
    pool_.join();
    long_pool_.join();
  }
  // How its threads for queries are used, as rpc::WorkerPool's. Before the server starts.
  void CountIn(obs::Registry& metrics) {
    pool_.CountIn(metrics, "wallet");
    long_pool_.CountIn(metrics, "wallet_long");
  }

  grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetWallet(grpc::CallbackServerContext* context,
                                      const v1::GetWalletRequest* request, v1::Wallet* response) override;
  grpc::ServerUnaryReactor* ListEntries(grpc::CallbackServerContext* context,
                                        const v1::ListEntriesRequest* request,
                                        v1::ListEntriesResponse* response) override;
  grpc::ServerUnaryReactor* GetStatement(grpc::CallbackServerContext* context,
                                         const v1::GetStatementRequest* request,
                                         v1::Statement* response) override;
  grpc::ServerUnaryReactor* ExportLedger(grpc::CallbackServerContext* context,
                                         const v1::ExportLedgerRequest* request,
                                         v1::ExportLedgerResponse* response) override;
  grpc::ServerUnaryReactor* Audit(grpc::CallbackServerContext* context, const v1::AuditRequest* request,
                                  v1::AuditResponse* response) override;
  // Minutes on a large ledger; other queries don't wait for it.
  grpc::ServerUnaryReactor* GetTotals(grpc::CallbackServerContext* context,
                                      const v1::GetTotalsRequest* request,
                                      v1::GetTotalsResponse* response) override;

  [[nodiscard]] rpc::OpenStreams& streams() { return commands_; }

 private:
  using Commands = rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>;

  Reader& reader_;
  Commands commands_;
  rpc::WorkerPool pool_{1};       // the reader has one connection
  rpc::WorkerPool long_pool_{1};  // for what walks over the whole ledger, on another connection
};

}  // namespace boxoffice::wallet
