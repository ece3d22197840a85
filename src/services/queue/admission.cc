#include "services/queue/admission.h"

#include <utility>

namespace boxoffice::queue {

AdmissionDecision DecideAdmission(const ShowDraft& show, Timestamp now) {
  AdmissionDecision decision;
  decision.over = show.DueMembers(now);
  const Settings& settings = show.show().settings;
  const bool open = settings.state == QueueState::kOpen;
  uint64_t active = show.active() - decision.over.ended.size();
  decision.credit = CreditAt(show.pace(), settings.rate_per_s, now);
  decision.head = show.show().head_sequence;
  const Draw& draw = show.show().draw;
  const uint64_t last = draw.Awaits(show.show().last_sequence) ? draw.first : show.show().last_sequence;
  for (size_t step = 0; step < kMaxCallsPerRound && decision.head < last; ++step) {
    const uint64_t sequence = show.SequenceAt(decision.head + 1);
    const auto place = show.FindPlace(sequence);
    if (place && TokenEnded(TokenEnd(place->joined_at), now)) {
      decision.calls.push_back({sequence, false});
    } else if (place) {
      if (!open || active >= settings.active_cap || decision.credit < 1) break;
      const bool present = now - place->last_seen <= kPresence;
      decision.calls.push_back({sequence, present});
      if (present) {
        ++active;
        decision.credit -= 1;
      }
    }
    ++decision.head;
  }
  return decision;
}

void ChangeSettings(ShowDraft& show, const Settings& after, std::string seed, Timestamp now) {
  const Settings before = show.show().settings;
  const Pace settled{.credit = CreditAt(show.pace(), before.rate_per_s, now), .credit_at = now};
  show.Configure(after, CreditAt(settled, after.rate_per_s, now), now);
  if (before.state == after.state) return;
  if (before.state == QueueState::kPrequeue) show.DrawPlaces(now);
  if (after.state == QueueState::kPrequeue) show.Commit(std::move(seed));
}

void RunAdmission(ShowDraft& show, Timestamp now) {
  if (Settings settings = show.show().settings;
      settings.opens_at != Timestamp() && settings.opens_at <= now) {
    settings.state = QueueState::kOpen;
    settings.opens_at = {};
    ChangeSettings(show, settings, {}, now);
  }
  if (show.pace().credit_at - now > kClockStep) show.RefillFrom(now);
  const AdmissionDecision decision = DecideAdmission(show, now);
  for (const uint64_t sequence : decision.over.ended) show.End(sequence, SessionState::kExpired, now);
  for (const uint64_t sequence : decision.over.forlorn) show.Forget(sequence);
  for (const AdmissionDecision::Call& call : decision.calls) {
    if (call.admitted) {
      show.Admit(call.sequence, now);
    } else {
      show.End(call.sequence, SessionState::kExpired, now);
    }
  }
  show.Advance(decision.head, decision.credit, now);
}

}  // namespace boxoffice::queue
