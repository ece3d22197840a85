// The participants over their command streams.
#pragma once

#include <memory>

#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/command_peer.h"
#include "platform/rpc/stubs.h"
#include "services/reservation/saga/participants.h"

namespace boxoffice::reservation {

// How long a call may take; the defaults are those of failure-semantics §5.
struct CallTimeouts {
  milliseconds step{1'000};
  // The provider's own time-out (3 s) and a little for the way.
  milliseconds payment{3'500};
};

// Until when buyers may cancel, and what is kept of it. Of a show that is cancelled: nothing.
[[nodiscard]] CancelPolicy PolicyOf(const seat::v1::Show& show);

// Runs on one thread, that of `executor`.
class ParticipantClient final : public Participants {
 public:
  ParticipantClient(asio::any_io_executor executor, const rpc::ChannelFactory& channels,
                    obs::Registry& metrics, CallTimeouts timeouts);

  asio::awaitable<StepResult> BindQueue(const Reservation& reservation) override;
  asio::awaitable<StepResult> UnbindQueue(const Reservation& reservation, SagaId bound_saga) override;
  asio::awaitable<StepResult> CompleteQueue(const Reservation& reservation) override;
  asio::awaitable<StepResult> HoldSeats(Reservation& reservation, Timestamp until) override;
  asio::awaitable<StepResult> KeepSeats(Reservation& reservation) override;
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& reservation) override;
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& reservation) override;
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& reservation,
                                          std::vector<uint32_t> seat_nos) override;
  asio::awaitable<StepResult> MoveSeats(Reservation& reservation) override;
  asio::awaitable<StepResult> DebitWallet(const Reservation& reservation) override;
  asio::awaitable<StepResult> RefundWallet(const Reservation& reservation, SagaId debit_saga) override;
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& reservation, int64_t amount) override;
  asio::awaitable<StepResult> ApprovePayment(const Reservation& reservation) override;
  asio::awaitable<StepResult> CancelPayment(const Reservation& reservation, uint32_t attempt) override;
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& reservation, int64_t amount) override;
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t show_id) override;

 private:
  using QueueClient = rpc::CommandPeer<queue::v1::CommandBatch, queue::v1::OutcomeBatch>;
  using SeatClient = rpc::CommandPeer<seat::v1::CommandBatch, seat::v1::OutcomeBatch>;
  using WalletClient = rpc::CommandPeer<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch>;
  using PaymentClient = rpc::CommandPeer<payment::v1::CommandBatch, payment::v1::OutcomeBatch>;

  asio::any_io_executor executor_;
  const CallTimeouts timeouts_;
  rpc::PickSlot slot_;
  std::shared_ptr<rpc::Peer> seat_peer_;
  rpc::Stubs<seat::v1::SeatService::Stub> seat_stubs_;
  QueueClient queue_;
  SeatClient seat_;
  WalletClient wallet_;
  PaymentClient payment_;
};

}  // namespace boxoffice::reservation
