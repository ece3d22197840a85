#include "services/queue/show_queue.h"

#include <algorithm>

#include "base/check.h"

namespace boxoffice::queue {

bool Changes::Durable() const {
  return !sagas.empty() ||
         std::ranges::any_of(shows, [](const ShowChange& change) { return change.durable; });
}

ShowQueue::ShowQueue(Show show) : show_(std::move(show)) {
  line_.resize(show_.last_sequence - show_.head_sequence);
  const Draw& draw = show_.draw;
  if (draw.Drawn() && show_.head_sequence < draw.first + draw.entrants) {
    order_ = std::make_shared<const auth::Shuffle>(draw.seed, draw.first, draw.entrants);
  }
}

std::optional<uint64_t> ShowQueue::FindUser(std::string_view user_id) const {
  return users_.Find(user_id, [&](uint64_t sequence) { return UserOf(sequence) == user_id; });
}

std::string_view ShowQueue::UserOf(uint64_t sequence) const {
  if (const Waiter* waiter = FindWaiter(sequence)) return waiter->user_id;
  const Session* member = FindMember(sequence);
  CHECK(member != nullptr, "{} is indexed, and neither waits nor is a member", sequence);
  return member->user_id;
}

const Waiter* ShowQueue::FindWaiter(uint64_t sequence) const {
  if (sequence > show_.last_sequence) return nullptr;
  const uint64_t place = PlaceOf(sequence);
  if (place <= show_.head_sequence) return nullptr;
  const Waiter& waiter = line_[place - show_.head_sequence - 1];
  return waiter.user_id.empty() ? nullptr : &waiter;
}

Waiter* ShowQueue::WaiterOf(uint64_t sequence) {
  return const_cast<Waiter*>(FindWaiter(sequence));  // this object is not const
}

const Session* ShowQueue::FindMember(uint64_t sequence) const {
  const auto found = members_.find(sequence);
  return found != members_.end() ? &found->second : nullptr;
}

bool ShowQueue::NeedsTick(Timestamp now) const {
  const Timestamp opens_at = show_.settings.opens_at;
  return !line_.empty() || (!due_.empty() && due_.begin()->first <= now) ||
         (opens_at != Timestamp() && opens_at <= now);
}

Timestamp ShowQueue::DueOf(const Session& member) {
  return member.state == SessionState::kActive ? member.active_until : TokenEnd(member) + kClockSkew;
}

// By a clock that was ahead when it was admitted, it would last until that moment has come.
void ShowQueue::RenewAsOf(Timestamp now, Session& active) {
  active.admitted_at = std::min(active.admitted_at, now);
  active.active_until = RenewedUntil(active.admitted_at, now);
}

void ShowQueue::Restore(Session session, Timestamp now) {
  if (session.state == SessionState::kWaiting) {
    const uint64_t place = PlaceOf(session.sequence);
    CHECK(place > show_.head_sequence && session.sequence <= show_.last_sequence,
          "show {}: {} waits, and was called", show_.show_id, session.sequence);
    users_.Insert(session.user_id, session.sequence);
    StandAt(place) = {std::move(session.user_id), session.joined_at, now};
    ++waiting_;
    return;
  }
  if (session.state == SessionState::kActive) {
    RenewAsOf(now, session);
    users_.Insert(session.user_id, session.sequence);
    ++active_;
  }
  PutMember(session);
}

void ShowQueue::FinishRestore(Timestamp now) {
  pace_.credit_at = now;
  pace_.busy_since = now;
}

void ShowQueue::Apply(const ShowChange& change) {
  CHECK(change.show.head_sequence >= show_.head_sequence && change.show.last_sequence >= show_.last_sequence,
        "show {}: sequences only grow", show_.show_id);
  // Newcomers stand in the line first, so that a session is found in one way, whatever became of it since.
  show_.last_sequence = change.show.last_sequence;
  line_.resize(show_.last_sequence - show_.head_sequence);
  if (change.order != nullptr) Reorder(change.order);
  for (const SessionChange& session : change.sessions) ApplySession(session);
  line_.erase(line_.begin(),
              line_.begin() + static_cast<ptrdiff_t>(change.show.head_sequence - show_.head_sequence));
  const int64_t version = change.show.version + (change.durable ? 1 : 0);
  show_ = change.show;
  show_.version = version;
  pace_ = change.pace;
  if (order_ != nullptr && order_->last() <= show_.head_sequence) order_.reset();
}

// Before the draw everybody stands where the sequence says.
void ShowQueue::Reorder(std::shared_ptr<const auth::Shuffle> order) {
  order_ = std::move(order);
  std::deque<Waiter> before(line_.size());
  before.swap(line_);
  uint64_t sequence = show_.head_sequence;
  for (Waiter& waiter : before) StandAt(PlaceOf(++sequence)) = std::move(waiter);
}

void ShowQueue::ApplySession(const SessionChange& change) {
  const Session& session = change.session;
  const bool in_index = FindWaiter(session.sequence) != nullptr ||
                        (FindMember(session.sequence) != nullptr &&
                         FindMember(session.sequence)->state == SessionState::kActive);
  if (session.state == SessionState::kWaiting) {
    Waiter& place = StandAt(PlaceOf(session.sequence));
    place.last_seen = session.last_seen;
    if (in_index) return;
    place.user_id = session.user_id;
    place.joined_at = session.joined_at;
    users_.Insert(session.user_id, session.sequence);
    ++waiting_;
    return;
  }
  LeaveLine(session.sequence);
  DropMember(session.sequence);
  if (session.state == SessionState::kActive) {
    ++active_;
    if (!in_index) users_.Insert(session.user_id, session.sequence);
  } else if (in_index) {
    users_.Erase(session.user_id, session.sequence);
  }
  if (session.state == SessionState::kActive || (session.Bound() && !change.forget)) PutMember(session);
}

void ShowQueue::LeaveLine(uint64_t sequence) {
  Waiter* place = WaiterOf(sequence);
  if (place == nullptr) return;
  *place = {};
  --waiting_;
}

void ShowQueue::PutMember(const Session& session) {
  due_.emplace(DueOf(session), session.sequence);
  members_.insert_or_assign(session.sequence, session);
}

void ShowQueue::DropMember(uint64_t sequence) {
  const auto found = members_.find(sequence);
  if (found == members_.end()) return;
  if (found->second.state == SessionState::kActive) --active_;
  due_.erase({DueOf(found->second), sequence});
  members_.erase(found);
}

void ShowQueue::Seen(std::span<const uint64_t> sequences, Timestamp now) {
  for (const uint64_t sequence : sequences) {
    if (Waiter* waiter = WaiterOf(sequence)) waiter->last_seen = std::max(waiter->last_seen, now);
  }
}

void ShowQueue::SeeEverybody(Timestamp now) {
  for (Waiter& waiter : line_) waiter.last_seen = now;
  std::vector<Session> active;
  for (const auto& [sequence, member] : members_) {
    if (member.state == SessionState::kActive) active.push_back(member);
  }
  for (Session& session : active) {
    due_.erase({DueOf(session), session.sequence});
    RenewAsOf(now, session);
    PutMember(session);
  }
  pace_.busy_since = now;  // that the line stood still says nothing of how fast it will move
}

void ShowQueue::ClockWentBack(Timestamp now) {
  SeeEverybody(now);
  // They would go on counting in the second that was the last.
  pace_.admitted = {};
  pace_.passed = {};
}

const ShowQueue* WaitingRoom::Find(int64_t show_id) const {
  const auto found = shows_.find(show_id);
  return found != shows_.end() ? &found->second : nullptr;
}

std::optional<SessionKey> WaitingRoom::FindBound(SagaId saga) const {
  const auto found = bound_.find(saga);
  return found != bound_.end() ? std::optional(found->second) : std::nullopt;
}

void WaitingRoom::RestoreShow(Show show) {
  const int64_t show_id = show.show_id;
  places_ += shows_.emplace(show_id, ShowQueue(std::move(show))).first->second.places();
}

void WaitingRoom::RestoreSession(Session session, Timestamp now) {
  const auto found = shows_.find(session.show_id);
  CHECK(found != shows_.end(), "a session of show {}, which is not stored", session.show_id);
  if (session.Bound()) bound_.emplace(session.saga, SessionKey{session.show_id, session.sequence});
  found->second.Restore(std::move(session), now);
}

void WaitingRoom::FinishRestore(Timestamp now) {
  for (auto& [show_id, queue] : shows_) queue.FinishRestore(now);
}

void WaitingRoom::Apply(const Changes& changes) {
  for (const ShowChange& change : changes.shows) {
    const int64_t show_id = change.show.show_id;
    ShowQueue& queue = shows_.try_emplace(show_id, Show{.show_id = show_id}).first->second;
    // First all that goes, then all that comes: within a decision a saga may pass from one session to
    // another.
    for (const SessionChange& session : change.sessions) {
      const Session* before = queue.FindMember(session.session.sequence);
      if (before != nullptr && before->Bound()) bound_.erase(before->saga);
    }
    for (const SessionChange& session : change.sessions) {
      if (session.session.Bound() && !session.forget) {
        bound_[session.session.saga] = {show_id, session.session.sequence};
      }
    }
    places_ -= queue.places();
    queue.Apply(change);
    places_ += queue.places();
  }
}

void WaitingRoom::Seen(int64_t show_id, std::span<const uint64_t> sequences, Timestamp now) {
  const auto found = shows_.find(show_id);
  if (found != shows_.end()) found->second.Seen(sequences, now);
}

void WaitingRoom::SeeEverybody(Timestamp now) {
  for (auto& [show_id, queue] : shows_) queue.SeeEverybody(now);
}

void WaitingRoom::ClockWentBack(Timestamp now) {
  for (auto& [show_id, queue] : shows_) queue.ClockWentBack(now);
}

bool WaitingRoom::HasPeople() const {
  return std::ranges::any_of(
      shows_, [](const auto& show) { return show.second.waiting() > 0 || show.second.active() > 0; });
}

}  // namespace boxoffice::queue
