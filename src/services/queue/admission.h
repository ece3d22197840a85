// Who is admitted, and when: by rate and by cap, in the order of joining, and only people who are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "services/queue/draft.h"

namespace boxoffice::queue {

// Places that one round may call, and members that it may find to be over, of all shows together: it is one
// save, which has to be done in time. 100,000 a second at four rounds a second.
inline constexpr size_t kMaxCallsPerRound = 25'000;

// In the order in which it happens.
struct AdmissionDecision {
  ShowDraft::Due over;  // members whose time has ended; their slots are free for this round
  struct Call {
    uint64_t sequence;
    bool admitted;  // otherwise absent, or the token has ended: EXPIRED, without using rate or slot
  };
  std::vector<Call> calls;
  uint64_t head = 0;  // after the calls; places whose people left are passed over
  double credit = 0;  // what is left of the bucket
  size_t steps = 0;   // members that are over, and places that the head has passed
};

// One round of at most `most` steps, pure. After it ACTIVE ≤ cap (unless the cap was lowered below what is
// ACTIVE already: then nobody is admitted), and nobody was called before an earlier, present one: by place. A
// queue that is not OPEN calls nobody; whose token has ended gives up the place there, too, unless it is yet
// to be drawn.
[[nodiscard]] AdmissionDecision DecideAdmission(const ShowDraft& show, size_t most, Timestamp now);

// What a change of settings brings with it, on the draft. A queue that becomes a PREQUEUE commits to `seed`;
// one that no longer is draws the places of those who joined meanwhile. What the old rate has earned stays,
// as far as one second of the new one.
void ChangeSettings(ShowDraft& show, const Settings& after, std::string seed, Timestamp now);

// Opens the queue, if its time has come; then DecideAdmission, and what follows from it, on the draft. How
// many steps it took.
size_t RunAdmission(ShowDraft& show, size_t most, Timestamp now);

// The same for several shows, which share `budget` evenly; what some don't need the others have. Takes from
// `budget` the steps that were taken.
void RunRound(std::vector<ShowDraft*> shows, size_t& budget, Timestamp now);

}  // namespace boxoffice::queue
