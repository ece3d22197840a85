#include "gateway/waiting_room.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/sort_unique.h"
#include "gateway/elsewhere.h"
#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// The same steps as the queue service's, so that nobody sees the figures jump when it is their turn to ask
// it.
constexpr double kRefreshesPerWait = 5;
constexpr double kMaxRefreshS = 20;
constexpr double kMaxEtaS = 7 * 86'400;
constexpr double kMinPace = 0.001;

// Whether people wait whose places a draw has shuffled.
bool NeedsOrder(const queue::v1::Queue& queue) {
  const queue::v1::Draw& draw = queue.draw();
  return draw.drawn_at_ms() > 0 && queue.head_sequence() < draw.first() + draw.entrants();
}

uint64_t PlaceOf(uint64_t sequence, const Head& head) {
  return head.order != nullptr ? head.order->PlaceOf(sequence) : sequence;
}

// Whether the token is of a place that the queue's store has lost, whoever stands there now.
bool IsOfLostPlace(const queue::v1::TokenClaims& claims, const queue::v1::Queue& queue) {
  return std::ranges::any_of(queue.loadings(), [&claims](const queue::v1::Loading& loading) {
    return claims.sequence() > loading.last_sequence() && claims.expires_at_ms() < loading.token_end_ms();
  });
}

// Whether the queue was loaded since `before` was told, without all of the places that were there then.
bool HasLostPlaces(const queue::v1::Queue& queue, const queue::v1::Queue& before) {
  // The release before does not say, and can be seen to only until others have come.
  if (queue.loadings().empty()) return queue.last_sequence() < before.last_sequence();
  const queue::v1::Loading& latest = *queue.loadings().rbegin();
  const bool is_new =
      before.loadings().empty() || before.loadings().rbegin()->token_end_ms() != latest.token_end_ms();
  return is_new && latest.last_sequence() < before.last_sequence();
}

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

std::optional<queue::v1::Session> WaitingSession(const queue::v1::TokenClaims& claims, const Head& head,
                                                 Timestamp now) {
  const queue::v1::Queue& queue = head.queue;
  const queue::v1::Draw& draw = queue.draw();
  if (claims.sequence() > std::min(queue.last_sequence(), head.sure_through)) return std::nullopt;
  if (IsOfLostPlace(claims, queue) || head.left.contains(claims.sequence())) return std::nullopt;
  const uint64_t place = PlaceOf(claims.sequence(), head);
  if (place <= queue.head_sequence() || claims.expires_at_ms() <= ToUnixMs(now)) return std::nullopt;
  queue::v1::Session session;
  session.set_state(queue::v1::WAITING);
  session.set_sequence(claims.sequence());
  session.set_expires_at_ms(claims.expires_at_ms());
  session.set_queue_state(queue.state());
  session.set_opens_at_ms(queue.opens_at_ms());
  const bool after_first = queue.has_draw() && claims.sequence() > draw.first();
  const bool awaits_draw = after_first && draw.drawn_at_ms() == 0;
  if (!awaits_draw) session.set_position(place - queue.head_sequence());
  if (after_first && claims.sequence() - draw.first() <= draw.entrants()) session.set_place(place);
  const double opens_in_s = std::max(0.0, static_cast<double>(queue.opens_at_ms() - ToUnixMs(now)) / 1'000);
  const double moves_s = static_cast<double>(session.position()) / std::max(queue.pace_per_s(), kMinPace);
  const double eta_s = std::min(kMaxEtaS, std::ceil(opens_in_s + moves_s));
  session.set_eta_s(static_cast<uint32_t>(eta_s));
  const uint64_t undrawn = awaits_draw ? queue.last_sequence() - draw.first() : 0;
  const double called_in_s =
      eta_s + static_cast<double>(undrawn) / 2 / std::max(queue.pace_per_s(), kMinPace);
  const double refresh = eta_s == 0 ? kMaxRefreshS : std::ceil(called_in_s / kRefreshesPerWait);
  session.set_refresh_interval_s(static_cast<uint32_t>(std::clamp(refresh, 1.0, kMaxRefreshS)));
  return session;
}

WaitingRoom::WaitingRoom(Backends& backends, rpc::WorkerPool& computing, const Clock& clock,
                         obs::Registry& metrics)
    : backends_(backends),
      computing_(computing),
      clock_(clock),
      answered_(metrics.GetCounter("boxoffice_gateway_waiting_polls_total", "Polls answered without a call")),
      refresh_failures_(
          metrics.GetCounter("boxoffice_gateway_heads_failures_total", "Heads that were not fetched")),
      refresh_timer_(backends.executor()),
      heartbeat_timer_(backends.executor()),
      look_timer_(backends.executor()) {}

void WaitingRoom::Start() {
  asio::co_spawn(backends_.executor(), RefreshHeads(), asio::detached);
  asio::co_spawn(backends_.executor(), SendHeartbeats(), asio::detached);
  asio::co_spawn(backends_.executor(), LookAtShows(), asio::detached);
}

void WaitingRoom::Stop() {
  stopping_ = true;
  refresh_timer_.cancel();
  heartbeat_timer_.cancel();
  look_timer_.cancel();
}

std::optional<queue::v1::Session> WaitingRoom::Answer(const queue::v1::TokenClaims& claims,
                                                      std::string_view token) {
  const Timestamp now = clock_.Now();
  std::unique_lock lock(mutex_);
  const auto head = heads_.find(claims.show_id());
  if (head == heads_.end()) return std::nullopt;
  std::optional<queue::v1::Session> session = WaitingSession(claims, head->second, now);
  if (!session) return std::nullopt;
  const uint64_t sequence = claims.sequence();
  KeepPresent(claims.show_id(), {&sequence, 1});
  lock.unlock();
  session->set_token(std::string(token));
  answered_.Add();
  return session;
}

void WaitingRoom::Hear(int64_t show_id, const queue::v1::Session& session) {
  const uint64_t place = session.place() != 0 ? session.place() : session.sequence();
  if (session.position() == 0 || session.position() > place) return;
  const uint64_t head_sequence = place - session.position();
  const std::scoped_lock lock(mutex_);
  const auto head = heads_.find(show_id);
  if (head == heads_.end() || head->second.queue.head_sequence() >= head_sequence) return;
  head->second.queue.set_head_sequence(head_sequence);
}

void WaitingRoom::Forget(const queue::v1::TokenClaims& claims) {
  const std::scoped_lock lock(mutex_);
  const auto found = heads_.find(claims.show_id());
  const uint64_t sequence = claims.sequence();
  if (found != heads_.end()) NoteLeft(found->second, {&sequence, 1});
}

void WaitingRoom::NoteLeft(Head& head, std::span<const uint64_t> sequences) {
  if (head.left.size() + sequences.size() > kMaxLeft) {
    std::erase_if(head.left, [&head](uint64_t sequence) {
      return PlaceOf(sequence, head) <= head.queue.head_sequence();
    });
  }
  for (const uint64_t sequence : sequences) {
    if (head.left.size() < kMaxLeft) head.left.insert(sequence);
  }
}

bool WaitingRoom::HasHeads() const {
  const std::scoped_lock lock(mutex_);
  return fetched_;
}

Result<queue::v1::Queue> WaitingRoom::View(int64_t show_id) const {
  const std::scoped_lock lock(mutex_);
  if (!fetched_) return Fail(Code::kUnavailable, "heads_unknown");
  if (const auto head = heads_.find(show_id); head != heads_.end()) return head->second.queue;
  queue::v1::Queue untouched;  // as the contract has it
  untouched.set_show_id(show_id);
  untouched.set_state(queue::v1::OPEN);
  return untouched;
}

seat::v1::ShowState WaitingRoom::ShowStateOf(int64_t show_id) {
  const std::scoped_lock lock(mutex_);
  const auto found = heads_.find(show_id);
  if (found == heads_.end()) return seat::v1::SHOW_STATE_UNSPECIFIED;
  Head& head = found->second;
  head.polled = true;
  const bool holds = std::chrono::steady_clock::now() - head.show_state_at < kLookHolds;
  return holds ? head.show_state : seat::v1::SHOW_STATE_UNSPECIFIED;
}

// As it was made for the same draw: one that the queue's store has lost is drawn again, with whoever is there
// then.
std::shared_ptr<const auth::Shuffle> WaitingRoom::OrderOf(const queue::v1::Queue& queue) const {
  const std::scoped_lock lock(mutex_);
  const auto head = heads_.find(queue.show_id());
  if (head == heads_.end()) return nullptr;
  const queue::v1::Draw& known = head->second.queue.draw();
  const queue::v1::Draw& draw = queue.draw();
  const bool same =
      known.seed() == draw.seed() && known.first() == draw.first() && known.entrants() == draw.entrants();
  return same ? head->second.order : nullptr;
}

// Until a long shuffle is done, people are told what was true before it.
asio::awaitable<void> WaitingRoom::Take(const queue::v1::Queue& queue) {
  const int64_t show_id = queue.show_id();
  std::shared_ptr<const auth::Shuffle> order;
  if (NeedsOrder(queue)) {
    order = OrderOf(queue);
    if (order == nullptr) {
      const queue::v1::Draw draw = queue.draw();
      const auto shuffle = [draw] {
        return std::make_shared<const auth::Shuffle>(draw.seed(), draw.first(), draw.entrants());
      };
      order = co_await RunElsewhere(computing_, backends_.executor(), shuffle);
    }
  }
  const std::scoped_lock lock(mutex_);
  Head& head = heads_[show_id];
  const uint64_t heard = head.queue.head_sequence();
  const bool lost = HasLostPlaces(queue, head.queue);
  if (!queue.loadings().empty()) {
    head.sure_through = std::numeric_limits<uint64_t>::max();
  } else if (lost) {
    head.sure_through = std::min(head.sure_through, queue.last_sequence());
  }
  head.queue = queue;
  head.order = std::move(order);
  if (!lost && heard > queue.head_sequence()) head.queue.set_head_sequence(heard);
  head.queue.clear_left_lately();
  NoteLeft(head, {queue.left_lately().data(), static_cast<size_t>(queue.left_lately_size())});
}

// A show that the queue knew and does not know any more, as its store has lost it.
void WaitingRoom::DropAllBut(const queue::v1::GetHeadsResponse& heads) {
  std::unordered_set<int64_t> known;
  for (const queue::v1::Queue& queue : heads.queues()) known.insert(queue.show_id());
  const std::scoped_lock lock(mutex_);
  std::erase_if(heads_, [&known](const auto& head) { return !known.contains(head.first); });
  fetched_ = true;
}

asio::awaitable<void> WaitingRoom::RefreshHeads() {
  const auto start = [this](auto... arguments) { backends_.queue->async()->GetHeads(arguments...); };
  queue::v1::GetHeadsRequest request;
  while (!stopping_) {
    const std::string untraced;
    const Result<queue::v1::GetHeadsResponse> heads =
        co_await backends_.Ask<queue::v1::GetHeadsResponse>(request, untraced, start);
    if (heads) {
      for (const queue::v1::Queue& queue : heads->queues()) co_await Take(queue);
      // With the same epoch, the rest is as it was. One of the release before has none, and tells everything.
      if (heads->epoch() == 0 || heads->epoch() != request.epoch()) DropAllBut(*heads);
      request.set_epoch(heads->epoch());
      request.set_revision(heads->revision());
    } else {
      refresh_failures_.Add();
    }
    if (stopping_) break;
    refresh_timer_.expires_after(kRefreshEvery);
    (void)co_await refresh_timer_.async_wait(kAwait);
  }
}

std::vector<int64_t> WaitingRoom::TakePolled() {
  std::vector<int64_t> shows;
  const std::scoped_lock lock(mutex_);
  for (auto& [show_id, head] : heads_) {
    if (std::exchange(head.polled, false)) shows.push_back(show_id);
  }
  return shows;
}

// Only at those that somebody here has asked about: a call for each, and none for what is past. Several at a
// time, as where the seat service is slow the last would be as old as all calls before it take together.
asio::awaitable<void> WaitingRoom::LookAtShows() {
  while (!stopping_) {
    look_timer_.expires_after(kLookEvery);
    (void)co_await look_timer_.async_wait(kAwait);
    if (to_look_at_.empty()) to_look_at_ = TakePolled();
    for (size_t more = std::min(to_look_at_.size(), kLooksAtOnce - lookers_); more > 0; --more) {
      ++lookers_;
      asio::co_spawn(backends_.executor(), LookAtNext(), asio::detached);
    }
  }
}

// At one after the other, until there is none left.
asio::awaitable<void> WaitingRoom::LookAtNext() {
  const auto start = [this](auto... arguments) { backends_.seat->async()->GetShow(arguments...); };
  while (!stopping_ && !to_look_at_.empty()) {
    const int64_t show_id = to_look_at_.back();
    to_look_at_.pop_back();
    seat::v1::GetShowRequest query;
    query.set_id(show_id);
    const std::string untraced;
    const Result<seat::v1::Show> show = co_await backends_.Ask<seat::v1::Show>(query, untraced, start);
    if (!show) continue;
    const std::scoped_lock lock(mutex_);
    const auto head = heads_.find(show_id);
    if (head == heads_.end()) continue;
    head->second.show_state = show->state();
    head->second.show_state_at = std::chrono::steady_clock::now();
  }
  --lookers_;
}

asio::awaitable<void> WaitingRoom::SendHeartbeats() {
  while (!stopping_) {
    heartbeat_timer_.expires_after(kHeartbeatEvery);
    (void)co_await heartbeat_timer_.async_wait(kAwait);
    SendPresent();
  }
}

void WaitingRoom::SendPresent() {
  std::unordered_map<int64_t, std::vector<uint64_t>> present;
  {
    const std::scoped_lock lock(mutex_);
    present.swap(present_);
    present_count_ = 0;
  }
  for (auto& [show_id, sequences] : present) {
    SortUnique(sequences);
    for (size_t begin = 0; begin < sequences.size(); begin += kSequencesPerHeartbeat) {
      const size_t end = std::min(sequences.size(), begin + kSequencesPerHeartbeat);
      queue::v1::Command command;
      queue::v1::Heartbeat& heartbeat = *command.mutable_heartbeat();
      heartbeat.set_show_id(show_id);
      std::vector<uint64_t> part(sequences.begin() + static_cast<ptrdiff_t>(begin),
                                 sequences.begin() + static_cast<ptrdiff_t>(end));
      heartbeat.mutable_sequences()->Add(part.begin(), part.end());
      backends_.SendHeartbeat(std::move(command), [this, show_id = show_id, part = std::move(part)] {
        const std::scoped_lock lock(mutex_);
        KeepPresent(show_id, part);
      });
    }
  }
}

// With the lock, for the next heartbeat.
void WaitingRoom::KeepPresent(int64_t show_id, std::span<const uint64_t> sequences) {
  sequences = sequences.first(std::min(sequences.size(), kMaxPresent - present_count_));
  std::vector<uint64_t>& present = present_[show_id];
  present.insert(present.end(), sequences.begin(), sequences.end());
  present_count_ += sequences.size();
}

}  // namespace boxoffice::gateway
