// The invariants of failure-semantics §3, as a pure function over facts. Each violation is named, with the
// ids that it is about. How facts are gathered while the system sells, and when a suspicion counts, is
// auditor.h's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/facts.h"
#include "base/clock.h"

namespace boxoffice::audit {

// By their number in failure-semantics §3. What no look at the services' state can tell is left to tests: 12
// (answers to repeated requests) and 14 (traces).
enum class Invariant : int {
  kLedgerBalanced = 1,
  kDebitOnce = 2,
  kPaymentOnce = 3,
  kSeatSoldOnce = 4,
  kConfirmedComplete = 5,
  kEndedClean = 6,
  kConfirmedKept = 7,
  kStateEdges = 8,
  kNothingOrphaned = 9,
  kEventsPublished = 10,
  kProjectionsEqual = 11,
  kAdmissionAndLimits = 13,
  // Besides those: a show that is cancelled has nothing sold, unless its cancellation is under way.
  kCancelledRefunded = 15,
  // And an offer to a waitlist is one place's, which says what has become of it; a user has one place, and
  // seats are kept for nobody else than who waits.
  kWaitlistKept = 16,
};
inline constexpr Invariant kInvariants[] = {
    Invariant::kLedgerBalanced,    Invariant::kDebitOnce,         Invariant::kPaymentOnce,
    Invariant::kSeatSoldOnce,      Invariant::kConfirmedComplete, Invariant::kEndedClean,
    Invariant::kConfirmedKept,     Invariant::kStateEdges,        Invariant::kNothingOrphaned,
    Invariant::kEventsPublished,   Invariant::kProjectionsEqual,  Invariant::kAdmissionAndLimits,
    Invariant::kCancelledRefunded, Invariant::kWaitlistKept,
};
// "ledger_balanced", "debit_once", …: stable; what scripts and alerts match.
[[nodiscard]] std::string_view InvariantName(Invariant invariant);

struct Violation {
  Invariant invariant{};
  std::vector<std::string> ids;  // "reservation:0189…", "show:7", "seat:7/12", "user:mina", "currency:KRW"
  std::string detail;            // for people
  bool operator==(const Violation&) const = default;
};

// How long things may be on their way before they count as lost.
struct Bounds {
  // From the start of a saga, or an operator's retry: its deadline of 60 s, the 15 min until it parks, and a
  // minute.
  milliseconds unfinished_saga{17 * 60'000};
  // How long after that start or retry a saga's deadline is.
  milliseconds saga_deadline{60'000};
  // From the end of a hold until nothing of it is on record any more (while no saga works on it).
  milliseconds ended_hold{60'000};
  // How far the clocks of two services may be apart: what a hold that ends within this has lost already may
  // have ended there.
  milliseconds clock_skew{30'000};
  // Until a place on a waitlist says what has become of its offer, and nothing is kept for a waitlist that
  // nobody is on: a look is a second after the other, but waits for the seat service.
  milliseconds look_at_waitlist{5 * 60'000};
};

// Violations in `facts`, in their order. A reservation whose saga has not ended is only held to what is true
// at any moment: 2, 3, 8 and 9.
[[nodiscard]] std::vector<Violation> Check(const Facts& facts, Timestamp now, const Bounds& bounds);
// The same of one reservation.
[[nodiscard]] std::vector<Violation> CheckCase(const Case& facts, Timestamp now, const Bounds& bounds);
// Whether its saga has gone on for too long: true at any moment, also of one that never rests.
[[nodiscard]] bool IsOverdue(const ReservationFact& reservation, Timestamp now, const Bounds& bounds);

// What an audit found. `checked` counts what was looked at, by kind ("reservations", "seats", …).
struct Verdict {
  bool ok = true;
  std::map<std::string, int64_t> checked;
  std::vector<Violation> violations;  // at most kMaxViolations; checked["violations"] has their number
  Timestamp at{};                     // when it was begun
  milliseconds took{0};
  milliseconds waited{0};  // of it, between two readings, which is no work
  // What could not be read, and why: what rests on it was not judged. Then there are violations.
  std::vector<std::string> unread;
};
inline constexpr size_t kMaxViolations = 1000;

}  // namespace boxoffice::audit
