#include "gateway/waiting_room.h"

#include <algorithm>
#include <cmath>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// The same steps as the queue service's, so that nobody sees the figures jump when it is their turn to ask
// it.
constexpr double kRefreshesPerWait = 5;
constexpr double kMaxRefreshS = 20;
constexpr double kMaxEtaS = 7 * 86'400;

}  // namespace

Result<queue::v1::TokenClaims> ReadQueueToken(const auth::KeyRing& keys, std::string_view token) {
  if (token.empty()) return Fail(Code::kUnauthenticated, "queue_token_missing");
  BOXOFFICE_ASSIGN(const std::string payload, keys.Verify(token));
  queue::v1::TokenClaims claims;
  if (!claims.ParseFromString(payload)) return Fail(Code::kUnauthenticated, "signed_token_malformed");
  return claims;
}

std::string AdmissionToken(const auth::KeyRing& keys, const std::string& token, int64_t active_until_ms) {
  Result<queue::v1::TokenClaims> claims = ReadQueueToken(keys, token);
  if (!claims) return {};
  claims->set_active_until_ms(active_until_ms);
  return keys.Sign(claims->SerializeAsString());
}

std::optional<queue::v1::Session> WaitingSession(const queue::v1::TokenClaims& claims,
                                                 const queue::v1::Queue& queue, Timestamp now) {
  if (claims.sequence() <= queue.head_sequence() || claims.expires_at_ms() <= ToUnixMs(now))
    return std::nullopt;
  queue::v1::Session session;
  session.set_state(queue::v1::WAITING);
  session.set_sequence(claims.sequence());
  session.set_position(claims.sequence() - queue.head_sequence());
  // Below the cap people enter at the configured rate, whatever the last minute was like; at the cap as
  // others leave.
  const bool full = queue.active() >= queue.active_cap();
  const double rate = full && queue.admitted_per_s() > 0 ? queue.admitted_per_s() : queue.rate_per_s();
  const double eta_s =
      rate > 0 ? std::min(kMaxEtaS, std::ceil(static_cast<double>(session.position()) / rate)) : kMaxEtaS;
  session.set_eta_s(static_cast<uint32_t>(eta_s));
  session.set_refresh_interval_s(
      static_cast<uint32_t>(std::clamp(std::ceil(eta_s / kRefreshesPerWait), 1.0, kMaxRefreshS)));
  session.set_expires_at_ms(claims.expires_at_ms());
  return session;
}

WaitingRoom::WaitingRoom(Backends& backends, const Clock& clock, obs::Registry& metrics)
    : backends_(backends),
      clock_(clock),
      answered_(metrics.GetCounter("boxoffice_gateway_waiting_polls_total", "Polls answered without a call")),
      refresh_failures_(
          metrics.GetCounter("boxoffice_gateway_heads_failures_total", "Heads that were not fetched")),
      refresh_timer_(backends.executor()),
      heartbeat_timer_(backends.executor()) {}

void WaitingRoom::Start() {
  asio::co_spawn(backends_.executor(), RefreshHeads(), asio::detached);
  asio::co_spawn(backends_.executor(), SendHeartbeats(), asio::detached);
}

void WaitingRoom::Stop() {
  stopping_ = true;
  refresh_timer_.cancel();
  heartbeat_timer_.cancel();
}

std::optional<queue::v1::Session> WaitingRoom::Answer(const queue::v1::TokenClaims& claims,
                                                      std::string_view token) {
  const auto head = heads_.find(claims.show_id());
  if (head == heads_.end()) return std::nullopt;
  std::optional<queue::v1::Session> session = WaitingSession(claims, head->second, clock_.Now());
  if (!session) return std::nullopt;
  session->set_token(std::string(token));
  answered_.Add();
  if (present_count_ < kMaxPresent) {
    present_[claims.show_id()].push_back(claims.sequence());
    ++present_count_;
  }
  return session;
}

asio::awaitable<void> WaitingRoom::RefreshHeads() {
  const auto start = [this](auto... arguments) { backends_.queue->async()->GetHeads(arguments...); };
  while (!stopping_) {
    const queue::v1::GetHeadsRequest request;
    const std::string untraced;
    const Result<queue::v1::GetHeadsResponse> heads =
        co_await backends_.Ask<queue::v1::GetHeadsResponse>(request, untraced, start);
    if (heads) {
      for (const queue::v1::Queue& queue : heads->queues()) heads_[queue.show_id()] = queue;
    } else {
      refresh_failures_.Add();
    }
    if (stopping_) break;
    refresh_timer_.expires_after(kRefreshEvery);
    (void)co_await refresh_timer_.async_wait(kAwait);
  }
}

asio::awaitable<void> WaitingRoom::SendHeartbeats() {
  while (!stopping_) {
    heartbeat_timer_.expires_after(kHeartbeatEvery);
    (void)co_await heartbeat_timer_.async_wait(kAwait);
    SendPresent();
  }
}

void WaitingRoom::SendPresent() {
  for (auto& [show_id, sequences] : present_) {
    std::ranges::sort(sequences);
    sequences.erase(std::ranges::unique(sequences).begin(), sequences.end());
    for (size_t begin = 0; begin < sequences.size(); begin += kSequencesPerHeartbeat) {
      const size_t end = std::min(sequences.size(), begin + kSequencesPerHeartbeat);
      queue::v1::Command command;
      queue::v1::Heartbeat& heartbeat = *command.mutable_heartbeat();
      heartbeat.set_show_id(show_id);
      heartbeat.mutable_sequences()->Add(sequences.begin() + static_cast<ptrdiff_t>(begin),
                                         sequences.begin() + static_cast<ptrdiff_t>(end));
      backends_.SendHeartbeat(std::move(command));
    }
  }
  present_.clear();
  present_count_ = 0;
}

}  // namespace boxoffice::gateway
