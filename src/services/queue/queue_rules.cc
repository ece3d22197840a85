#include "services/queue/queue_rules.h"

#include <utility>

#include <fmt/format.h>

#include "base/sort_unique.h"
#include "services/queue/admission.h"
#include "services/queue/draft.h"
#include "services/queue/pace.h"

namespace boxoffice::queue {
namespace {

SessionAnswer Refuse(std::string_view refusal) { return {.refusal = refusal}; }

template <typename Queue>
double PaceOf(const Queue& queue, Timestamp now) {
  const Settings& settings = queue.show().settings;
  return PacePerS(queue.pace(), queue.active() >= settings.active_cap, queue.waiting() > 0,
                  settings.rate_per_s, now);
}

template <typename Queue>
QueueView Look(const Queue& queue, Timestamp now) {
  return {.show = queue.show(),
          .waiting = queue.waiting(),
          .active = queue.active(),
          .admitted_per_s = MeasuredPerS(queue.pace(), queue.waiting() > 0, now),
          .pace_per_s = PaceOf(queue, now)};
}

// Why a queue is not to be changed like this; empty: it may be.
std::string_view RefuseSettings(const Show& show, const Configure& configure, Timestamp now) {
  const QueueState state = configure.state.value_or(show.settings.state);
  if (configure.opens_at && *configure.opens_at != Timestamp()) {
    if (*configure.opens_at <= now || *configure.opens_at > now + kMaxOpensIn) return kOpensAtOutOfRange;
    if (state == QueueState::kOpen) return kQueueIsOpen;
  }
  const bool commits = state == QueueState::kPrequeue && show.settings.state != QueueState::kPrequeue;
  return commits && !show.draw.seed.empty() ? kQueueDrawn : std::string_view();
}

SessionAnswer Describe(const ShowDraft& show, const Session& session, Timestamp now) {
  const Settings& settings = show.show().settings;
  SessionAnswer answer{.state = session.state,
                       .claims = ClaimsOf(session),
                       .queue_state = settings.state,
                       .opens_at = settings.opens_at};
  if (session.state == SessionState::kWaiting) {
    const uint64_t place = show.PlaceOf(session.sequence);
    const Draw& draw = show.show().draw;
    const bool awaits_draw = draw.Awaits(session.sequence);
    if (!awaits_draw) answer.position = place - show.show().head_sequence;
    if (draw.Placed(session.sequence)) answer.place = place;
    const uint64_t undrawn = awaits_draw ? show.show().last_sequence - draw.first : 0;
    const Estimate estimate =
        EstimateWait(answer.position, PaceOf(show, now), settings.opens_at, now, undrawn);
    answer.eta_s = estimate.eta_s;
    answer.refresh_interval_s = estimate.refresh_interval_s;
    answer.expires_at = answer.claims.expires_at;
  } else if (session.state == SessionState::kActive) {
    answer.refresh_interval_s = ActiveRefreshS(session.active_until, now);
    answer.expires_at = session.active_until;
  }
  return answer;
}

// Decides one command after the other on a draft.
class Rules {
 public:
  Rules(const Rows& rows, Timestamp now)
      : draft_(rows.room, rows.found.sessions, rows.found.sagas),
        unseen_(rows.unseen),
        max_places_(rows.max_places),
        now_(now),
        places_(rows.room.places()) {}

  Outcome operator()(const Join& join) {
    ShowDraft& show = draft_.Of(join.show_id);
    const Session* session = show.FindUser(join.user_id);
    if (session != nullptr) session = Settle(show, *session);
    if (session == nullptr || !session->Live()) {
      if (show.show().settings.state == QueueState::kClosed) return Refuse(kQueueClosed);
      if (show.show().settings.state == QueueState::kOff) return Refuse(kQueueOff);
      if (places_ >= max_places_) return Refuse(kQueueFull);
      ++places_;
      session = &show.Join(join.user_id, now_);
      // Nobody is ahead: there may be a free slot already, and it is this one's turn.
      if (show.waiting() == 1) steps_left_ -= RunAdmission(show, steps_left_, now_);
    } else {
      NoteActivity(show, *session);
    }
    return Describe(show, *session, now_);
  }

  Outcome operator()(const Poll& poll) {
    const auto [refusal, show, session] = Present(poll.ticket, poll.user_id);
    if (!refusal.empty()) return Refuse(refusal);
    NoteActivity(*show, *session);
    return Describe(*show, *session, now_);
  }

  Outcome operator()(const Leave& leave) {
    const auto [refusal, show, session] = Present(leave.ticket, leave.user_id);
    if (!refusal.empty()) return Refuse(refusal);
    if (session->Live()) show->Leave(session->sequence, now_);
    return Describe(*show, *session, now_);
  }

  Outcome operator()(const Bind& bind) {
    const SagaCall& call = bind.call;
    if (const SagaRecord* record = draft_.FindRecord(call.saga)) return Recorded(*record, call);
    if (const auto key = draft_.FindBound(call.saga)) return BoundAlready(*key, bind);
    if (draft_.Of(call.show_id).show().settings.state == QueueState::kOff) return LetIn(call);
    const auto [refusal, show, session] = Present(bind.ticket, call.user_id, call.show_id);
    if (!refusal.empty()) return BindAnswer{BindAnswer::Kind::kRefused, refusal};
    if (session->saga == call.saga) {  // it has completed, and the row is all that remembers it
      return session->reservation == call.reservation
                 ? BindAnswer{BindAnswer::Kind::kDone, {}, session->state}
                 : BindAnswer{BindAnswer::Kind::kMismatch, {}, session->state};
    }
    if (session->Bound() && session->reservation == call.reservation) return MoveOver(*session, call);
    if (session->state != SessionState::kActive) {
      return BindAnswer{BindAnswer::Kind::kRefused, kSessionNotActive, session->state};
    }
    if (session->Bound()) return BindAnswer{BindAnswer::Kind::kRefused, kSessionBusy, session->state};
    draft_.Bind({call.show_id, session->sequence}, call.saga, call.reservation);
    show->Renew(session->sequence, now_);
    return BindAnswer{BindAnswer::Kind::kDone, {}, session->state};
  }

  // Never refused. Leaves the tombstone also where there is nothing to undo.
  Outcome operator()(const Unbind& unbind) {
    const SagaCall& call = unbind.call;
    const SagaRecord* record = draft_.FindRecord(call.saga);
    if (record != nullptr && record->ending == SagaEnding::kUndone) return Done(record->session);
    const auto key = draft_.FindBound(call.saga);
    // A saga that was moved over has given its session away: only the tombstone is written.
    const SessionKey session =
        key.value_or(record != nullptr ? record->session : SessionKey{call.show_id, 0});
    draft_.Record({call.saga, SagaEnding::kUndone, session, call.reservation, now_});
    if (key) {
      draft_.Bind(*key, {}, {});
      Settle(draft_.Of(key->show_id), *draft_.Of(key->show_id).Find(key->sequence));
    }
    return Done(session);
  }

  // Never refused.
  Outcome operator()(const Complete& complete) {
    const SagaCall& call = complete.call;
    const SagaRecord* record = draft_.FindRecord(call.saga);
    if (record != nullptr && record->ending == SagaEnding::kUndone) {
      return BindAnswer{BindAnswer::Kind::kAborted, {}, StateOf(record->session)};
    }
    auto key = draft_.FindBound(call.saga);
    // Moved over: the purchase is the reservation's, whichever of its sagas made it.
    if (!key && record != nullptr) key = record->session;
    if (!key) return BindAnswer{BindAnswer::Kind::kDone, {}, SessionState::kCompleted};
    ShowDraft& show = draft_.Of(key->show_id);
    const Session* session = show.Find(key->sequence);
    if (session != nullptr && session->Bound()) {
      if (session->reservation != call.reservation) {
        return BindAnswer{BindAnswer::Kind::kMismatch, {}, session->state};
      }
      draft_.Finish(*key, now_);
    }
    return BindAnswer{BindAnswer::Kind::kDone, {}, SessionState::kCompleted};
  }

  Outcome operator()(const Heartbeat&) { return Nothing{}; }

  Outcome operator()(const Configure& configure) {
    ShowDraft& show = draft_.Of(configure.show_id);
    const Settings& before = show.show().settings;
    if (const std::string_view refusal = RefuseSettings(show.show(), configure, now_); !refusal.empty()) {
      return QueueView{.show = show.show(), .refusal = refusal};
    }
    Settings after{configure.rate_per_s.value_or(before.rate_per_s),
                   configure.active_cap.value_or(before.active_cap), configure.state.value_or(before.state)};
    // An opening was set for the state in which the queue was to wait for it.
    after.opens_at = configure.opens_at.value_or(after.state == before.state ? before.opens_at : Timestamp());
    if (after != before || show.show().version == 0) ChangeSettings(show, after, configure.seed, now_);
    return Look(show, now_);
  }

  Outcome operator()(const Tick&) {
    if (unseen_) return Nothing{};
    for (const auto& [show_id, queue] : draft_.room().shows()) {
      if (queue.NeedsTick(now_)) draft_.Of(show_id);
    }
    // Those, and the ones that earlier commands of the batch have changed.
    std::vector<ShowDraft*> shows;
    for (auto& [show_id, show] : draft_.shows()) shows.push_back(&show);
    RunRound(std::move(shows), steps_left_, now_);
    return Nothing{};
  }

  Changes Take() { return draft_.Take(); }

 private:
  struct Presented {
    std::string_view refusal;
    ShowDraft* show = nullptr;
    const Session* session = nullptr;
  };

  // The session that a token names, if the token is good for this user (and show).
  Presented Present(const Ticket& ticket, std::string_view user_id, std::optional<int64_t> show_id = {}) {
    if (!ticket.refusal.empty()) return {ticket.refusal};
    const Claims& claims = ticket.claims;
    if (claims.user_id != user_id) return {kTokenWrongUser};
    if (show_id && claims.show_id != *show_id) return {kTokenWrongShow};
    ShowDraft& show = draft_.Of(claims.show_id);
    const Session* session = show.Find(claims.sequence);
    const bool known = session != nullptr && session->user_id == user_id;
    // By the session, not by the text: somebody may have got in since this text was made.
    if (TokenEnded(known ? TokenEnd(*session) : claims.expires_at, now_)) return {kTokenExpired};
    if (!known) return {kTokenUnknown};
    return {{}, &show, Settle(show, *session)};
  }

  // Time alone ends a session; the tick only comes later. Not while no edge is there, by which its user could
  // have renewed it: a saga, which needs none, ends nobody's time either.
  const Session* Settle(ShowDraft& show, const Session& session) {
    const bool over = !unseen_ && session.state == SessionState::kActive && session.active_until <= now_;
    const bool stale =
        session.state == SessionState::kWaiting && TokenEnded(TokenEnd(session.joined_at), now_);
    if (over || stale) show.End(session.sequence, SessionState::kExpired, now_);
    return &session;
  }

  void NoteActivity(ShowDraft& show, const Session& session) {
    if (session.state == SessionState::kWaiting) show.See(session.sequence, now_);
    if (session.state == SessionState::kActive) show.Renew(session.sequence, now_);
  }

  Outcome Recorded(const SagaRecord& record, const SagaCall& call) {
    const SessionState state = StateOf(record.session);
    if (record.ending == SagaEnding::kUndone) return BindAnswer{BindAnswer::Kind::kAborted, {}, state};
    const bool same = record.reservation == call.reservation && record.session.show_id == call.show_id;
    return BindAnswer{same ? BindAnswer::Kind::kDone : BindAnswer::Kind::kMismatch, {}, state};
  }

  // The saga goes on, whatever the token and the session's time say by now.
  Outcome BoundAlready(const SessionKey& key, const Bind& bind) {
    ShowDraft& show = draft_.Of(key.show_id);
    const Session& session = *Settle(show, *show.Find(key.sequence));
    const Claims& claims = bind.ticket.claims;
    const bool same = key.show_id == bind.call.show_id && session.reservation == bind.call.reservation &&
                      session.user_id == bind.call.user_id &&
                      (!bind.ticket.refusal.empty() || SessionKey{claims.show_id, claims.sequence} == key);
    if (!same) return BindAnswer{BindAnswer::Kind::kMismatch, {}, session.state};
    NoteActivity(show, session);
    return BindAnswer{BindAnswer::Kind::kDone, {}, session.state};
  }

  // Where there is no queue; on record, so that it holds for this saga when there is one again.
  Outcome LetIn(const SagaCall& call) {
    draft_.Record({call.saga, SagaEnding::kLetIn, {call.show_id, 0}, call.reservation, now_});
    return BindAnswer{BindAnswer::Kind::kDone, {}, SessionState::kNone};
  }

  // The reservation was let in when its first saga was bound: a later one takes its place, also when the
  // session's time is over, because the buyer may still hold the seats.
  Outcome MoveOver(const Session& session, const SagaCall& call) {
    const SessionKey key{session.show_id, session.sequence};
    draft_.Record({session.saga, SagaEnding::kMoved, key, session.reservation, now_});
    draft_.Bind(key, call.saga, call.reservation);
    NoteActivity(draft_.Of(key.show_id), session);
    return BindAnswer{BindAnswer::Kind::kDone, {}, session.state};
  }

  SessionState StateOf(const SessionKey& key) {
    const Session* session = key.sequence == 0 ? nullptr : draft_.Of(key.show_id).Find(key.sequence);
    return session != nullptr ? session->state : SessionState::kNone;
  }
  Outcome Done(const SessionKey& key) { return BindAnswer{BindAnswer::Kind::kDone, {}, StateOf(key)}; }

  Draft draft_;
  const bool unseen_;
  const uint64_t max_places_;
  const Timestamp now_;
  uint64_t places_;  // with those that this batch has given; those that it calls still count
  size_t steps_left_ = kMaxCallsPerRound;  // of admission, in this batch
};

// Gathers what a command names and memory does not hold.
class KeyGatherer {
 public:
  explicit KeyGatherer(const WaitingRoom& room) : room_(room) {}

  void operator()(const Leave& leave) { Name(leave.ticket); }
  void operator()(const Poll& poll) { Name(poll.ticket); }
  void operator()(const Bind& bind) {
    // While the saga is bound, memory has its session, and the token is not asked for.
    if (Name(bind.call)) Name(bind.ticket);
  }
  void operator()(const Unbind& unbind) { Name(unbind.call); }
  void operator()(const Complete& complete) { Name(complete.call); }
  void operator()(const auto& /*names no token and no saga*/) {}

  Keys Take() {
    SortUnique(keys_.sessions);
    SortUnique(keys_.sagas);
    return std::move(keys_);
  }

 private:
  void Name(const Ticket& ticket) {
    if (!ticket.refusal.empty()) return;
    const ShowQueue* queue = room_.Find(ticket.claims.show_id);
    const uint64_t sequence = ticket.claims.sequence;
    if (queue == nullptr || sequence > queue->show().last_sequence) return;
    if (queue->FindWaiter(sequence) != nullptr || queue->FindMember(sequence) != nullptr) return;
    keys_.sessions.push_back({ticket.claims.show_id, sequence});
  }
  bool Name(const SagaCall& call) {
    if (room_.FindBound(call.saga)) return false;
    keys_.sagas.push_back({call.saga, call.show_id});
    return true;
  }

  const WaitingRoom& room_;
  Keys keys_;
};

}  // namespace

QueueView ViewOf(const ShowQueue& queue, Timestamp now) { return Look(queue, now); }

Result<void> CheckSettings(const Configure& configure) {
  const auto refuse = [](std::string detail) {
    return Fail(Code::kInvalidArgument, "invalid_field", std::move(detail));
  };
  const auto& rate = configure.rate_per_s;
  if (rate && !(*rate >= kMinRatePerS && *rate <= kMaxRatePerS)) {  // so that NaN is refused
    return refuse(fmt::format("rate_per_s: must be in {} to {}", kMinRatePerS, kMaxRatePerS));
  }
  const auto& cap = configure.active_cap;
  if (cap && (*cap < kMinActiveCap || *cap > kMaxActiveCap)) {
    return refuse(fmt::format("active_cap: must be in {} to {}", kMinActiveCap, kMaxActiveCap));
  }
  return {};
}

Keys KeysOf(const WaitingRoom& room, std::span<const Command> commands) {
  KeyGatherer gatherer(room);
  for (const Command& command : commands) std::visit(gatherer, command);
  return gatherer.Take();
}

Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now) {
  Rules rules(rows, now);
  Decision decision;
  decision.outcomes.reserve(commands.size());
  for (const Command& command : commands) decision.outcomes.push_back(std::visit(rules, command));
  decision.changes = rules.Take();
  return decision;
}

}  // namespace boxoffice::queue
