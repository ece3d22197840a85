#include "services/queue/draft.h"

#include <algorithm>

#include "base/check.h"

namespace boxoffice::queue {

ShowDraft::ShowDraft(int64_t show_id, const ShowQueue* base, std::span<const Session> loaded)
    : base_(base), loaded_(loaded) {
  if (base_ == nullptr) {
    show_.show_id = show_id;
    return;
  }
  show_ = base_->show();
  pace_ = base_->pace();
  order_ = base_->order();
  waiting_ = base_->waiting();
  active_ = base_->active();
}

SessionChange* ShowDraft::Touch(uint64_t sequence) {
  if (const auto found = touched_.find(sequence); found != touched_.end()) return &found->second.change;
  Session session;
  if (const Session* member = base_ != nullptr ? base_->FindMember(sequence) : nullptr) {
    session = *member;
  } else if (const Waiter* waiter = base_ != nullptr ? base_->FindWaiter(sequence) : nullptr) {
    session = {.show_id = show_.show_id,
               .sequence = sequence,
               .user_id = waiter->user_id,
               .state = SessionState::kWaiting,
               .joined_at = waiter->joined_at,
               .last_seen = waiter->last_seen};
  } else {
    const auto row = std::ranges::lower_bound(loaded_, sequence, {}, &Session::sequence);
    if (row == loaded_.end() || row->sequence != sequence) return nullptr;
    session = *row;
  }
  Touched touched{.change = {.session = std::move(session)}};
  touched.was_member = touched.change.session.Member();
  return &touched_.emplace(sequence, std::move(touched)).first->second.change;
}

SessionChange& ShowDraft::Change(uint64_t sequence, const StoredParts& parts) {
  SessionChange* change = Touch(sequence);
  CHECK(change != nullptr, "show {}: session {} is changed, and there is none", show_.show_id, sequence);
  touched_.at(sequence).changed = true;
  change->parts.row |= parts.row;
  change->parts.binding |= parts.binding;
  changed_ = true;
  durable_ |= change->Durable();
  return *change;
}

const Session* ShowDraft::Find(uint64_t sequence) {
  const SessionChange* change = Touch(sequence);
  return change != nullptr ? &change->session : nullptr;
}

const Session* ShowDraft::FindUser(std::string_view user_id) {
  std::optional<uint64_t> sequence;
  if (!joined_.empty()) {
    if (const auto found = joined_.find(std::string(user_id)); found != joined_.end())
      sequence = found->second;
  }
  if (!sequence && base_ != nullptr) sequence = base_->FindUser(user_id);
  if (!sequence) return nullptr;
  const Session* session = Find(*sequence);
  return session != nullptr && session->Live() ? session : nullptr;
}

std::optional<ShowDraft::Place> ShowDraft::FindPlace(uint64_t sequence) const {
  if (!touched_.empty()) {
    if (const auto found = touched_.find(sequence); found != touched_.end()) {
      const Session& session = found->second.change.session;
      if (session.state != SessionState::kWaiting) return std::nullopt;
      return Place{session.joined_at, session.last_seen};
    }
  }
  const Waiter* waiter = base_ != nullptr ? base_->FindWaiter(sequence) : nullptr;
  return waiter != nullptr ? std::optional(Place{waiter->joined_at, waiter->last_seen}) : std::nullopt;
}

ShowDraft::Due ShowDraft::DueMembers(size_t most, Timestamp now) const {
  Due due;
  if (base_ == nullptr) return due;
  for (const auto& [moment, sequence] : base_->due()) {
    if (moment > now || due.ended.size() + due.forlorn.size() == most) break;
    if (const auto found = touched_.find(sequence); found != touched_.end() && found->second.changed) {
      // Something of this batch was there first: it renewed the session, or ended it.
      const Session& session = found->second.change.session;
      if (session.state != SessionState::kActive || session.active_until > now) continue;
    }
    const bool active = base_->FindMember(sequence)->state == SessionState::kActive;
    (active ? due.ended : due.forlorn).push_back(sequence);
  }
  return due;
}

const Session& ShowDraft::Join(std::string_view user_id, Timestamp now) {
  const uint64_t sequence = ++show_.last_sequence;
  if (waiting_ == 0) pace_.busy_since = now;
  ++waiting_;
  SessionChange& change = touched_[sequence].change;
  change.is_new = true;
  change.session = {.show_id = show_.show_id,
                    .sequence = sequence,
                    .user_id = std::string(user_id),
                    .state = SessionState::kWaiting,
                    .joined_at = now,
                    .last_seen = now};
  joined_.insert_or_assign(change.session.user_id, sequence);
  return Change(sequence, {.row = true}).session;
}

void ShowDraft::See(uint64_t sequence, Timestamp now) {
  const Session* session = Find(sequence);
  if (session->last_seen < now) Change(sequence, {}).session.last_seen = now;
}

void ShowDraft::Admit(uint64_t sequence, Timestamp now) {
  Session& session = Change(sequence, {.row = true}).session;
  CHECK(session.state == SessionState::kWaiting);
  session.state = SessionState::kActive;
  session.admitted_at = now;
  session.active_until = now + kActiveTime;
  --waiting_;
  ++active_;
  ++show_.admitted;
  pace_.admitted.Add(now);
}

void ShowDraft::Renew(uint64_t sequence, Timestamp now) {
  const Session* session = Find(sequence);
  const Timestamp until = RenewedUntil(session->admitted_at, now);
  if (until > session->active_until) Change(sequence, {}).session.active_until = until;
}

void ShowDraft::End(uint64_t sequence, SessionState state, Timestamp now) {
  Session& session = Change(sequence, {.row = true}).session;
  CHECK(session.Live() || (session.Bound() && state == SessionState::kCompleted),
        "show {}: session {} ends twice", show_.show_id, sequence);
  if (session.state == SessionState::kWaiting) --waiting_;
  if (session.state == SessionState::kActive) --active_;
  if (session.state == SessionState::kExpired) --show_.expired;
  ++(state == SessionState::kCompleted ? show_.completed : show_.expired);
  session.state = state;
  session.ended_at = now;
}

void ShowDraft::Leave(uint64_t sequence, Timestamp now) {
  const bool bound = Find(sequence)->Bound();
  End(sequence, SessionState::kExpired, now);
  if (bound) return;  // its purchase may still complete
  --show_.expired;
  ++show_.left;
}

void ShowDraft::Bind(uint64_t sequence, SagaId saga, ReservationId reservation) {
  Session& session = Change(sequence, {.binding = true}).session;
  session.saga = saga;
  session.reservation = reservation;
}

void ShowDraft::Forget(uint64_t sequence) { Change(sequence, {}).forget = true; }

void ShowDraft::Advance(uint64_t head, double credit, Timestamp now) {
  if (head == show_.head_sequence) return;
  CHECK(head > show_.head_sequence && head <= show_.last_sequence, "show {}: the head moved to {}",
        show_.show_id, head);
  pace_.passed.Add(now, static_cast<uint32_t>(head - show_.head_sequence));
  show_.head_sequence = head;
  pace_.credit = credit;
  pace_.credit_at = now;
  changed_ = true;
  durable_ = true;
}

void ShowDraft::RefillFrom(Timestamp now) {
  pace_.credit_at = now;
  changed_ = true;
}

void ShowDraft::Configure(const Settings& settings, double credit, Timestamp now) {
  const bool opens = settings.state == QueueState::kOpen && show_.settings.state != QueueState::kOpen;
  if (opens) pace_.busy_since = now;  // that it stood still says nothing of how fast it will move
  show_.settings = settings;
  pace_.credit = credit;
  pace_.credit_at = now;
  changed_ = true;
  durable_ = true;
}

void ShowDraft::Commit(std::string seed) {
  CHECK(!seed.empty() && show_.draw.seed.empty(), "show {}: a second draw", show_.show_id);
  show_.draw = {.seed = std::move(seed), .first = show_.last_sequence};
  changed_ = true;
  durable_ = true;
}

void ShowDraft::DrawPlaces(Timestamp now) {
  Draw& draw = show_.draw;
  CHECK(!draw.seed.empty() && !draw.Drawn(), "show {}: nothing to draw", show_.show_id);
  draw.entrants = show_.last_sequence - draw.first;
  draw.drawn_at = now;
  order_ = std::make_shared<const auth::Shuffle>(draw.seed, draw.first, draw.entrants);
  drawn_ = true;
  changed_ = true;
  durable_ = true;
}

ShowChange ShowDraft::Take() {
  ShowChange change{.show = show_, .pace = pace_, .order = drawn_ ? order_ : nullptr, .durable = durable_};
  change.sessions.reserve(touched_.size());
  for (auto& [sequence, touched] : touched_) {
    if (!touched.changed) continue;
    touched.change.parts.membership = touched.change.session.Member() != touched.was_member;
    change.sessions.push_back(std::move(touched.change));
  }
  return change;
}

ShowDraft& Draft::Of(int64_t show_id) {
  if (const auto found = shows_.find(show_id); found != shows_.end()) return found->second;
  const auto loaded = std::ranges::equal_range(sessions_, show_id, {}, &Session::show_id);
  return shows_.emplace(show_id, ShowDraft(show_id, room_.Find(show_id), loaded)).first->second;
}

const SagaRecord* Draft::FindRecord(SagaId saga) const {
  if (const auto found = records_.find(saga); found != records_.end()) return &found->second;
  const auto row = std::ranges::lower_bound(sagas_, saga, {}, &SagaRecord::saga);
  return row != sagas_.end() && row->saga == saga ? &*row : nullptr;
}

void Draft::Record(const SagaRecord& record) { records_.insert_or_assign(record.saga, record); }

std::optional<SessionKey> Draft::FindBound(SagaId saga) const {
  if (const auto found = bound_.find(saga); found != bound_.end()) return found->second;
  return room_.FindBound(saga);
}

void Draft::Bind(const SessionKey& key, SagaId saga, ReservationId reservation) {
  ShowDraft& show = Of(key.show_id);
  const Session* session = show.Find(key.sequence);
  if (session->Bound()) bound_[session->saga] = std::nullopt;
  if (!saga.IsNil()) bound_[saga] = key;
  show.Bind(key.sequence, saga, reservation);
}

void Draft::Finish(const SessionKey& key, Timestamp now) {
  ShowDraft& show = Of(key.show_id);
  bound_[show.Find(key.sequence)->saga] = std::nullopt;
  show.End(key.sequence, SessionState::kCompleted, now);
}

Changes Draft::Take() {
  Changes changes;
  for (auto& [show_id, show] : shows_) {
    if (show.Changed()) changes.shows.push_back(show.Take());
  }
  for (auto& [saga, record] : records_) changes.sagas.push_back(record);
  return changes;
}

}  // namespace boxoffice::queue
