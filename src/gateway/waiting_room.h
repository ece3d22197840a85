// Answers whoever still waits, without asking anybody: the place stands in the token, and the heads of the
// queues are fetched four times a second for all together.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "boxoffice/queue/v1/queue.pb.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "gateway/backends.h"
#include "platform/auth/shuffle.h"
#include "platform/auth/signed_token.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// What a queue token says, once its signature was verified.
// Errors: kUnauthenticated queue_token_missing (empty), signed_token_… as of auth::KeyRing.
[[nodiscard]] Result<queue::v1::TokenClaims> ReadQueueToken(const auth::KeyRing& keys,
                                                            std::string_view token);

// The token of an ACTIVE session that the queue has just said to last until then, with that in it: whoever
// shows this one goes on while the queue is down. "" if the token can't be read.
[[nodiscard]] std::string AdmissionToken(const auth::KeyRing& keys, const std::string& token,
                                         int64_t active_until_ms);

// A show's queue as it was last seen.
struct Head {
  queue::v1::Queue queue;
  std::shared_ptr<const auth::Shuffle> order;  // of a draw that is not over; null: there is none
  // Sequences above it may have been given twice, as the store lost some; only the queue knows to whom. Of a
  // queue of the release before: others tell exactly, by `loadings`.
  uint64_t sure_through = std::numeric_limits<uint64_t>::max();
  std::unordered_set<uint64_t> left;  // sequences of those who waited and left, by whichever gateway
  // Of the show itself, so that nobody waits for what is sold out: as the seat service said it then.
  seat::v1::ShowState show_state = seat::v1::SHOW_STATE_UNSPECIFIED;
  std::chrono::steady_clock::time_point show_state_at{};
  bool polled = false;  // since then
};

// The answer to someone who waits there; nullopt: it is their turn, or they have left, or the token has
// ended or is not known to stand for this place, and the queue service must say what they are.
[[nodiscard]] std::optional<queue::v1::Session> WaitingSession(const queue::v1::TokenClaims& claims,
                                                               const Head& head, Timestamp now);

// One for all threads of a gateway, so that nobody's position grows who asks one thread and then another.
// Start and Stop on the backends' executor, where it fetches and sends; the rest is thread-safe.
class WaitingRoom {
 public:
  // `computing` runs what takes long, and outlives the executor's run.
  WaitingRoom(Backends& backends, rpc::WorkerPool& computing, const Clock& clock, obs::Registry& metrics);

  // Begins to fetch heads and to send presence. Stop() ends it, at the latest when the call under way is
  // answered.
  void Start();
  void Stop();

  // The same as WaitingSession with the head as last fetched, and counts as presence. nullopt also while no
  // head of the show is known. Heads that can't be fetched stay as they were: they only ever move forward,
  // unless the queue's store has lost what it held.
  [[nodiscard]] std::optional<queue::v1::Session> Answer(const queue::v1::TokenClaims& claims,
                                                         std::string_view token);

  // What the queue service has just said of somebody there, so that what is answered from here afterwards is
  // no older: a position does not grow.
  void Hear(int64_t show_id, const queue::v1::Session& session);
  // They have left, so the queue service is asked what they are. Again: no effect.
  void Forget(const queue::v1::TokenClaims& claims);

  // Whether the heads were fetched once: from then on whoever waits is answered from here.
  [[nodiscard]] bool HasHeads() const;
  // The queue as last fetched. Error: kUnavailable heads_unknown, as long as none was.
  [[nodiscard]] Result<queue::v1::Queue> View(int64_t show_id) const;
  // What the show is for whoever waits for it, a few seconds old at most; SHOW_STATE_UNSPECIFIED: not known,
  // as when nobody has asked for a while.
  [[nodiscard]] seat::v1::ShowState ShowStateOf(int64_t show_id);

 private:
  // Presence kept between two sendings, with what could not be sent before; what comes beyond is dropped, and
  // counts at its next poll.
  static constexpr size_t kMaxPresent = 1'000'000;
  static constexpr size_t kMaxLeft = 10'000;  // of a show; beyond, they are told that they wait
  static constexpr size_t kSequencesPerHeartbeat = 4'096;
  static constexpr std::chrono::milliseconds kRefreshEvery{250};
  static constexpr std::chrono::milliseconds kHeartbeatEvery{1'000};
  static constexpr std::chrono::milliseconds kLookEvery{1'000};   // at shows that people wait for
  static constexpr std::chrono::milliseconds kLookHolds{60'000};  // longer than from one's poll to the next
  static constexpr size_t kLooksAtOnce = 8;

  static void NoteLeft(Head& head, std::span<const uint64_t> sequences);
  asio::awaitable<void> RefreshHeads();
  asio::awaitable<void> Take(const queue::v1::Queue& queue);
  void DropAllBut(const queue::v1::GetHeadsResponse& heads);
  [[nodiscard]] std::shared_ptr<const auth::Shuffle> OrderOf(const queue::v1::Queue& queue) const;
  asio::awaitable<void> LookAtShows();
  asio::awaitable<void> LookAtNext();
  [[nodiscard]] std::vector<int64_t> TakePolled();
  asio::awaitable<void> SendHeartbeats();
  void SendPresent();
  void KeepPresent(int64_t show_id, std::span<const uint64_t> sequences);

  Backends& backends_;
  rpc::WorkerPool& computing_;
  const Clock& clock_;
  obs::Counter& answered_;
  obs::Counter& refresh_failures_;
  asio::steady_timer refresh_timer_;
  asio::steady_timer heartbeat_timer_;
  asio::steady_timer look_timer_;
  bool stopping_ = false;
  std::vector<int64_t> to_look_at_;  // shows
  size_t lookers_ = 0;               // that run

  mutable std::mutex mutex_;  // of what follows; held for as long as one answer takes
  std::unordered_map<int64_t, Head> heads_;
  bool fetched_ = false;
  std::unordered_map<int64_t, std::vector<uint64_t>> present_;
  size_t present_count_ = 0;
};

}  // namespace boxoffice::gateway
