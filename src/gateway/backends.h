// How the gateway reaches the services: their stubs, and a command stream to each of those that take
// commands.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "boxoffice/outbox/v1/outbox.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/http/message.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/host.h"
#include "platform/rpc/unary.h"

namespace boxoffice::gateway {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// How long the gateway waits for what it asks, and for how many at once.
struct BackendLimits {
  milliseconds query_timeout{2'000};
  milliseconds import_timeout{30'000};  // of a seating plan
  milliseconds command_timeout{2'000};  // queue and wallet
  // A reservation's saga: it answers CONFIRMING before that when the payment's outcome stays unknown.
  milliseconds saga_timeout{10'000};
  size_t max_in_flight = 8'192;  // commands to one service; past it buyers get 503
};

struct Outbox {
  std::string service;
  std::unique_ptr<outbox::v1::OutboxService::Stub> stub;
};

// Use it on the executor that it was given (one thread), which must run until this is destroyed.
class Backends {
 public:
  Backends(asio::any_io_executor executor, const rpc::ChannelFactory& channels, obs::Registry& metrics,
           const BackendLimits& limits)
      : executor_(std::move(executor)),
        limits_(limits),
        queue(queue::v1::QueueService::NewStub(channels("queue"))),
        seat(seat::v1::SeatService::NewStub(channels("seat"))),
        reservation(reservation::v1::ReservationService::NewStub(channels("reservation"))),
        wallet(wallet::v1::WalletService::NewStub(channels("wallet"))),
        ranking(ranking::v1::RankingService::NewStub(channels("ranking"))),
        relay(relay::v1::RelayService::NewStub(channels("relay"))),
        outboxes(MakeOutboxes(channels)),
        queue_commands_(MakeClient<QueueCommands>("gateway_queue", *queue, metrics)),
        reservation_commands_(MakeClient<ReservationCommands>("gateway_reservation", *reservation, metrics)),
        wallet_commands_(MakeClient<WalletCommands>("gateway_wallet", *wallet, metrics)) {}

  // A command, traced as the request that it serves. Errors: as of rpc::CommandClient; closed after
  // CloseCommands.
  auto Execute(queue::v1::Command&& command, const http::Request& request) {
    return ExecuteOn(queue_commands_, std::move(command), limits_.command_timeout, request);
  }
  auto Execute(reservation::v1::Command&& command, const http::Request& request) {
    return ExecuteOn(reservation_commands_, std::move(command), limits_.saga_timeout, request);
  }
  auto Execute(wallet::v1::Command&& command, const http::Request& request) {
    return ExecuteOn(wallet_commands_, std::move(command), limits_.command_timeout, request);
  }
  // Sends without waiting; nobody reads the outcome.
  void SendHeartbeat(queue::v1::Command&& command) {
    if (queue_commands_ == nullptr) return;
    queue_commands_->Send(std::move(command), limits_.command_timeout, [](const auto&) {});
  }

  // Gives up on commands that are under way, and takes no more. Call it on the executor, which must go on
  // running.
  void CloseCommands() {
    queue_commands_ = nullptr;
    reservation_commands_ = nullptr;
    wallet_commands_ = nullptr;
  }

  // A query: `start` is the stub's asynchronous method, as rpc::Call takes it. By reference, because GCC 12
  // destroys temporaries in co_await expressions twice; both are copied here.
  template <typename Response, typename Request, typename Start>
  asio::awaitable<Result<Response>> Ask(const Request& query, const std::string& traceparent,
                                        const Start& start) {
    return rpc::Call<Response>(executor_, query, limits_.query_timeout, start, traceparent);
  }
  // The same for what may be long and take long.
  template <typename Response, typename Request, typename Start>
  asio::awaitable<Result<Response>> AskWithin(milliseconds timeout, Request&& query,
                                              const std::string& traceparent, const Start& start) {
    return rpc::Call<Response>(executor_, std::forward<Request>(query), timeout, start, traceparent);
  }

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }
  [[nodiscard]] const BackendLimits& limits() const { return limits_; }

 private:
  using QueueCommands = rpc::CommandClient<queue::v1::CommandBatch, queue::v1::OutcomeBatch>;
  using ReservationCommands =
      rpc::CommandClient<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch>;
  using WalletCommands = rpc::CommandClient<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch>;

  static std::vector<Outbox> MakeOutboxes(const rpc::ChannelFactory& channels) {
    std::vector<Outbox> outboxes;
    for (const char* service : {"seat", "reservation", "wallet", "payment"}) {
      outboxes.push_back({service, outbox::v1::OutboxService::NewStub(channels(service))});
    }
    return outboxes;
  }
  template <typename Client, typename Stub>
  std::unique_ptr<Client> MakeClient(const char* name, Stub& stub, obs::Registry& metrics) {
    const auto open = [&stub](grpc::ClientContext* context, typename Client::Reactor* reactor) {
      stub.async()->Execute(context, reactor);
    };
    return std::make_unique<Client>(name, executor_, open, metrics,
                                    rpc::ClientLimits{256, limits_.max_in_flight});
  }
  template <typename Client>
  auto ExecuteOn(const std::unique_ptr<Client>& client, typename Client::Command&& command,
                 milliseconds timeout, const http::Request& request)
      -> asio::awaitable<Result<typename Client::Outcome>> {
    if (client == nullptr) return Closed<typename Client::Outcome>();
    command.mutable_header()->set_traceparent(request.traceparent());
    return client->Execute(std::move(command), timeout);
  }
  template <typename Outcome>
  static asio::awaitable<Result<Outcome>> Closed() {
    co_return Fail(Code::kUnavailable, "closed");
  }

  const asio::any_io_executor executor_;
  const BackendLimits limits_;

 public:
  const std::unique_ptr<queue::v1::QueueService::Stub> queue;
  const std::unique_ptr<seat::v1::SeatService::Stub> seat;
  const std::unique_ptr<reservation::v1::ReservationService::Stub> reservation;
  const std::unique_ptr<wallet::v1::WalletService::Stub> wallet;
  const std::unique_ptr<ranking::v1::RankingService::Stub> ranking;
  const std::unique_ptr<relay::v1::RelayService::Stub> relay;
  // Of the services that publish events.
  const std::vector<Outbox> outboxes;

 private:
  std::unique_ptr<QueueCommands> queue_commands_;
  std::unique_ptr<ReservationCommands> reservation_commands_;
  std::unique_ptr<WalletCommands> wallet_commands_;
};

}  // namespace boxoffice::gateway
