#include "services/queue/admission.h"

#include <algorithm>
#include <utility>

namespace boxoffice::queue {

AdmissionDecision DecideAdmission(const ShowDraft& show, size_t most, Timestamp now) {
  AdmissionDecision decision;
  decision.over = show.DueMembers(most, now);
  decision.steps = decision.over.ended.size() + decision.over.forlorn.size();
  const Settings& settings = show.show().settings;
  const bool open = settings.state == QueueState::kOpen;
  uint64_t active = show.active() - decision.over.ended.size();
  decision.credit = CreditAt(show.pace(), settings.rate_per_s, now);
  decision.head = show.show().head_sequence;
  const Draw& draw = show.show().draw;
  const uint64_t last = draw.Awaits(show.show().last_sequence) ? draw.first : show.show().last_sequence;
  for (; decision.steps < most && decision.head < last; ++decision.steps) {
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

size_t RunAdmission(ShowDraft& show, size_t most, Timestamp now) {
  if (Settings settings = show.show().settings;
      settings.opens_at != Timestamp() && settings.opens_at <= now) {
    settings.state = QueueState::kOpen;
    settings.opens_at = {};
    ChangeSettings(show, settings, {}, now);
  }
  if (show.pace().credit_at - now > kClockStep) show.RefillFrom(now);
  const AdmissionDecision decision = DecideAdmission(show, most, now);
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
  return decision.steps;
}

void RunRound(std::vector<ShowDraft*> shows, size_t& budget, Timestamp now) {
  while (!shows.empty()) {
    const size_t share = std::max<size_t>(budget / shows.size(), 1);
    std::erase_if(shows, [&](ShowDraft* show) {
      const size_t most = std::min(share, budget);
      const size_t steps = RunAdmission(*show, most, now);
      budget -= steps;
      return steps < most || budget == 0;  // it needs no more, or there is no more
    });
  }
}

}  // namespace boxoffice::queue
