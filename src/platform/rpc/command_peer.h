// Commands to a service with any number of replicas: a stream to each (command_client.h), of which a command
// takes one (docs/adr/0005-streams-to-replicas.md).
//
// A command that a replica did not take, because the connection to it is gone or it is about to go, is sent
// to another at once. One that was sent is never sent again from here: its outcome may be unknown, and
// whoever asked decides whether to repeat it.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/obs/metrics.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/peer.h"

namespace boxoffice::rpc {

// What opens a stream, of a stub: OpenExecute(wallet::v1::WalletService::NewStub(channel)).
template <typename Stub>
auto OpenExecute(std::unique_ptr<Stub> stub) {
  return [stub = std::shared_ptr<Stub>(std::move(stub))](auto* context, auto* reactor) {
    stub->async()->Execute(context, reactor);
  };
}

// Thread-safe. Completions run on `executor`.
template <typename CommandBatch, typename OutcomeBatch>
class CommandPeer {
 public:
  using Client = CommandClient<CommandBatch, OutcomeBatch>;
  using Command = typename Client::Command;
  using Outcome = typename Client::Outcome;
  using Done = typename Client::Done;
  using Reactor = typename Client::Reactor;
  using MakeOpen = std::function<typename Client::Open(const std::shared_ptr<grpc::Channel>&)>;

  // `executor` must run until this is destroyed. `limits` hold for each replica.
  CommandPeer(std::shared_ptr<Peer> peer, asio::any_io_executor executor, MakeOpen make_open,
              obs::Registry& metrics, ClientLimits limits = {})
      : core_(std::make_shared<Core>(std::move(peer), std::move(executor), std::move(make_open), metrics,
                                     limits)) {
    core_->Listen();
  }
  ~CommandPeer() { core_->Close(); }
  CommandPeer(const CommandPeer&) = delete;
  CommandPeer& operator=(const CommandPeer&) = delete;

  // Sends a command and calls `done` once: with its outcome, or with an error:
  //   as the service gave it in the outcome's header;
  //   timeout, connection_lost (kUnknown): it may have been done; repeat it, commands are idempotent;
  //   breaker_open, unreachable, no_replica, deadline_passed, closed (kUnavailable), overloaded
  //   (kResourceExhausted): it was certainly not sent.
  void Send(Command command, std::chrono::milliseconds timeout, Done done,
            resilience::Priority priority = resilience::Priority::kNormal) {
    auto attempt = std::make_shared<Attempt>();
    attempt->done = std::move(done);
    attempt->deadline = SteadyClock::now() + timeout;
    attempt->priority = priority;
    core_->Place(std::move(command), timeout, std::move(attempt));
  }

  // The same for coroutines that run on `executor`.
  asio::awaitable<Result<Outcome>> Execute(Command command, std::chrono::milliseconds timeout,
                                           resilience::Priority priority = resilience::Priority::kNormal) {
    // A local, because GCC 12 destroys temporaries inside co_await expressions twice.
    auto initiate = [this, &command, timeout, priority](auto handler) {
      auto done = [handler = std::move(handler)](Result<Outcome> outcome) mutable {
        std::move(handler)(std::move(outcome));
      };
      Send(std::move(command), timeout, std::move(done), priority);
    };
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<Outcome>)>(
        initiate, asio::use_awaitable);
  }

 private:
  using SteadyClock = std::chrono::steady_clock;

  // One command on its way; used by one thread at a time.
  struct Attempt {
    Done done;
    SteadyClock::time_point deadline;
    resilience::Priority priority = resilience::Priority::kNormal;
    Pick pick;
    size_t moves = 0;
    bool maybe_sent = false;
  };

  struct Lane {
    std::shared_ptr<Replica> replica;
    std::shared_ptr<Client> client;
  };

  class Core : public std::enable_shared_from_this<Core> {
   public:
    Core(std::shared_ptr<Peer> peer, asio::any_io_executor executor, MakeOpen make_open,
         obs::Registry& metrics, ClientLimits limits)
        : peer_(std::move(peer)),
          executor_(std::move(executor)),
          make_open_(std::move(make_open)),
          metrics_(metrics),
          limits_(limits),
          moved_(metrics.GetCounter("boxoffice_rpc_moved_total",
                                    "Commands that went to another replica, because one did not take them",
                                    {{"client", peer_->options().name}})) {}

    void Listen() {
      peer_->SetListener([weak = this->weak_from_this()](const auto& now, const auto& ended) {
        if (const auto self = weak.lock()) self->LookAfter(now, ended);
      });
    }

    void Place(Command command, std::chrono::milliseconds timeout, std::shared_ptr<Attempt> attempt) {
      auto pick = peer_->PickForCommand();
      if (!pick) {
        Refuse(*attempt, std::move(pick).error());
        return;
      }
      attempt->pick = *std::move(pick);
      const std::shared_ptr<Client> client = ClientOf(attempt->pick.replica());
      if (client == nullptr) {
        Refuse(*attempt, {Code::kUnavailable, "closed", {}});
        return;
      }
      auto done = [attempt](Result<Outcome> outcome) { Complete(*attempt, std::move(outcome)); };
      const resilience::Priority priority = attempt->priority;
      client->Send(std::move(command), timeout, std::move(done), priority, std::move(attempt));
    }

    void Close() {
      peer_->SetListener({});
      std::vector<Lane> lanes;
      {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
        lanes = lanes_;
      }
      // Closed here, and not where the last reference goes: that may be on one of gRPC's threads, for which
      // this waits. They may come back with commands meanwhile, and find it closed.
      for (const Lane& lane : lanes) lane.client->Close();
    }

   private:
    static void Complete(Attempt& attempt, Result<Outcome> outcome) {
      if (outcome) {
        attempt.pick.Report(resilience::Breaker::Outcome::kAnswered);
      } else if (IsOwn(outcome.error())) {
        attempt.pick.Report(resilience::Breaker::Outcome::kNothing);
      } else {
        attempt.pick.ReportError(outcome.error());
      }
      attempt.done(std::move(outcome));
    }

    // Refused here, not by the replica.
    static bool IsOwn(const Error& error) {
      return error.code == Code::kResourceExhausted || error.reason == "closed";
    }

    void Refuse(Attempt& attempt, Error error) {
      attempt.pick = {};
      if (attempt.maybe_sent) error = {Code::kUnknown, "connection_lost", std::move(error.detail)};
      asio::post(executor_, [done = std::move(attempt.done), error = std::move(error)]() mutable {
        done(std::unexpected(std::move(error)));
      });
    }

    // From a stream that ended, on any thread.
    void Returned(std::vector<typename Client::Unsent> unsent) {
      for (auto& one : unsent) {
        auto attempt = std::static_pointer_cast<Attempt>(std::move(one.tag));
        if (one.maybe_sent) attempt->pick.replica()->MarkFailed();
        attempt->pick = {};
        attempt->maybe_sent |= one.maybe_sent;
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(attempt->deadline - SteadyClock::now());
        if (left.count() <= 0) {
          Refuse(*attempt, {Code::kUnavailable, "deadline_passed", {}});
        } else if (attempt->moves++ > peer_->replica_count()) {
          Refuse(*attempt, {Code::kUnavailable, "unreachable", "no replica took it"});
        } else {
          moved_.Add();
          Place(std::move(one.command), left, std::move(attempt));
        }
      }
    }

    // nullptr: closed.
    std::shared_ptr<Client> ClientOf(const std::shared_ptr<Replica>& replica) {
      const std::scoped_lock lock(mutex_);
      if (closed_) return nullptr;
      for (const Lane& lane : lanes_) {
        if (lane.replica == replica) return lane.client;
      }
      auto give_back = [weak = this->weak_from_this()](std::vector<typename Client::Unsent> unsent) {
        if (const auto self = weak.lock()) self->Returned(std::move(unsent));
      };
      lanes_.push_back({replica, std::make_shared<Client>(peer_->options().name, executor_,
                                                          make_open_(replica->command_channel), metrics_,
                                                          limits_, std::move(give_back))});
      return lanes_.back().client;
    }

    // On the executor. A connection that has ended, or a replica that is named no more: nothing new goes
    // there, and what it has is answered. A server that stops says so before it goes, which ends the
    // connection for new calls only.
    void LookAfter(const std::vector<std::shared_ptr<Replica>>& now,
                   const std::vector<std::shared_ptr<Replica>>& ended) {
      const auto among = [](const auto& replicas, const auto& replica) {
        return std::ranges::find(replicas, replica) != replicas.end();
      };
      std::vector<std::shared_ptr<Client>> retiring;
      std::vector<Lane> gone;
      {
        const std::scoped_lock lock(mutex_);
        for (Lane& lane : lanes_) {
          const bool named = among(now, lane.replica);
          if (!named || among(ended, lane.replica)) retiring.push_back(lane.client);
          if (!named && lane.replica->in_flight == 0) gone.push_back(lane);
        }
        std::erase_if(lanes_, [&](const Lane& lane) {
          return std::ranges::any_of(gone, [&](const Lane& other) { return other.client == lane.client; });
        });
      }
      for (const auto& client : retiring) client->Retire();
    }

    const std::shared_ptr<Peer> peer_;
    const asio::any_io_executor executor_;
    const MakeOpen make_open_;
    obs::Registry& metrics_;
    const ClientLimits limits_;
    obs::Counter& moved_;
    std::mutex mutex_;
    std::vector<Lane> lanes_;
    bool closed_ = false;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::rpc
