// Services that answer as a test tells them, behind real gRPC.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "boxoffice/outbox/v1/outbox.grpc.pb.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/host.h"
#include "testing/fake_bus.h"
#include "testing/fake_call.h"

namespace boxoffice::gateway {

using testbed::FakeCommands;

struct FakeQueue final : queue::v1::QueueService::CallbackService {
  FakeQueue();
  ~FakeQueue() override;
  FakeCommands<queue::v1::CommandBatch, queue::v1::OutcomeBatch> commands;
  grpc::ServerBidiReactor<queue::v1::CommandBatch, queue::v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return commands.Open();
  }
  BOXOFFICE_FAKE(GetHeads, queue::v1, GetHeadsRequest, GetHeadsResponse)
  BOXOFFICE_FAKE(ListQueues, queue::v1, ListQueuesRequest, ListQueuesResponse)
};

struct FakeSeat final : seat::v1::SeatService::CallbackService {
  FakeSeat();
  ~FakeSeat() override;
  BOXOFFICE_FAKE(ListConcerts, seat::v1, ListConcertsRequest, ListConcertsResponse)
  BOXOFFICE_FAKE(GetConcert, seat::v1, GetConcertRequest, Concert)
  BOXOFFICE_FAKE(GetShow, seat::v1, GetShowRequest, Show)
  BOXOFFICE_FAKE(GetSeatMap, seat::v1, GetSeatMapRequest, SeatMap)
  BOXOFFICE_FAKE(CreateConcert, seat::v1, CreateConcertRequest, Concert)
  BOXOFFICE_FAKE(UpdateConcert, seat::v1, UpdateConcertRequest, Concert)
  BOXOFFICE_FAKE(CreateShow, seat::v1, CreateShowRequest, Show)
  BOXOFFICE_FAKE(UpdateShow, seat::v1, UpdateShowRequest, Show)
  BOXOFFICE_FAKE(ChangeShowState, seat::v1, ChangeShowStateRequest, Show)
  BOXOFFICE_FAKE(BlockSeats, seat::v1, BlockSeatsRequest, BlockSeatsResponse)
  BOXOFFICE_FAKE(ListBlocks, seat::v1, ListBlocksRequest, ListBlocksResponse)
  BOXOFFICE_FAKE(ChangePrices, seat::v1, ChangePricesRequest, Show)
  BOXOFFICE_FAKE(ListPriceChanges, seat::v1, ListPriceChangesRequest, ListPriceChangesResponse)
  BOXOFFICE_FAKE(AssignChannel, seat::v1, AssignChannelRequest, BlockSeatsResponse)
  BOXOFFICE_FAKE(ListContingents, seat::v1, ListContingentsRequest, ListContingentsResponse)
};

struct FakeReservation final : reservation::v1::ReservationService::CallbackService {
  FakeReservation();
  ~FakeReservation() override;
  FakeCommands<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch> commands;
  grpc::ServerBidiReactor<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return commands.Open();
  }
  BOXOFFICE_FAKE(GetReservation, reservation::v1, GetReservationRequest, Reservation)
  BOXOFFICE_FAKE(ListReservations, reservation::v1, ListReservationsRequest, ListReservationsResponse)
  BOXOFFICE_FAKE(ListSagas, reservation::v1, ListSagasRequest, ListReservationsResponse)
  BOXOFFICE_FAKE(QuoteCancellation, reservation::v1, QuoteCancellationRequest, CancellationQuote)
  BOXOFFICE_FAKE(ResolveSaga, reservation::v1, ResolveSagaRequest, Reservation)
  BOXOFFICE_FAKE(CancelShow, reservation::v1, CancelShowRequest, ShowCancellation)
  BOXOFFICE_FAKE(GetShowCancellation, reservation::v1, GetShowCancellationRequest, ShowCancellation)
  BOXOFFICE_FAKE(JoinWaitlist, reservation::v1, JoinWaitlistRequest, WaitlistEntry)
  BOXOFFICE_FAKE(LeaveWaitlist, reservation::v1, LeaveWaitlistRequest, WaitlistEntry)
  BOXOFFICE_FAKE(ListWaitlist, reservation::v1, ListWaitlistRequest, ListWaitlistResponse)
};

struct FakeWallet final : wallet::v1::WalletService::CallbackService {
  FakeWallet();
  ~FakeWallet() override;
  FakeCommands<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch> commands;
  grpc::ServerBidiReactor<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return commands.Open();
  }
  BOXOFFICE_FAKE(GetWallet, wallet::v1, GetWalletRequest, Wallet)
  BOXOFFICE_FAKE(ListEntries, wallet::v1, ListEntriesRequest, ListEntriesResponse)
  BOXOFFICE_FAKE(GetStatement, wallet::v1, GetStatementRequest, Statement)
  BOXOFFICE_FAKE(ExportLedger, wallet::v1, ExportLedgerRequest, ExportLedgerResponse)
};

struct FakePayment final : payment::v1::PaymentService::CallbackService {
  FakePayment();
  ~FakePayment() override;
  BOXOFFICE_FAKE(ListPayments, payment::v1, ListPaymentsRequest, ListPaymentsResponse)
  BOXOFFICE_FAKE(ListUnsettledPayments, payment::v1, ListUnsettledPaymentsRequest,
                 ListUnsettledPaymentsResponse)
  BOXOFFICE_FAKE(SettleOutside, payment::v1, SettleOutsideRequest, SettleOutsideResponse)
  BOXOFFICE_FAKE(ReceiveWebhook, payment::v1, ReceiveWebhookRequest, ReceiveWebhookResponse)
  BOXOFFICE_FAKE(ReconcileSettlement, payment::v1, ReconcileSettlementRequest, SettlementReport)
};

struct FakeRanking final : ranking::v1::RankingService::CallbackService {
  FakeRanking();
  ~FakeRanking() override;
  BOXOFFICE_FAKE(GetRanking, ranking::v1, GetRankingRequest, GetRankingResponse)
  BOXOFFICE_FAKE(GetStatus, ranking::v1, GetStatusRequest, Status)
  BOXOFFICE_FAKE(Rebuild, ranking::v1, RebuildRequest, Status)
};

struct FakeRelay final : relay::v1::RelayService::CallbackService {
  FakeRelay();
  ~FakeRelay() override;
  BOXOFFICE_FAKE(CreateTarget, relay::v1, CreateTargetRequest, Target)
  BOXOFFICE_FAKE(ChangeTarget, relay::v1, ChangeTargetRequest, Target)
  BOXOFFICE_FAKE(RotateSecret, relay::v1, RotateSecretRequest, Target)
  BOXOFFICE_FAKE(TestTarget, relay::v1, TestTargetRequest, Delivery)
  BOXOFFICE_FAKE(DeleteTarget, relay::v1, DeleteTargetRequest, DeleteTargetResponse)
  BOXOFFICE_FAKE(ListTargets, relay::v1, ListTargetsRequest, ListTargetsResponse)
  BOXOFFICE_FAKE(ListDeliveries, relay::v1, ListDeliveriesRequest, ListDeliveriesResponse)
  BOXOFFICE_FAKE(GetDelivery, relay::v1, GetDeliveryRequest, Delivery)
  BOXOFFICE_FAKE(ReplayDelivery, relay::v1, ReplayDeliveryRequest, Delivery)
  BOXOFFICE_FAKE(ReplayDeliveries, relay::v1, ReplayDeliveriesRequest, ReplayDeliveriesResponse)
};

// Beside each service that publishes events.
struct FakeOutbox final : outbox::v1::OutboxService::CallbackService {
  FakeOutbox();
  ~FakeOutbox() override;
  BOXOFFICE_FAKE(GetStatus, outbox::v1, GetStatusRequest, OutboxStatus)
};

// A bus with dead letters only.
struct FakeBus final : testbed::FakeBus {
  std::vector<bus::DeadLetter> letters;
  std::function<void()> before_letters;  // called first, if it is set
  Result<std::vector<bus::DeadLetter>> DeadLetters(size_t limit) override {
    if (before_letters) before_letters();
    std::vector<bus::DeadLetter> oldest = letters;
    if (oldest.size() > limit) oldest.resize(limit);
    return oldest;
  }
  Result<void> Replay(int64_t id) override {
    if (letters.empty() || letters[0].id != id) return Fail(Code::kNotFound, "not_found");
    return {};
  }
};

// All of them, served in this process.
class FakeServices {
 public:
  FakeServices() {
    Serve(queue_host_, queue);
    Serve(seat_host_, seat, {&seat_outbox});
    Serve(reservation_host_, reservation, {&reservation_outbox});
    Serve(wallet_host_, wallet, {&wallet_outbox});
    Serve(payment_host_, payment, {&payment_outbox});
    Serve(ranking_host_, ranking);
    Serve(relay_host_, relay);
  }
  [[nodiscard]] rpc::ChannelFactory Channels() {
    return [this](std::string_view service) {
      if (service == "queue") return queue_host_.InProcessChannel();
      if (service == "seat") return seat_host_.InProcessChannel();
      if (service == "reservation") return reservation_host_.InProcessChannel();
      if (service == "wallet") return wallet_host_.InProcessChannel();
      if (service == "payment") return payment_host_.InProcessChannel();
      if (service == "ranking") return ranking_host_.InProcessChannel();
      CHECK(service == "relay", "{}", service);
      return relay_host_.InProcessChannel();
    };
  }

  FakeQueue queue;
  FakeSeat seat;
  FakeReservation reservation;
  FakeWallet wallet;
  FakePayment payment;
  FakeRanking ranking;
  FakeRelay relay;
  FakeOutbox seat_outbox;
  FakeOutbox reservation_outbox;
  FakeOutbox wallet_outbox;
  FakeOutbox payment_outbox;

 private:
  static void Serve(rpc::Host& host, grpc::Service& service, const std::vector<grpc::Service*>& beside = {}) {
    const Result<void> started = host.Start(service, {}, {}, beside);
    CHECK(started.has_value());
  }
  rpc::Host queue_host_;
  rpc::Host seat_host_;
  rpc::Host reservation_host_;
  rpc::Host wallet_host_;
  rpc::Host payment_host_;
  rpc::Host ranking_host_;
  rpc::Host relay_host_;
};

}  // namespace boxoffice::gateway
