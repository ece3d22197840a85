// Commands to a service with any number of replicas: a stream to each (command_client.h), of which a command
// takes one (docs/adr/0005-streams-to-replicas.md). Where the service is in this process, its handler
// (command_local.h).
//
// A command that a replica did not take, because the connection to it is gone or it is about to go, is sent
// to another at once; while there is none for a moment, it waits (Peer::MayWait). One that was sent, and
// whose outcome is unknown, is sent again from here only where PeerOptions::repeat_lost says so; otherwise
// whoever asked decides.
//
// A stream is opened to each replica as soon as it is connected to, so that a server that goes can tell every
// caller before it does.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/obs/metrics.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/command_local.h"
#include "platform/rpc/peer.h"
#include "platform/rpc/rpc_span.h"

namespace boxoffice::rpc {

inline constexpr int kMaxRepeats = 2;
inline constexpr std::chrono::milliseconds kFirstRepeatPause{50};  // doubles; full jitter

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
  using Link = CommandLink<CommandBatch, OutcomeBatch>;
  using Client = CommandClient<CommandBatch, OutcomeBatch>;
  using Command = typename Client::Command;
  using Outcome = typename Client::Outcome;
  using Done = typename Client::Done;
  using Reactor = typename Client::Reactor;
  using MakeOpen = std::function<typename Client::Open(const std::shared_ptr<grpc::Channel>&)>;

  // `executor` must run until this is destroyed. `limits` hold for each replica, and for the commands that
  // wait for one.
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
  // With repeat_lost, connection_lost means that the repeats were too.
  void Send(Command&& command, std::chrono::milliseconds timeout, Done done,
            resilience::Priority priority = resilience::Priority::kNormal) {
    if (obs::TracingOn()) [[unlikely]]
      done = Traced(command, std::move(done));
    auto attempt = std::make_shared<Attempt>();
    attempt->done = std::move(done);
    attempt->deadline = SteadyClock::now() + timeout;
    attempt->priority = priority;
    if (core_->repeats()) {
      attempt->core = core_;
      core_->CountCall();
    }
    core_->Place(std::move(command), timeout, std::move(attempt));
  }

  // The same for coroutines that run on `executor`.
  asio::awaitable<Result<Outcome>> Execute(Command command, std::chrono::milliseconds timeout,
                                           resilience::Priority priority = resilience::Priority::kNormal) {
    auto initiate = [this, command = std::move(command), timeout, priority](auto handler) mutable {
      auto done = [handler = std::move(handler)](Result<Outcome>&& outcome) mutable {
        std::move(handler)(std::move(outcome));
      };
      Send(std::move(command), timeout, std::move(done), priority);
    };
    return asio::async_initiate<decltype(asio::use_awaitable), void(Result<Outcome>)>(std::move(initiate),
                                                                                      asio::use_awaitable);
  }

 private:
  using SteadyClock = std::chrono::steady_clock;

  class Core;

  // One command on its way; used by one thread at a time.
  struct Attempt : Client::Companion {
    Done done;
    SteadyClock::time_point deadline;
    resilience::Priority priority = resilience::Priority::kNormal;
    Pick pick;
    size_t moves = 0;
    int repeats = 0;
    bool maybe_sent = false;
    std::weak_ptr<Core> core;  // where lost commands are repeated
  };

  // Of a sampled command: its span ends before `done` is called.
  Done Traced(Command& command, Done done) const {
    int body = 0;
    if constexpr (requires { command.body_case(); }) body = static_cast<int>(command.body_case());
    const ClientSpan span(command.header().traceparent(), *Command::descriptor(), body);
    if (!span) return done;
    command.mutable_header()->set_traceparent(span.traceparent());
    return [span, peer = core_->peer_name(), done = std::move(done)](Result<Outcome>&& outcome) mutable {
      span.End(peer, outcome ? nullptr : &outcome.error());
      done(std::move(outcome));
    };
  }

  // A command that waits for a replica.
  struct Held {
    Command command;
    std::shared_ptr<Attempt> attempt;
  };

  struct Lane {
    std::shared_ptr<Replica> replica;
    std::shared_ptr<Link> link;
    uint64_t opened = 0;  // the replica's connection for which a stream was opened
  };

  class Core : public std::enable_shared_from_this<Core> {
   public:
    Core(std::shared_ptr<Peer> peer, asio::any_io_executor executor, MakeOpen make_open,
         obs::Registry& metrics, ClientLimits limits)
        : peer_(std::move(peer)),
          executor_(std::move(executor)),
          make_open_(std::move(make_open)),
          metrics_(metrics),
          limits_(KeepingWritten(limits, peer_->repeats_lost())),
          moved_(metrics.GetCounter("boxoffice_rpc_moved_total",
                                    "Commands that went to another replica, because one did not take them",
                                    {{"client", peer_->options().name}})) {}

    void Listen() {
      peer_->AddListener(this, [weak = this->weak_from_this()](const auto& now, const auto& ended) {
        if (const auto self = weak.lock()) self->LookAfter(now, ended);
      });
    }

    [[nodiscard]] bool repeats() const { return limits_.keep_written; }
    void CountCall() { peer_->CountCall(); }
    [[nodiscard]] const std::string& peer_name() const { return peer_->options().name; }

    void Place(Command&& command, std::chrono::milliseconds timeout, std::shared_ptr<Attempt> attempt) {
      auto pick = peer_->PickForCommand();
      if (!pick) {
        if (peer_->MayWait(pick.error())) {
          Hold(std::move(command), std::move(attempt));
        } else {
          Refuse(*attempt, std::move(pick).error());
        }
        return;
      }
      attempt->pick = *std::move(pick);
      const std::shared_ptr<Link> link = LinkOf(attempt->pick.replica());
      if (link == nullptr) {
        Refuse(*attempt, {Code::kUnavailable, "closed", {}});
        return;
      }
      auto done = [attempt](Result<Outcome>&& outcome) { Complete(attempt, std::move(outcome)); };
      const resilience::Priority priority = attempt->priority;
      link->Send(std::move(command), timeout, std::move(done), priority, std::move(attempt));
    }

    void Close() {
      peer_->RemoveListener(this);
      std::vector<Lane> lanes;
      std::vector<Held> held;
      {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
        lanes = lanes_;
        held.swap(held_);
      }
      for (const Held& one : held) Refuse(*one.attempt, {Code::kUnavailable, "closed", {}});
      // Closed here, and not where the last reference goes: that may be on one of gRPC's threads, for which
      // this waits. They may come back with commands meanwhile, and find it closed.
      for (const Lane& lane : lanes) lane.link->Close();
    }

   private:
    static ClientLimits KeepingWritten(ClientLimits limits, bool keep) {
      limits.keep_written = keep;
      return limits;
    }

    static void Complete(const std::shared_ptr<Attempt>& attempt, Result<Outcome>&& outcome) {
      if (outcome) {
        attempt->pick.Report(resilience::Breaker::Outcome::kAnswered);
      } else if (IsOwn(outcome.error())) {
        attempt->pick.Report(resilience::Breaker::Outcome::kNothing);
      } else {
        const bool lost = outcome.error().reason == "connection_lost";
        if (lost && attempt->pick) attempt->pick.replica()->MarkFailed();
        if (AnotherMayDoIt(outcome.error()) && attempt->pick)
          attempt->pick.replica()->MarkRefusing(/*command=*/true);
        attempt->pick.ReportError(outcome.error());
        if (lost) {
          const auto core = attempt->core.lock();
          if (core != nullptr && core->Repeat(attempt)) return;
        }
      }
      if (!outcome) outcome = std::unexpected(ToldOf(*attempt, std::move(outcome).error()));
      attempt->done(std::move(outcome));
    }

    // That it was not done, a replica says for itself only, and so do we of this try: another may have done
    // what was sent to it before.
    static Error ToldOf(const Attempt& attempt, Error error) {
      const bool not_done = error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
      if (attempt.maybe_sent && not_done) return {Code::kUnknown, "connection_lost", std::move(error.detail)};
      return error;
    }

    // Whether a command that was lost will be sent again; then that answers it. One that was not kept was
    // answered so by the service.
    bool Repeat(const std::shared_ptr<Attempt>& attempt) {
      if (!attempt->command || attempt->repeats == kMaxRepeats || IsClosed()) return false;
      const auto wait = peer_->Jitter(kFirstRepeatPause * (1 << attempt->repeats));
      if (SteadyClock::now() + wait >= attempt->deadline || !peer_->TakeRetry()) return false;
      ++attempt->repeats;
      attempt->moves = 0;
      attempt->maybe_sent = true;
      auto timer = std::make_shared<asio::steady_timer>(executor_, wait);
      timer->async_wait([weak = this->weak_from_this(), timer, attempt](boost::system::error_code) {
        const auto core = weak.lock();
        if (core == nullptr) {
          attempt->done(Fail(Code::kUnknown, "connection_lost", "it was closed before the repeat"));
          return;
        }
        Command command = *std::exchange(attempt->command, std::nullopt);
        command.mutable_header()->set_sent_before(true);
        core->PlaceAgain(std::move(command), attempt);
      });
      return true;
    }

    void PlaceAgain(Command command, std::shared_ptr<Attempt> attempt) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(attempt->deadline - SteadyClock::now());
      if (left.count() <= 0) {
        Refuse(*attempt, {Code::kUnavailable, "deadline_passed", {}});
      } else {
        Place(std::move(command), left, std::move(attempt));
      }
    }

    // Until the next look.
    void Hold(Command command, std::shared_ptr<Attempt> attempt) {
      {
        const std::scoped_lock lock(mutex_);
        if (!closed_ && resilience::Admits(attempt->priority, held_.size(), limits_.max_in_flight)) {
          held_.push_back({std::move(command), std::move(attempt)});
          return;
        }
      }
      Refuse(*attempt, IsClosed() ? Error{Code::kUnavailable, "closed", {}}
                                  : Error{Code::kResourceExhausted, "overloaded", {}});
    }

    // Those that wait go where there is somebody, or are refused where there has been nobody for too long.
    void Release(const std::vector<std::shared_ptr<Replica>>& now) {
      const bool any = std::ranges::any_of(now, [](const auto& one) { return one->Takes(/*command=*/true); });
      const bool may_wait = peer_->MayWait({Code::kUnavailable, "unreachable", {}});
      std::vector<Held> released;
      {
        const std::scoped_lock lock(mutex_);
        if (held_.empty()) return;
        const auto time = SteadyClock::now();
        const auto kept = std::ranges::partition(
            held_, [&](const Held& one) { return !any && may_wait && one.attempt->deadline > time; });
        released.assign(std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
        held_.erase(kept.begin(), kept.end());
      }
      for (Held& one : released) PlaceAgain(std::move(one.command), std::move(one.attempt));
    }

    bool IsClosed() {
      const std::scoped_lock lock(mutex_);
      return closed_;
    }

    // Refused here, not by the replica.
    static bool IsOwn(const Error& error) {
      return error.code == Code::kResourceExhausted || error.reason == "closed";
    }

    void Refuse(Attempt& attempt, Error error) {
      attempt.pick = {};
      asio::post(executor_,
                 [done = std::move(attempt.done), error = ToldOf(attempt, std::move(error))]() mutable {
                   done(std::unexpected(std::move(error)));
                 });
    }

    // From a stream that ended, on any thread.
    void Returned(std::vector<typename Client::Unsent> unsent) {
      for (auto& one : unsent) {
        auto attempt = std::static_pointer_cast<Attempt>(std::move(one.companion));
        if (one.broken) attempt->pick.replica()->MarkFailed();
        if (one.maybe_sent) one.command.mutable_header()->set_sent_before(true);
        attempt->pick = {};
        attempt->maybe_sent |= one.maybe_sent;
        if (attempt->moves++ > kMaxMoves) {
          Refuse(*attempt, {Code::kUnavailable, "unreachable", "no replica took it"});
        } else {
          moved_.Add();
          PlaceAgain(std::move(one.command), std::move(attempt));
        }
      }
    }

    // nullptr: closed.
    std::shared_ptr<Link> LinkOf(const std::shared_ptr<Replica>& replica) {
      const std::scoped_lock lock(mutex_);
      return closed_ ? nullptr : LaneOfLocked(replica).link;
    }

    Lane& LaneOfLocked(const std::shared_ptr<Replica>& replica) {
      for (Lane& lane : lanes_) {
        if (lane.replica == replica) return lane;
      }
      lanes_.push_back({replica, MakeLink(replica)});
      return lanes_.back();
    }

    std::shared_ptr<Link> MakeLink(const std::shared_ptr<Replica>& replica) {
      const std::string& name = peer_->options().name;
      if (auto* intake = dynamic_cast<CommandIntake<CommandBatch, OutcomeBatch>*>(replica->intake)) {
        return std::make_shared<LocalCommands<CommandBatch, OutcomeBatch>>(name, executor_, *intake, metrics_,
                                                                           limits_);
      }
      typename Client::Events events;
      events.give_back = [weak = this->weak_from_this()](std::vector<typename Client::Unsent> unsent) {
        if (const auto self = weak.lock()) self->Returned(std::move(unsent));
      };
      events.farewell = [weak = std::weak_ptr(replica)](v1::Farewell farewell) {
        if (const auto heard = weak.lock()) heard->HearFarewell(farewell);
      };
      return std::make_shared<Client>(name, executor_, make_open_(replica->command_channel), metrics_,
                                      limits_, std::move(events));
    }

    // On the peer's executor. A connection that has ended, a replica that is named no more, or one that is
    // about to go while another is there that does not refuse: nothing new goes there, and what it has is
    // answered.
    void LookAfter(const std::vector<std::shared_ptr<Replica>>& now,
                   const std::vector<std::shared_ptr<Replica>>& ended) {
      const auto among = [](const auto& replicas, const auto& replica) {
        return std::ranges::find(replicas, replica) != replicas.end();
      };
      const bool any_stays = std::ranges::any_of(now, [time = SteadyClock::now()](const auto& one) {
        return one->reachable() && one->farewell() == v1::FAREWELL_NONE &&
               !one->refusing(/*command=*/true, time);
      });
      std::vector<std::shared_ptr<Link>> retiring;
      std::vector<std::shared_ptr<Link>> opening;
      std::vector<Lane> gone;
      {
        const std::scoped_lock lock(mutex_);
        if (closed_) return;
        for (const auto& replica : now) {
          if (!replica->reachable()) continue;
          Lane& lane = LaneOfLocked(replica);
          if (std::exchange(lane.opened, replica->connections()) != replica->connections())
            opening.push_back(lane.link);
        }
        for (Lane& lane : lanes_) {
          const bool named = among(now, lane.replica);
          const bool leaves = lane.replica->farewell() != v1::FAREWELL_NONE;
          if (!named || among(ended, lane.replica) || (leaves && any_stays)) retiring.push_back(lane.link);
          if (!named && lane.replica->in_flight == 0) gone.push_back(lane);
        }
        std::erase_if(lanes_, [&](const Lane& lane) {
          return std::ranges::any_of(gone, [&](const Lane& other) { return other.link == lane.link; });
        });
      }
      for (const auto& link : retiring) link->Retire();
      for (const auto& link : opening) link->OpenStream();
      Release(now);
    }

    static constexpr size_t kMaxMoves = 16;  // of one command; each but the first few is rare bad luck

    const std::shared_ptr<Peer> peer_;
    const asio::any_io_executor executor_;
    const MakeOpen make_open_;
    obs::Registry& metrics_;
    const ClientLimits limits_;
    obs::Counter& moved_;
    std::mutex mutex_;
    std::vector<Lane> lanes_;
    std::vector<Held> held_;
    bool closed_ = false;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::rpc
