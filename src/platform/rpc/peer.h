// One caller's view of one service: its replicas, a circuit breaker for each, what those that are about to go
// have said, and a budget for retries. Both commands (command_peer.h) and queries (stubs.h) ask it where to
// go.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <grpcpp/channel.h>

#include "base/result.h"
#include "boxoffice/rpc/v1/rpc.pb.h"
#include "platform/dns/lookup.h"
#include "platform/obs/metrics.h"
#include "platform/resilience/admission.h"
#include "platform/resilience/breaker.h"
#include "platform/rpc/channels.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

using resilience::Priority;

// How long a service may be without a replica that takes calls before they are refused.
inline constexpr std::chrono::milliseconds kReplicaGap{1'000};

struct PeerOptions {
  std::string name;     // labels metrics and breakers: "gateway_queue"
  std::string service;  // "queue"
  resilience::BreakerConfig breaker;
  // A command whose connection is lost is sent again, to any replica, at most twice, within its deadline and
  // the budget for retries: for callers whose every command may be, by its key.
  bool repeat_lost = false;
  std::chrono::milliseconds replica_gap = kReplicaGap;  // see Peer::MayWait
};

// A replica, while anybody uses it. Thread-safe.
class Replica {
 public:
  using Breaker = resilience::Breaker;

  // Over the network.
  Replica(std::string where, std::shared_ptr<grpc::Channel> commands, std::shared_ptr<grpc::Channel> queries,
          const resilience::BreakerConfig& breaker_config, Breaker::OnChange on_change)
      : address(std::move(where)),
        command_channel(std::move(commands)),
        query_channel(std::move(queries)),
        breaker(breaker_config, std::move(on_change)) {}
  // In this process.
  Replica(InProcess local, const resilience::BreakerConfig& breaker_config, Breaker::OnChange on_change)
      : command_channel(local.channel),
        query_channel(std::move(local.channel)),
        in_process(true),
        intake(local.commands),
        breaker(breaker_config, std::move(on_change)) {}

  const std::string address;  // "" in this process
  // Over one connection. Two, because only commands keep a stream on theirs: when the server says that it
  // goes, this channel is idle until the stream has been given up, however many queries reconnect meanwhile.
  const std::shared_ptr<grpc::Channel> command_channel;
  const std::shared_ptr<grpc::Channel> query_channel;
  const bool in_process = false;
  OpenStreams* const intake = nullptr;  // of commands from this process, where there is one
  Breaker breaker;
  std::atomic<size_t> in_flight{0};

  // Whether it is worth trying: it was connected at the last look, and no call has failed to get there since.
  [[nodiscard]] bool reachable() const { return in_process || (ready_ && !failed_); }
  // A call did not get there. Until the next look finds it connected, others are tried.
  void MarkFailed() { failed_ = true; }
  // What its server has said of itself, on this connection.
  [[nodiscard]] v1::Farewell farewell() const { return farewell_.load(std::memory_order_relaxed); }
  void HearFarewell(v1::Farewell farewell);
  // It refused a command, or a query, for want of what it works with (its database, the lead). For
  // kRefusalHolds others are preferred for more of that kind: refusals come fast, so that it would always
  // look like the least busy. The one says nothing of the other: whoever does not lead may still know.
  void MarkRefusing(bool command);
  [[nodiscard]] bool refusing(bool command, Breaker::Moment now) const {
    return now < (command ? refusing_commands_until_ : refusing_queries_until_).load();
  }
  // Whether it takes a call: all that is reachable, but for commands at one that closes.
  [[nodiscard]] bool Takes(bool command) const {
    return reachable() && (!command || farewell() != v1::FAREWELL_CLOSING);
  }
  // Looks at the connection; whether it has ended since the last look.
  [[nodiscard]] bool Look();
  // How often it has been connected to.
  [[nodiscard]] uint64_t connections() const { return connections_; }

 private:
  using Moment = std::chrono::steady_clock::time_point;
  std::atomic<bool> ready_{false};
  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> connections_{0};
  std::atomic<v1::Farewell> farewell_{v1::FAREWELL_NONE};
  std::atomic<Moment> farewell_until_{};
  std::atomic<Moment> refusing_commands_until_{};
  std::atomic<Moment> refusing_queries_until_{};
};

// Whether a replica refused for want of something that another may have. Where there is too much to do
// (overloaded, deadline_passed), all of it would go to the next one at once; what is in flight spreads it.
// Rows that keep moving (contention) move for every replica. And a method that a replica of an earlier
// release does not know (not_implemented) says nothing of its others.
[[nodiscard]] bool AnotherMayDoIt(const Error& refused);

// A call that was let out to a replica: reported once. If nobody does, it tells nothing. Move-only.
class Pick {
 public:
  Pick() = default;
  Pick(std::shared_ptr<Replica> replica, resilience::Breaker::Permit permit)
      : replica_(std::move(replica)), permit_(permit) {
    ++replica_->in_flight;
  }
  Pick(Pick&& other) noexcept : replica_(std::move(other.replica_)), permit_(other.permit_) {
    other.replica_ = nullptr;
  }
  Pick& operator=(Pick&& other) noexcept {
    if (this == &other) return *this;
    Report(resilience::Breaker::Outcome::kNothing);
    replica_ = std::exchange(other.replica_, nullptr);
    permit_ = other.permit_;
    return *this;
  }
  ~Pick() { Report(resilience::Breaker::Outcome::kNothing); }

  [[nodiscard]] explicit operator bool() const { return replica_ != nullptr; }
  [[nodiscard]] const std::shared_ptr<Replica>& replica() const { return replica_; }

  // How long its caller waits: where that is longer than others, an answer in time is not slow.
  void MayTake(std::chrono::milliseconds timeout) { permit_.may_take = timeout; }
  void Report(resilience::Breaker::Outcome outcome);
  // By what became of the call: no answer, none in time, a fault, and a store that does not say what became
  // of it are failures; a refusal is an answer, and so are one that can't be read and what the service itself
  // says that it does not know.
  void ReportError(const Error& error);

 private:
  std::shared_ptr<Replica> replica_;
  resilience::Breaker::Permit permit_;
};

// How long a replica that refused a command, or a query, gets no more of them, where another has refused
// none.
inline constexpr std::chrono::milliseconds kRefusalHolds{1'000};
// From one look at the connections to the next. A server that goes answers for longer.
inline constexpr std::chrono::milliseconds kLookEvery{20};

// Thread-safe.
class Peer {
 public:
  // Looks after its connections by a timer on `executor`, which must run while this lives, unless the service
  // is in this process. `lookup` finds what has a name. `metrics` and `lookup` outlive it.
  Peer(PeerOptions options, const ChannelFactory& channels, asio::any_io_executor executor,
       obs::Registry& metrics, dns::Lookup& lookup = dns::Lookup::OfProcess());
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Looks after the connections no more, and waits for no look-up of the name, so that the executor can run
  // out of work. On the executor. Again: no effect.
  void Stop();

  // A replica for the next command: the one of the last call, until it is some commands ahead of the least
  // busy, or has refused one. One that is about to go only where there is no other, or all others have
  // refused one (Replica::MarkRefusing), and one that has refused only where all have. Errors (kUnavailable:
  // certainly not sent): breaker_open, unreachable, no_replica.
  [[nodiscard]] Result<Pick> PickForCommand();
  // A replica for the next query: the least busy, in turn, but for those that have refused one and those that
  // are about to go, as for commands. Errors: the same.
  [[nodiscard]] Result<Pick> PickForQuery();
  // Whether a call that found nobody with this error should be held back until the next look, rather than
  // fail: a replica was there less than PeerOptions::replica_gap ago. So the moment from one replica's going
  // to another's coming is no error, and where all are down, calls fail at once.
  [[nodiscard]] bool MayWait(const Error& refused) const;
  // Whether a replica has ever taken calls: for good from then on, whatever becomes of it. In this process:
  // always.
  [[nodiscard]] bool Reached() const;

  // A first try, and whether a retry may follow: at most a tenth of the calls of the last 10 s, and a few.
  void CountCall();
  [[nodiscard]] bool TakeRetry();
  // Tells of a unary call that was let out, by what came of it.
  void NoteCall(std::string_view method, std::string_view outcome, std::chrono::duration<double> time);
  // Uniform in [0, bound].
  [[nodiscard]] std::chrono::milliseconds Jitter(std::chrono::milliseconds bound);

  [[nodiscard]] const PeerOptions& options() const;
  // Whether lost commands are repeated: as the options say, but in this process there is no connection to
  // lose.
  [[nodiscard]] bool repeats_lost() const;

  // Called on the executor at each look: the replicas that there are now, and those whose connection has
  // ended since the last look.
  using Listener = std::function<void(const std::vector<std::shared_ptr<Replica>>& now,
                                      const std::vector<std::shared_ptr<Replica>>& ended)>;
  // From the next look on, until `owner`, which names it, is removed; that does not wait for a look that is
  // under way.
  void AddListener(const void* owner, Listener listener);
  void RemoveListener(const void* owner);

  // The addresses that the service's name has now, as a look-up told them; a test tells them itself. Who
  // is named no more gets no more calls; what it was sent, it still answers. Its breaker closes for good, and
  // the metrics show it no more.
  void TakeNamed(const std::vector<std::string>& addresses);

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

// One line of the operator's view.
struct BreakerRow {
  std::string client;   // "gateway_queue"
  std::string service;  // "queue"
  std::string replica;  // its address; "" in this process
  bool reachable = true;
  bool leaving = false;  // its server has said that it goes
  resilience::Breaker::Snapshot breaker;
};

// All breakers of the callers that share a ChannelFactory. Thread-safe.
class BreakerBoard {
 public:
  // In the order of clients and replicas.
  [[nodiscard]] std::vector<BreakerRow> Read() const;

 private:
  friend class Peer;
  using Reader = std::function<void(std::vector<BreakerRow>&)>;
  void Add(std::weak_ptr<void> owner, Reader reader);

  mutable std::mutex mutex_;
  mutable std::vector<std::pair<std::weak_ptr<void>, Reader>> readers_;
};

}  // namespace boxoffice::rpc
