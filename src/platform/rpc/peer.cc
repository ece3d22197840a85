#include "platform/rpc/peer.h"

#include <algorithm>
#include <array>
#include <tuple>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/container/static_vector.hpp>
#include <fmt/format.h>

#include "base/random.h"
#include "platform/obs/log.h"
#include "platform/resilience/balance.h"
#include "platform/resilience/retry_budget.h"
#include "platform/rpc/breaker_metrics.h"
#include "platform/rpc/call_metrics.h"

namespace boxoffice::rpc {
namespace {

using resilience::Breaker;
using resilience::Candidate;

// What speaks against a replica, from the least on: a call goes to one of those with the least. Who leaves
// still does all that it is asked.
enum class Against : uint8_t { kNothing, kLeaves, kRefuses, kAll };

// After that long a server that said that it goes is taken to have changed its mind: if it has not, it says
// so again.
constexpr std::chrono::seconds kFarewellHolds{30};
constexpr std::chrono::seconds kResolveEvery{5};
constexpr std::chrono::milliseconds kResolveAgain{250};  // as long as it has not been found once
// What a caller sends in one go stays together, in one message and one transaction.
constexpr size_t kCommandSlack = 32;
constexpr size_t kMaxReplicas = 64;

Breaker::Moment Now() { return std::chrono::steady_clock::now(); }
// Of the clock that nobody sets back.
std::chrono::milliseconds NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Now().time_since_epoch());
}

std::string AddressOf(const asio::ip::address& address, const std::string& port) {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

// Whether what became of a call is unknown for the way to the service, or for the store behind it, and would
// be so of any other. By a reason of its own a service says of one that it does not know, as somebody whom it
// asked has not answered: that is its answer. What can't be read came in time, and may be of a single row:
// nobody shall be kept from the rest for that.
bool IsOfWayOrStore(std::string_view reason) {
  constexpr std::array<std::string_view, 5> kReasons = {"timeout", "connection_lost", "rpc_failed",
                                                        "commit_unknown", "database_unavailable"};
  return std::ranges::find(kReasons, reason) != kReasons.end();
}

void Close(dns::Lookup::Bell& bell) {
  boost::system::error_code ignored;
  bell.close(ignored);
}

}  // namespace

bool Replica::Look() {
  if (in_process) return false;
  const bool ready = command_channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
  const bool was_ready = ready_.exchange(ready);
  if (ready) {
    failed_ = false;
    if (!was_ready) ++connections_;
    // A new connection is to another process.
    if (!was_ready || Now() > farewell_until_.load()) farewell_ = v1::FAREWELL_NONE;
    return false;
  }
  // Connect again, so that the next command finds a connection.
  (void)command_channel->GetState(/*try_to_connect=*/true);
  return was_ready;
}

void Replica::HearFarewell(v1::Farewell farewell) {
  if (in_process) return;  // the module graph ends callers in this process before
  farewell_until_ = Now() + kFarewellHolds;
  farewell_ = farewell;
}

void Replica::MarkRefusing(bool command) {
  (command ? refusing_commands_until_ : refusing_queries_until_) = Now() + kRefusalHolds;
}

bool AnotherMayDoIt(const Error& refused) {
  return refused.code == Code::kUnavailable && refused.reason != "deadline_passed" &&
         refused.reason != "contention" && refused.reason != "not_implemented";
}

void Pick::Report(Breaker::Outcome outcome) {
  if (replica_ == nullptr) return;
  --replica_->in_flight;
  replica_->breaker.Report(permit_, outcome, Now());
  replica_ = nullptr;
}

void Pick::ReportError(const Error& error) {
  // Not taken in time, by the connection or by what waits before the service, is no answer either.
  const bool failed = error.code == Code::kInternal || error.reason == "deadline_passed" ||
                      (error.code == Code::kUnknown && IsOfWayOrStore(error.reason));
  Report(failed ? Breaker::Outcome::kFailed : Breaker::Outcome::kAnswered);
}

class Peer::Core : public std::enable_shared_from_this<Peer::Core> {
 public:
  Core(PeerOptions options, ChannelFactory channels, const asio::any_io_executor& executor,
       obs::Registry& metrics, dns::Lookup& lookup)
      : options_(std::move(options)),
        channels_(std::move(channels)),
        metrics_(metrics),
        refused_(metrics.GetCounter("boxoffice_rpc_refused_total",
                                    "Times that a call found no replica that could be tried",
                                    {{"client", options_.name}})),
        retries_(metrics.GetCounter("boxoffice_rpc_retries_total", "Calls that were made again",
                                    {{"client", options_.name}})),
        connected_(metrics.GetGauge("boxoffice_rpc_connected_replicas",
                                    "Replicas of a service that this client is connected to",
                                    {{"client", options_.name}})),
        calls_(metrics, options_.name),
        timer_(executor),
        lookup_(lookup),
        bell_(std::make_shared<dns::Lookup::Bell>(executor)),
        current_(random_.Below(kMaxReplicas)),
        turn_(random_.Below(kMaxReplicas)) {}

  // Whoever waits for a look-up gives it up. The bell is of the executor's alone, and may be gone with it.
  ~Core() {
    if (where_.dns_name.empty()) return;
    asio::post(timer_.get_executor(), [weak = std::weak_ptr(bell_)] {
      if (const auto bell = weak.lock()) Close(*bell);
    });
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // A part of construction that needs shared_from_this.
  void Begin() {
    (void)NoChannel();  // before any other
    auto found = channels_.ReplicasOf(options_.service);
    if (!found) {
      in_process_ = true;
      connected_.Set(1);
      replicas_.push_back(Make("", /*in_process=*/true));
      return;
    }
    where_ = *std::move(found);
    for (const std::string& address : where_.fixed) {
      replicas_.push_back(Make(address, false));
      (void)replicas_.back()->Look();  // which begins to connect
    }
    ScheduleLook(kLookEvery);
  }

  void Stop() {
    stopped_ = true;
    timer_.cancel();
    Close(*bell_);
  }

  Result<Pick> Choose(bool for_command) {
    const auto now = Now();
    const std::scoped_lock lock(mutex_);
    if (replicas_.empty()) return Refuse("no_replica", options_.service + " has no replica");
    // Replicas beyond the bound are spares: nothing has shown a need for more.
    const size_t count = std::min(replicas_.size(), kMaxReplicas);
    boost::container::static_vector<Against, kMaxReplicas> against;
    bool any_takes = false;
    auto least = Against::kAll;
    for (size_t i = 0; i < count; ++i) {
      const bool takes = replicas_[i]->Takes(for_command);
      any_takes |= takes;
      against.push_back(takes ? AgainstOf(*replicas_[i], for_command, now) : Against::kAll);
      least = std::min(least, against.back());
    }
    boost::container::static_vector<Candidate, kMaxReplicas> candidates;
    for (size_t i = 0; i < count; ++i)
      candidates.push_back({against[i] == least && least != Against::kAll, replicas_[i]->in_flight});
    size_t& current = for_command ? current_ : turn_;
    if (!for_command) ++turn_;
    current %= count;
    const size_t slack = for_command ? kCommandSlack : 0;
    const size_t chosen = resilience::Choose(candidates, current, slack);
    if (chosen != resilience::kNobody) {
      current = chosen;
      Breaker::Permit permit;
      if (replicas_[chosen]->breaker.Admit(now, permit)) return Pick(replicas_[chosen], permit);
    }
    return any_takes ? Refuse("breaker_open", options_.service + " does not answer")
                     : Refuse("unreachable", options_.service + " can't be reached");
  }

  bool MayWait(const Error& refused) const {
    return !stopped_ && refused.reason != "breaker_open" &&
           Now() - last_there_.load(std::memory_order_relaxed) < options_.replica_gap;
  }

  bool Reached() const { return in_process_ || reached_; }

  void CountCall() {
    const std::scoped_lock lock(mutex_);
    budget_.CountCall(NowMs());
  }
  bool TakeRetry() {
    const std::scoped_lock lock(mutex_);
    if (!budget_.TakeRetry(NowMs())) return false;
    retries_.Add();
    return true;
  }
  std::chrono::milliseconds Jitter(std::chrono::milliseconds bound) {
    return std::chrono::milliseconds(random_.Below(static_cast<uint64_t>(bound.count()) + 1));
  }

  CallMetrics& calls() { return calls_; }
  const PeerOptions& options() const { return options_; }
  bool repeats_lost() const { return options_.repeat_lost && !in_process_; }
  void AddListener(const void* owner, Listener listener) {
    const std::scoped_lock lock(mutex_);
    listeners_.emplace_back(owner, std::make_shared<Listener>(std::move(listener)));
  }
  void RemoveListener(const void* owner) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(listeners_, [owner](const auto& one) { return one.first == owner; });
  }

  void TakeNamed(const std::vector<std::string>& addresses) {
    std::vector<std::shared_ptr<Replica>> next;
    const std::scoped_lock lock(mutex_);
    for (const std::string& address : addresses) {
      const auto is = [&](const auto& replica) { return replica->address == address; };
      if (std::ranges::any_of(next, is)) continue;
      const auto known = std::ranges::find_if(replicas_, is);
      next.push_back(known != replicas_.end() ? *known : Make(address, false));
    }
    for (const auto& replica : replicas_) {
      if (std::ranges::find(next, replica) == next.end()) Retire(*replica);
    }
    replicas_ = std::move(next);
  }

  void Read(std::vector<BreakerRow>& rows) const {
    const std::scoped_lock lock(mutex_);
    for (const auto& replica : replicas_) {
      rows.push_back({options_.name, options_.service, replica->address, replica->reachable(),
                      replica->farewell() != v1::FAREWELL_NONE, replica->breaker.Read(Now())});
    }
  }

 private:
  // Of one that takes the call.
  static Against AgainstOf(const Replica& replica, bool for_command, Breaker::Moment now) {
    if (!replica.breaker.WouldAdmit(now)) return Against::kAll;
    if (replica.refusing(for_command, now)) return Against::kRefuses;
    return replica.farewell() != v1::FAREWELL_NONE ? Against::kLeaves : Against::kNothing;
  }

  using Listeners = std::vector<std::pair<const void*, std::shared_ptr<Listener>>>;

  std::unexpected<Error> Refuse(std::string_view reason, std::string detail) {
    refused_.Add();
    return Fail(Code::kUnavailable, reason, std::move(detail));
  }

  std::shared_ptr<Replica> Make(const std::string& address, bool in_process) {
    const std::string label = in_process ? "in-process" : address;
    auto changed = ChangesTold(metrics_, options_.name, label);
    auto replica = in_process
                       ? std::make_shared<Replica>(channels_.Local(options_.service), options_.breaker,
                                                   std::move(changed))
                       : std::make_shared<Replica>(address, channels_.ChannelTo(options_.service, address),
                                                   channels_.ChannelTo(options_.service, address),
                                                   options_.breaker, std::move(changed));
    ShowBreaker(metrics_, options_.name, label, std::shared_ptr<Breaker>(replica, &replica->breaker));
    return replica;
  }

  // A retired breaker changes no more, so nobody adds to its series when they have gone. Kept, they would be
  // those of each address that the service ever had.
  void Retire(Replica& replica) {
    replica.breaker.Retire(Now());
    HideBreaker(metrics_, options_.name, replica.address);
  }

  void ScheduleLook(std::chrono::milliseconds after) {
    timer_.expires_after(after);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!self || error || self->stopped_) return;
      self->Look();
      self->ScheduleLook(kLookEvery);
    });
  }

  void Look() {
    std::vector<std::shared_ptr<Replica>> now;
    std::vector<std::shared_ptr<Replica>> ended;
    Listeners listeners;
    {
      const std::scoped_lock lock(mutex_);
      now = replicas_;
      listeners = listeners_;
    }
    for (const auto& replica : now) {
      if (replica->Look()) ended.push_back(replica);
      if (!replica->Takes(/*command=*/true)) continue;
      last_there_ = Now();
      reached_ = true;
    }
    connected_.Set(static_cast<double>(
        std::ranges::count_if(now, [](const auto& replica) { return replica->reachable(); })));
    for (const auto& [owner, listener] : listeners) (*listener)(now, ended);
    if (!where_.dns_name.empty() && !resolving_ && Now() >= resolve_at_) Resolve();
  }

  void Resolve() {
    resolving_ = true;
    asio::co_spawn(timer_.get_executor(), LookUp(weak_from_this(), lookup_, where_.dns_name, bell_),
                   asio::detached);
  }

  // While it waits it holds of the peer only the bell: a look-up may hang, and the peer go meanwhile.
  static asio::awaitable<void> LookUp(std::weak_ptr<Core> weak, dns::Lookup& lookup, std::string name,
                                      std::shared_ptr<dns::Lookup::Bell> bell) {
    if (!IsWanted(weak)) co_return;
    const Result<dns::Lookup::Addresses> found = co_await lookup.Resolve(std::move(name), *bell);
    Close(*bell);
    if (const auto self = weak.lock(); self && !self->stopped_) self->Resolved(found);
  }

  static bool IsWanted(const std::weak_ptr<Core>& weak) {
    const auto self = weak.lock();
    return self != nullptr && !self->stopped_;
  }

  bool KnowsAny() const {
    const std::scoped_lock lock(mutex_);
    return !replicas_.empty();
  }

  void Resolved(const Result<dns::Lookup::Addresses>& found) {
    resolving_ = false;
    resolve_at_ = Now() + kResolveEvery;
    if (!found || found->empty()) {  // those that were known may still be there
      if (!KnowsAny()) resolve_at_ = Now() + kResolveAgain;
      if (Now() < complain_at_) return;
      complain_at_ = Now() + kResolveEvery;
      obs::Log(obs::Level::kWarning, "resolve_failed",
               {{"client", options_.name},
                {"name", where_.dns_name},
                {"error", found ? std::string("it has no address") : found.error().detail}});
      return;
    }
    std::vector<std::string> addresses;
    for (const asio::ip::address& address : *found) addresses.push_back(AddressOf(address, where_.port));
    TakeNamed(addresses);
  }

  const PeerOptions options_;
  const ChannelFactory channels_;
  obs::Registry& metrics_;
  obs::Counter& refused_;
  obs::Counter& retries_;
  obs::Gauge& connected_;
  CallMetrics calls_;
  SeededRandom random_{SystemSeed()};
  asio::steady_timer timer_;
  dns::Lookup& lookup_;
  const std::shared_ptr<dns::Lookup::Bell> bell_;  // on the executor
  Replicas where_;
  bool in_process_ = false;  // set before anybody asks
  std::atomic<bool> stopped_{false};
  std::atomic<Breaker::Moment> last_there_{Now()};  // when a replica took calls; nobody has looked before
  std::atomic<bool> reached_{false};                // never taken back
  bool resolving_ = false;                          // on the executor, as the next
  Breaker::Moment resolve_at_{};
  Breaker::Moment complain_at_{};

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Replica>> replicas_;
  Listeners listeners_;
  resilience::RetryBudget budget_;
  size_t current_;  // the replica of the last command; callers begin at different ones
  size_t turn_;     // the same of queries
};

Peer::Peer(PeerOptions options, const ChannelFactory& channels, asio::any_io_executor executor,
           obs::Registry& metrics, dns::Lookup& lookup)
    : core_(std::make_shared<Core>(std::move(options), channels, executor, metrics, lookup)) {
  core_->Begin();
  channels.board().Add(core_, [weak = std::weak_ptr(core_)](std::vector<BreakerRow>& rows) {
    if (const auto core = weak.lock()) core->Read(rows);
  });
}

void Peer::NoteCall(std::string_view method, std::string_view outcome, std::chrono::duration<double> time) {
  core_->calls().Note(method, outcome, time);
}

Peer::~Peer() = default;

Result<Pick> Peer::PickForCommand() { return core_->Choose(/*for_command=*/true); }
Result<Pick> Peer::PickForQuery() { return core_->Choose(/*for_command=*/false); }
bool Peer::MayWait(const Error& refused) const { return core_->MayWait(refused); }
bool Peer::Reached() const { return core_->Reached(); }
void Peer::Stop() { core_->Stop(); }
void Peer::CountCall() { core_->CountCall(); }
bool Peer::TakeRetry() { return core_->TakeRetry(); }
std::chrono::milliseconds Peer::Jitter(std::chrono::milliseconds bound) { return core_->Jitter(bound); }
const PeerOptions& Peer::options() const { return core_->options(); }
bool Peer::repeats_lost() const { return core_->repeats_lost(); }
void Peer::AddListener(const void* owner, Listener listener) {
  core_->AddListener(owner, std::move(listener));
}
void Peer::RemoveListener(const void* owner) { core_->RemoveListener(owner); }
void Peer::TakeNamed(const std::vector<std::string>& addresses) { core_->TakeNamed(addresses); }

void BreakerBoard::Add(std::weak_ptr<void> owner, Reader reader) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(readers_, [](const auto& entry) { return entry.first.expired(); });
  readers_.emplace_back(std::move(owner), std::move(reader));
}

std::vector<BreakerRow> BreakerBoard::Read() const {
  std::vector<BreakerRow> rows;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [owner, reader] : readers_) reader(rows);
  }
  std::ranges::sort(rows, {}, [](const BreakerRow& row) { return std::tie(row.client, row.replica); });
  return rows;
}

}  // namespace boxoffice::rpc
