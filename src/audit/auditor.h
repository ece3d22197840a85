// One audit of the whole system, while it sells.
//
// The services have no common snapshot, so what looks wrong may only be under way. Three things keep that
// apart from a real violation: whatever changed after the audit began is left to the next one; a suspicion is
// read again, three times at least and until the reservation has rested for Patience::settle by one clock,
// and counts only if it stays (of a ledger: for those wallets that it stays for); and a reservation is judged
// only on facts between two readings of the same version of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/collector.h"
#include "audit/event_index.h"
#include "audit/invariants.h"
#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/rpc/host.h"

namespace boxoffice::audit {

struct Patience {
  int readings = 3;         // that must agree before a suspicion is a violation
  milliseconds pause{500};  // before each
  // How long an event may take to the bus: a publisher that died keeps the outbox for the 15 s of its lease,
  // and its follower backs off for up to 5 s.
  milliseconds settle{25'000};
  int max_readings = 75;  // of what does not come to rest; then it is left to the next audit
};

// How much one audit may take on itself; what is beyond it is not judged.
struct Limits {
  size_t memory_mib = 512;   // of all events and all owned seats, which it holds
  size_t suspects = 20'000;  // suspicions that are followed up
};
// The error of an audit that Limits::memory_mib is too small for: that of the next will be the same.
inline constexpr std::string_view kTooLarge = "audit_too_large";

// What an audit may need of its surroundings.
struct Surroundings {
  // Waits; false: the process stops, and the audit ends with the error stopping. Called between readings.
  std::function<bool(milliseconds)> wait;
  // Called after each page and each suspicion that was read again; may wait, in order to leave the machine to
  // the sale. False: as above.
  std::function<bool()> after_page;
};

// Not thread-safe. While it runs it needs about 64 bytes of memory per event, per owned seat and per offer to
// a waitlist; reservations are read page by page.
class Auditor {
 public:
  Auditor(const rpc::ChannelFactory& channels, bus::Bus& bus, const Clock& clock, Surroundings surroundings,
          Bounds bounds = {}, Patience patience = {}, Limits limits = {});

  // Blocks. Errors: of a service or the bus that does not answer, and kTooLarge and too_many_suspicions
  // (Limits), where nothing was found besides (otherwise the verdict says what is Verdict::unread); stopping.
  [[nodiscard]] Result<Verdict> Run();
  // Of memory, that it holds events and seats in; 0 between two audits.
  [[nodiscard]] size_t bytes() const;
  // Run ends soon, also where it waits for what takes minutes; for good. Thread-safe. Surroundings::wait and
  // after_page must say so too.
  void Cancel() { collector_.Cancel(); }

 private:
  // A stream of pages of rows by reservation, read ahead by one page.
  template <typename Row>
  class Stream;
  struct Suspect {
    ReservationId id;
    int agreed = 0;  // readings, of this version
    uint64_t version = 0;
    Timestamp since{};  // the first of these
  };

  Result<Verdict> Judge();
  Result<void> ReadEvents();
  Result<void> RefreshEvents();
  Result<void> ReadSeats();
  Result<ShowFact> ReadShow(int64_t show_id, std::deque<SeatFact>* into);
  Result<void> ReadWaitlists();
  Result<WaitlistFact> ReadWaitlist(int64_t show_id, bool note_offers);
  Result<void> ReadReservations();
  void CheckChunk(std::map<ReservationId, Case>& chunk);
  Result<void> FollowSuspects();
  Result<std::optional<Case>> ReadCase(ReservationId id, const std::vector<SeatFact>& once_owned);
  Result<void> ReadPlaces(Case& facts);
  // What is no matter of one reservation.
  Result<void> FollowLedgers();
  Result<void> FollowRankings();
  Result<void> CheckQueues();
  Result<std::vector<Violation>> CheckRankings();
  Result<void> Confirm(std::vector<Violation> suspicions,
                       const std::function<Result<std::vector<Violation>>()>& again);
  void Report(std::vector<Violation> violations);
  [[nodiscard]] Result<void> Wait(milliseconds how_long);
  // After a page. Errors: stopping; kTooLarge.
  [[nodiscard]] Result<void> GoOn() const;

  Collector collector_;
  bus::Bus& bus_;
  const Clock& clock_;
  const Surroundings surroundings_;
  const Bounds bounds_;
  const Patience patience_;
  const Limits limits_;

  // Of the audit that runs.
  Verdict verdict_;
  std::unique_ptr<EventIndex> events_;
  std::deque<SeatFact> seats_;      // by (show, seat_no)
  std::vector<uint32_t> by_owner_;  // indexes into seats_, by (owner, show, seat_no)
  std::vector<int64_t> shows_;
  struct Offered {
    ReservationId offer;
    PlaceFact place;
  };
  std::vector<Offered> offered_;  // by offer
  std::vector<Suspect> suspects_;
};

}  // namespace boxoffice::audit
