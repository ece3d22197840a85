// How the gateway reaches the services: stubs that spread over their replicas, and command streams to those
// that take commands.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "boxoffice/outbox/v1/outbox.grpc.pb.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/http/message.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/command_peer.h"
#include "platform/rpc/stubs.h"

namespace boxoffice::gateway {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// How long the gateway waits for what it asks, and for how many at once.
struct BackendLimits {
  milliseconds query_timeout{2'000};
  milliseconds import_timeout{30'000};       // of a seating plan
  milliseconds settlement_timeout{600'000};  // of a comparison, which walks over all payments
  milliseconds command_timeout{2'000};       // queue and wallet
  // A reservation's saga: it answers CONFIRMING before that when the payment's outcome stays unknown.
  milliseconds saga_timeout{10'000};
  size_t max_in_flight = 8'192;  // commands to one replica; past it buyers get 503, new ones sooner

  // Of one thread of several: what holds for all of them together is shared out, and rounded up.
  [[nodiscard]] BackendLimits ShareOf(size_t threads) const {
    BackendLimits share = *this;
    share.max_in_flight = (max_in_flight + threads - 1) / threads;
    return share;
  }
};

struct Outbox {
  std::string service;
  std::unique_ptr<rpc::Stubs<outbox::v1::OutboxService::Stub>> stub;
};

// The services as a gateway sees them, on whichever of its threads: which replicas there are, and how each
// does. Thread-safe.
class ServicePeers {
 public:
  // Looks after connections on `executor`, which must run until Stop.
  ServicePeers(const asio::any_io_executor& executor, const rpc::ChannelFactory& channels,
               obs::Registry& metrics, const BackendLimits& limits) {
    for (const char* service : {"queue", "seat", "reservation", "wallet", "payment", "ranking", "relay"}) {
      rpc::PeerOptions options;
      options.name = fmt::format("gateway_{}", service);
      options.service = service;
      options.repeat_lost = true;  // every command of ours has a key
      // A saga takes as long as its participants and their providers; were it counted as slow, holds would be
      // refused because payments are.
      if (options.service == "reservation") options.breaker.slow_after = limits.saga_timeout;
      peers_.push_back(std::make_shared<rpc::Peer>(std::move(options), channels, executor, metrics));
    }
  }

  [[nodiscard]] const std::shared_ptr<rpc::Peer>& Of(std::string_view service) const {
    const auto found =
        std::ranges::find(peers_, service, [](const auto& peer) { return peer->options().service; });
    CHECK(found != peers_.end(), "a gateway calls no {}", service);
    return *found;
  }
  // A service of which no replica was reached yet, the first in the order above; "": there is none.
  [[nodiscard]] std::string Unreached() const {
    const auto found = std::ranges::find_if(peers_, [](const auto& peer) { return !peer->Reached(); });
    return found != peers_.end() ? (*found)->options().service : std::string();
  }
  // Looks after connections no more, so that the executor can run out of work. On it.
  void Stop() {
    for (const auto& peer : peers_) peer->Stop();
  }

 private:
  std::vector<std::shared_ptr<rpc::Peer>> peers_;
};

// Use it on the executor that it was given (one thread), which must run until this is destroyed.
class Backends {
 public:
  Backends(asio::any_io_executor executor, const ServicePeers& peers, const rpc::ChannelFactory& channels,
           obs::Registry& metrics, const BackendLimits& limits)
      : executor_(executor),
        limits_(limits),
        channels_(channels),
        queue(peers.Of("queue"), slot_, &queue::v1::QueueService::NewStub),
        seat(peers.Of("seat"), slot_, &seat::v1::SeatService::NewStub),
        reservation(peers.Of("reservation"), slot_, &reservation::v1::ReservationService::NewStub),
        wallet(peers.Of("wallet"), slot_, &wallet::v1::WalletService::NewStub),
        payment(peers.Of("payment"), slot_, &payment::v1::PaymentService::NewStub),
        ranking(peers.Of("ranking"), slot_, &ranking::v1::RankingService::NewStub),
        relay(peers.Of("relay"), slot_, &relay::v1::RelayService::NewStub),
        outboxes(MakeOutboxes(peers)),
        queue_commands_(
            MakeCommands<QueueCommands>(peers.Of("queue"), &queue::v1::QueueService::NewStub, metrics)),
        reservation_commands_(MakeCommands<ReservationCommands>(
            peers.Of("reservation"), &reservation::v1::ReservationService::NewStub, metrics)),
        wallet_commands_(
            MakeCommands<WalletCommands>(peers.Of("wallet"), &wallet::v1::WalletService::NewStub, metrics)) {}

  // A command, traced as the request that it serves. Errors: as of rpc::CommandPeer; closed after
  // CloseCommands.
  auto Execute(queue::v1::Command&& command, const http::Request& request) {
    // An operator's change is what ends an overload.
    const rpc::Priority priority =
        command.has_configure() ? rpc::Priority::kFinishing : rpc::Priority::kNormal;
    return ExecuteOn(queue_commands_, std::move(command), limits_.command_timeout, request, priority);
  }
  auto Execute(reservation::v1::Command&& command, const http::Request& request) {
    // Whoever holds seats already is served before those who want some.
    const rpc::Priority priority = command.has_reserve() ? rpc::Priority::kNormal : rpc::Priority::kFinishing;
    return ExecuteOn(reservation_commands_, std::move(command), limits_.saga_timeout, request, priority);
  }
  auto Execute(wallet::v1::Command&& command, const http::Request& request) {
    return ExecuteOn(wallet_commands_, std::move(command), limits_.command_timeout, request,
                     rpc::Priority::kNormal);
  }
  // Sends without waiting; `lost` is called on the executor where it may not have been done. No new work: by
  // it those who wait keep their places.
  void SendHeartbeat(queue::v1::Command&& command, std::move_only_function<void()> lost) {
    if (queue_commands_ == nullptr) return;
    auto done = [lost = std::move(lost)](const auto& outcome) mutable {
      if (!outcome) lost();
    };
    queue_commands_->Send(std::move(command), limits_.command_timeout, std::move(done),
                          rpc::Priority::kFinishing);
  }

  // Gives up on commands that are under way, and takes no more. Call it on the executor, which must go on
  // running.
  void CloseCommands() {
    queue_commands_ = nullptr;
    reservation_commands_ = nullptr;
    wallet_commands_ = nullptr;
  }

  // A query: `start` calls the asynchronous method of one of the stubs below, as rpc::Ask has it. By
  // reference, because GCC 12 destroys temporaries in co_await expressions twice; both are copied here.
  template <typename Response, typename Request, typename Start>
  asio::awaitable<Result<Response>> Ask(const Request& query, const std::string& traceparent,
                                        const Start& start) {
    return rpc::Ask<Response>(executor_, slot_, query, limits_.query_timeout, start, traceparent);
  }
  // The same for what may be long and take long.
  template <typename Response, typename Request, typename Start>
  asio::awaitable<Result<Response>> AskWithin(milliseconds timeout, Request&& query,
                                              const std::string& traceparent, const Start& start) {
    return rpc::Ask<Response>(executor_, slot_, std::remove_cvref_t<Request>(std::forward<Request>(query)),
                              timeout, start, traceparent);
  }

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }
  [[nodiscard]] const BackendLimits& limits() const { return limits_; }
  // The circuit breakers of every caller in this process.
  [[nodiscard]] std::vector<rpc::BreakerRow> breakers() const { return channels_.board().Read(); }

 private:
  using QueueCommands = rpc::CommandPeer<queue::v1::CommandBatch, queue::v1::OutcomeBatch>;
  using ReservationCommands = rpc::CommandPeer<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch>;
  using WalletCommands = rpc::CommandPeer<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch>;

  std::vector<Outbox> MakeOutboxes(const ServicePeers& peers) {
    std::vector<Outbox> outboxes;
    for (const char* service : {"seat", "reservation", "wallet", "payment"}) {
      outboxes.push_back({service, std::make_unique<rpc::Stubs<outbox::v1::OutboxService::Stub>>(
                                       peers.Of(service), slot_, &outbox::v1::OutboxService::NewStub)});
    }
    return outboxes;
  }
  template <typename Commands, typename NewStub>
  std::unique_ptr<Commands> MakeCommands(const std::shared_ptr<rpc::Peer>& peer, NewStub new_stub,
                                         obs::Registry& metrics) {
    auto make_open = [new_stub](const std::shared_ptr<grpc::Channel>& channel) {
      return rpc::OpenExecute(new_stub(channel, grpc::StubOptions()));
    };
    return std::make_unique<Commands>(peer, executor_, std::move(make_open), metrics,
                                      rpc::ClientLimits{256, limits_.max_in_flight});
  }
  template <typename Commands>
  auto ExecuteOn(const std::unique_ptr<Commands>& commands, typename Commands::Command&& command,
                 milliseconds timeout, const http::Request& request, rpc::Priority priority)
      -> asio::awaitable<Result<typename Commands::Outcome>> {
    if (commands == nullptr) return Closed<typename Commands::Outcome>();
    command.mutable_header()->set_traceparent(request.traceparent());
    return commands->Execute(std::move(command), timeout, priority);
  }
  template <typename Outcome>
  static asio::awaitable<Result<Outcome>> Closed() {
    co_return Fail(Code::kUnavailable, "closed");
  }

  const asio::any_io_executor executor_;
  const BackendLimits limits_;
  const rpc::ChannelFactory channels_;
  rpc::PickSlot slot_;

 public:
  const rpc::Stubs<queue::v1::QueueService::Stub> queue;
  const rpc::Stubs<seat::v1::SeatService::Stub> seat;
  const rpc::Stubs<reservation::v1::ReservationService::Stub> reservation;
  const rpc::Stubs<wallet::v1::WalletService::Stub> wallet;
  const rpc::Stubs<payment::v1::PaymentService::Stub> payment;
  const rpc::Stubs<ranking::v1::RankingService::Stub> ranking;
  const rpc::Stubs<relay::v1::RelayService::Stub> relay;
  // Of the services that publish events.
  const std::vector<Outbox> outboxes;

 private:
  std::unique_ptr<QueueCommands> queue_commands_;
  std::unique_ptr<ReservationCommands> reservation_commands_;
  std::unique_ptr<WalletCommands> wallet_commands_;
};

}  // namespace boxoffice::gateway
